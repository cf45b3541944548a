"""The rules in a real Prometheus that scrapes a real endpoint: each is evaluated, some fire."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import Any

import pytest

from components.alerts import component as alerts
from components.alerts.groups.anchor import ends
from tests.e2e import real_prometheus
from tests.e2e.real_prometheus import get
from tests.local_server import Handler, serving
from tests.unit.alert_samples import RUNBOOKS, alerts_args, setting, thresholds

SECONDS = 60
NOW = datetime.datetime.now(datetime.UTC)
# One anchor that ends in 10 days, a Vault that does not answer, an issuer that nobody renews.
END = (NOW + datetime.timedelta(days=10)).isoformat()
METRICS = """\
clustersecretstore_status_condition{name="a",condition="Ready",status="False"} 1
issuer_cert_ttl_seconds 600
gateway_alive{target_cluster_name="east"} 1
response_total{direction="inbound",namespace="shop",deployment="web",classification="success"} 5
"""
FIRING = {"LinkerdTrustAnchorEnding", "ClusterSecretStoreNotReady"}


class _Metrics(Handler):
    def get(self) -> None:
        self.answer(METRICS.encode(), "text/plain; version=0.0.4")


def _rules() -> dict[str, Any]:
    """All rules as they are deployed, with what waits for minutes cut to a second."""
    limits = thresholds().model_copy(update={"not_ready": 1})
    args = alerts_args(setting=setting().model_copy(update={"thresholds": limits}))
    made = alerts.content(args, [ends({"anchor-1": END}), *alerts.groups(args.setting)])
    for group in made["groups"]:
        group["interval"] = "1s"
    return made


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Prometheus on loopback, stopped at the end."""
    if reason := real_prometheus.missing():
        pytest.skip(f"{reason}: https://prometheus.io/download/")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "rules.yaml").write_text(alerts.as_file(_rules()), encoding="utf-8")
    with serving(_Metrics) as exporter:
        target = {"targets": [exporter.removeprefix("http://")]}
        scrape = {"job_name": "platform", "honor_labels": True, "static_configs": [target]}
        config = {"rule_files": ["rules.yaml"], "scrape_configs": [scrape]}
        with real_prometheus.started(folder, config) as address:
            yield address


def firing(address: str) -> dict[str, Any]:
    return {each["labels"]["alertname"]: each for each in real_prometheus.firing(address)}


def test_every_rule_is_loaded_and_evaluated(prometheus: str) -> None:
    """A rule that fails when it is evaluated, such as with doubled series, passes a lint."""
    expected = [len(group["rules"]) for group in _rules()["groups"]]
    deadline = time.monotonic() + SECONDS
    while True:
        groups = get(prometheus, "rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        if all(rule["health"] != "unknown" for rule in rules):
            break
        assert time.monotonic() < deadline, "not every rule was evaluated"
        time.sleep(0.5)
    assert sorted(len(group["rules"]) for group in groups) == sorted(expected)
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}


def test_alerts_fire_with_all_that_a_receiver_needs(prometheus: str) -> None:
    """Cluster, namespace and runbook are what somebody at night begins with."""
    deadline = time.monotonic() + SECONDS
    while not firing(prometheus).keys() >= FIRING and time.monotonic() < deadline:
        time.sleep(0.5)
    found = firing(prometheus)
    assert found.keys() >= FIRING
    # These wait for minutes, or have no reason.
    assert not {"LinkerdIssuerExpiring", "LinkerdGatewayDown", "LinkerdTrustAnchorExpiring"} & set(
        found
    )
    for name in FIRING:
        labels, annotations = found[name]["labels"], found[name]["annotations"]
        assert (labels["cluster"], labels["environment"]) == ("test", "staging")
        assert labels["severity"] == "critical"
        assert annotations["runbook_url"].startswith(RUNBOOKS)
    assert found["ClusterSecretStoreNotReady"]["labels"]["namespace"] == "external-secrets"
    summary = found["LinkerdTrustAnchorEnding"]["annotations"]["summary"]
    assert summary.startswith("The trust anchor anchor-1 ends in 9d 23h")


def test_an_alert_that_must_wait_is_pending(prometheus: str) -> None:
    """It is counted from the moment at which it was seen, and not sent before."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = get(prometheus, "alerts")["alerts"]
        states = {each["labels"]["alertname"]: each["state"] for each in found}
        if "LinkerdIssuerExpiring" in states:
            break
        time.sleep(0.5)
    assert states["LinkerdIssuerExpiring"] == "pending"
