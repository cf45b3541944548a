"""10,000 spoilt files: each is read, or refused in a line that names no more than it should.

A failing case prints its kind, its seed and where the file lies; `FUZZ_SEED=n` begins elsewhere.
`make test-slow` runs all of them, which takes some minutes; the unit tier runs a sample.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
import yaml

from bot.exit_codes import DONE
from tests.programs import ran
from tests.unit import fuzz_targets
from tests.unit.fuzz_targets import ALLOWED, Kind
from tests.unit.mutations import Mutation, _bytes, mutated, written

ALL = 10_000
SAMPLE = 300
FIRST = int(os.environ.get("FUZZ_SEED", "0"))
SECONDS = 300  # for one case: the slowest takes three, and sixty on a machine that is busy
MOST_GROWTH = 768 << 10  # KiB of memory: a limit of 16 MiB of YAML is 300 MiB of nodes
MOST_LINES = 400


class TimedOutError(BaseException):
    """A case does not end; no handler of the program's may take it for one of its own."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TimedOutError in the block after so many seconds."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise TimedOutError

    before = signal.signal(signal.SIGALRM, end)
    # And again: an event loop that is left so may wait for its threads.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def case(kind: Kind, seed: int) -> Mutation:
    """The spoilt document of a seed."""
    if kind.document is None:
        import random

        return _bytes(kind.text or b"", random.Random(seed))  # noqa: S311
    # Another seed for each kind, or two of one document would be spoilt alike.
    own = seed * 1000 + sum(kind.name.encode()) % 1000
    text = written(kind.document, kind.as_json)
    return mutated(kind.document, text, own, as_json=kind.as_json, settings=kind.settings)


def problem(kind: Kind, mutation: Mutation, folder: Path) -> tuple[int | None, str]:
    """The exit code, and what is wrong with the outcome; empty where nothing is."""
    try:
        with limited(SECONDS):
            code, said = kind.run(mutation.content, folder)
    except TimedOutError:
        return None, f"did not end in {SECONDS} s"
    except BaseException:
        return None, traceback.format_exc(limit=-6)
    if code not in ALLOWED:
        return code, f"exit code {code}"
    if code != DONE and not said.strip():
        return code, f"exit code {code} without a word"
    lines = said.splitlines()
    if len(lines) > MOST_LINES or any(len(line) > 2000 for line in lines):
        return code, f"{len(lines)} lines, the longest of {max(map(len, lines))} characters"
    if odd := [line for line in lines if not line.isprintable()]:
        return code, f"what a terminal would obey: {odd[0]!r:.300}"
    if code == DONE and mutation.misspelt and kind.closed(mutation.misspelt):
        return code, "an unknown key was accepted"
    return code, ""


def run(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """Run so many cases; fails with the first ones that went wrong."""
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "no-charts"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, kept = tmp_path / "project", tmp_path / "kept"
    kept.mkdir()
    counted: Counter[tuple[str, int]] = Counter()
    wrong: list[str] = []
    kinds = fuzz_targets.kinds()
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        if number and number % 1000 == 0:
            print(f"{number} cases in {time.monotonic() - began:.0f} s, {len(wrong)} wrong")
        kind, seed = kinds[number % len(kinds)], FIRST + number // len(kinds)
        if not folder.exists() or number % 50 < len(kinds):
            fuzz_targets.project(folder)
        mutation = case(kind, seed)
        code, found = problem(kind, mutation, folder)
        counted[kind.name, -1 if code is None else code] += 1
        if found:
            file = kept / f"{kind.name.replace(' ', '-')}.{seed}"
            file.write_bytes(mutation.content)
            wrong.append(f"{kind.name}, seed {seed}, {mutation.what}: {file}\n{found}")
            if len(wrong) >= 40:
                break
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{count} cases in {time.monotonic() - began:.0f} s, {grown >> 10} MiB more memory")
    for (name, code), times in sorted(counted.items()):
        print(f"  {name}: exit code {code}: {times}")
    assert not wrong, f"{len(wrong)} cases went wrong\n\n" + "\n\n".join(wrong)
    assert grown < MOST_GROWTH
    return counted


def test_a_sample_of_spoilt_files_ends_as_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds of it are spent in each run of the unit tier."""
    counted = run(SAMPLE, tmp_path, monkeypatch)
    assert counted.total() == SAMPLE


@pytest.mark.skipif(not os.environ.get("E2E_SLOW"), reason="takes minutes: set E2E_SLOW=1")
def test_ten_thousand_spoilt_files_end_as_they_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, no hang, no memory that grows, and no key that nobody knows."""
    monkeypatch.setattr(fuzz_targets, "ONE_IN", 8)
    counted = run(ALL, tmp_path, monkeypatch)
    assert counted.total() == ALL


@pytest.mark.skipif(not os.environ.get("E2E_SLOW"), reason="takes minutes: set E2E_SLOW=1")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + 25))
def test_a_command_as_it_is_typed_ends_as_it_should(seed: int, tmp_path: Path) -> None:
    """Whatever is around the commands, streams and imports, is in it too."""
    kind = next(each for each in fuzz_targets.kinds() if each.name == "changes")
    file = tmp_path / "a.changes.json"
    file.write_bytes(case(kind, seed).content)
    done = ran(
        [sys.executable, "-m", "bot", "comment", "--changes", str(file), "--out", str(tmp_path)],
        cwd=fuzz_targets.REPO, timeout=120,
    )  # fmt: skip
    assert done.returncode in (0, 2), done.stderr
    assert len(done.stderr.splitlines()) == (1 if done.returncode else 0), done.stderr


@pytest.mark.parametrize("kind", fuzz_targets.kinds(), ids=lambda kind: kind.name)
def test_what_is_spoilt_is_good_before(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every case would end at the same first fault."""
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "no-charts"))
    folder = tmp_path / "project"
    fuzz_targets.project(folder)
    text = kind.text if kind.text else written(kind.document, kind.as_json)
    code, said = kind.run(text, folder)
    if kind.name == "kubeconfig with a program":
        assert "which is not on PATH" in said
    elif kind.name == "approval":
        assert "does not match what would be applied now" in said
    else:
        assert (code, said) == (DONE, "")


def test_a_seed_gives_the_same_file_again() -> None:
    """A failure on another machine is looked at on this one."""
    for kind in fuzz_targets.kinds():
        assert [case(kind, seed) for seed in range(5)] == [case(kind, seed) for seed in range(5)]
        assert len({case(kind, seed).content for seed in range(20)}) > 10
    assert yaml.safe_load(written({"a": "\x1b"}, as_json=False)) == {"a": "\x1b"}
