"""`make charts-lock`: digests of what was downloaded, in a file that people wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.fetch_charts import digest_of, main
from stack.charts.lock import locked
from tests.unit.fetch.server import ALL, CERTS


def test_a_lock_writes_digests_and_touches_nothing_else(project: Path) -> None:
    """Comments in charts.yaml say why a version is held: they must survive."""
    before = (project / "charts.yaml").read_text()
    assert main([], project) == 0
    assert main(["--lock"], project) == 0
    after = (project / "charts.yaml").read_text()
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    assert added == [f"    digest: {digest_of(content)}" for content in ALL.values()]
    assert "".join(line for line in after.splitlines(True) if "digest:" not in line) == before


def test_a_second_lock_changes_nothing(project: Path) -> None:
    """A lock is no diff when the archives are the same, and it passes its own check."""
    assert main([], project) == 0
    assert main(["--lock"], project) == 0
    once = (project / "charts.yaml").read_text()
    assert main(["--lock"], project) == 0
    assert (project / "charts.yaml").read_text() == once
    assert main([], project) == 0


def test_a_lock_leaves_out_what_nobody_downloaded(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A digest is computed, never invented."""
    assert main([], project) == 0
    (project / "cache" / "certs-v4.5.6.tgz").unlink()
    assert main(["--lock"], project) == 1
    text = (project / "charts.yaml").read_text()
    assert text.count("digest:") == 2
    assert digest_of(CERTS) not in text
    assert "certs v4.5.6: not in" in capsys.readouterr().err


def test_a_lock_replaces_an_old_digest_wherever_it_stands() -> None:
    """A new version has a new digest, and one only."""
    text = "charts:\n  a:\n    digest: old\n    version: 1\n  b:\n    version: 2\n    digest: keep"
    assert locked(text, {"a": "new"}) == (
        "charts:\n  a:\n    version: 1\n    digest: new\n  b:\n    version: 2\n    digest: keep"
    )
