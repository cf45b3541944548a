"""The configs in the real collector and the real Jaeger: what goes in at one end comes out."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.trace_collector.config import (
    JAEGER_HEALTH_PATH,
    JAEGER_PATH,
    collector_config,
    jaeger_config,
)
from components.trace_collector.model import BackendArgs, JaegerArgs, SamplingArgs
from tests.e2e import otlp, trace_processes
from tests.e2e.trace_processes import COLLECTORS, JAEGER_PROGRAM, running

HEADER = "x-team"
ALL = SamplingArgs(mode="probabilistic", per_cent=100)
_SECONDS = 60.0


def program() -> str:
    """The collector; skips the test where there is none."""
    found = trace_processes.collector_program()
    if found is None:
        pytest.skip(f"none of {', '.join(COLLECTORS)} with all parts is on PATH")
    return found


def jaeger_program() -> str:
    """Jaeger; skips the test where there is none."""
    if shutil.which(JAEGER_PROGRAM) is None:
        pytest.skip(f"{JAEGER_PROGRAM} is not on PATH: https://www.jaegertracing.io/download/")
    return JAEGER_PROGRAM


def to(port: int, sampling: SamplingArgs, *, queries: bool = False) -> dict[str, Any]:
    """A config that sends to a backend on loopback, with a header from the environment."""
    made = BackendArgs(
        endpoint=f"http://127.0.0.1:{port}", protocol="http", headers={HEADER: "team"}
    )
    return collector_config(sampling, queries=queries, cluster_domain="cluster.local", backend=made)


def until(condition: Callable[[], bool], log: Path) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)


# At once, where a test need not wait for a batch to fill.
AT_ONCE = {"processors": {"batch": {"timeout": "50ms"}}}
ENV = {"TRACE_BACKEND_HEADER_0": "payments"}
CONFIGS = {
    "jaeger": (ALL, False, None),
    "share": (
        SamplingArgs(mode="probabilistic", per_cent=12.5),
        True,
        BackendArgs(
            endpoint="https://traces.example.com:4317", protocol="grpc", headers={"a": "b"}
        ),
    ),
    "tail": (
        SamplingArgs(mode="tail", per_cent=5, slow_ms=2000),
        False,
        BackendArgs(endpoint="https://traces.example.com/otlp", protocol="http", headers={}),
    ),
    "meshed": (
        SamplingArgs(mode="tail", per_cent=0.01),
        False,
        BackendArgs(endpoint="http://tempo.monitoring:4317", protocol="grpc", headers={}),
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_collector_takes_each_form_of_the_config(name: str, tmp_path: Path) -> None:
    """A key that it does not know keeps every pod from starting."""
    sampling, queries, backend = CONFIGS[name]
    config = collector_config(
        sampling, queries=queries, cluster_domain="cluster.local", backend=backend
    )
    assert trace_processes.validate(config, tmp_path, program()) == ""


def test_a_key_that_the_collector_does_not_know_is_found(tmp_path: Path) -> None:
    """The check itself must bite."""
    config = to(1, ALL)
    config["processors"]["memory_limiter"]["limit_percent"] = 80
    assert "limit_percent" in trace_processes.validate(config, tmp_path, program())


def test_a_span_arrives_without_its_query_and_with_the_header(tmp_path: Path) -> None:
    """As a proxy sends it, over gRPC; the header's value is in no file."""
    with (
        otlp.backend() as backend,
        running(program(), to(backend.port, ALL), tmp_path, "/", AT_ONCE, ENV) as collector,
    ):
        otlp.export(collector.grpc, [otlp.span(1, path="/cart?token=abc")])
        until(lambda: bool(backend.spans), collector.log)
        ((trace, attributes),) = backend.spans
        metrics = collector.page(collector.metrics, "/metrics")
    assert trace == otlp.trace_id(1)
    assert attributes["url.path"] == "/cart"
    assert "abc" not in str(attributes)
    assert [headers[HEADER] for headers in backend.headers] == ["payments"]
    assert "payments" not in "".join(file.read_text() for file in tmp_path.glob("*.yaml"))
    assert "otelcol_receiver_accepted_spans" in metrics


def test_queries_stay_where_the_stack_says_so(tmp_path: Path) -> None:
    """Who wants them must get them."""
    with (
        otlp.backend() as backend,
        running(
            program(), to(backend.port, ALL, queries=True), tmp_path, "/", AT_ONCE, ENV
        ) as collector,
    ):
        otlp.export(collector.grpc, [otlp.span(1, path="/cart?page=2")])
        until(lambda: bool(backend.spans), collector.log)
    assert backend.spans[0][1]["url.query"] == "page=2"


def test_replicas_keep_the_same_share_of_traces(tmp_path: Path) -> None:
    """Spans of one trace reach different replicas: each must decide like the others."""
    sampling = SamplingArgs(mode="probabilistic", per_cent=25)
    kept = []
    for replica in ("a", "b"):
        folder = tmp_path / replica
        folder.mkdir()
        with otlp.backend() as backend:
            config = to(backend.port, sampling)
            with running(program(), config, folder, "/", AT_ONCE, ENV) as collector:
                otlp.export(collector.grpc, [otlp.span(number) for number in range(2000)])
            # What it still holds it sends before it ends.
            kept.append(backend.traces)
    assert kept[0] == kept[1]
    assert 400 < len(kept[0]) < 600


def test_tail_sampling_keeps_errors_and_what_is_slow(tmp_path: Path) -> None:
    """A proxy's status code is text and its spans have no status: a usual policy finds none."""
    sampling = SamplingArgs(mode="tail", per_cent=0.01, slow_ms=2000, wait="1s")
    spans = [
        *(otlp.span(number) for number in range(20)),
        otlp.span(100, code="503"),
        otlp.span(101, millis=2500),
        otlp.span(102, code="404"),
    ]
    with (
        otlp.backend() as backend,
        running(program(), to(backend.port, sampling), tmp_path, "/", AT_ONCE, ENV) as collector,
    ):
        otlp.export(collector.grpc, spans)
        until(lambda: len(backend.traces) >= 2, collector.log)
    assert backend.traces == {otlp.trace_id(100), otlp.trace_id(101)}


def test_a_trace_is_seen_in_jaeger(tmp_path: Path) -> None:
    """From the collector's port to the page that the dashboard of viz links to."""
    args = JaegerArgs(image="a:1", traces=100, cpu_request="1", memory="1Gi", viz=True)
    config = collector_config(ALL, queries=False, cluster_domain="cluster.local", backend=None)
    (name,) = config["exporters"]
    programs = (program(), jaeger_program())
    with running(programs[1], jaeger_config(args), tmp_path, JAEGER_HEALTH_PATH) as jaeger:
        over = {"exporters": {name: {"endpoint": f"127.0.0.1:{jaeger.grpc}"}}, **AT_ONCE}
        with running(programs[0], config, tmp_path, "/", over) as collector:
            otlp.export(collector.grpc, [otlp.span(1, path="/cart?token=abc")])
            found: list[Any] = []
            path = f"{JAEGER_PATH}/api/traces/{otlp.trace_id(1).hex()}"

            def seen() -> bool:
                try:
                    found[:] = json.loads(jaeger.page(jaeger.ui, path))["data"]
                except OSError:
                    return False
                return bool(found)

            until(seen, jaeger.log)
        page = jaeger.page(jaeger.ui, f"{JAEGER_PATH}/search")
        health = jaeger.page(jaeger.health, JAEGER_HEALTH_PATH)
    ((one,),) = [trace["spans"] for trace in found]
    assert one["operationName"] == "/cart"
    assert found[0]["processes"][one["processID"]]["serviceName"] == "linkerd-proxy"
    assert "abc" not in json.dumps(found)
    assert "<html" in page.lower()
    assert json.loads(health)["healthy"] is True
