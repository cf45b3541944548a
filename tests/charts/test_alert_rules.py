"""Each rule fires when it must and keeps quiet when it must, as promtool evaluates it."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.alerts import component as alerts
from components.alerts.groups.anchor import ends
from components.alerts.groups.model import PART_OF, Alert, Group
from tests.charts.scenarios import Scenario, changed
from tests.charts.scenarios_certificates import SCENARIOS as CERTIFICATES
from tests.charts.scenarios_gateways import SCENARIOS as GATEWAYS
from tests.charts.scenarios_mesh import SCENARIOS as MESH
from tests.charts.scenarios_slo import SCENARIOS as SLO
from tests.programs import ran
from tests.unit.alert_samples import ANCHOR_END, alerts_args

SCENARIOS = [*CERTIFICATES, *GATEWAYS, *MESH, *SLO]
ARGS = alerts_args()
EVERY = [ends({"anchor-1": ANCHOR_END}), *alerts.groups(ARGS.setting)]


def promtool() -> str:
    """The program; skips the test where there is none."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not on PATH: it comes with Prometheus")
    return found


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return ran([promtool(), *arguments], timeout=120)


def groups_of(alert: str) -> list[Group]:
    """The group of an alert, after those that record what it reads."""
    (group,) = [g for g in EVERY if alert in alerts.names([g])]
    before = {"slo": "workloads", "trust-anchor": "trust-anchor-ends"}
    wanted = before.get(group.name.removeprefix("linkerd-platform-"), "none")
    return [*(g for g in EVERY if g.name.startswith(f"linkerd-platform-{wanted}")), group]


def short(content: dict[str, Any], alert: str) -> dict[str, Any]:
    """The rules without other alerts, and with the summary alone, which the scenario spells out."""
    for group in content["groups"]:
        group["rules"] = [r for r in group["rules"] if r.get("alert", alert) == alert]
        for rule in group["rules"]:
            if "alert" in rule:
                rule["annotations"] = {"summary": rule["annotations"]["summary"]}
    return content


def expected(scenario: Scenario) -> dict[str, Any]:
    base = {"severity": scenario.severity, "cluster": "test", "environment": "staging"}
    base["part_of"] = PART_OF
    return {
        "exp_labels": {**base, **scenario.labels},
        "exp_annotations": {"summary": scenario.summary},
    }


def cases_of(scenario: Scenario) -> list[dict[str, Any]]:
    """One test of promtool for the firing series, and one for each quiet change."""

    def test(series: dict[str, str], at: str, exp: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "interval": scenario.interval,
            "input_series": [{"series": s, "values": v} for s, v in series.items()],
            "alert_rule_test": [{"eval_time": at, "alertname": scenario.alert, "exp_alerts": exp}],
        }

    made = [test(dict(scenario.firing), scenario.at, [expected(scenario)])]
    made += [test(changed(scenario.firing, each), scenario.at, []) for each in scenario.quiet]
    if "quiet" in scenario.static:
        made.append(test(dict(scenario.firing), scenario.static["quiet"], []))
    return made


def check(scenario: Scenario, folder: Path, content: dict[str, Any] | None = None) -> str:
    """What promtool has against it; nothing where all is as expected."""
    rules = content or short(alerts.content(ARGS, groups_of(scenario.alert)), scenario.alert)
    (folder / "rules.yaml").write_text(alerts.as_file(rules), encoding="utf-8")
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": scenario.interval,
        "group_eval_order": [group["name"] for group in rules["groups"]],
        "tests": cases_of(scenario),
    }
    (folder / "tests.yaml").write_text(json.dumps(tests), encoding="utf-8")
    done = run("test", "rules", str(folder / "tests.yaml"))
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.id)
def test_a_rule_fires_when_it_must_and_not_otherwise(scenario: Scenario, tmp_path: Path) -> None:
    """An alert that nobody saw firing is one that never does."""
    assert len(cases_of(scenario)) > 1
    assert check(scenario, tmp_path) == ""


def test_every_alert_has_a_scenario() -> None:
    """One that has none is not tested."""
    assert {scenario.alert for scenario in SCENARIOS} == alerts.names(EVERY)


def test_every_rule_of_a_name_has_one() -> None:
    """Rules that share a name are told apart by a label, and each can be wrong alone."""
    for rule in (r for g in EVERY for r in g.rules if isinstance(r, Alert)):
        mine = [s for s in SCENARIOS if s.alert == rule.name]
        # Each speed of an own objective is written by the same code.
        assert rule.labels.keys() == {"objective"} or any(
            rule.labels.items() <= s.labels.items() for s in mine
        )


@pytest.mark.parametrize("wrong", ["never", "always"])
def test_a_wrong_rule_fails(wrong: str, tmp_path: Path) -> None:
    """A check that passes whatever the rule says proves nothing."""
    (scenario,) = [s for s in SCENARIOS if s.alert == "LinkerdIssuerExpiring"]
    content = short(alerts.content(ARGS, groups_of(scenario.alert)), scenario.alert)
    (rule,) = [r for g in content["groups"] for r in g["rules"]]
    rule["expr"] = {"never": "vector(1) < 0", "always": "min(issuer_cert_ttl_seconds)"}[wrong]
    assert "FAILED" in check(scenario, tmp_path, content)


@functools.cache
def _whole() -> dict[str, Any]:
    return alerts.content(ARGS, EVERY)


def test_promtool_accepts_every_rule(tmp_path: Path) -> None:
    """One rule that Prometheus refuses keeps it from loading any."""
    file = tmp_path / "rules.yaml"
    file.write_text(alerts.as_file(_whole()), encoding="utf-8")
    done = run("check", "rules", str(file))
    count = sum(len(group["rules"]) for group in _whole()["groups"])
    assert done.returncode == 0, done.stderr
    assert f"{count} rules found" in done.stdout
