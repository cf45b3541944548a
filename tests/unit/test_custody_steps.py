"""What a reader of the preview sees at each step of a rotation: what is meant, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

from stack.transforms import OWNER_LABEL
from tests.unit.custody import WITH_CLUSTER, variant
from tests.unit.whole_program import CHART, RELEASE


def test_no_chart_value_depends_on_custody_or_generation() -> None:
    """A value that changed would roll the control plane at each step of a rotation."""
    first, *others = [
        {r.name: r.inputs["values"] for r in variant(*v).resources if r.type in (CHART, RELEASE)}
        for v in WITH_CLUSTER
    ]
    assert len(first) > 5
    for other in others:
        assert other == first


def changed(role: str, before: str, after: str) -> set[str]:
    """Names of what a reader sees in the preview of one step: made, changed or deleted."""
    old, new = ({r.name: r for r in variant(role, shape).resources} for shape in (before, after))
    return {
        name
        for name in old.keys() | new.keys()
        if name not in old or name not in new or _inputs(old[name]) != _inputs(new[name])
    }


def _inputs(resource: Any) -> dict[str, Any]:
    """The inputs without the owner's label: here each step is a stack of its own."""
    inputs = copy.deepcopy(dict(resource.inputs))
    inputs.get("metadata", {}).get("labels", {}).pop(OWNER_LABEL, None)
    return inputs


PUBLIC_B = "trust-bundle-linkerd-trust-anchor-b"
BUNDLE = "trust-bundle-linkerd-identity-trust-roots"
CERTIFICATE = "identity-issuer-certificate"
ISSUERS = {f"identity-issuer-linkerd-identity-issuer-{name}" for name in "ab"}
TO_CLUSTER = {
    *ISSUERS,
    CERTIFICATE,
    "identity-issuer-linkerd-trust-anchor-b-key",
    "identity-issuer-token-role",
    "identity-issuer-token-role-binding",
    "vault-auth-linkerd-identity-issuer",
    "vault-auth-linkerd-identity-issuer-vault-cert-manager",
    "vault-auth-linkerd-identity-issuer-vault-cert-manager-reviews",
    # The key is read through a store of its own, with a login of its own.
    "identity-issuer-linkerd-trust-anchor-key",
    "vault-auth-anchor-key",
    "vault-auth-linkerd-trust-anchor-key",
    "vault-auth-linkerd-trust-anchor-key-vault-cert-manager",
    "vault-auth-linkerd-trust-anchor-key-vault-cert-manager-reviews",
}


def test_adding_touches_neither_issuer_nor_what_is_trusted_already() -> None:
    """The first of three changes must be one that nobody can notice."""
    assert changed("cluster", "vault", "added") == {PUBLIC_B, BUNDLE}
    assert changed("cluster", "cluster", "back-added") == {PUBLIC_B, BUNDLE}
    owner = changed("standalone", "vault", "added")
    assert {PUBLIC_B, BUNDLE} < owner
    rest = owner - {PUBLIC_B, BUNDLE}
    assert all(n.startswith(("cluster-anchor", "vault-auth-")) for n in rest), rest
    assert not [n for n in rest if "external-secrets" in n or "identity-issuer" in n], rest


def test_switching_touches_the_signer_alone() -> None:
    """A bundle that changes with the issuer is what stops a mesh."""
    assert changed("cluster", "added", "switched") == TO_CLUSTER
    assert changed("standalone", "added", "switched") == TO_CLUSTER
    back = changed("cluster", "back-added", "back-switched")
    assert back == TO_CLUSTER - {"identity-issuer-linkerd-trust-anchor-b-key"} | {
        "identity-issuer-linkerd-trust-anchor-a-key"
    }


def test_retiring_touches_the_bundle_alone() -> None:
    """The issuer has been the other's for long; the key stays with the owner."""
    public_a = "trust-bundle-linkerd-trust-anchor-a"
    assert changed("cluster", "switched", "retired") == {public_a, BUNDLE}
    assert changed("standalone", "switched", "retired") == {public_a, BUNDLE}
    assert changed("standalone", "back-switched", "back-retired") == {
        public_a,
        BUNDLE,
        "cluster-anchor-a-push",
    }


def test_the_same_file_twice_changes_nothing() -> None:
    """The comparison above must be able to say so."""
    assert changed("cluster", "added", "added") == set()
