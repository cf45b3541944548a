"""The rules in a real Prometheus that scrapes a real endpoint: each is evaluated, some fire."""

from __future__ import annotations

import datetime
import functools
import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components import alerts
from components.alert_rules.anchor import ends
from tests.e2e.identity_process import free_ports
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


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = METRICS.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


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
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on PATH: https://prometheus.io/download/")
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    (port,) = free_ports(1)
    (folder / "rules.yaml").write_text(alerts.as_file(_rules()), encoding="utf-8")
    target = f"127.0.0.1:{exporter.server_address[1]}"
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": "platform", "honor_labels": True,
             "static_configs": [{"targets": [target]}]}
        ],
    }  # fmt: skip
    (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, f"--config.file={folder}/prometheus.yaml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _until(functools.partial(_ready, address), process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(20)
        exporter.shutdown()


def _until(holds: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.3)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def get(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"{address}/api/v1/{path}", timeout=10) as answer:  # noqa: S310
        return json.load(answer)["data"]


def firing(address: str) -> dict[str, Any]:
    found = get(address, "alerts")["alerts"]
    return {each["labels"]["alertname"]: each for each in found if each["state"] == "firing"}


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
