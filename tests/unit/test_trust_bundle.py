"""The trust bundle: every generation that is listed, in that order, and nothing else."""

from __future__ import annotations

from components.trust_bundle import TrustBundle, anchor_secret, bundle
from tests.unit.crd_schemas import faults
from tests.unit.samples import made


def test_the_bundle_is_named_after_the_config_map_that_linkerd_reads() -> None:
    """trust-manager gives the ConfigMap the Bundle's name."""
    manifest = bundle(["a"])
    assert manifest["metadata"] == {"name": "linkerd-identity-trust-roots"}
    assert manifest["spec"]["target"]["configMap"] == {"key": "ca-bundle.crt"}
    assert faults(manifest) == []


def test_the_config_map_is_in_the_control_planes_namespace_alone() -> None:
    """Without a selector it would be in every namespace of the cluster."""
    assert bundle(["a"])["spec"]["target"]["namespaceSelector"] == {
        "matchLabels": {"linkerd.io/is-control-plane": "true"}
    }


def test_generations_keep_their_order() -> None:
    """`linkerd check --proxy` compares the text: another order reports every pod."""
    for order in (["b", "a"], ["a", "b"]):
        sources = bundle(order)["spec"]["sources"]
        assert [s["secret"]["name"] for s in sources] == [anchor_secret(g) for g in order]


def test_no_source_is_the_issuers_own_secret() -> None:
    """Its ca.crt changes with the issuer: roots would be swapped without an overlap."""
    for source in bundle(["a", "b"])["spec"]["sources"]:
        assert source["secret"]["name"].startswith("linkerd-trust-anchor-")


def test_each_generation_is_read_from_its_entry_before_the_bundle() -> None:
    """A Bundle with a missing source writes nothing at all."""
    recording = made(TrustBundle)
    made_bundle = recording.named("x-linkerd-identity-trust-roots")
    assert made_bundle.inputs["metadata"]["annotations"] == {
        "pulumi.com/waitFor": "condition=Synced"
    }
    secrets = recording.of_kind(":ExternalSecret")
    assert [s.inputs["spec"]["data"][0]["remoteRef"]["key"] for s in secrets] == [
        "anchors/anchor-1",
        "anchors/anchor-2",
    ]
    for secret in secrets:
        assert secret.inputs["metadata"]["namespace"] == "cert-manager"
        assert secret.inputs["spec"]["refreshInterval"] == "10m0s"
        assert recording.comes_after(made_bundle, secret)
