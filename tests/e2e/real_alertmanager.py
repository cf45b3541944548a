"""A real Alertmanager, and receivers of ours in the place of Slack and Splunk On-Call."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.alerts.component import groups
from components.alerts.groups.model import Alert, rule
from tests.e2e.identity_process import free_ports
from tests.local_server import Handler, serving
from tests.programs import ran
from tests.unit.alert_samples import RUNBOOKS, setting

_PROGRAMS = ("alertmanager", "prometheus-alertmanager")
_TTL_SECONDS, _WAIT_SECONDS = 1800, 120.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def program() -> str | None:
    """The program, as upstream or as Debian calls it."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


def missing() -> str | None:
    """Why no Alertmanager can be run here; None when one can."""
    return None if program() else "no alertmanager on PATH: https://prometheus.io/download/"


def version() -> tuple[int, ...]:
    """Its version, such as (0, 25, 0)."""
    done = ran([str(program()), "--version"], check=True)
    match = re.search(r"version (\d+)\.(\d+)\.(\d+)", done.stdout + done.stderr)
    assert match, done
    return tuple(map(int, match.groups()))


@dataclass
class Receivers:
    """What arrived, in order: bodies at each path."""

    address: str
    arrived: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def at(self, path: str) -> list[dict[str, Any]]:
        """The bodies that were posted to a path."""
        return [body for where, body in list(self.arrived) if where == path]

    def slack(self, alert: str) -> list[dict[str, Any]]:
        """Messages in Slack about an alert."""
        return [m for m in self.at("/slack") if alert in m["attachments"][0]["title"]]

    def on_call(self, alert: str) -> list[dict[str, Any]]:
        """Incidents in Splunk On-Call about an alert."""
        return [m for m in self.at("/alert/key/mesh") if m["alertname"] == alert]


@contextmanager
def receivers() -> Iterator[Receivers]:
    """A server on loopback that answers as both do; it ends with the block."""
    made = Receivers("")

    class Answers(Handler):
        def post(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.arrived.append((self.path, body))
            slack = self.path == "/slack"
            answer = b"ok" if slack else b'{"result":"success"}'
            self.answer(answer, "text/html" if slack else "application/json")

    with serving(Answers) as made.address:
        yield made


class Alertmanager:
    """A running one."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str) -> Any:
        with _OPENER.open(f"{self.address}{path}", timeout=10) as answer:
            return json.load(answer)

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Alerts as Prometheus sends them."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.address}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        with _OPENER.open(request, timeout=10) as answer:
            assert answer.status == 200

    def states(self) -> dict[tuple[str, str], str]:
        """The state of each alert by its name and cluster: `active` or `suppressed`."""
        return {
            (each["labels"]["alertname"], each["labels"]["cluster"]): each["status"]["state"]
            for each in self.get("/api/v2/alerts")
        }


@contextmanager
def running(folder: Path, config: str) -> Iterator[Alertmanager]:
    """An Alertmanager with this config, on loopback and alone; it ends with the block."""
    (port,) = free_ports(1)
    (folder / "alertmanager.yaml").write_text(config, encoding="utf-8")
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("timeout", str(_TTL_SECONDS), str(program())),
                f"--config.file={folder / 'alertmanager.yaml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    made = Alertmanager(f"http://127.0.0.1:{port}")

    def ready() -> bool:
        assert process.poll() is None, (folder / "alertmanager.log").read_text()[-3000:]
        try:
            made.get("/api/v2/status")
        except OSError:
            return False
        return True

    try:
        until(ready, "Alertmanager to answer")
        yield made
    finally:
        process.terminate()
        process.wait(timeout=30)


def until(holds: Callable[[], object], what: str) -> None:
    """Wait for something; the deadline is far off, for a machine that is busy."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def alert(name: str, environment: str = "production", **labels: str) -> dict[str, Any]:
    """A firing alert as Prometheus makes it of our rule, with these labels of its series."""
    rules = [r for g in groups(setting()) for r in g.rules if isinstance(r, Alert)]
    found = next(each for each in rules if each.name == name)
    base = {"cluster": "one", "environment": environment, "part_of": "linkerd-platform"}
    made = rule(found, base, RUNBOOKS)
    own = {**made["labels"], "alertname": name, **labels}

    def written(match: re.Match[str]) -> str:
        return own.get(match[1] or "", "1")

    texts = {
        key: re.sub(r"\{\{ (?:\$labels\.(\w+)|\$value[^}]*) \}\}", written, text)
        for key, text in made["annotations"].items()
    }
    assert "{{" not in str(texts)
    return {"labels": own, "annotations": texts, "generatorURL": "http://prometheus.example.com"}


def resolved(fired: Mapping[str, Any]) -> dict[str, Any]:
    """The same alert when its reason is gone."""
    return {**fired, "endsAt": datetime.now(UTC).isoformat()}
