"""The component: both forms, labels and links of every alert, and what waits for Vault."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from components.alerts import component as alerts
from components.alerts.component import ANCHOR_RULES, RULES, Alerts
from tests.unit.alert_samples import RUNBOOKS, alerts_args
from tests.unit.every_feature import base_sections, program
from tests.unit.samples import made
from tests.unit.stack_files import write


def content(**changes: Any) -> dict[str, Any]:
    args = alerts_args(**changes)
    return alerts.content(args, alerts.groups(args.setting))


def rules(**changes: Any) -> list[dict[str, Any]]:
    found = [rule for group in content(**changes)["groups"] for rule in group["rules"]]
    return [rule for rule in found if "alert" in rule]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_where_and_what_to_do(rule: dict[str, Any]) -> None:
    """Who is woken has this and nothing else."""
    labels, annotations = rule["labels"], rule["annotations"]
    assert labels["severity"] in ("critical", "warning", "info")
    assert (labels["cluster"], labels["environment"]) == ("test", "staging")
    assert labels["part_of"] == "linkerd-platform"
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"].startswith(f"{RUNBOOKS}/")
    assert annotations["runbook_url"].endswith(f".md#{rule['alert'].lower()}")


def test_a_slash_at_the_end_of_the_address_is_not_doubled() -> None:
    """Some servers answer such a link with 404."""
    (first, *_) = rules(runbooks=f"{RUNBOOKS}/")
    assert "alerts//" not in first["annotations"]["runbook_url"]


def test_a_disabled_alert_is_left_out_and_nothing_else() -> None:
    """A recording rule that went too would silence others."""
    every, fewer = content(), content(disabled=("LinkerdAuditHits", "LinkerdLeafExpiring"))
    count = [sum(len(group["rules"]) for group in each["groups"]) for each in (every, fewer)]
    assert count[0] - count[1] == 2
    assert "LinkerdAuditHits" not in {
        rule["alert"] for rule in rules(disabled=("LinkerdAuditHits",))
    }


def test_a_group_without_a_rule_is_left_out() -> None:
    """prometheus-operator's webhook takes it, and it says nothing."""
    traffic = ("LinkerdNoReadyEndpoint", "LinkerdGatewayDown")
    groups = {group["name"] for group in content(disabled=traffic)["groups"]}
    assert "linkerd-platform-traffic" not in groups
    assert "linkerd-platform-policy" in groups


def test_prometheus_rules_are_two_objects() -> None:
    """The one with the anchors' ends is known only when Vault has answered."""
    recording = made(Alerts)
    found = {r.inputs["metadata"]["name"]: r.inputs for r in recording.of_kind(":PrometheusRule")}
    assert set(found) == {RULES, ANCHOR_RULES}
    assert found[RULES]["metadata"]["labels"]["release"] == "prometheus"
    assert len(found[RULES]["spec"]["groups"]) > 8
    (group,) = found[ANCHOR_RULES]["spec"]["groups"]
    (rule,) = group["rules"]
    assert rule["labels"] == {"generation": "anchor-1"}
    assert rule["expr"] == "vector(17280000)"
    (own,) = [r for r in recording.resources if r.type == Alerts.type_token]
    assert "LinkerdTrustAnchorEnding" in recording.outputs[own.urn]["alerts"]


def test_a_file_is_a_config_map_with_the_same_rules() -> None:
    """viz's own Prometheus reads files whose names end in `_rules.yaml`."""
    recording = made(Alerts, form="file")
    found = {r.inputs["metadata"]["name"]: r.inputs for r in recording.of_kind(":ConfigMap")}
    assert set(found) == {RULES, ANCHOR_RULES}
    assert not recording.of_kind(":PrometheusRule")
    text = found[RULES]["data"]["linkerd_platform_rules.yaml"]
    assert yaml.safe_load(text) == content()
    ends = yaml.safe_load(found[ANCHOR_RULES]["data"]["linkerd_platform_anchor_rules.yaml"])
    assert ends["groups"][0]["rules"][0]["record"].endswith(":expiry_timestamp_seconds")


def test_rules_are_known_before_vault_answers() -> None:
    """A preview that shows `output<object>` for every rule shows no change of any."""
    sections = base_sections("observability")
    preview = program(sections)
    rules_of = {r.inputs["metadata"]["name"]: r.inputs for r in preview.of_kind(":PrometheusRule")}
    assert rules_of[RULES]["spec"]["groups"]
    assert "groups" not in rules_of[ANCHOR_RULES]["spec"]


def test_the_whole_program_reads_the_ends_of_trusted_anchors(tmp_path: Any) -> None:
    """From the certificates themselves, made here or published by their owner."""
    from tests.unit.whole_program import evaluated_file

    applied = evaluated_file(write(tmp_path, base_sections("observability")), False)
    found = {r.inputs["metadata"]["name"]: r.inputs for r in applied.of_kind(":PrometheusRule")}
    (group,) = found[ANCHOR_RULES]["spec"]["groups"]
    assert [rule["labels"]["generation"] for rule in group["rules"]] == ["a", "b"]
    for rule in group["rules"]:
        seconds = int(rule["expr"].removeprefix("vector(").removesuffix(")"))
        assert seconds > 1_700_000_000
    # Wave `a` is on: its namespaces are watched, with viz and the collector.
    text = alerts.as_file(found[RULES]["spec"])
    assert 'namespace=~"linkerd-tracing|linkerd-viz|shop|third"' in text
