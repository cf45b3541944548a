"""Programs that were built here, served as upstream would serve them, downloaded and run."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from sandbox import toolchain
from sandbox.sources import here
from sandbox.tools import TOOLS
from tests.programs import ran
from tests.unit.upstream.server import Server, tar

pytestmark = pytest.mark.e2e

VERSIONS = {"etcd": "--version", "kwok": "--version", "helm": "version"}


@pytest.fixture
def built() -> dict[str, bytes]:
    if not here().startswith("linux/"):
        pytest.skip("images have programs for Linux alone")
    found = {name: toolchain.find(name) for name in VERSIONS}
    absent = [name for name, path in found.items() if path is None]
    if absent:
        pytest.skip(f"{', '.join(absent)}: run `python -m sandbox toolchain {' '.join(absent)}`")
    return {name: path.read_bytes() for name, path in found.items() if path}


def test_a_machine_without_go_has_its_programs_from_a_mirror(
    built: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table's own places, an empty cache, and nothing on PATH that could build."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        etcd, kwok, helm = (TOOLS[name].version for name in VERSIONS)
        layer = tar({"usr/local/bin/etcd": built["etcd"]})
        server.push("gcr.io/etcd-development/etcd", f"v{etcd}", [layer])
        layer = tar({"usr/local/bin/kwok": built["kwok"]})
        server.push("registry.k8s.io/kwok/kwok", f"v{kwok}", [layer])
        system, _, machine = here().partition("/")
        archive = f"/get.helm.sh/helm-v{helm}-{system}-{machine}.tar.gz"
        server.files[archive] = tar({f"{system}-{machine}/helm": built["helm"]})
        monkeypatch.setenv("SANDBOX_MIRROR", server.address)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setenv("PATH", "/nowhere")
        toolchain._on_path.cache_clear()
        said: list[str] = []
        found = toolchain.ensure(VERSIONS, said.append)
        server.shutdown()
        thread.join(5)
    assert all(path.is_relative_to(tmp_path) for path in found.values())
    for name, argument in VERSIONS.items():
        answer = ran([found[name], argument], check=True)
        assert TOOLS[name].version in answer.stdout
    assert len([line for line in said if line.startswith("downloaded ")]) == len(VERSIONS)
    # Without server and mirror they are there still.
    monkeypatch.setenv("SANDBOX_MIRROR", "off")
    assert toolchain.ensure(VERSIONS, said.append) == found
    assert shutil.which("go") is None
    toolchain._on_path.cache_clear()
