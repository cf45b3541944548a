"""The whole program in every custody and at every step of a rotation: who makes, reads, signs."""

from __future__ import annotations

import re

import pytest

from tests.unit.crd_schemas import faults, is_custom
from tests.unit.custody import VARIANTS, WITH_CLUSTER, variant
from tests.unit.secrecy import secrets_in
from tests.unit.whole_program import MODES, Evaluated

PKI = "linkerd/pki"


@pytest.fixture(params=[(*v, m) for v in VARIANTS for m in MODES], ids=str)
def program(request: pytest.FixtureRequest) -> Evaluated:
    """Every variant in both modes."""
    return variant(*request.param)


@pytest.fixture(params=WITH_CLUSTER, ids="-".join)
def cluster(request: pytest.FixtureRequest) -> Evaluated:
    """Every variant with a cluster, applied."""
    return variant(*request.param)


def test_no_key_or_token_is_in_any_input(program: Evaluated) -> None:
    """In custody `cluster` the key exists in the cluster: the program must never hold it."""
    assert secrets_in((program.clear, program.outputs, program.evaluation.exports)) == []
    assert not [r for r in program.resources if r.type.endswith(":Secret")]


def test_every_custom_resource_is_what_its_crd_allows(program: Evaluated) -> None:
    """The API server drops an unknown field in silence, of a PushSecret as well."""
    for resource, manifest in program.objects:
        if is_custom(manifest):
            assert faults(manifest) == [], resource.name


@pytest.mark.parametrize(("role", "shape"), VARIANTS)
def test_preview_and_apply_register_the_same(role: str, shape: str) -> None:
    """A resource that a preview does not show is one that nobody reviewed."""
    preview, applied = (variant(role, shape, mode) for mode in MODES)
    # In any order: what waits for an answer of Vault is registered once that is there.
    previewed, made = ({r.urn: r.dependencies for r in p.resources} for p in (preview, applied))
    assert previewed == made


def test_only_the_trusted_are_bundled_and_in_the_order_of_the_file(cluster: Evaluated) -> None:
    """A retired one in the bundle would be trusted still; another order reports every pod."""
    bundle = cluster.object("Bundle", "linkerd-identity-trust-roots")
    names = [source["secret"]["name"] for source in bundle.inputs["spec"]["sources"]]
    trust = cluster.evaluation.config.trust
    assert names == [f"linkerd-trust-anchor-{g.name}" for g in trust.generations if not g.retired]
    public = [
        r.inputs["spec"]["data"][0]["remoteRef"]
        for r in cluster.of("ExternalSecret")
        if r.inputs["metadata"]["name"] in names
    ]
    assert sorted(ref["key"] for ref in public) == sorted(
        f"anchors/{g.name}" for g in trust.trusted
    )
    assert {ref["property"] for ref in public} == {"certificate"}


def test_the_signer_signs_in_its_own_custody(cluster: Evaluated) -> None:
    """In Vault's, no key is in the cluster; in the cluster's, exactly one, where it is used."""
    signer = cluster.evaluation.config.trust.signer
    issuer = cluster.object("ClusterIssuer", f"linkerd-identity-issuer-{signer.name}")
    certificate = cluster.object("Certificate", "linkerd-identity-issuer")
    assert certificate.inputs["spec"]["issuerRef"]["name"] == issuer.inputs["metadata"]["name"]
    keys = [
        r for r in cluster.of("ExternalSecret") if "anchor-keys" in str(r.inputs["spec"]["data"])
    ]
    if signer.custody == "vault":
        path = issuer.inputs["spec"]["vault"]["path"]
        assert path == f"{PKI}/issuer/{signer.name}/sign-intermediate"
        assert keys == []
        return
    (key,) = keys
    assert key.inputs["metadata"]["namespace"] == "cert-manager"
    assert key.inputs["spec"]["secretStoreRef"] == {
        "kind": "SecretStore",
        "name": "linkerd-trust-anchor-key",
    }
    # The resource of earlier versions, so that their state is updated and no Secret is replaced.
    assert key.name == f"identity-issuer-linkerd-trust-anchor-{signer.name}-key"
    target = key.inputs["spec"]["target"]
    assert issuer.inputs["spec"]["ca"] == {"secretName": target["name"]}
    assert target["template"]["type"] == "kubernetes.io/tls"
    refs = {d["secretKey"]: d["remoteRef"] for d in key.inputs["spec"]["data"]}
    assert refs == {
        name: {"key": f"anchor-keys/{signer.name}", "property": name}
        for name in ("tls.crt", "tls.key")
    }


def test_no_root_is_made_twice_or_by_a_reader() -> None:
    """Two keys under one name: half of the fleet would not trust the other."""
    for role, shape in VARIANTS:
        program = variant(role, shape)
        config = program.evaluation.config
        roots = [r.inputs["issuerName"] for r in program.resources if r.name.endswith("-root")]
        origins = [
            r.inputs["metadata"]["name"]
            for r in program.of("Certificate")
            if r.name.endswith("-origin")
        ]
        generated = [
            g for g in config.trust.generations if g.source == "generated" and role != "cluster"
        ]
        assert roots == [g.name for g in generated if g.custody == "vault"], (role, shape)
        assert origins == [
            f"linkerd-trust-anchor-{g.name}-origin" for g in generated if g.custody == "cluster"
        ]


def test_roots_of_both_custodies_are_kept_and_protected() -> None:
    """A generation that is taken out of the list by mistake must not take its key along."""
    for shape in ("switched", "retired", "back-switched", "back-retired"):
        program = variant("standalone", shape)
        roots = [r for r in program.resources if r.name.endswith(("-root", "-origin"))]
        assert len(roots) == 2
        assert all(r.protect and r.retain_on_delete for r in roots), shape


def test_a_retired_anchor_is_no_longer_pushed_and_its_key_no_longer_read() -> None:
    """Its entry in Vault would come back after it was destroyed."""
    retired = variant("standalone", "back-retired")
    assert retired.of("PushSecret") == []
    assert len([r for r in retired.of("Certificate") if r.name.endswith("-origin")]) == 1
    for program in (retired, variant("cluster", "back-retired")):
        assert not [r for r in program.of("ExternalSecret") if "anchor-keys" in str(r.inputs)]


def test_the_anchor_of_the_cluster_comes_after_what_it_needs() -> None:
    """cert-manager makes it, External Secrets pushes it, Vault lets it in."""
    for shape in ("cluster", "added", "switched"):
        program = variant("standalone", shape)
        below = program.below(program.component("ClusterAnchor"))
        assert len(below) == 4
        for resource in below:
            for name in ("cert-manager-cert-manager", "external-secrets-external-secrets"):
                assert program.comes_after(resource, program.named(name)), resource.name
                assert program.comes_after(resource, program.named(f"{name}-crds"))
        (push,) = program.of("PushSecret")
        for earlier in (
            "vault-auth-linkerd-trust-anchor",
            "vault-auth-write-anchors",
            "vault-auth-linkerd-trust-anchor-vault-cert-manager-reviews",
            "trust-anchor-kv",
        ):
            assert program.comes_after(push, program.named(earlier)), earlier


def test_bundle_and_signer_come_after_the_push() -> None:
    """An ExternalSecret that finds no entry is tried again only after its interval."""
    for shape in ("cluster", "added", "switched", "retired"):
        program = variant("standalone", shape)
        (push,) = program.of("PushSecret")
        readers = [
            r for r in program.of("ExternalSecret") if "anchor" in r.inputs["metadata"]["name"]
        ]
        assert readers
        for reader in readers:
            assert program.comes_after(reader, push), (shape, reader.name)


def test_the_issuer_comes_after_its_key_and_the_right_to_read_it(cluster: Evaluated) -> None:
    """cert-manager waits five minutes before it looks at a missing Secret again."""
    signer = cluster.evaluation.config.trust.signer
    issuer = cluster.object("ClusterIssuer", f"linkerd-identity-issuer-{signer.name}")
    if signer.custody == "vault":
        assert cluster.comes_after(issuer, cluster.named("vault-auth-linkerd-identity-issuer"))
        return
    key = cluster.object("ExternalSecret", f"linkerd-trust-anchor-{signer.name}-key")
    assert cluster.comes_after(issuer, key)
    for earlier in (
        cluster.object("ClusterSecretStore", "linkerd-platform-vault"),
        cluster.object("SecretStore", "linkerd-trust-anchor-key"),
        cluster.named("vault-auth-linkerd-trust-anchor-key"),
        cluster.named("vault-auth-anchor-key"),
    ):
        assert cluster.comes_after(key, earlier), earlier.name


def test_outputs_are_the_same_in_every_custody(program: Evaluated) -> None:
    """Bot, runbooks and other stacks read them, whoever signs."""
    exports = program.evaluation.exports
    config = program.evaluation.config
    assert set(exports["trustAnchors"]) == {g.name for g in config.trust.generations}
    if config.cluster:
        assert exports["identityIssuer"] == {
            "certificate": "linkerd/linkerd-identity-issuer",
            "issuerRef": f"linkerd-identity-issuer-{config.trust.signing}",
        }


@pytest.mark.parametrize(("role", "shape"), VARIANTS)
def test_fingerprints_are_read_back_and_never_made_up(role: str, shape: str) -> None:
    """An imported or pushed anchor is known only after Vault was asked."""
    previewed = variant(role, shape, True).evaluation.exports["trustAnchors"]
    assert set(previewed.values()) == {"[known after apply]"}
    for anchor in variant(role, shape).evaluation.exports["trustAnchors"].values():
        assert re.fullmatch(r"[0-9a-f]{64}", anchor["fingerprint"])
