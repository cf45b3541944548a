"""The routing as amtool reads it: it is a good config, and each alert ends where it should."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.alert_routing.component import manifest
from components.alert_routing.routes import file
from tests.charts.operator_config import ROOT, generated
from tests.programs import ran
from tests.unit.routing_samples import BEAT, routing, routing_args

SECRET = {
    "mesh-slack": "https://slack.example.com/a",
    "mesh-on-call": "a",
    "heartbeat.url": "https://heartbeat.example.com/a",
}
OURS = {"part_of": "linkerd-platform", "cluster": "one", "namespace": "linkerd"}
# Severity and environment, and the route that takes it.
ROUTED = {
    ("critical", "production"): "critical",
    ("critical", "staging"): "critical:staging,sandbox",
    ("critical", "sandbox"): "critical:staging,sandbox",
    ("warning", "production"): "warning",
    ("warning", "staging"): "warning",
    ("info", "production"): "nobody",
    ("info", "staging"): "nobody",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """amtool; skips the test where there is none."""
    program = shutil.which("amtool")
    if program is None:
        pytest.skip("amtool is not on PATH: it comes with Alertmanager")
    return ran([program, *arguments], timeout=120)


@functools.cache
def reads_url_files() -> bool:
    """True where a webhook's address may be in a file: since Alertmanager 0.26."""
    done = run("--version")
    numbers = (done.stdout + done.stderr).split("version ")[1].split(".")[:2]
    return tuple(map(int, numbers)) >= (0, 26)


def as_file(folder: Path, **changes: Any) -> Path:
    """The form `file`."""
    return written(folder, file.content(routing(**changes), "/etc/alertmanager/secrets/a"))


def as_object(folder: Path, strategy: Any = "None", **changes: Any) -> Path:
    """The form `alertmanager-config`, as the operator hands it to its Alertmanager."""
    return written(folder, generated(manifest(routing_args(**changes)), SECRET, strategy))


def written(folder: Path, content: dict[str, Any]) -> Path:
    made = folder / "alertmanager.yaml"
    made.write_text(file.as_text(content), encoding="utf-8")
    return made


def taken_by(config: Path, **labels: str) -> str:
    """The receiver that Alertmanager would tell."""
    given = [f"{key}={value}" for key, value in labels.items()]
    done = run("config", "routes", "test", f"--config.file={config}", *given)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("make", [as_file, as_object])
def test_amtool_accepts_the_config(make: Any, tmp_path: Path) -> None:
    """One that Alertmanager refuses leaves the old one in place, and nobody notices."""
    done = run("check-config", str(make(tmp_path)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 inhibit rules" in done.stdout
    # The operator's own config has a receiver besides.
    assert f"{4 if make is as_file else 5} receivers" in done.stdout


def test_amtool_accepts_a_heartbeat_and_alerts_of_others(tmp_path: Path) -> None:
    """With all that a stack file can say."""
    with_url = as_object(tmp_path, heartbeat=BEAT)
    done = run("check-config", str(with_url))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 receivers" in done.stdout
    if not reads_url_files():
        pytest.skip("the file's heartbeat needs url_file: Alertmanager 0.26 or newer")
    done = run("check-config", str(as_file(tmp_path, heartbeat=BEAT, unmatched=("mesh-slack",))))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_config_is_refused(tmp_path: Path) -> None:
    """A check that takes everything proves nothing."""
    content = file.content(routing(), "/a")
    content["route"]["routes"][0]["routes"][0]["receiver"] = "other"
    done = run("check-config", str(written(tmp_path, content)))
    assert done.returncode != 0
    assert "other" in done.stdout + done.stderr


@pytest.mark.parametrize("make", [as_file, as_object])
def test_severity_and_environment_decide(make: Any, tmp_path: Path) -> None:
    """Every one of them: a hole in the routes is an alert that nobody hears of."""
    config = make(tmp_path)
    prefix = "" if make is as_file else "monitoring/linkerd-platform-routing/"
    for (severity, environment), receiver in ROUTED.items():
        found = taken_by(config, **OURS, severity=severity, environment=environment)
        # The operator lets an alert go on to the Alertmanager's own routes.
        assert found == prefix + receiver, (severity, environment)


@pytest.mark.parametrize("make", [as_file, as_object])
def test_alerts_of_others_pass_by(make: Any, tmp_path: Path) -> None:
    """They have routes of their own."""
    config = make(tmp_path)
    found = taken_by(config, severity="critical", namespace="linkerd", alertname="Other")
    assert found == ("nobody" if make is as_file else ROOT)


def test_the_heartbeat_has_a_route_of_its_own(tmp_path: Path) -> None:
    """It is for information, and must not be told as such."""
    config = as_object(tmp_path, heartbeat=BEAT)
    found = taken_by(config, **OURS, alertname="LinkerdWatchdog", severity="info")
    assert found == "monitoring/linkerd-platform-routing/heartbeat"


def test_the_operators_default_keeps_alerts_of_other_namespaces_out(tmp_path: Path) -> None:
    """What the page of the component says must be set, and why."""
    config = as_object(tmp_path, "OnNamespace")
    labels = {**OURS, "severity": "critical", "environment": "production"}
    assert taken_by(config, **labels) == ROOT
    own = {**labels, "namespace": "monitoring"}
    assert taken_by(config, **own).endswith("/critical")
