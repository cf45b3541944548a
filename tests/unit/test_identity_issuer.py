"""The identity issuer: an intermediate CA that Linkerd takes, signed inside Vault."""

from __future__ import annotations

from typing import Any

import pytest

from components.base import KubernetesObject
from components.identity_issuer import (
    IdentityIssuer,
    IdentityIssuerArgs,
    certificate,
    cluster_issuer,
    cluster_issuer_name,
    key_secret,
    key_store,
    token_grant,
)
from components.names import Operators
from components.vault import service_account
from tests.recorder import record
from tests.unit.crd_schemas import faults
from tests.unit.samples import arguments, made


def args(**changes: object) -> IdentityIssuerArgs:
    """The sample's arguments."""
    found = arguments()[IdentityIssuer].model_copy(update=changes)
    assert isinstance(found, IdentityIssuerArgs)
    return found


def vault(**changes: object) -> dict[str, Any]:
    """The Vault part of the ClusterIssuer."""
    return dict(cluster_issuer(args(**changes))["spec"]["vault"])


def test_vault_signs_an_intermediate_with_the_signing_generation() -> None:
    """`sign/<role>` makes leaves, `root/sign-intermediate` takes whichever root is the default."""
    assert vault()["path"] == "linkerd/pki/issuer/anchor-2/sign-intermediate"


def test_another_generation_is_another_issuer() -> None:
    """cert-manager re-issues when the reference changes, not when the issuer's inside does."""
    assert cluster_issuer_name("a") != cluster_issuer_name("b")
    manifest = certificate(args(signing="anchor-3"))
    assert manifest["spec"]["issuerRef"]["name"] == "linkerd-identity-issuer-anchor-3"
    assert cluster_issuer(args(signing="anchor-3"))["metadata"]["name"].endswith("-anchor-3")


def test_the_login_is_by_a_short_token_for_vault() -> None:
    """A token of cert-manager's own account would do far more than sign."""
    login = vault()["auth"]["kubernetes"]
    assert login["mountPath"] == "/v1/auth/kubernetes/test"
    assert login["serviceAccountRef"] == {
        "name": "linkerd-identity-issuer-vault",
        "audiences": list(args().audiences),
    }
    assert "secretRef" not in login


def test_cert_manager_may_ask_for_that_token_alone() -> None:
    """Without the resource name it could become any account of its namespace."""
    grant = token_grant(Operators())
    (rule,) = grant["token-role"]["rules"]
    assert rule == {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": ["linkerd-identity-issuer-vault"],
        "verbs": ["create"],
    }
    assert grant["token-role-binding"]["subjects"] == [
        {"kind": "ServiceAccount", "name": "cert-manager", "namespace": "cert-manager"}
    ]


def test_the_certificate_is_what_linkerd_identity_takes() -> None:
    """It refuses other keys, and Go's verifier a chain without `server auth`."""
    spec = certificate(args())["spec"]
    assert spec["isCA"] is True
    assert spec["commonName"] == "identity.linkerd.cluster.local"
    assert spec["privateKey"] == {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}
    assert {"cert sign", "crl sign", "server auth", "client auth"} == set(spec["usages"])
    assert spec["secretName"] == "linkerd-identity-issuer"
    assert (spec["duration"], spec["renewBefore"]) == ("48h0m0s", "25h0m0s")


def test_optional_parts_of_vault_are_left_out() -> None:
    """An empty namespace is sent as a header, and refused."""
    assert {"caBundle", "namespace"} <= set(vault())
    assert not {"caBundle", "namespace"} & set(vault(vault_ca_pem=None, vault_namespace=None))
    assert faults(cluster_issuer(args(vault_ca_pem=None, vault_namespace=None))) == []


def test_the_certificate_waits_for_the_issuer_and_that_for_its_grants() -> None:
    """cert-manager waits five minutes after a failed login before it tries again."""
    recording = made(IdentityIssuer)
    issuer = recording.named("x-linkerd-identity-issuer-anchor-2")
    final = recording.named("x-certificate")
    assert recording.comes_after(final, issuer)
    for grant in token_grant(Operators()):
        assert recording.comes_after(issuer, recording.named(f"x-{grant}"))
    for resource in (issuer, final):
        waits = resource.inputs["metadata"]["annotations"]["pulumi.com/waitFor"]
        assert waits == "condition=Ready"


def test_in_the_clusters_custody_cert_manager_signs_with_a_key_from_vault() -> None:
    """A ClusterIssuer looks for its Secret in cert-manager's namespace, and takes a TLS one."""
    changed = args(custody="cluster")
    key = key_secret(changed)
    assert key["metadata"]["namespace"] == "cert-manager"
    assert key["spec"]["target"]["template"] == {"type": "kubernetes.io/tls"}
    issuer = cluster_issuer(changed)
    assert issuer["spec"] == {"ca": {"secretName": key["spec"]["target"]["name"]}}
    assert faults(key) == faults(issuer) == []
    store = key_store(args(custody="cluster", role="reads-the-key"))
    assert faults(store) == []
    assert store["metadata"] == {
        "name": key["spec"]["secretStoreRef"]["name"],
        "namespace": key["metadata"]["namespace"],
    }
    login = store["spec"]["provider"]["vault"]["auth"]["kubernetes"]
    assert login["role"] == "reads-the-key"
    assert login["serviceAccountRef"]["name"] == "linkerd-trust-anchor-key-vault"
    # An account of another namespace would be refused by External Secrets.
    assert "namespace" not in login["serviceAccountRef"]
    assert {d["secretKey"]: d["remoteRef"] for d in key["spec"]["data"]} == {
        name: {"key": "anchor-keys/anchor-2", "property": name} for name in ("tls.crt", "tls.key")
    }


def test_both_custodies_issue_the_same_certificate() -> None:
    """What Linkerd reads must not tell who signed."""
    assert certificate(args(custody="cluster")) == certificate(args(custody="vault"))


def test_in_the_clusters_custody_nobody_may_ask_for_a_login_token() -> None:
    """There is nothing to log in for."""
    recording = made(IdentityIssuer, custody="cluster")
    assert recording.of_kind(":Role") == recording.of_kind(":RoleBinding") == []
    issuer = recording.named("x-linkerd-identity-issuer-anchor-2")
    key = recording.named("x-linkerd-trust-anchor-anchor-2-key")
    store = recording.named("x-linkerd-trust-anchor-key")
    assert recording.comes_after(issuer, key)
    assert recording.comes_after(key, store)
    assert store.inputs["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}
    assert key.inputs["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}


@pytest.mark.parametrize("custody", ["vault", "cluster"])
def test_the_signer_is_waited_for_in_both_custodies(custody: str) -> None:
    """On a first install store, login and anchor are not there yet, nor is the kind of a key."""

    def body() -> None:
        signer = KubernetesObject("signer", service_account("signer", "ns"))
        IdentityIssuer("x", args(custody=custody), [signer])

    recording = record(body)
    later = [
        recording.named("x-linkerd-identity-issuer-anchor-2"),
        recording.named("x-certificate"),
    ]
    later += [*recording.of_kind(":ExternalSecret"), *recording.of_kind(":SecretStore")]
    assert len(later) == (4 if custody == "cluster" else 2)
    for resource in later:
        assert recording.comes_after(resource, recording.named("signer")), resource.name
