"""Our config in the real Jaeger: what the collector sends is found where people look for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from components.tracing.collector import (
    JAEGER_HEALTH_PATH,
    JAEGER_PATH,
    collector_config,
    jaeger_config,
)
from components.tracing.section import Collector, Jaeger
from tests.e2e import otlp
from tests.e2e.trace_processes import (
    ALL,
    AT_ONCE,
    Running,
    jaeger_program,
    program,
    running,
    until,
    validate,
)

pytestmark = pytest.mark.e2e
MOST = 100
# Spans of these tests begin at a fixed time, in microseconds as the API counts.
BEGIN = otlp.START_NS // 1000
SEARCH = f"?service=linkerd-proxy&start={BEGIN - 1}&end={BEGIN + 1}&limit={MOST}"
ARGS = Jaeger(image="a:1", traces=MOST, cpu_request="1", memory="1Gi")


@contextmanager
def tracing(folder: Path) -> Iterator[tuple[Running, Running]]:
    """The collector and behind it Jaeger, both as a stack has them; they end with the block."""
    config = collector_config(Collector(sampling=ALL), "cluster.local")
    (name,) = config["exporters"]
    programs = (program(), jaeger_program())
    with running(programs[1], jaeger_config(ARGS), folder, JAEGER_HEALTH_PATH) as jaeger:
        over = {"exporters": {name: {"endpoint": f"127.0.0.1:{jaeger.grpc}"}}, **AT_ONCE}
        with running(programs[0], config, folder, "/", over) as collector:
            yield collector, jaeger


def found(jaeger: Running, query: str) -> list[dict[str, Any]]:
    """Traces as its API has them; none while it does not know the trace."""
    try:
        traces = json.loads(jaeger.page(jaeger.ui, f"{JAEGER_PATH}/api/traces{query}"))["data"]
    except OSError:
        return []
    return list(traces or [])


def test_jaeger_takes_the_config_as_its_pod_has_it(tmp_path: Path) -> None:
    """A key that it does not know keeps the pod from starting."""
    assert validate(jaeger_config(ARGS), tmp_path, jaeger_program()) == ""


def test_a_key_that_jaeger_does_not_know_is_found(tmp_path: Path) -> None:
    """The check itself must bite."""
    config = jaeger_config(ARGS)
    config["extensions"]["jaeger_query"]["basepath"] = JAEGER_PATH
    assert "basepath" in validate(config, tmp_path, jaeger_program())


def test_a_trace_is_seen_in_jaeger(tmp_path: Path) -> None:
    """From the collector's port to the page that the dashboard of viz links to."""
    with tracing(tmp_path) as (collector, jaeger):
        otlp.export(collector.grpc, [otlp.span(1, path="/cart?token=abc")])
        query = f"/{otlp.trace_id(1).hex()}"
        until(lambda: bool(found(jaeger, query)), jaeger.log)
        (trace,) = found(jaeger, query)
        page = jaeger.page(jaeger.ui, f"{JAEGER_PATH}/search")
        health = jaeger.page(jaeger.health, JAEGER_HEALTH_PATH)
        metrics = jaeger.page(jaeger.metrics, "/metrics")
    (one,) = trace["spans"]
    assert one["operationName"] == "/cart"
    assert trace["processes"][one["processID"]]["serviceName"] == "linkerd-proxy"
    assert "abc" not in json.dumps(trace)
    assert "<html" in page.lower()
    assert json.loads(health)["healthy"] is True
    assert "otelcol_receiver_accepted_spans" in metrics


def test_the_link_of_the_dashboard_finds_the_traces_of_its_row(tmp_path: Path) -> None:
    """It looks for labels of the pod: linkerd2 web/app/js/components/JaegerLink.jsx."""
    with tracing(tmp_path) as (collector, jaeger):
        for number, name in enumerate(("web", "cart")):
            otlp.export(collector.grpc, [otlp.span(number)], row(name))
        for number, name in enumerate(("web", "cart")):
            query = f"{SEARCH}&tags={quote(json.dumps(row(name)))}"
            until(lambda query=query: bool(found(jaeger, query)), jaeger.log)
            ids = [trace["traceID"] for trace in found(jaeger, query)]
            assert ids == [otlp.trace_id(number).hex()], name


def row(name: str) -> dict[str, str]:
    """The labels of a workload's pods that the dashboard's link has."""
    return {"linkerd.io/proxy-deployment": name, "linkerd.io/workload-ns": "shop"}


def test_jaeger_keeps_no_more_traces_than_the_stack_says(tmp_path: Path) -> None:
    """They are in its memory, which ends."""
    with tracing(tmp_path) as (collector, jaeger):
        otlp.export(collector.grpc, [otlp.span(number) for number in range(2 * MOST)])
        until(lambda: written(jaeger) == 2 * MOST, jaeger.log)
        ids = [otlp.trace_id(number).hex() for number in range(2 * MOST)]
        assert sum(len(found(jaeger, f"/{each}")) for each in ids) == MOST


def test_jaeger_keeps_no_traces_of_its_own(tmp_path: Path) -> None:
    """Each look at its page would put some in the place of the mesh's."""
    with tracing(tmp_path) as (collector, jaeger):
        for number in range(20):
            otlp.export(collector.grpc, [otlp.span(number)])
            until(lambda number=number: written(jaeger) == number + 1, jaeger.log)
            found(jaeger, SEARCH)
        # Its own exporter waits five seconds to fill a batch, and sends what it has at the end.
        log = jaeger.log
        services = json.loads(jaeger.page(jaeger.ui, f"{JAEGER_PATH}/api/services"))["data"]
    assert services == ["linkerd-proxy"]
    assert "traces export" not in log.read_text(), log.read_text()[-3000:]


def written(jaeger: Running) -> int:
    """How many spans it has put into its storage."""
    metrics = jaeger.page(jaeger.metrics, "/metrics")
    counts = re.findall(r"^otelcol_exporter_sent_spans\w*\{.*\} (\S+)$", metrics, re.MULTILINE)
    return int(sum(map(float, counts)))
