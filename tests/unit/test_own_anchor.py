"""An anchor of the cluster's own: self-signed, never renewed, and the one that the mesh trusts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.cluster_anchor import ClusterGeneration
from components.own_anchor import OwnAnchor, OwnAnchorArgs
from tests.recorder import Recording
from tests.unit.samples import made

ROTATING = (ClusterGeneration(name="a", retired=True), ClusterGeneration(name="b"))


def sources(recording: Recording) -> list[dict[str, Any]]:
    """What the Bundle is made of."""
    (bundle,) = recording.of_kind(":Bundle")
    return [each["secret"] for each in bundle.inputs["spec"]["sources"]]


def test_the_mesh_trusts_the_root_that_signs_its_issuer() -> None:
    """With another one no proxy gets a certificate, and linkerd-identity does not start."""
    recording = made(OwnAnchor)
    (root,) = [
        each
        for each in recording.of_kind(":Certificate")
        if each.inputs["metadata"]["name"] != "linkerd-identity-issuer"
    ]
    (signer,) = recording.of_kind(":ClusterIssuer")
    issuer = recording.named("x-certificate")
    secret = root.inputs["spec"]["secretName"]
    assert sources(recording) == [{"name": secret, "key": "tls.crt"}]
    assert signer.inputs["spec"] == {"ca": {"secretName": secret}}
    assert issuer.inputs["spec"]["issuerRef"]["name"] == signer.inputs["metadata"]["name"]
    assert recording.comes_after(issuer, signer)
    assert recording.comes_after(signer, root)
    assert recording.comes_after(recording.of_kind(":Bundle")[0], root)


def test_nothing_renews_the_root() -> None:
    """Renewed like any certificate it would be another anchor, which no proxy trusts."""
    root = made(OwnAnchor).named("x-linkerd-trust-anchor-anchor-1-origin")
    assert root.inputs["spec"]["renewal"] == {"policy": "Disabled"}
    assert root.inputs["spec"]["privateKey"]["rotationPolicy"] == "Never"


def test_a_retired_generation_is_kept_and_trusted_no_more() -> None:
    """To remove it is another step than to stop trusting it."""
    recording = made(OwnAnchor, generations=ROTATING, signing="b")
    assert [each["name"] for each in sources(recording)] == ["linkerd-trust-anchor-b-origin"]
    assert recording.named("x-linkerd-trust-anchor-a-origin")


def test_the_key_is_nowhere_in_the_program() -> None:
    """cert-manager makes it, so it is in no state file."""
    assert made(OwnAnchor).of_kind(":Secret") == []


@pytest.mark.parametrize(
    ("generations", "signing"),
    [(ROTATING, "c"), (ROTATING, "a"), ((ROTATING[1], ROTATING[1]), "b"), ((), "a")],
    ids=["unheard-of", "retired", "twice", "none"],
)
def test_what_signs_is_one_trusted_generation(
    generations: tuple[ClusterGeneration, ...], signing: str
) -> None:
    """An issuer below a root that nobody trusts stops every proxy at its next renewal."""
    with pytest.raises(ValidationError, match=r"signing: |two have one name"):
        OwnAnchorArgs(generations=generations, signing=signing)
