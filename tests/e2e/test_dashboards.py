"""The dashboards' queries in a real Prometheus that has an hour of a small mesh, and our rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.alerts import component as alerts
from components.dashboards.grafana.model import Panel
from tests.charts.dashboard_series import Series, world
from tests.charts.test_dashboards import rules
from tests.e2e.identity_process import free_ports
from tests.unit.dashboard_samples import CHOSEN, dashboards, panels, recorded, sent

_TTL_SECONDS, _READY_SECONDS = 900, 180.0
STEP, SPAN = 30, 75 * 60
PANELS = panels()


@dataclass(frozen=True)
class Server:
    """A Prometheus, and the moment at which everything in it is fresh."""

    address: str
    moment: float

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; fails with what Prometheus has against the question."""
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def now(self, query: str) -> list[dict[str, Any]]:
        """The series that a query gives."""
        return list(self.get("query", query=query, time=str(self.moment))["result"])


def history(end: int) -> Iterator[str]:
    """The sample as text of OpenMetrics, up to a time."""
    start = end - SPAN
    for series in world():
        for at in range(start, end + 1, STEP):
            yield f"{series.selector} {_value(series, start, at)} {at}"
    yield "# EOF\n"


def _value(series: Series, start: int, at: int) -> float:
    if series.moment:
        return start + series.value
    return series.value + series.growth * (at - start) / 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus on loopback, stopped at the end."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH: https://prometheus.io/download/")
    folder = tmp_path_factory.mktemp("dashboards")
    (folder / "history.txt").write_text("\n".join(history(int(time.time()))), encoding="utf-8")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history.txt", "data"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=_READY_SECONDS,
    )
    content = rules()
    for group in content["groups"]:
        group["interval"] = "1s"
    (folder / "rules.yaml").write_text(alerts.as_file(content), encoding="utf-8")
    (folder / "prometheus.yml").write_text(json.dumps({"rule_files": ["rules.yaml"]}))
    (port,) = free_ports(1)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("timeout", str(_TTL_SECONDS), "prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield _filled(f"http://127.0.0.1:{port}", folder / "log")
    finally:
        process.terminate()
        process.wait(timeout=60)


def _filled(address: str, log: Path) -> Server:
    """The server, when all that is to be recorded is there."""
    wanted = set(recorded())
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        server = Server(address, time.time())
        try:
            names = {each["metric"]["__name__"] for each in server.now('{__name__=~".+:.+"}')}
        except (OSError, AssertionError):
            names = set()
        if wanted <= names:
            return server
        assert time.monotonic() < deadline, (wanted - names, log.read_text()[-2000:])
        time.sleep(0.5)


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[name for name, _ in PANELS])
def test_a_panel_shows_series_with_the_labels_that_it_names(
    name: str, panel: Panel, server: Server
) -> None:
    """A label that a query sums away leaves lines without a name, or a column that is empty."""
    words = {column.of for column in panel.columns if isinstance(column.of, str)}
    for query in panel.queries:
        found = server.now(sent(query.expr))
        assert found, (name, query.expr)
        labels = {label for each in found for label in each["metric"]}
        legend = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        kinds = {"deployment", "statefulset", "daemonset"}
        assert legend - kinds <= labels, name
        assert not legend & kinds or legend & kinds & labels
        if panel.kind == "table":
            # One that is no column comes without a title, and parts the rows of the others.
            assert labels == words, name
        elif panel.kind == "stat":
            assert len(found) == 1, name


def test_a_graph_is_drawn_of_every_query(server: Server) -> None:
    """Over a range a query can fail that does not at one moment."""
    count = 0
    for _, panel in PANELS:
        if panel.kind != "timeseries":
            continue
        for query in panel.queries:
            end, start = server.moment, server.moment - 1800
            given = {"start": str(start), "end": str(end), "step": "60"}
            assert server.get("query_range", query=sent(query.expr), **given)["result"]
            count += 1
    assert count > 50


def test_every_choice_at_the_top_has_what_the_sample_has(server: Server) -> None:
    """An empty choice empties every panel below it."""
    count = 0
    for dashboard in dashboards():
        for variable in dashboard.variables:
            if variable.query:
                inside = re.fullmatch(r"label_values\((.+), ([\w$]+)\)", variable.query)
                assert inside
                values = server.get(
                    f"label/{sent(inside[2])}/values", **{"match[]": sent(inside[1])}
                )
                assert CHOSEN[f"${variable.name}"] in values
                count += 1
    assert count == 7
