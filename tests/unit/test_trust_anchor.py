"""The trust anchor: made inside Vault, one root per generation, its key nowhere else."""

from __future__ import annotations

import json

import pytest
from pulumi.runtime.rpc import UNKNOWN

from components.trust_anchor import (
    AnchorGeneration,
    TrustAnchor,
    read_policy,
    sign_policy,
    write_policy,
)
from tests.recorder import Recording
from tests.unit.samples import made

ROOT = "SecretBackendRootCert"


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Two generations."""
    return made(TrustAnchor)


def test_the_root_key_never_leaves_vault(recording: Recording) -> None:
    """`exported` would put it into the state file."""
    roots = recording.of_kind(f":{ROOT}")
    assert [r.name for r in roots] == ["x-anchor-1-root", "x-anchor-2-root"]
    assert {r.inputs["type"] for r in roots} == {"internal"}


def test_a_root_is_what_linkerd_takes(recording: Recording) -> None:
    """EC P-256, and room for the issuer below it but for no other CA below that one."""
    for root in recording.of_kind(f":{ROOT}"):
        assert (root.inputs["keyType"], root.inputs["keyBits"]) == ("ec", 256)
        assert root.inputs["maxPathLength"] == 1
        assert root.inputs["commonName"] == "root.linkerd.cluster.local"


def test_the_mount_lets_the_longest_root_live(recording: Recording) -> None:
    """Vault cuts a root to 768 hours otherwise, without an error."""
    mount = recording.named("x-pki").inputs
    assert mount["maxLeaseTtlSeconds"] == mount["defaultLeaseTtlSeconds"] == 2000
    assert [r.inputs["ttl"] for r in recording.of_kind(f":{ROOT}")] == ["1000", "2000"]


def test_a_root_made_again_has_a_key_of_another_name(recording: Recording) -> None:
    """Vault keeps the key of a deleted root, and takes no two of one name."""
    for name in ("anchor-1", "anchor-2"):
        random = recording.named(f"x-{name}-key")
        assert random.inputs["keepers"] == {"generation": name}
        root = recording.named(f"x-{name}-root")
        assert random.urn in recording.needed_by(root)
        assert root.inputs["issuerName"] == name


def test_only_the_public_certificate_is_published(recording: Recording) -> None:
    """Clusters read the KV entry, and so may many."""
    for name in ("anchor-1", "anchor-2"):
        entry = recording.clear[recording.named(f"x-{name}-certificate").urn]
        assert (entry["mount"], entry["name"]) == ("linkerd/kv", f"anchors/{name}")
        published = json.loads(entry["dataJson"])
        assert list(published) == ["certificate"]
        assert published["certificate"].startswith("-----BEGIN CERTIFICATE-----")


def test_each_generation_has_a_policy_for_its_own_issuer_alone(recording: Recording) -> None:
    """A cluster that signs with the old one must not be able to sign with the next."""
    assert recording.named("x-anchor-1-sign").inputs["policy"] == (
        'path "linkerd/pki/issuer/anchor-1/sign-intermediate" '
        '{ capabilities = ["create", "update"] }\n'
    )
    assert sign_policy("p", "a") != sign_policy("p", "b")


def test_reading_is_of_the_anchors_alone(recording: Recording) -> None:
    """The KV mount holds the agents' credentials as well."""
    assert recording.named("x-read-anchors").inputs["policy"] == (
        'path "linkerd/kv/data/anchors/*" { capabilities = ["read"] }\n'
    )
    assert read_policy("a", "b").count('capabilities = ["read"]') == 2


def test_a_kv_mount_that_is_there_is_left_alone() -> None:
    """A second mount at the same path is an error of Vault's."""
    names = [r.name for r in made(TrustAnchor, create_kv_mount=False).resources]
    assert "x-kv" not in names
    assert "x-anchor-1-certificate" in names


def test_certificates_and_names_are_the_outputs(recording: Recording) -> None:
    """The stack exports the fingerprints of what it made."""
    outputs = recording.outputs[recording.named("x").urn]
    assert outputs["issuers"] == ["anchor-1", "anchor-2"]
    assert set(outputs["certificates"]) == {"anchor-1", "anchor-2"}
    assert outputs["policies"] == [
        "linkerd-read-anchors",
        "linkerd-sign-anchor-1",
        "linkerd-sign-anchor-2",
    ]


def test_a_preview_knows_no_certificate_and_makes_up_none() -> None:
    """A made-up one would show as a change of every cluster."""
    recording = made(TrustAnchor, preview=True)
    entry = recording.clear[recording.named("x-anchor-1-certificate").urn]
    assert entry["dataJson"] == UNKNOWN


def test_an_imported_anchor_is_read_from_the_mount_and_published_alike() -> None:
    """Its key is the corporate CA's business: nothing here may make another of that name."""
    generation = AnchorGeneration(name="corporate", lifetime=3000, imported=True)
    recording = made(TrustAnchor, generations=(generation,))
    assert recording.of_kind(f":{ROOT}") == []
    assert recording.of_kind(":RandomString") == []
    entry = recording.clear[recording.named("x-corporate-certificate").urn]
    assert json.loads(entry["dataJson"])["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert recording.named("x-corporate-sign").inputs["policy"] == sign_policy(
        "linkerd/pki", "corporate"
    )


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("imported", [True, False])
def test_a_certificate_is_published_after_both_mounts(preview: bool, imported: bool) -> None:
    """The order must not depend on whether the certificate is known yet."""
    generation = AnchorGeneration(name="a", lifetime=3000, imported=imported)
    recording = made(TrustAnchor, preview, generations=(generation,))
    entry = recording.named("x-a-certificate")
    for mount in ("x-kv", "x-pki"):
        assert recording.comes_after(entry, recording.named(mount))


def test_without_a_generation_in_vault_there_is_no_pki_mount() -> None:
    """In custody `cluster` the keys are in KV; the readers' policy is needed all the same."""
    recording = made(TrustAnchor, generations=())
    mounts = [r.inputs["type"] for r in recording.of_kind(":Mount")]
    assert mounts == ["kv"]
    assert [r.inputs["name"] for r in recording.of_kind(":Policy")] == ["linkerd-read-anchors"]
    assert recording.outputs[recording.named("x").urn]["issuers"] == []


def test_writing_is_of_anchors_and_their_keys_alone() -> None:
    """`update` is what External Secrets needs for a first write; `delete` is what nobody needs."""
    lines = write_policy("linkerd/kv").splitlines()
    paths = [line.split('"')[1] for line in lines]
    assert sorted(paths) == [
        "linkerd/kv/data/anchor-keys/*",
        "linkerd/kv/data/anchors/*",
        "linkerd/kv/metadata/anchor-keys/*",
        "linkerd/kv/metadata/anchors/*",
    ]
    assert all("[" + '"create", "read", "update"' + "]" in line for line in lines)
