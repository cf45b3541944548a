"""The component: both forms of the routing, and credentials that neither of them holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from components.alert_routing.component import (
    CREDENTIALS,
    FOLDER,
    AlertRouting,
    credentials,
    manifest,
)
from components.names import ALERT_ROUTING
from tests.unit.crd_schemas import faults
from tests.unit.routing_samples import BEAT, ON_CALL, routing, routing_args
from tests.unit.samples import made

FORMS = ("alertmanager-config", "file")


def spec(**changes: Any) -> dict[str, Any]:
    found = manifest(routing_args(**changes))["spec"]
    assert isinstance(found, dict)
    return found


def content(**changes: Any) -> dict[str, Any]:
    text = manifest(routing_args("file", **changes))["data"]["alertmanager.yaml"]
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def receivers(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in found["receivers"]}


def snake(found: Any) -> Any:
    """The spec of an object as the file has it, credentials left out."""
    if isinstance(found, list):
        return [snake(each) for each in found]
    if not isinstance(found, dict):
        return found
    if set(found) == {"name", "value", "matchType"}:
        return f'{found["name"]}{found["matchType"]}"{found["value"]}"'
    if set(found) == {"name", "key"}:
        return f"{FOLDER}/{found['key']}"
    names = {
        "apiURL": "api_url_file",
        "apiKey": "api_key_file",
        "urlSecret": "url_file",
        "sourceMatch": "source_matchers",
        "targetMatch": "target_matchers",
    }
    made_ = {}
    for key, value in found.items():
        name = names.get(key) or "".join(f"_{c.lower()}" if c.isupper() else c for c in key)
        if key == "customFields":
            made_[name] = {each["key"]: each["value"] for each in value}
        else:
            made_[name] = snake(value)
    return made_


@pytest.mark.parametrize("changes", [{}, {"heartbeat": BEAT}])
def test_both_forms_say_the_same(changes: dict[str, Any]) -> None:
    """A team that moves to the operator must not find that somebody is called no more."""
    as_object, as_file = snake(spec(**changes)), content(**changes)
    (platform,) = as_file["route"]["routes"]
    assert platform == as_object["route"]
    assert as_file["receivers"] == as_object["receivers"]
    assert as_file["inhibit_rules"] == as_object["inhibit_rules"]


def test_the_object_is_what_the_operators_crd_allows() -> None:
    """The API server drops an unknown field in silence; routes below have no schema there."""
    api = ON_CALL.model_copy(update={"api_url": "https://relay.example.com/alert/"})
    every = routing(heartbeat=BEAT).receivers[0], api
    whole = manifest(routing_args(heartbeat=BEAT, receivers=every))
    assert faults(whole) == []
    misspelt = json.loads(json.dumps(whole))
    misspelt["spec"]["receivers"][2]["slackConfigs"][0]["titlelink"] = "x"
    assert "'titlelink' was unexpected" in faults(misspelt)[0]
    for child in whole["spec"]["route"]["routes"]:
        as_root = {**whole, "spec": {**whole["spec"], "route": child}}
        assert faults(as_root) == []


def test_a_receiver_tells_all_that_its_route_names() -> None:
    """Two routes with `continue` would be two groups, and two incidents."""
    for found, kinds in ((spec(), "slackConfigs victoropsConfigs"),
                         (content(), "slack_configs victorops_configs")):  # fmt: skip
        slack, on_call = kinds.split()
        by_name = receivers(found)
        assert set(by_name) == {"nobody", "critical:staging,sandbox", "critical", "warning"}
        assert by_name["nobody"] == {"name": "nobody"}
        assert set(by_name["critical"]) == {"name", slack, on_call}
        assert set(by_name["warning"]) == {"name", slack}
        assert all(
            each["send_resolved" if "_" in slack else "sendResolved"]
            for receiver in by_name.values()
            for each in receiver.get(slack, [])
        )


def test_credentials_come_from_vault_one_key_per_receiver() -> None:
    """Each from its own entry, so that teams can keep their own."""
    whole = credentials(routing_args(heartbeat=BEAT))
    assert faults(whole) == []
    assert whole["metadata"] == {"name": CREDENTIALS, "namespace": "monitoring"}
    found = {d["secretKey"]: tuple(d["remoteRef"].values()) for d in whole["spec"]["data"]}
    assert found == {
        "mesh-slack": ("alerting/slack", "url"),
        "mesh-on-call": ("alerting/splunk-on-call", "api_key"),
        "heartbeat.url": ("alerting/heartbeat", "url"),
    }
    assert whole["spec"]["target"]["deletionPolicy"] == "Retain"


@pytest.mark.parametrize("form", FORMS)
def test_no_form_holds_a_credential(form: str) -> None:
    """A ConfigMap is read by many, and a pull request shows both in full."""
    text = json.dumps(manifest(routing_args(form, heartbeat=BEAT)))
    for key in ("api_url:", "api_key:", "url:", "slack.com", "hooks."):
        assert key not in text.replace("runbook_url", ""), key
    named = [*text.split(CREDENTIALS)][1:]
    # Three uses of the webhook, one of the key, one of the heartbeat.
    assert len(named) == 5


@pytest.mark.parametrize("form", FORMS)
def test_the_routing_comes_after_a_secret_that_is_there(form: str) -> None:
    """prometheus-operator leaves a config out whose Secret is not there, and only logs it."""
    recording = made(AlertRouting, form=form)
    secret, whole = recording.named("x-credentials"), recording.named("x-routing")
    assert secret.type.endswith(":ExternalSecret")
    assert secret.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"
    assert recording.comes_after(whole, secret)
    assert whole.inputs["metadata"]["name"] == ALERT_ROUTING
    assert whole.inputs["metadata"]["labels"] == {"team": "platform"}
    own = recording.outputs[recording.named("x").urn]
    assert own["receivers"] == ["mesh-slack", "mesh-on-call"]
    assert recording.of_kind(":Secret") == []


def test_alerts_of_others_go_where_the_file_says_and_ours_do_not() -> None:
    """What is for information must not end in the channel of strangers' alerts."""
    found = content(unmatched=("mesh-slack",))
    assert found["route"]["receiver"] == "unmatched"
    (platform,) = found["route"]["routes"]
    assert platform["receiver"] == "nobody"
    assert receivers(found)["unmatched"]["slack_configs"][0]["channel"] == "#mesh-alerts"
    assert content()["route"]["receiver"] == "nobody"


def test_the_text_of_a_file_is_the_same_each_time_and_read_line_by_line() -> None:
    """Else each preview shows a change, and no reviewer can read it."""
    first, second = (manifest(routing_args("file"))["data"] for _ in range(2))
    assert first == second
    assert "text: |-\n" in first["alertmanager.yaml"]


def test_a_relay_is_asked_in_place_of_splunk() -> None:
    """Where the cluster reaches nothing outside by itself."""
    relay = ON_CALL.model_copy(update={"api_url": "https://relay.example.com/alert/"})
    every = (routing().receivers[0], relay)
    (found,) = receivers(content(receivers=every))["critical"]["victorops_configs"]
    assert found["api_url"] == "https://relay.example.com/alert/"
    (plain,) = receivers(content())["critical"]["victorops_configs"]
    assert "api_url" not in plain
