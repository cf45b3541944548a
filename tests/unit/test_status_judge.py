"""What does not answer is told as such, never taken for healthy, and never a traceback."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.clients.prometheus import FiringAlert
from bot.exit_codes import FAILED
from bot.mesh.status import judge
from bot.mesh.status.alerts import ours
from bot.mesh.status.cluster import once
from bot.mesh.status.document import document
from bot.mesh.status.facts import Alerting, Facts
from bot.mesh.status.model import SIMULATED, StatusReport
from bot.mesh.status.sources import WantedSources
from tests.unit import status_faults as f
from tests.unit.fake_prometheus import fake_prometheus
from tests.unit.stack_files import REMOVE
from tests.unit.status_samples import STACK, FakeApi, Read, good, lines, reader


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a mesh from servers that a test makes up."""
    return reader(monkeypatch)


def states(facts: Facts) -> dict[str, str]:
    """The state of each check."""
    return {line.check: line.result.state for line in judge.judge(facts)}


def with_source(facts: Facts, name: str, value: Any) -> Facts:
    """The same with one source."""
    return replace(facts, sources={**facts.sources, name: value})


def test_nothing_read_proves_nothing(read: Read) -> None:
    """No check may hold on no data: an empty answer would pass for a healthy mesh."""
    facts = replace(read(good()), sources={})
    found = states(facts)
    assert len(found) > 75
    assert set(found.values()) == {"unknown"}


def test_a_dead_api_server_is_asked_once(read: Read) -> None:
    """Sixty time-outs one after the other are ten minutes in which nobody knows anything."""
    mesh = good()
    mesh.objects = {}
    facts = read(mesh)
    assert facts.source("vault")
    found = states(facts)
    assert found["kubernetes/api"] == found["control-plane/pods"] == "unknown"
    assert found["certificates/vault"] == "ok"
    assert StatusReport(STACK, "test", judge.judge(facts)).exit_code == FAILED


@pytest.mark.parametrize(("status", "said"), [(403, "not allowed (403)"), (0, "no answer")])
def test_one_list_that_is_refused_leaves_the_rest(read: Read, status: int, said: str) -> None:
    """An account with fewer rights still sees what it may see, and what it may not."""
    mesh = good()
    mesh.objects[f.DEPLOYMENTS] = status
    facts = read(mesh)
    (line,) = lines(facts, "control-plane/deployments")
    assert line.result.state == "unknown"
    assert said in line.result.seen
    assert states(facts)["control-plane/crds"] == "ok"


def test_odd_data_is_no_traceback(read: Read) -> None:
    """An object of an odd form is a line of the report, whatever is wrong with it."""
    mesh = good()
    mesh.one(f.PODS, f.CART_POD).pop("spec")
    mesh.objects["/version"] = {"gitVersion": "?"}
    found = states(read(mesh))
    assert found["data-plane/proxies"] == found["kubernetes/version"] == "unknown"


def test_a_kind_that_is_not_installed_is_no_object_of_it(read: Read) -> None:
    """Without External Secrets there is no store, which is what one wants to be told."""
    mesh = good()
    mesh.objects["/apis/external-secrets.io/v1/clustersecretstores"] = 404
    (line,) = lines(read(mesh), "operators/store")
    assert (line.result.state, "there is no" in line.result.seen) == ("fail", True)


def test_what_needs_running_pods_is_not_looked_at_where_none_runs(read: Read) -> None:
    """A sandbox that were never healthy would teach nobody anything; one that lied neither."""
    mesh = good()
    mesh.sections[("role",)] = "standalone"
    mesh.sections[("sandbox",)] = {"openWebhooks": True}
    f.unmeshed("tap-5d4f")(mesh)
    found = [each for each in judge.judge(read(mesh)) if each.result.seen == SIMULATED]
    assert {each.check for each in found} == {
        "certificates/issuer-in-use", "extensions/viz-injected", "rollout/meshed",
        "ingress/gateway", "ingress/routes", "egress-gateway/gateway", "egress-gateway/partners",
    }  # fmt: skip
    assert {each.result.state for each in found} == {"skipped"}


def test_a_stack_without_cluster_is_its_vault(read: Read) -> None:
    """The owner of the anchor has nothing else, and on-call asks for it by the same command."""
    mesh = good()
    mesh.sections = {("role",): "owner", ("cluster",): REMOVE}
    found = states(read(mesh))
    assert found == {
        "certificates/vault": "ok", "certificates/vault-anchors": "ok", "drift/state": "skipped",
    }  # fmt: skip


def test_a_status_sends_nothing_but_questions(read: Read) -> None:
    """It is run in a bad hour, with an administrator's rights."""
    api = once(FakeApi("https://api", Path("ca"), objects={"/x": {"a": 1}}))
    for words in (("DELETE", "/x"), ("PATCH", "/x", {}), ("GET", "/x", {})):
        with pytest.raises(ValueError, match="changes nothing"):
            api.request(*words)  # type: ignore[arg-type]
    assert api.request("GET", "/x").ok
    read(good())  # FakeApi takes GET alone.


def test_no_key_and_no_credential_is_kept(read: Read) -> None:
    """A report is pasted into tickets."""
    facts = read(good())
    found = repr(facts.sources) + json.dumps(document(StatusReport(STACK, "", judge.judge(facts))))
    for secret in ("PRIVATE KEY", "a secret", "an id"):
        assert secret not in found
    assert facts.secret("linkerd-buoyant", "buoyant-cloud-org-credentials") is not None


class TestAlerts:
    """What fires, by the Prometheus that evaluates the rules."""

    def found(self, read: Read, *firing: FiringAlert, rules: frozenset[str] | None = None) -> Any:
        facts = read(good())
        alerting = Alerting(firing, ours(facts) if rules is None else rules)
        facts = with_source(facts, "alerts", alerting)
        return lines(facts, "alerts/firing"), lines(facts, "alerts/rules")

    def alert(self, name: str, severity: str, **labels: str) -> FiringAlert:
        own = {"alertname": name, "severity": severity, **labels}
        return FiringAlert(own, {"summary": "It is so", "runbook_url": "https://r/x"})

    def test_each_that_fires_is_a_line_with_its_runbook(self, read: Read) -> None:
        firing, rules = self.found(
            read,
            self.alert("LinkerdControlPlaneBelowQuorum", "critical", namespace="linkerd"),
            self.alert("LinkerdProxyVersionSkew", "warning", cluster="test", namespace="shop"),
            self.alert("LinkerdProxyVersionSkew", "warning", cluster="test", namespace="pay"),
            self.alert("LinkerdProxyVersionSkew", "warning", cluster="another"),
            self.alert("LinkerdAuditHits", "info"),
            self.alert("Watchdog", "critical"),
        )
        assert [line.result.state for line in firing] == ["fail", "warn"]
        assert firing[0].result.seen == "LinkerdControlPlaneBelowQuorum (linkerd): It is so"
        assert firing[1].result.seen == "LinkerdProxyVersionSkew 2 times (pay, shop): It is so"
        assert firing[0].result.next == "https://r/x"
        assert rules[0].result.state == "ok"

    def test_information_is_no_fault(self, read: Read) -> None:
        firing, _ = self.found(read, self.alert("LinkerdAuditHits", "info"))
        assert [line.result.state for line in firing] == ["ok"]
        assert "LinkerdAuditHits" in firing[0].result.seen

    def test_without_rules_silence_proves_nothing(self, read: Read) -> None:
        """A Prometheus that has no rule of ours is as silent as a healthy mesh."""
        _, rules = self.found(read, rules=frozenset({"Watchdog"}))
        assert (rules[0].result.state, "have no rule" in rules[0].result.seen) == ("warn", True)

    def test_a_prometheus_that_is_away_is_unknown(self, read: Read) -> None:
        facts = read(good(), WantedSources("http://127.0.0.1:9", cli=False))
        (line,) = lines(facts, "alerts/firing")
        assert line.result.state == "unknown"
        assert "127.0.0.1:9" in line.result.seen

    def test_a_server_that_is_none_is_unknown(self, read: Read) -> None:
        with fake_prometheus(lambda _: {}) as url:
            facts = read(good(), WantedSources(url, cli=False))
        assert lines(facts, "alerts/firing")[0].result.state == "unknown"
