"""`make sandbox` where something is missing: what can be shown is shown, and it says so."""

from __future__ import annotations

import argparse

import pytest

from bot import engine
from sandbox import run


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 3)])
def test_without_engine_the_plan_is_shown_and_both_ends_say_so(
    strict: bool, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first line is read before, the last after the scrolling; CI needs the exit code."""

    def missing() -> engine.Engine:
        raise engine.EngineMissing("pulumi is not on PATH: install it")

    monkeypatch.setattr(engine, "find", missing)
    options = argparse.Namespace(context=None, strict=strict, ephemeral=False)
    assert run.run(options) == code
    lines = capfd.readouterr().out.splitlines()
    expected = "NOT DEPLOYED: pulumi is not on PATH: install it"
    assert (lines[0], lines[-1]) == (expected, expected)
    assert "Stack sandbox:" in "\n".join(lines[1:-1])


def test_unusable_context_is_a_bad_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line: nothing was started, nothing is to be cleaned up."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    options = argparse.Namespace(context="nowhere", strict=False, ephemeral=False)
    assert run.run(options) == 2
    assert capsys.readouterr().err.startswith("sandbox: --context nowhere: ")
