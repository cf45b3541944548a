"""The collector and Jaeger as processes on this machine, with the configs that their pods have.

Neither is in a Go module that `go install` takes, so each is used where it is on PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.tracing.objects import as_yaml
from components.tracing.section import Sampling
from tests.e2e.identity_process import free_ports
from tests.programs import ran

COLLECTORS = ("otelcol-k8s", "otelcol-contrib", "otelcol")
JAEGER_PROGRAM = "jaeger"
PARTS = ("memory_limiter", "attributes", "probabilistic_sampler", "tail_sampling", "batch")
# Every trace; and at once, where a test need not wait for a batch to fill.
ALL = Sampling()
AT_ONCE = {"processors": {"batch": {"timeout": "50ms"}}}
_TTL_SECONDS, _READY_SECONDS = 1800, 120.0


@cache
def collector_program() -> str | None:
    """The collector on PATH that has all parts; None where there is none."""
    for name in filter(shutil.which, COLLECTORS):
        done = ran([name, "components"])
        if all(f"name: {part}\n" in done.stdout for part in PARTS):
            return name
    return None


def program() -> str:
    """The same; skips the test where there is none."""
    found = collector_program()
    if found is None:
        pytest.skip(f"none of {', '.join(COLLECTORS)} with all parts is on PATH")
    return found


def jaeger_program() -> str:
    """Jaeger; skips the test where there is none."""
    if shutil.which(JAEGER_PROGRAM) is None:
        pytest.skip(f"{JAEGER_PROGRAM} is not on PATH: https://www.jaegertracing.io/download/")
    return JAEGER_PROGRAM


def until(condition: Callable[[], bool], log: Path) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + _READY_SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)


def validate(config: Mapping[str, Any], folder: Path, program: str) -> str:
    """What the program says against a config; empty when it takes it."""
    file = folder / "config.yaml"
    file.write_text(as_yaml(config), encoding="utf-8")
    done = ran(
        [program, "validate", f"--config={file}"],
        env=dict(os.environ),
    )  # fmt: skip
    return done.stderr if done.returncode else ""


@dataclass(frozen=True)
class Running:
    """Ports of a process that runs: OTLP over gRPC, health, its own metrics, and its pages."""

    grpc: int
    health: int
    metrics: int
    ui: int
    log: Path

    def page(self, port: int, path: str) -> str:
        """What it answers with 200 at a path; raises OSError otherwise."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def wait_for(self, port: int, path: str) -> str:
        """The same, as soon as it does."""
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                return self.page(port, path)
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()[-3000:]
                time.sleep(0.1)


@contextmanager
def running(
    program: str,
    config: Mapping[str, Any],
    folder: Path,
    health_path: str,
    over: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """The program with a config whose addresses are laid on loopback; ends with the block.

    over: what else is laid on the config.
    """
    grpc_port, http_port, health, metrics, ui = free_ports(5)
    ports = {"grpc": grpc_port, "http": http_port}
    receivers = config["receivers"]["otlp"]["protocols"]
    extensions: dict[str, Any] = {}
    if "jaeger_query" in config["extensions"]:
        (query_grpc,) = free_ports(1)
        extensions["jaeger_query"] = {
            "http": {"endpoint": f"127.0.0.1:{ui}"},
            "grpc": {"endpoint": f"127.0.0.1:{query_grpc}"},
        }
        extensions["healthcheckv2"] = {"http": {"endpoint": f"127.0.0.1:{health}"}}
    else:
        extensions["health_check"] = {"endpoint": f"127.0.0.1:{health}"}
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}
    loopback = {
        "receivers": {
            "otlp": {"protocols": {k: {"endpoint": f"127.0.0.1:{ports[k]}"} for k in receivers}}
        },
        "extensions": extensions,
        "service": {"telemetry": {"metrics": {"readers": [reader]}}},
    }
    files = []
    for name, content in (("config", config), ("loopback", loopback), ("over", over or {})):
        files.append(folder / f"{name}.yaml")
        files[-1].write_text(as_yaml(content), encoding="utf-8")
    # Its own spans go to 4317 of its own pod: https://opentelemetry.io/docs/specs/otel/protocol/
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{grpc_port}"}
    log = folder / f"{program}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["timeout", str(_TTL_SECONDS), program, *(f"--config={file}" for file in files)],
            stdout=out,
            stderr=out,
            env={**os.environ, **own, **(env or {})},
        )
    try:
        made = Running(grpc_port, health, metrics, ui, log)
        made.wait_for(health, health_path)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=30)
