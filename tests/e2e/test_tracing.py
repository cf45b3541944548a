"""The config in the real collector: what goes in at one end comes out of the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from components.tracing.collector import collector_config
from components.tracing.section import Backend, BackendCredentials, Collector, Sampling
from schema.values import Duration
from tests.e2e import otlp, trace_processes
from tests.e2e.trace_processes import ALL, AT_ONCE, program, running, until

HEADER = "x-team"


def to(port: int, sampling: Sampling, *, queries: bool = False) -> dict[str, Any]:
    """A config that sends to a backend on loopback, with a header from the environment."""
    made = backend(f"http://127.0.0.1:{port}", "http", {HEADER: "team"})
    return of(sampling, queries=queries, backend=made)


def backend(
    endpoint: str, protocol: Literal["grpc", "http"], headers: dict[str, str] | None = None
) -> Backend:
    """A backend of others, with credentials in these headers."""
    given = BackendCredentials(vault_path="tracing", headers=headers) if headers else None
    return Backend(kind="otlp", endpoint=endpoint, protocol=protocol, credentials=given)


def of(sampling: Sampling, *, queries: bool, backend: Backend) -> dict[str, Any]:
    """The collector's config."""
    return collector_config(
        Collector(sampling=sampling, queries=queries, backend=backend), "cluster.local"
    )


ENV = {"TRACE_BACKEND_HEADER_0": "payments"}
CONFIGS = {
    "jaeger": (ALL, False, Backend()),
    "share": (
        Sampling(per_cent="12.5"),
        True,
        backend("https://traces.example.com:4317", "grpc", {"a": "b"}),
    ),
    "tail": (
        Sampling(mode="tail", per_cent="5", slow=Duration(2)),
        False,
        backend("https://traces.example.com/otlp", "http"),
    ),
    "meshed": (
        Sampling(mode="tail", per_cent="0.01"),
        False,
        backend("http://tempo.monitoring:4317", "grpc"),
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_collector_takes_each_form_of_the_config(name: str, tmp_path: Path) -> None:
    """A key that it does not know keeps every pod from starting."""
    sampling, queries, given = CONFIGS[name]
    config = of(sampling, queries=queries, backend=given)
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
    sampling = Sampling(per_cent="25")
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
    sampling = Sampling(mode="tail", per_cent="0.01", slow=Duration(2), wait=Duration(1))
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
