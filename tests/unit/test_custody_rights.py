"""What each cluster may do in Vault, in every custody and at every step of a rotation."""

from __future__ import annotations

import re

import pytest

from tests.unit.custody import WITH_CLUSTER, owner_of, variant
from tests.unit.whole_program import Evaluated

KV, PKI = "linkerd/kv/data", "linkerd/pki"
READ = ["read"]


@pytest.fixture(params=WITH_CLUSTER, ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[Evaluated, Evaluated]:
    """A cluster and whoever makes its anchors."""
    return variant(*request.param), owner_of(*request.param)


def rules(program: Evaluated) -> dict[str, dict[str, list[str]]]:
    """Capabilities by path, by policy."""
    found = {}
    for policy in [r for r in program.resources if r.type.endswith(":Policy")]:
        text = policy.inputs["policy"]
        lines = re.findall(r'^path "([^"]+)" { capabilities = \[([^\]]*)\] }$', text, re.MULTILINE)
        assert len(lines) == len(text.splitlines()), text
        found[policy.inputs["name"]] = {p: re.findall(r'"(\w+)"', c) for p, c in lines}
    return found


def rights(program: Evaluated, owner: Evaluated) -> dict[str, dict[str, list[str]]]:
    """What each role of a cluster may do in Vault, by the policies of both stacks."""
    policies = {**rules(owner), **rules(program)}
    return {
        role.inputs["roleName"]: {
            path: can
            for name in role.inputs["tokenPolicies"]
            for path, can in policies[name].items()
        }
        for role in program.resources
        if role.type.endswith(":AuthBackendRole")
    }


def test_a_cluster_may_read_anchors_its_entries_and_what_it_signs_with(
    pair: tuple[Evaluated, Evaluated],
) -> None:
    """A cluster that reads every key could sign for generations it has never used."""
    program, owner = pair
    signer = program.evaluation.config.trust.signer
    made = rights(program, owner)
    assert made.pop("external-secrets") == {f"{KV}/anchors/*": READ, f"{KV}/buoyant-cloud": READ}
    if signer.custody == "vault":
        path = f"{PKI}/issuer/{signer.name}/sign-intermediate"
        assert made.pop("linkerd-identity-issuer") == {path: ["create", "update"]}
    else:
        assert made.pop("linkerd-trust-anchor-key") == {f"{KV}/anchor-keys/{signer.name}": READ}
    assert set(made) <= {"linkerd-trust-anchor"}


def test_no_store_of_several_namespaces_can_read_a_key(pair: tuple[Evaluated, Evaluated]) -> None:
    """Else whoever may make an ExternalSecret in any of them has the key of every mesh."""
    program, owner = pair
    made = rights(program, owner)
    shared = program.of("ClusterSecretStore")
    assert len(shared) == 1
    for store in shared:
        role = store.inputs["spec"]["provider"]["vault"]["auth"]["kubernetes"]["role"]
        assert not [path for path in made[role] if "anchor-keys" in path], store.name
    stores = program.of("SecretStore")
    assert {store.inputs["metadata"]["namespace"] for store in stores} <= {"cert-manager"}
    # Every role that reaches a key is bound to one account of that namespace.
    reach = {role for role, paths in made.items() if any("anchor-keys" in each for each in paths)}
    for role in program.resources:
        if role.type.endswith(":AuthBackendRole") and role.inputs["roleName"] in reach:
            assert role.inputs["boundServiceAccountNamespaces"] == ["cert-manager"]
            assert len(role.inputs["boundServiceAccountNames"]) == 1


def test_only_the_cluster_that_makes_an_anchor_may_write_one(
    pair: tuple[Evaluated, Evaluated],
) -> None:
    """Whoever writes `anchors/` is trusted by every mesh of the fleet."""
    program, owner = pair
    config = program.evaluation.config
    makes = config.role == "standalone" and any(
        g.custody == "cluster" and g.source == "generated" for g in config.trust.generations
    )
    made = rights(program, owner)
    assert ("linkerd-trust-anchor" in made) == makes
    stores = [each.inputs["metadata"]["name"] for each in program.of("SecretStore")]
    assert bool(program.of("PushSecret") or "linkerd-trust-anchor" in stores) == makes
    if makes:
        assert made["linkerd-trust-anchor"] == {
            f"linkerd/kv/{part}/{kind}/*": ["create", "read", "update"]
            for part in ("data", "metadata")
            for kind in ("anchors", "anchor-keys")
        }
    for path, can in {p: c for r in made.values() for p, c in r.items()}.items():
        assert not {"delete", "sudo", "list", "patch"} & set(can), path
        assert path.startswith(("linkerd/kv/", f"{PKI}/issuer/")), path
        assert "*" not in path.removesuffix("/*"), path
