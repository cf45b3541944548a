"""The collector of docs/access-logs.md, run for real over the lines of a proxy."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.access_log_lines import ANSWERED, OTHERS, QUERY, documented, logged

pytestmark = pytest.mark.e2e

# The distributions that have the receiver `filelog`, and one of somebody's own.
PROGRAMS = ("otelcol-k8s", "otelcol-contrib", "otelcol")
POD = "shop_cart-6b5f_0d1f7c7e-9f39-4f0a-8d55-1c3a4f6f0a11"
_SECONDS = 90.0
Record = dict[str, Any]


def program() -> str:
    """The collector; skips the test without one."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip(
            f"none of {', '.join(PROGRAMS)} is on PATH: "
            "https://github.com/open-telemetry/opentelemetry-collector-releases/releases"
        )
    return found


class Backend(http.server.ThreadingHTTPServer):
    """Where the collector sends its logs to; `records` are what has come."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.records: list[Record] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Backend

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.records += [
            record
            for resource in body["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing is said of a request."""


@contextmanager
def collecting(folder: Path, config: dict[str, Any]) -> Iterator[list[Record]]:
    """A collector with the configuration of the page, but for its files and its backend."""
    backend = Backend()
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    (receiver,) = config["receivers"].values()
    receiver["include"] = [
        each.replace("/var/log/pods", str(folder)) for each in receiver["include"]
    ]
    receiver["start_at"] = "beginning"
    (pipeline,) = config["service"]["pipelines"].values()
    config["exporters"] = {
        "otlphttp": {
            "endpoint": f"http://127.0.0.1:{backend.server_port}",
            "encoding": "json",
            "compression": "none",
        }
    }
    pipeline["exporters"] = ["otlphttp"]
    config["service"]["telemetry"] = {"metrics": {"level": "none"}}
    file, output = folder / "collector.yaml", folder / "collector.log"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    with output.open("wb") as log:
        process = subprocess.Popen(
            ["timeout", "300", program(), "--config", str(file)], stdout=log, stderr=log
        )
    try:
        yield backend.records
    except AssertionError as error:
        error.add_note(output.read_text(encoding="utf-8")[-3000:])
        raise
    finally:
        process.terminate()
        process.wait(timeout=30)
        backend.shutdown()
        backend.server_close()


def attributes(record: Record) -> dict[str, Any]:
    """The attributes of a record, whatever their types."""
    return {each["key"]: next(iter(each["value"].values())) for each in record["attributes"]}


def path_of(record: Record) -> str:
    """The path of the request that a record is of."""
    return str(record["body"]["stringValue"]).rpartition(":8080")[2]


def test_what_failed_is_kept_without_its_query_and_nothing_else(tmp_path: Path) -> None:
    """The page promises all but 2xx, and that no query is stored."""
    file = tmp_path / POD / "linkerd-proxy" / "0.log"
    file.parent.mkdir(parents=True)
    file.write_text(logged(), encoding="utf-8")
    wanted = {path for path, status in ANSWERED.items() if status is None or status // 100 != 2}
    with collecting(tmp_path, documented()) as records:
        deadline = time.monotonic() + _SECONDS
        while not wanted <= {path_of(each) for each in records if "body" in each}:
            assert time.monotonic() < deadline, records
            time.sleep(0.2)
        time.sleep(1)  # What is too much may come after what is wanted.
        assert sorted(path_of(each) for each in records) == sorted(wanted)
        assert QUERY not in json.dumps(records)
        for each in records:
            assert attributes(each)["client.id"].startswith("web.shop.")
            assert each["timeUnixNano"] != "0"


def test_a_collector_without_its_filters_keeps_everything(tmp_path: Path) -> None:
    """The test above must bite: what it does not find is there."""
    file = tmp_path / POD / "linkerd-proxy" / "0.log"
    file.parent.mkdir(parents=True)
    file.write_text(logged(), encoding="utf-8")
    config = documented()
    (receiver,) = config["receivers"].values()
    receiver["operators"] = [receiver["operators"][0]]
    with collecting(tmp_path, config) as records:
        deadline = time.monotonic() + _SECONDS
        while len(records) < len(ANSWERED) + len(OTHERS):
            assert time.monotonic() < deadline, records
            time.sleep(0.2)
