"""Certificates of the webhooks, from a CA that signs nothing else."""

from __future__ import annotations

import itertools

import pytest

from components.webhook_certificates import (
    CONTROL_PLANE_WEBHOOKS,
    VIZ_WEBHOOKS,
    WebhookCertificates,
    WebhookCertificatesArgs,
    ca_certificate,
    ca_issuer,
    certificate,
    from_cert_manager,
    self_signed_issuer,
)
from tests.unit.crd_schemas import faults
from tests.unit.samples import LIFETIMES, made

ARGS = WebhookCertificatesArgs(viz=True, **LIFETIMES)


def test_each_webhook_has_the_secret_that_its_chart_mounts() -> None:
    """The names are fixed in the charts."""
    assert {
        f"{service}-k8s-tls": service
        for service in (
            "linkerd-proxy-injector",
            "linkerd-sp-validator",
            "linkerd-policy-validator",
        )
    } == CONTROL_PLANE_WEBHOOKS
    assert VIZ_WEBHOOKS == {"tap-k8s-tls": "tap", "tap-injector-k8s-tls": "tap-injector"}


@pytest.mark.parametrize("service", [*CONTROL_PLANE_WEBHOOKS.values(), *VIZ_WEBHOOKS.values()])
def test_a_certificate_is_for_the_name_that_the_api_server_calls(service: str) -> None:
    """The API server verifies `<service>.<namespace>.svc`."""
    manifest = certificate(ARGS, "s", service, "ns")
    assert faults(manifest) == []
    assert manifest["spec"]["dnsNames"] == [f"{service}.ns.svc"]
    assert manifest["spec"]["usages"] == ["server auth"]
    assert "isCA" not in manifest["spec"]


def test_only_the_policy_validator_has_a_pkcs8_key() -> None:
    """It is written in Rust, and reads no other encoding (linkerd2#7963)."""
    encodings = {
        service: certificate(ARGS, "s", service, "ns")["spec"]["privateKey"]["encoding"]
        for service in [*CONTROL_PLANE_WEBHOOKS.values(), *VIZ_WEBHOOKS.values()]
    }
    assert {s for s, e in encodings.items() if e == "PKCS8"} == {"linkerd-policy-validator"}


def test_every_key_is_new_at_each_renewal() -> None:
    """The default changed at cert-manager 1.18: set, no upgrade surprises."""
    for manifest in (ca_certificate(ARGS), certificate(ARGS, "s", "tap", "ns")):
        assert manifest["spec"]["privateKey"]["rotationPolicy"] == "Always"
        assert manifest["spec"]["revisionHistoryLimit"] == 3


def test_the_ca_lies_where_a_cluster_issuer_looks() -> None:
    """In another namespace the ClusterIssuer never becomes ready."""
    ca = ca_certificate(ARGS)
    assert ca["metadata"]["namespace"] == "cert-manager"
    assert ca["spec"]["isCA"] is True
    assert ca_issuer()["spec"]["ca"]["secretName"] == ca["spec"]["secretName"]
    assert ca["spec"]["issuerRef"]["name"] == self_signed_issuer()["metadata"]["name"]


def test_the_webhook_ca_is_not_the_trust_anchor() -> None:
    """An identity signed by the webhooks' CA must be worth nothing."""
    assert "identity" not in ca_certificate(ARGS)["spec"]["commonName"]
    assert ca_issuer()["metadata"]["name"] != "linkerd-identity-issuer"


def test_the_chart_makes_no_certificate_when_it_renders() -> None:
    """It would make another one at each preview."""
    assert from_cert_manager("s", "ns") == {"externalSecret": True, "injectCaFrom": "ns/s"}


def test_without_viz_there_are_no_certificates_for_it() -> None:
    """Their namespace would not be there."""
    names = [
        r.inputs["metadata"]["namespace"] for r in made(WebhookCertificates).of_kind(":Certificate")
    ]
    assert sorted(names) == ["cert-manager", *["linkerd"] * 3, *["linkerd-viz"] * 2]
    without = made(WebhookCertificates, viz=False).of_kind(":Certificate")
    assert len(without) == 4


def test_each_step_waits_for_the_one_before() -> None:
    """A Certificate of an issuer that is not ready waits for minutes."""
    recording = made(WebhookCertificates)
    chain = [
        "x-linkerd-webhook-self-signed",
        "x-ca",
        "x-issuer",
        "x-linkerd-proxy-injector-k8s-tls",
    ]
    for earlier, later in itertools.pairwise(chain):
        assert recording.comes_after(recording.named(later), recording.named(earlier))
    for resource in recording.resources:
        if "apiVersion" in resource.inputs:
            waits = resource.inputs["metadata"]["annotations"]["pulumi.com/waitFor"]
            assert waits == "condition=Ready"
