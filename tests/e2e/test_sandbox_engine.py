"""The engine and the Kubernetes provider, from the cache and nowhere else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sandbox import toolchain
from sandbox.tools import TOOLS

pytestmark = pytest.mark.e2e

NAMES = ("pulumi", "pulumi-resource-kubernetes")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache's engine and provider, alone on PATH."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    toolchain._on_path.cache_clear()
    folder = toolchain.path_folder(NAMES)
    absent = [name for name in NAMES if not (folder / name).exists()]
    if absent:
        pytest.skip(f"{', '.join(absent)}: run `python -m sandbox toolchain {' '.join(absent)}`")
    return folder


def test_the_caches_engine_finds_the_caches_provider(alone: Path, tmp_path: Path) -> None:
    """Neither was installed: the engine asks the provider, by its name on PATH, for its schema."""
    environment = {
        "PATH": str(alone),
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(tmp_path),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }

    def pulumi(*arguments: str) -> str:
        done = subprocess.run(
            [alone / "pulumi", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert pulumi("version").strip().startswith("v3.")
    schema = json.loads(pulumi("package", "get-schema", "kubernetes"))
    versions = {TOOLS[NAMES[1]].version, TOOLS[NAMES[1]].released}
    assert schema["version"] in versions
    assert "kubernetes:helm.sh/v4:Chart" in schema["resources"]
    assert (alone / "pulumi").readlink().parent == toolchain.cache_dir()
