"""Our rules in a real Prometheus, which sends what fires to a real Alertmanager and on."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.alert_routing.routes import file
from components.alerts import component as alerts
from tests.e2e import real_alertmanager, test_prometheus_rules
from tests.e2e.identity_process import free_ports
from tests.e2e.real_alertmanager import until
from tests.local_server import serving
from tests.unit.alert_samples import RUNBOOKS
from tests.unit.routing_samples import ON_CALL, SLACK, RouteArgs, routing

pytestmark = pytest.mark.e2e
_TTL_SECONDS = 1800


@contextmanager
def prometheus(folder: Path, alertmanager: str) -> Iterator[None]:
    """A Prometheus with all rules and a cluster in trouble; it ends with the block."""
    with serving(test_prometheus_rules._Metrics) as exporter:
        (port,) = free_ports(1)
        text = alerts.as_file(test_prometheus_rules._rules())
        (folder / "rules.yaml").write_text(text, encoding="utf-8")
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "rule_files": ["rules.yaml"],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}
                ]
            },
            "scrape_configs": [
                {"job_name": "platform", "honor_labels": True,
                 "static_configs": [{"targets": [exporter.removeprefix("http://")]}]}
            ],
        }  # fmt: skip
        (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")
        with (folder / "prometheus.log").open("w") as log:
            process = subprocess.Popen(
                ["timeout", str(_TTL_SECONDS), "prometheus",
                 f"--config.file={folder}/prometheus.yaml",
                 f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def test_what_fires_in_prometheus_is_read_in_slack_and_calls(tmp_path: Path) -> None:
    """Labels by which routes match are those that the rules write, not those of a test."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH: https://prometheus.io/download/")
    if reason := real_alertmanager.missing():
        pytest.skip(reason)
    with real_alertmanager.receivers() as told:
        (tmp_path / "mesh-slack").write_text(f"{told.address}/slack")
        (tmp_path / "mesh-on-call").write_text("key")
        relay = ON_CALL.model_copy(update={"api_url": f"{told.address}/alert/"})
        both = RouteArgs(
            severity="critical", environments=("staging",), receivers=(SLACK.name, relay.name)
        )
        args = routing(
            receivers=(SLACK, relay), routes=(both,), group_wait="1s", group_interval="5s"
        )
        text = file.as_text(file.content(args, str(tmp_path)))
        with (
            real_alertmanager.running(tmp_path, text) as alertmanager,
            prometheus(tmp_path, alertmanager.address),
        ):
            for name in test_prometheus_rules.FIRING:
                until(lambda name=name: told.slack(name) and told.on_call(name), name)
            (called,) = told.on_call("ClusterSecretStoreNotReady")[:1]
            (written,) = told.slack("LinkerdTrustAnchorEnding")[:1]
            ours = {each["labels"]["part_of"] for each in alertmanager.get("/api/v2/alerts")}
    assert ours == {"linkerd-platform"}
    assert (called["cluster"], called["namespace"]) == ("test", "external-secrets")
    assert called["vo_annotate.u.Runbook"].startswith(f"{RUNBOOKS}/secrets.md#")
    assert "The ClusterSecretStore a does not reach Vault" in called["state_message"]
    text = written["attachments"][0]["text"]
    assert "*The trust anchor anchor-1 ends in 9d 23h" in text
    assert "namespace: linkerd\n" in text
