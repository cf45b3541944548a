"""A unit test needs nothing: the same on every machine, it finds an engine that it must not run.

Without this a test passes where the engine is there to answer for what the test forgot to say, and
fails where it is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.context import Context


@dataclass(frozen=True)
class _Engine:
    """A program on PATH that answers with an error, and the file in which it says who ran it."""

    folder: Path
    calls: Path


@pytest.fixture(scope="session")
def _engine(tmp_path_factory: pytest.TempPathFactory) -> _Engine:
    folder = tmp_path_factory.mktemp("engine")
    calls = folder / "calls"
    program = folder / "pulumi"
    # Its version is asked for beside the checks of what was typed, whatever comes of them.
    program.write_text(f'#!/bin/sh\n[ "$1" = version ] || echo "pulumi $*" >> {calls}\nexit 97\n')
    program.chmod(0o755)
    return _Engine(folder, calls)


@pytest.fixture(autouse=True)
def _no_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that forgot to say so would download the programs of the sandbox."""
    monkeypatch.setenv("SANDBOX_MIRROR", "off")


@pytest.fixture(autouse=True)
def _no_engine(_engine: _Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATH", f"{_engine.folder}{os.pathsep}{os.environ['PATH']}")
    yield
    if _engine.calls.exists():
        ran = _engine.calls.read_text().strip()
        _engine.calls.unlink()
        pytest.fail(f"a unit test ran the engine: {ran}")


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Context:
    """What commands find around them, to be said by the test."""
    return Context(monkeypatch)
