"""A real Prometheus that scrapes counters as proxies have them, from an exporter of ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.clients.prometheus import PrometheusApi, PrometheusError
from tests.e2e.identity_process import free_ports
from tests.local_server import Handler, serving

_TTL_SECONDS, _READY_SECONDS = 1800, 120.0
Labels = Mapping[str, str]


def missing() -> str | None:
    """Why no Prometheus can be run here; None when one can."""
    return None if shutil.which("prometheus") else "prometheus is not on PATH"


class Exporter:
    """Counters by name and labels; what is served is what they are at the moment."""

    def __init__(self) -> None:
        self.counters: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}

    def count(self, name: str, labels: Labels, by: int = 1) -> None:
        """Add to a counter."""
        key = (name, tuple(sorted(labels.items())))
        self.counters[key] = self.counters.get(key, 0) + by

    def text(self) -> bytes:
        """The exposition format."""
        lines = []
        for (name, labels), value in list(self.counters.items()):
            inside = ",".join(f"{key}={json.dumps(text)}" for key, text in labels)
            lines.append(f"{name}{{{inside}}} {value}")
        return ("\n".join(lines) + "\n").encode()


@contextmanager
def running(folder: Path) -> Iterator[tuple[Exporter, PrometheusApi]]:
    """The exporter and the Prometheus, on loopback; both end with the block."""
    exporter = Exporter()

    class Metrics(Handler):
        def get(self) -> None:
            self.answer(exporter.text(), "text/plain; version=0.0.4")

    with serving(Metrics) as address:
        target = {"targets": [address.removeprefix("http://")]}
        scrape = {"job_name": "linkerd-proxy", "honor_labels": True, "static_configs": [target]}
        with started(folder, {"scrape_configs": [scrape]}) as url:
            yield exporter, PrometheusApi(url)


@contextmanager
def started(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """Address of a Prometheus with this configuration, whose files are in `folder`.

    It scrapes and evaluates every second where the configuration says nothing else.
    """
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    file.write_text(json.dumps({"global": every, **config}))
    (port,) = free_ports(1)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *("timeout", str(_TTL_SECONDS), "prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def get(url: str, path: str) -> Any:
    """What a path below /api/v1 answers."""
    with _opener().open(f"{url}/api/v1/{path}", timeout=10) as answer:
        return json.load(answer)["data"]


def firing(url: str) -> list[dict[str, Any]]:
    """Every alert that fires now."""
    return [each for each in get(url, "alerts")["alerts"] if each["state"] == "firing"]


def _opener() -> urllib.request.OpenerDirector:
    # It is loopback, whatever the environment says of proxies.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with _opener().open(f"{url}/-/ready", timeout=2):
                return
        except OSError:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.2)


def wait_scraped(prometheus: PrometheusApi, exporter: Exporter) -> None:
    """Until Prometheus has every counter at its present value."""
    deadline = time.monotonic() + _READY_SECONDS
    for (name, labels), value in list(exporter.counters.items()):
        selector = ",".join(f"{key}={json.dumps(text)}" for key, text in labels)
        while True:
            try:
                found = [each.value for each in prometheus.query(f"{name}{{{selector}}}")]
            except PrometheusError:
                found = []
            if found == [float(value)]:
                break
            assert time.monotonic() < deadline, (name, labels, found)
            time.sleep(0.2)
