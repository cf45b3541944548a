"""The anchor in custody `cluster`: made once, pushed once, renewed by nobody."""

from __future__ import annotations

import pytest

from components.cluster_anchor import (
    ClusterAnchor,
    ClusterAnchorArgs,
    ClusterGeneration,
    origin,
    push_secret,
    root_certificate,
    secret_store,
    self_signed,
)
from components.identity_issuer import key_secret_name
from components.trust_bundle import anchor_secret
from tests.recorder import Recording
from tests.unit.crd_schemas import faults
from tests.unit.samples import arguments, made

GENERATION = ClusterGeneration(name="anchor-1", lifetime="87600h0m0s")


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Two generations."""
    return made(ClusterAnchor)


def args() -> ClusterAnchorArgs:
    """The sample's arguments."""
    found = arguments()[ClusterAnchor]
    assert isinstance(found, ClusterAnchorArgs)
    return found


def test_nothing_renews_a_root() -> None:
    """Four public installations renew theirs by an ordinary `renewBefore`: an outage each."""
    spec = root_certificate(GENERATION, "cluster.local")["spec"]
    assert spec["renewal"] == {"policy": "Disabled"}
    assert spec["privateKey"]["rotationPolicy"] == "Never"
    assert not {"renewBefore", "renewBeforePercentage"} & set(spec)


def test_a_root_is_what_linkerd_takes_and_like_vaults() -> None:
    """EC P-256, with the name that the other custody gives, for as long as the stack says."""
    spec = root_certificate(GENERATION, "example.org")["spec"]
    assert spec["isCA"] is True
    assert spec["commonName"] == "root.linkerd.example.org"
    assert (spec["privateKey"]["algorithm"], spec["privateKey"]["size"]) == ("ECDSA", 256)
    assert spec["duration"] == "87600h0m0s"
    assert set(spec["usages"]) == {"cert sign", "crl sign"}
    assert spec["issuerRef"]["name"] == self_signed()["metadata"]["name"]
    assert spec["issuerRef"]["kind"] == self_signed()["kind"] == "Issuer"


def test_what_lies_in_vault_is_never_overwritten_or_deleted() -> None:
    """Should the Secret be lost, cert-manager makes another root: it must not become the anchor."""
    spec = push_secret("anchor-1")["spec"]
    assert spec["updatePolicy"] == "IfNotExists"
    assert spec["deletionPolicy"] == "None"


def test_the_key_goes_to_one_entry_and_the_certificate_alone_to_the_public_one() -> None:
    """Every cluster may read `anchors/`."""
    spec = push_secret("anchor-1")["spec"]
    assert spec["selector"] == {"secret": {"name": origin("anchor-1")}}
    entries = {m["match"]["remoteRef"]["remoteKey"]: m["match"] for m in spec["data"]}
    assert set(entries) == {"anchor-keys/anchor-1", "anchors/anchor-1"}
    # No key is named: the whole Secret.
    assert "secretKey" not in entries["anchor-keys/anchor-1"]
    assert entries["anchors/anchor-1"] == {
        "secretKey": "tls.crt",
        "remoteRef": {"remoteKey": "anchors/anchor-1", "property": "certificate"},
    }


def test_the_store_that_writes_is_of_one_namespace_with_a_role_of_its_own() -> None:
    """The store of the cluster, which more namespaces use, reads and never writes."""
    store = secret_store(args())
    assert (store["kind"], store["metadata"]["namespace"]) == ("SecretStore", "cert-manager")
    login = store["spec"]["provider"]["vault"]["auth"]["kubernetes"]
    assert login["role"] == "linkerd-trust-anchor"
    assert login["serviceAccountRef"] == {
        "name": "linkerd-trust-anchor-vault",
        "audiences": list(args().audiences),
    }
    spec = push_secret("anchor-1")["spec"]
    assert spec["secretStoreRefs"] == [{"kind": "SecretStore", "name": store["metadata"]["name"]}]


def test_a_secret_of_a_root_has_a_name_of_its_own() -> None:
    """The Secrets that are read back from Vault would overwrite it, and it them."""
    names = {origin("a"), key_secret_name("a"), anchor_secret("a")}
    assert len(names) == 3


def test_objects_are_what_their_crds_allow() -> None:
    """The API server drops an unknown field in silence, such as a misspelt `renewal`."""
    for manifest in (
        root_certificate(GENERATION, "cluster.local"),
        self_signed(),
        push_secret("anchor-1"),
        secret_store(args()),
    ):
        assert faults(manifest) == []
    misspelt = push_secret("anchor-1")
    misspelt["spec"]["updatePolicy"] = "IfNotExist"
    assert "is not one of" in faults(misspelt)[0]


def test_a_push_waits_for_its_root_and_the_store(recording: Recording) -> None:
    """A push that finds no Secret is tried again only after its interval."""
    for name in ("anchor-1", "anchor-2"):
        push = recording.named(f"x-{name}-push")
        root = recording.named(f"x-{origin(name)}")
        assert recording.comes_after(push, root)
        assert recording.comes_after(push, recording.named("x-linkerd-trust-anchor"))
        assert recording.comes_after(root, recording.named("x-issuer"))
        for resource in (push, root):
            annotations = resource.inputs["metadata"]["annotations"]
            assert annotations == {"pulumi.com/waitFor": "condition=Ready"}


def test_a_retired_root_is_kept_and_pushed_no_more() -> None:
    """Its entry in Vault would come back within the hour after somebody destroyed it."""
    retired = GENERATION.model_copy(update={"retired": True})
    other = ClusterGeneration(name="anchor-2", lifetime="43800h0m0s")
    recording = made(ClusterAnchor, generations=(retired, other))
    roots = [r.inputs["metadata"]["name"] for r in recording.of_kind(":Certificate")]
    assert roots == [origin("anchor-1"), origin("anchor-2")]
    assert [r.name for r in recording.of_kind(":PushSecret")] == ["x-anchor-2-push"]


def test_no_key_passes_through_the_program(recording: Recording) -> None:
    """It would be in the state file: only names of Secrets may be here."""
    assert recording.of_kind(":Secret") == []
    assert "PRIVATE KEY" not in str((recording.clear, recording.outputs))
    assert recording.outputs[recording.named("x").urn] == {"generations": ["anchor-1", "anchor-2"]}
