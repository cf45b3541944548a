"""The distribution, built as `pip install .` builds it, without an index."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.programs import ran

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "examples" / "standalone"
SOURCES = ("components", "schema", "linkerd_platform")
FILES = ("README.md", "charts.yaml", "pyproject.toml", "setup.py")
OLDEST_SETUPTOOLS = 77


def installed(folder: Path) -> Path:
    """A folder for `sys.path` with the distribution alone; skips without a setuptools to build."""
    _skip_without_setuptools()
    source = folder / "source"
    left_out = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        shutil.copytree(PROJECT / name, source / name, ignore=left_out)
    for name in FILES:
        shutil.copy2(PROJECT / name, source / name)
    wheels = folder / "wheels"
    _pip("wheel", "--no-build-isolation", "--wheel-dir", str(wheels), str(source))
    (wheel,) = wheels.iterdir()
    target = folder / "site"
    _pip("install", "--no-index", "--target", str(target), str(wheel))
    # What was built from must not be what is found.
    shutil.rmtree(source)
    return target


def _skip_without_setuptools() -> None:
    setuptools = pytest.importorskip("setuptools", reason="setuptools is missing (make venv)")
    if int(setuptools.__version__.partition(".")[0]) < OLDEST_SETUPTOOLS:
        pytest.skip(f"setuptools {setuptools.__version__} is too old (make venv)")


def _pip(command: str, *arguments: str) -> None:
    done = ran(
        [sys.executable, "-m", "pip", "--quiet", command, "--no-deps", *arguments], timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
