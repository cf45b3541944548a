"""A project whose charts come from a server on loopback."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from stack.charts import sources
from tests.unit.fetch.server import CERTS, MANIFEST, MESH, Server


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No login of this machine, and no way out of it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    names = ("HELM_REGISTRY_CONFIG", "HELM_CONFIG_HOME", "DOCKER_CONFIG", "NETRC")
    for name in (*names, "CHARTS_USERNAME", "CHARTS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        index = {
            "entries": {
                # One address as upstreams write it, one relative to the index.
                "mesh": [
                    {"version": "1.2.4", "urls": ["nothing"]},
                    {"version": "1.2.3", "urls": [f"{made.address}/repo/mesh-1.2.3.tgz"]},
                ],
                "certs": [{"version": "v4.5.6", "urls": ["certs-v4.5.6.tgz"]}],
            }
        }
        made.files = {
            "/repo/index.yaml": yaml.safe_dump(index).encode(),
            "/repo/mesh-1.2.3.tgz": MESH,
            "/repo/certs-v4.5.6.tgz": CERTS,
            "/gateway.yaml": MANIFEST,
        }
        yield made
        made.shutdown()
        thread.join(5)


@pytest.fixture
def project(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose charts.yaml names the server; its cache is `cache`."""
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CHARTS_LOCATION", raising=False)
    sources._index.cache_clear()
    (tmp_path / "charts.yaml").write_text(
        "# Kept.\n"
        "charts:\n"
        "  mesh:\n"
        f"    repository: {server.address}/repo\n"
        "    version: 1.2.3  # kept too\n"
        "    held: a reason\n"
        "  certs:\n"
        f"    repository: {server.address}/repo/\n"
        "    version: v4.5.6\n"
        "manifests:\n"
        "  gateway:\n"
        f"    url: {server.address}/gateway.yaml\n"
        "    version: 1.0.0\n"
    )
    return tmp_path


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program `helm` of our own first on PATH; returns the file of its arguments."""

    def make(script: str) -> Path:
        folder, seen = tmp_path / "bin", tmp_path / "arguments"
        folder.mkdir()
        program = folder / "helm"
        program.write_text(f'#!/bin/sh\necho "$@" >> {seen}\n{script}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return seen

    return make
