"""Logging in to Vault: a mount per cluster, a role per operator, and little to be had by it."""

from __future__ import annotations

from components.names import ANCHOR_ROLE, ISSUER_ROLE, KEY_ROLE, STORE_ROLE
from components.vault import auth_delegator, service_account
from components.vault_auth import VaultAuth
from tests.unit.samples import made


def test_each_operator_has_a_role_bound_to_one_account() -> None:
    """One role for all would let External Secrets sign intermediates."""
    recording = made(VaultAuth)
    roles = {r.inputs["roleName"]: r.inputs for r in recording.of_kind(":AuthBackendRole")}
    assert set(roles) == {ISSUER_ROLE, STORE_ROLE}
    issuer, store = roles[ISSUER_ROLE], roles[STORE_ROLE]
    assert issuer["boundServiceAccountNamespaces"] == ["cert-manager"]
    assert issuer["tokenPolicies"] == ["linkerd-sign-anchor-2"]
    assert store["boundServiceAccountNamespaces"] == ["external-secrets"]
    assert store["tokenPolicies"] == ["linkerd-read-anchors", "linkerd-read-test"]
    for role in roles.values():
        assert len(role["boundServiceAccountNames"]) == 1
        assert "*" not in str(role)


def test_a_role_demands_an_audience_and_gives_short_tokens() -> None:
    """Without an audience any token of that account logs in."""
    for role in made(VaultAuth).of_kind(":AuthBackendRole"):
        assert role.inputs["audience"] == "vault"
        assert role.inputs["tokenTtl"] == role.inputs["tokenMaxTtl"] == 600


def test_vault_holds_no_reviewer_token() -> None:
    """It would be long-lived, and in the state."""
    config = made(VaultAuth).named("x-config").inputs
    assert "tokenReviewerJwt" not in config
    assert config["disableLocalCaJwt"] is True
    assert config["kubernetesHost"] == "https://api.example.com:6443"


def test_what_the_store_may_read_besides_is_named() -> None:
    """A policy on the whole mount would give away every cluster's credentials."""
    recording = made(VaultAuth)
    assert recording.named("x-read").inputs["policy"] == (
        'path "linkerd/kv/data/buoyant-cloud" { capabilities = ["read"] }\n'
    )
    role = recording.named("x-external-secrets")
    assert recording.comes_after(role, recording.named("x-read"))


def test_with_nothing_besides_there_is_no_policy_of_the_clusters_own() -> None:
    """An empty policy in Vault is one that somebody fills."""
    recording = made(VaultAuth, readable=())
    assert recording.of_kind(":Policy") == []
    assert recording.named("x-external-secrets").inputs["tokenPolicies"] == ["linkerd-read-anchors"]


def test_a_mount_that_is_there_is_used_and_not_made() -> None:
    """In many companies another team owns the auth mounts."""
    recording = made(VaultAuth, create_auth_mount=False)
    assert recording.of_kind(":AuthBackend") == []
    roles = recording.of_kind(":AuthBackendRole")
    assert {role.inputs["backend"] for role in roles} == {"kubernetes/test"}


def test_roles_come_after_the_config_and_that_after_the_mount() -> None:
    """Vault answers 404 for a mount that is not there yet."""
    recording = made(VaultAuth)
    config = recording.named("x-config")
    assert recording.comes_after(config, recording.named("x-mount"))
    for role in recording.of_kind(":AuthBackendRole"):
        assert recording.comes_after(role, config)


def test_an_account_is_mounted_nowhere_and_reviews_tokens_only() -> None:
    """A pod with its token could log in to Vault."""
    assert service_account("a", "ns")["automountServiceAccountToken"] is False
    binding = auth_delegator("a", "ns")
    assert binding["roleRef"]["name"] == "system:auth-delegator"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "a", "namespace": "ns"}]


def test_without_a_signer_in_vault_nobody_may_have_anything_signed() -> None:
    """In custody `cluster` cert-manager signs by itself, and has no business in Vault."""
    recording = made(VaultAuth, signing=None)
    roles = [r.inputs["roleName"] for r in recording.of_kind(":AuthBackendRole")]
    assert roles == [STORE_ROLE]
    accounts = [r.inputs["metadata"]["namespace"] for r in recording.of_kind(":ServiceAccount")]
    assert accounts == ["external-secrets"]
    assert recording.outputs[recording.named("x").urn]["roles"] == [STORE_ROLE]


def test_the_right_to_write_anchors_is_asked_for_and_has_an_account_of_its_own() -> None:
    """Whoever writes them is trusted by every mesh: no store that others use may."""
    assert "x-write-anchors" not in [r.name for r in made(VaultAuth).resources]
    recording = made(VaultAuth, writes_anchors=True)
    roles = {r.inputs["roleName"]: r for r in recording.of_kind(":AuthBackendRole")}
    assert set(roles) == {ISSUER_ROLE, STORE_ROLE, ANCHOR_ROLE}
    role = roles[ANCHOR_ROLE].inputs
    assert role["tokenPolicies"] == ["linkerd-write-anchors-test"]
    assert role["boundServiceAccountNames"] == ["linkerd-trust-anchor-vault"]
    assert role["boundServiceAccountNamespaces"] == ["cert-manager"]
    assert recording.comes_after(roles[ANCHOR_ROLE], recording.named("x-write-anchors"))
    for name in (ISSUER_ROLE, STORE_ROLE):
        assert "linkerd-write-anchors-test" not in roles[name].inputs["tokenPolicies"]


def test_a_key_is_readable_by_its_path_alone() -> None:
    """With `anchor-keys/*` a cluster could sign for generations that it has never used."""
    recording = made(VaultAuth, signing=None, signing_key="anchor-2")
    assert recording.named("x-anchor-key").inputs["policy"] == (
        'path "linkerd/kv/data/anchor-keys/anchor-2" { capabilities = ["read"] }\n'
    )


def test_a_key_is_read_by_a_role_and_an_account_of_its_own() -> None:
    """What the shared store may read, each namespace that uses it may have."""
    recording = made(VaultAuth, signing=None, signing_key="anchor-2")
    roles = {r.inputs["roleName"]: r for r in recording.of_kind(":AuthBackendRole")}
    assert set(roles) == {STORE_ROLE, KEY_ROLE}
    key = roles[KEY_ROLE].inputs
    assert key["tokenPolicies"] == ["linkerd-anchor-key-test"]
    assert key["boundServiceAccountNames"] == ["linkerd-trust-anchor-key-vault"]
    assert key["boundServiceAccountNamespaces"] == ["cert-manager"]
    assert recording.comes_after(roles[KEY_ROLE], recording.named("x-anchor-key"))
    store = roles[STORE_ROLE].inputs
    assert store["tokenPolicies"] == ["linkerd-read-anchors", "linkerd-read-test"]
    assert recording.outputs[recording.named("x").urn]["roles"] == [STORE_ROLE, KEY_ROLE]
