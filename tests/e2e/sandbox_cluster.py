"""What the tests of the embedded cluster share: a running one, and requests to it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sandbox
from sandbox import cluster, toolchain
from sandbox.settings import Settings

CORE = "/api/v1/namespaces"


def logging_to(folder: Path) -> list[str]:
    """Command names of the processes whose output goes to `folder`."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if str(link.readlink()).startswith(f"{folder}/"):
                found.append((link.parents[1] / "comm").read_text().strip())
        except OSError:
            continue
    return found


class Cluster:
    """What the tests do with a running sandbox."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.api = cluster.client(settings)

    def apply(self, path: str, document: dict) -> dict:
        name = document["metadata"]["name"]
        answer = self.api.request(
            "PATCH",
            f"{path}/{name}?fieldManager=test&force=true",
            document,
            content_type="application/apply-patch+yaml",
            seconds=30,
        )
        assert answer.ok, answer
        return answer.body

    def get(self, path: str) -> dict | None:
        answer = self.api.request("GET", path)
        return answer.body if answer.ok else None

    def wait(self, path: str, condition: Callable[[dict], bool], seconds: float = 30.0) -> dict:
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(path)
            if found and condition(found):
                return found
            assert time.monotonic() < deadline, f"{path} after {seconds} s: {found}"
            time.sleep(0.1)

    def wait_gone(self, path: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while self.get(path):
            assert time.monotonic() < deadline, f"{path} is still there after {seconds} s"
            time.sleep(0.2)

    def wait_for(self, path: str, kind: str, status: str = "True", seconds: float = 30.0) -> dict:
        return self.wait(
            path,
            lambda found: any(
                each["type"] == kind and each["status"] == status
                for each in found.get("status", {}).get("conditions", [])
            ),
            seconds,
        )

    def secret(self, namespace: str, name: str, key: str, seconds: float = 30.0) -> bytes:
        path = f"{CORE}/{namespace}/secrets/{name}"
        found = self.wait(path, lambda each: key in each.get("data", {}), seconds)
        return base64.b64decode(found["data"][key])


@contextmanager
def running_sandbox(folder: Path) -> Iterator[Cluster]:
    """A sandbox on free ports; skips where its servers are absent and cannot be built."""
    skip_without_tools()
    settings = Settings.ephemeral(folder / "state")
    sandbox.cluster_up(settings)
    try:
        yield Cluster(settings)
    finally:
        sandbox.cluster_down(settings)
    assert not settings.state_dir.exists()
    assert logging_to(settings.log_dir) == []


def skip_without_tools() -> None:
    reason = toolchain.missing_reason()
    if reason:
        pytest.skip(reason)
