"""The queries of the rollout's gates, evaluated by Prometheus' own engine (promtool)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.mesh.rollout.gates import API_SERVER, latency, success_rate, webhook_failures
from schema.values import Duration
from tests.programs import ran

WINDOW = Duration(600)
_HOOK = '{name="linkerd-proxy-injector.linkerd.io"}'


def series(metric: str, step: float, /, **labels: str) -> dict[str, str]:
    """A counter that grows so much each minute, for twenty minutes."""
    told = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{metric}{{{told}}}", "values": f"0+{step}x20"}


def requests(namespace: str, classification: str, step: float, direction: str = "inbound") -> Any:
    """Requests per minute in a namespace."""
    labels = {"namespace": namespace, "classification": classification, "direction": direction}
    return series("response_total", step, **labels)


def bucket(namespace: str, le: str, step: float, direction: str = "inbound") -> Any:
    """A bucket of the latency in a namespace."""
    labels = {"namespace": namespace, "le": le, "direction": direction}
    return series("response_latency_ms_bucket", step, **labels)


INPUT = [
    requests("good", "success", 99),
    requests("good", "failure", 1),
    requests("good", "failure", 500, "outbound"),
    requests("bad", "failure", 10),
    requests("idle", "success", 0),
    bucket("good", "10", 90),
    bucket("good", "100", 100),
    bucket("good", "+Inf", 100),
    bucket("good", "10", 0, "outbound"),
    *(series(name, 1, name="linkerd-proxy-injector.linkerd.io", type=name) for name in API_SERVER),
    *(series(name, 7, name="another.webhook") for name in API_SERVER),
]


def evaluated(folder: Path, expression: str, expected: list[tuple[str, float]]) -> str:
    """What promtool says against these samples; empty where they are right."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH")
    samples = [{"labels": labels, "value": value} for labels, value in expected]
    test = {
        "interval": "1m",
        "input_series": INPUT,
        "promql_expr_test": [{"expr": expression, "eval_time": "20m", "exp_samples": samples}],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}), encoding="utf-8")
    done = ran([promtool, "test", "rules", str(file)])
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_success_rate_is_that_of_inbound_requests(tmp_path: Path) -> None:
    """Where nothing succeeds it is 0, not unknown; where nothing happens it is not there."""
    expected = [('{namespace="good"}', 0.99), ('{namespace="bad"}', 0.0)]
    assert evaluated(tmp_path, success_rate(WINDOW), expected) == ""


def test_the_latency_is_the_95th_percentile(tmp_path: Path) -> None:
    """Half way through the bucket of 10 to 100 ms."""
    assert evaluated(tmp_path, f"round({latency(WINDOW)})", [('{namespace="good"}', 55.0)]) == ""


@pytest.mark.parametrize("metric", API_SERVER)
def test_failures_of_other_webhooks_do_not_count(tmp_path: Path, metric: str) -> None:
    """Ten minutes with one a minute."""
    assert evaluated(tmp_path, webhook_failures(metric, WINDOW), [("{}", 10.0)]) == ""


def test_a_wrong_sample_is_found(tmp_path: Path) -> None:
    """The comparison itself must bite."""
    assert evaluated(tmp_path, success_rate(WINDOW), [('{namespace="good"}', 1.0)]) != ""
