"""The Gateway API CRDs: ours, or somebody else's."""

from __future__ import annotations

from typing import Any

from components.gateway_api import GatewayApi
from tests.unit.samples import made

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "gatewayApi.install": False,
}


def test_our_crds_are_a_release_of_their_own() -> None:
    """A rendered chart of CRDs is most of a preview's time."""
    recording = made(GatewayApi)
    release = recording.named("x-gateway-api-crds")
    assert release.type == "kubernetes:helm.sh/v3:Release"
    assert recording.outputs[recording.named("x").urn] == {
        "version": "1.2.1",
        "owner": "linkerd-platform",
    }


def test_existing_crds_are_left_alone() -> None:
    """Two owners of a CRD overwrite each other."""
    recording = made(GatewayApi, chart=None)
    assert [r.name for r in recording.resources] == ["x"]
    assert recording.outputs[recording.named("x").urn]["owner"] == "existing"
