"""What the runner of the tests has before it tests: in time, and without harm to the machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from sandbox import module_charts, prepare, toolchain
from sandbox.module_charts import NoModuleError
from stack.charts import Charts
from tests import machine
from tests.machine import Machine

HAD = ("etcd", "kube-apiserver")


class _Clock:
    """A clock that building moves, by how much slower than planned this machine is."""

    def __init__(self, slower: float) -> None:
        self.now = 0.0
        self.slower = slower
        self.built: list[str] = []

    def monotonic(self) -> float:
        return self.now

    def ensure(self, names: Iterable[str], _say: object) -> dict[str, Path]:
        names = list(names)
        self.built += names
        self.now += 60 * toolchain.minutes(names) * self.slower
        return {}


def _clock(monkeypatch: pytest.MonkeyPatch, slower: float) -> _Clock:
    clock = _Clock(slower)
    monkeypatch.setattr(machine, "time", clock)
    monkeypatch.setattr(toolchain, "find", lambda name: Path(name) if name in clock.built else None)
    monkeypatch.setattr(toolchain, "download", lambda *_: {})
    monkeypatch.setattr(toolchain, "missing_reason", lambda _names: None)
    monkeypatch.setattr(toolchain, "ensure", clock.ensure)
    monkeypatch.setattr(toolchain, "path_folder", lambda _names: Path("/tools"))
    monkeypatch.setattr(Charts, "missing", lambda _charts: [])
    monkeypatch.setenv("CRDS_DIR", "/somebodys")
    return clock


@pytest.mark.parametrize(
    ("minutes", "slower", "groups"),
    [(60, 1, [0]), (30, 1, []), (100, 1, [0, 1, 2]), (100, 2, [0, 2]), (20, 3, [])],
    ids=["an hour", "half of it", "more", "more, of a slow machine", "next to nothing"],
)
def test_servers_are_built_as_long_as_their_tests_still_fit(
    minutes: int, slower: float, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built and then cut off before the tests is worse than skipped with that reason."""
    clock = _clock(monkeypatch, slower)
    made = Machine(minutes, lambda _text: None)
    made.ready("charts")
    assert clock.built == ["helm"]
    made.ready("e2e")
    expected = [name for group in groups for name in machine.E2E[group][0]]
    assert clock.built == ["helm", *expected]


def test_the_tests_may_build_what_the_rest_of_the_time_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A test builds what it lacks: without the limit it would, for an hour and silently."""
    _clock(monkeypatch, 1)
    environment = Machine(30, lambda _text: None).ready("unit")
    assert environment["SANDBOX_BUILD_MINUTES"] == "30"
    assert environment["PATH"].endswith(":/tools")
    assert "CRDS_DIR" not in environment


def test_what_cannot_be_had_is_said_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that fails fails the tests that need it, and no other."""
    _clock(monkeypatch, 1)

    def fails(*_: object) -> dict[str, Path]:
        raise toolchain.ToolMissing("building helm 3 failed")

    monkeypatch.setattr(toolchain, "ensure", fails)
    said: list[str] = []
    Machine(60, said.append).ready("charts")
    assert said == ["building helm 3 failed"]


def test_charts_that_are_not_there_are_asked_for_but_for_the_one_that_is_not_public(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Most tests of charts are skipped without them, on a machine that could have them."""
    _clock(monkeypatch, 1)
    asked: list[str] = []
    monkeypatch.setattr(Charts, "missing", lambda _charts: ["linkerd-crds", "linkerd-buoyant"])
    monkeypatch.setattr(prepare, "fetch", lambda _folder, names, _say: asked.extend(names))
    Machine(60, lambda _text: None).ready("charts")
    assert asked == ["linkerd-crds"]


def test_without_go_there_are_no_crds_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests that need them say so too; the others run."""
    _clock(monkeypatch, 1)
    monkeypatch.delenv("CRDS_DIR")
    monkeypatch.setattr(machine, "PROJECT", tmp_path)

    def none() -> dict[str, bytes]:
        raise NoModuleError("its Go module needs Go")

    monkeypatch.setattr(module_charts, "crds", none)
    said: list[str] = []
    assert "CRDS_DIR" not in Machine(60, said.append).ready("unit")
    assert said == ["CRDs out of Go modules: its Go module needs Go"]


def test_crds_are_made_where_nobody_names_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are upstream's, in files called as the tests ask for them."""
    _clock(monkeypatch, 1)
    monkeypatch.delenv("CRDS_DIR")
    monkeypatch.setattr(machine, "write_crds", lambda folder: folder.mkdir(parents=True))
    monkeypatch.setattr(machine, "PROJECT", tmp_path)
    folder = tmp_path / ".local" / "crds"
    made = Machine(60, lambda _text: None)
    assert made.ready("unit")["CRDS_DIR"] == made.ready("unit")["CRDS_DIR"] == str(folder)
