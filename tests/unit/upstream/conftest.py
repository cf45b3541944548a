"""An empty cache, and upstreams on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from sandbox import sources as sources_module
from sandbox.download import download
from sandbox.sources import Sources
from sandbox.tools import Tool
from tests.unit.upstream.server import Server


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An x86-64 Linux machine on which nobody logged in anywhere; returns its home."""
    monkeypatch.setattr(sources_module, "here", lambda: "linux/amd64")
    monkeypatch.setattr("sandbox.web._PAUSE", 0.01)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("HELM_REGISTRY_CONFIG", raising=False)
    monkeypatch.delenv("HELM_CONFIG_HOME", raising=False)
    for name in ("SANDBOX_MIRROR", "DOCKER_CONFIG", "NETRC", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def serve() -> Iterator[Callable[[], Server]]:
    """Starts servers, and stops them after the test."""
    with ExitStack() as stack:

        def start() -> Server:
            server = stack.enter_context(Server())
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def upstream(serve: Callable[[], Server]) -> Server:
    return serve()


class Sandbox:
    """A table of sources, and what a download from it said and left."""

    def __init__(self, home: Path) -> None:
        self.file = home / "sources.yaml"
        self.cache = home / "cache" / "linkerd-platform" / "bin"
        self.said: list[str] = []

    def table(self, **entries: list[dict[str, object]]) -> Sources:
        for places in entries.values():
            for place in places:
                place.setdefault("platforms", ["linux/amd64"])
        self.file.write_text("# Kept.\n" + yaml.safe_dump(entries, sort_keys=False, width=100))
        return Sources(self.file)

    def download(self, *names: str, seconds: float = 5, stall: float = 5) -> dict[str, Path]:
        tools = [Tool(name, "", "1.2.3") for name in names]
        return download(tools, Sources(self.file), self.said.append, seconds, stall)

    def left(self) -> list[str]:
        """Everything in the cache but locks."""
        return sorted(path.name for path in self.cache.iterdir() if path.suffix != ".lock")


@pytest.fixture
def sandbox(machine: Path) -> Sandbox:
    return Sandbox(machine)
