"""The Buoyant Cloud agent: credentials from Vault or from encrypted config, never in values."""

from __future__ import annotations

from typing import Any

import pulumi

from components.buoyant_cloud import BuoyantCloud, BuoyantCloudArgs
from tests.recorder import Recording, record
from tests.unit.samples import arguments, made

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "buoyantCloud.enabled": False,
    "buoyantCloud.agentName": "other",
    "buoyantCloud.credentials.vaultPath": "other",
}

SECRET = "hunter2"  # noqa: S105


def from_config() -> Recording:
    """With credentials of the stack's config."""
    args = arguments()[BuoyantCloud].model_copy(update={"vault_path": None})
    assert isinstance(args, BuoyantCloudArgs)
    return record(lambda: BuoyantCloud("x", args, "client", pulumi.Output.secret(SECRET)))


def test_credentials_come_from_vault_by_default() -> None:
    """Then they are in no state file."""
    recording = made(BuoyantCloud)
    secret = recording.named("x-credentials")
    assert secret.type.endswith(":ExternalSecret")
    assert secret.inputs["spec"]["target"]["name"] == "buoyant-cloud-org-credentials"
    assert {d["secretKey"] for d in secret.inputs["spec"]["data"]} == {"client_id", "client_secret"}
    assert recording.of_kind(":Secret") == []


def test_credentials_from_config_are_a_secret_marked_as_such() -> None:
    """The engine encrypts them in the state, and shows them nowhere."""
    recording = from_config()
    secret = recording.named("x-credentials")
    assert secret.type == "kubernetes:core/v1:Secret"
    hidden = {"client_id": "[secret]", "client_secret": "[secret]"}
    assert secret.inputs["stringData"] == hidden
    assert recording.clear[secret.urn]["stringData"]["client_secret"] == SECRET
    assert SECRET not in str((recording.resources, recording.outputs))


def test_the_values_of_the_agent_hold_no_credential() -> None:
    """Helm keeps all values in a Secret of its own, and the diff shows them."""
    for recording in (made(BuoyantCloud), from_config()):
        agent = recording.named("x-linkerd-buoyant")
        assert agent.type == "kubernetes:helm.sh/v3:Release"
        assert agent.inputs["values"] == {"metadata": {"agentName": "test"}}


def test_the_secret_has_the_name_and_label_that_the_agent_looks_for() -> None:
    """Its health check reports a Secret without the label as missing."""
    labels = {"app.kubernetes.io/part-of": "buoyant-cloud"}
    metadata = from_config().named("x-credentials").inputs["metadata"]
    assert metadata == {
        "name": "buoyant-cloud-org-credentials",
        "namespace": "linkerd-buoyant",
        "labels": labels,
    }
    target = made(BuoyantCloud).named("x-credentials").inputs["spec"]["target"]
    assert target["template"]["metadata"]["labels"] == labels


def test_the_agent_comes_after_its_credentials() -> None:
    """It does not start without them, and the release would time out."""
    for recording in (made(BuoyantCloud), from_config()):
        agent = recording.named("x-linkerd-buoyant")
        assert recording.comes_after(agent, recording.named("x-credentials"))
