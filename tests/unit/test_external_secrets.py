"""External Secrets: HA, nothing that is not used, and a store that few may use."""

from __future__ import annotations

import base64
from typing import Any

from components.external_secrets import (
    ExternalSecrets,
    ExternalSecretsArgs,
    external_secret,
    secret_store,
    values,
)
from tests.unit.crd_schemas import faults
from tests.unit.samples import arguments, made
from tests.unit.stack_files import certificate

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "externalSecrets.install": False,
    "externalSecrets.replicas": 3,
    "externalSecrets.refreshInterval": "5m",
}
ELSEWHERE = {"externalSecrets.namespace": "test_owners.py"}


def args(**changes: object) -> ExternalSecretsArgs:
    """The sample's arguments."""
    found = arguments()[ExternalSecrets].model_copy(update=changes)
    assert isinstance(found, ExternalSecretsArgs)
    return found


def test_operator_and_webhook_are_ha_and_leases_are_on() -> None:
    """Two operators without a leader write each Secret twice."""
    made_ = values(2)
    assert made_["replicaCount"] == made_["webhook"]["replicaCount"] == 2
    assert made_["leaderElect"] is True
    assert made_["podDisruptionBudget"] == {"enabled": True, "minAvailable": 1}
    assert values(1)["leaderElect"] is False
    assert values(1)["podDisruptionBudget"]["enabled"] is False


def test_what_is_not_used_is_off() -> None:
    """A ClusterExternalSecret could copy any entry into every namespace."""
    made_ = values(2)
    for key in ("ExternalSecret", "PushSecret", "Generator"):
        assert made_[f"processCluster{key}"] is False


def test_the_store_serves_only_the_namespaces_that_use_it() -> None:
    """Whoever may make an ExternalSecret there reads what the store reads."""
    spec = secret_store(args(namespaces=("cert-manager", "linkerd-buoyant")))["spec"]
    assert spec["conditions"] == [{"namespaces": ["cert-manager", "linkerd-buoyant"]}]


def test_the_store_logs_in_with_a_token_for_vault_alone() -> None:
    """A token without an audience is good at the API server as well."""
    vault = secret_store(args())["spec"]["provider"]["vault"]
    login = vault["auth"]["kubernetes"]
    assert login["mountPath"] == "kubernetes/test"
    assert login["serviceAccountRef"]["audiences"] == list(args().audiences)
    assert login["serviceAccountRef"]["namespace"] == "external-secrets"
    assert vault["version"] == "v2"
    assert base64.b64decode(vault["caBundle"]).decode() == certificate()


def test_what_vault_does_not_need_is_left_out() -> None:
    """An empty caBundle is not the system's authorities, it is an error."""
    vault = secret_store(args(vault_ca_pem=None, vault_namespace=None))["spec"]["provider"]["vault"]
    assert "caBundle" not in vault
    assert "namespace" not in vault
    assert faults(secret_store(args(vault_ca_pem=None, vault_namespace=None))) == []


def test_a_secret_outlives_its_entry_but_not_its_external_secret() -> None:
    """A Vault that answers `not found` must not take the trust anchor away."""
    manifest = external_secret("a", "ns", "path/a", {"ca.crt": "certificate"}, "10m0s", {"l": "1"})
    assert faults(manifest) == []
    target = manifest["spec"]["target"]
    assert (target["creationPolicy"], target["deletionPolicy"]) == ("Owner", "Retain")
    assert target["template"] == {"metadata": {"labels": {"l": "1"}}}
    assert manifest["spec"]["data"] == [
        {"secretKey": "ca.crt", "remoteRef": {"key": "path/a", "property": "certificate"}}
    ]


def test_a_secret_has_a_type_where_its_reader_wants_one() -> None:
    """cert-manager takes a CA from a TLS Secret; a type cannot be changed afterwards."""
    manifest = external_secret("a", "ns", "p", {"tls.key": "k"}, "1m0s", None, "x/tls")
    assert manifest["spec"]["target"]["template"] == {"type": "x/tls"}
    plain = external_secret("a", "ns", "p", {"tls.key": "k"}, "1m0s")
    assert "template" not in plain["spec"]["target"]
    both = external_secret("a", "ns", "p", {"k": "k"}, "1m0s", {"l": "1"}, "x/tls")
    assert both["spec"]["target"]["template"] == {
        "metadata": {"labels": {"l": "1"}},
        "type": "x/tls",
    }
    for made_ in (manifest, plain, both):
        assert faults(made_) == []


def test_the_store_waits_for_the_operator() -> None:
    """Its webhook refuses the store while nobody answers."""
    recording = made(ExternalSecrets)
    store = recording.named("x-linkerd-platform-vault")
    assert store.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"
    for earlier in ("x-external-secrets", "x-external-secrets-crds"):
        assert recording.comes_after(store, recording.named(earlier))
