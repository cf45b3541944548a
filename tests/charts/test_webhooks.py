"""Charts and certificates meet by name only: Secrets, services and annotations must agree."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from components.linkerd import namespace_selector
from tests.charts import helm
from tests.charts.program import STACKS, evaluate

MESH = ("linkerd-control-plane", "linkerd-viz")
INJECT = "cert-manager.io/inject-ca-from"
# cert-manager's webhook certificate is its own, in a Secret that it makes when it starts.
INJECT_SECRET = "cert-manager.io/inject-ca-from-secret"  # noqa: S105
# External Secrets has a controller of its own for this, and finds its webhooks by the label.
OWN_CONTROLLER = ("external-secrets.io/component", "webhook")
WITH_WEBHOOKS = ("cert-manager", "trust-manager", "external-secrets", *MESH)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", WITH_WEBHOOKS)
def test_no_webhook_has_a_ca_of_its_own(stack: str, name: str) -> None:
    """A caBundle in the chart and one from cainjector would overwrite each other for ever."""
    found = _webhooks(stack, name)
    assert found
    for manifest in found:
        for config in _client_configs(manifest):
            assert "caBundle" not in config
        metadata = manifest["metadata"]
        injected = (metadata.get("annotations") or {}).keys() & {INJECT, INJECT_SECRET}
        assert injected or OWN_CONTROLLER in (metadata.get("labels") or {}).items()


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", MESH)
def test_each_linkerd_webhook_names_a_certificate_of_ours_for_its_service(
    stack: str, name: str
) -> None:
    """A CA from another certificate, or a certificate for another host, fails every admission."""
    certificates = _certificates(stack)
    for manifest in _webhooks(stack, name):
        certificate = certificates[manifest["metadata"]["annotations"][INJECT]]
        for config in _client_configs(manifest):
            service = config["service"]
            assert certificate["dnsNames"] == [f"{service['name']}.{service['namespace']}.svc"]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", MESH)
def test_each_secret_that_linkerd_mounts_is_made_by_a_certificate_of_ours(
    stack: str, name: str
) -> None:
    """A pod whose Secret has another name waits for ever in ContainerCreating."""
    made = {f"{key.split('/')[0]}/{c['secretName']}" for key, c in _certificates(stack).items()}
    rendered = _rendered(stack, name)
    mounted = set(_mounted(rendered))
    in_chart = {f"{ns}/{n}" for kind, ns, n in rendered if kind == "Secret"}
    assert mounted
    assert mounted - in_chart <= made
    # A Secret in the chart would have two owners.
    assert not in_chart & made


@pytest.mark.parametrize("stack", STACKS)
def test_each_certificate_of_ours_is_used(stack: str) -> None:
    """A certificate that nothing mounts is renewed and watched for nothing."""
    mounted = {m for name in MESH for m in _mounted(_rendered(stack, name))}
    # These two sign: Vault's answer is read by Linkerd's identity through the API.
    signing = {"cert-manager/linkerd-webhook-ca", "linkerd/linkerd-identity-issuer"}
    made = {f"{key.split('/')[0]}/{c['secretName']}" for key, c in _certificates(stack).items()}
    assert made - signing <= mounted


@pytest.mark.parametrize("stack", STACKS)
def test_the_policy_validator_gets_a_pkcs8_key(stack: str) -> None:
    """It is the one server in Rust, and reads no other encoding."""
    certificates = _certificates(stack)
    encodings = {
        key: certificate["privateKey"].get("encoding")
        for key, certificate in certificates.items()
        if key.endswith("-k8s-tls")
    }
    assert encodings.pop("linkerd/linkerd-policy-validator-k8s-tls") == "PKCS8"
    assert set(encodings.values()) == {"PKCS1"}


@pytest.mark.parametrize("stack", STACKS)
def test_the_trust_roots_are_not_in_the_chart(stack: str) -> None:
    """The Bundle owns the ConfigMap; the chart must mount it and not make it."""
    rendered = _rendered(stack, "linkerd-control-plane")
    bundles = evaluate(stack).of_kind("Bundle")
    name = bundles[0]["metadata"]["name"]
    assert ("ConfigMap", "linkerd", name) not in rendered
    identity = helm.pod_spec(rendered["Deployment", "linkerd", "linkerd-identity"])
    volumes = [v["configMap"]["name"] for v in identity["volumes"] if "configMap" in v]
    assert name in volumes


def _rendered(stack: str, name: str) -> dict[helm.Key, helm.Manifest]:
    use = evaluate(stack).charts[name]
    return helm.objects(helm.text_of(use, helm.archive(use)))


def _webhooks(stack: str, name: str) -> list[helm.Manifest]:
    kinds = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService")
    return [m for key, m in _rendered(stack, name).items() if key[0] in kinds]


def _client_configs(manifest: helm.Manifest) -> list[dict[str, Any]]:
    if manifest["kind"] == "APIService":
        return [manifest["spec"]]
    return [webhook["clientConfig"] for webhook in manifest["webhooks"]]


def _certificates(stack: str) -> dict[str, dict[str, Any]]:
    return {
        f"{obj['metadata']['namespace']}/{obj['metadata']['name']}": obj["spec"]
        for obj in evaluate(stack).of_kind("Certificate")
    }


def _mounted(rendered: dict[helm.Key, helm.Manifest]) -> list[str]:
    return [
        f"{key[1]}/{volume['secret']['secretName']}"
        for key, manifest in rendered.items()
        if key[0] in ("Deployment", "DaemonSet", "StatefulSet", "CronJob")
        for volume in helm.pod_spec(manifest).get("volumes") or []
        if "secret" in volume
    ]


def test_public_reports_the_injectors_selector_keeps_the_charts_expressions() -> None:
    """A list of values replaces the chart's: what it excludes by itself must be in ours."""
    use = evaluate("production").charts["linkerd-control-plane"]
    chart = helm.archive(use)
    theirs = yaml.safe_load(helm.files_of(chart)["linkerd-control-plane/values.yaml"])
    ours = namespace_selector(())["matchExpressions"]
    wanted = theirs["proxyInjector"]["namespaceSelector"]["matchExpressions"]
    assert _by_key(ours) == _by_key(wanted)


def _by_key(expressions: list[dict[str, Any]]) -> dict[str, tuple[str, list[str]]]:
    return {each["key"]: (each["operator"], sorted(each["values"])) for each in expressions}
