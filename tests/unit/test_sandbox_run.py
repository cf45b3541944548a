"""`make sandbox` where something is missing: what can be shown is shown, and it says so."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pytest

from bot import engine
from bot.exit_codes import BotError
from sandbox import prepare, run
from sandbox.prepare import Found
from sandbox.toolchain import ToolMissing
from stack.charts import ChartError
from tests.unit.context import Context


def _options(*, context: str | None = None, strict: bool = False) -> argparse.Namespace:
    return argparse.Namespace(
        context=context, strict=strict, ephemeral=False, kind=False, traffic=False
    )


def _prepared(monkeypatch: pytest.MonkeyPatch, found: Found | Exception) -> None:
    def prepared(*_: object, **__: object) -> Found:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(prepare, "prepare", prepared)
    Context(monkeypatch).engine()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "missing",
    [
        ToolMissing("etcd: not on PATH, and building needs Go"),
        ChartError("chart archives missing: cert-manager"),
        engine.EngineMissing("pulumi is not on PATH: install it"),
    ],
    ids=["program", "chart", "engine"],
)
def test_where_nothing_can_be_deployed_the_plan_is_shown_and_both_ends_say_so(
    missing: Exception,
    strict: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The first line is read before, the last after the scrolling; CI needs the exit code."""
    _prepared(monkeypatch, missing)
    assert run.run(_options(strict=strict)) == (3 if strict else 0)
    lines = capfd.readouterr().out.splitlines()
    expected = f"NOT DEPLOYED: {missing}"
    assert (lines[0], lines[-1]) == (expected, expected)
    assert "Stack sandbox:" in "\n".join(lines[1:-1])


def test_a_faulty_setting_is_no_reason_to_show_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt mirror is bad input, exit code 2, and not a machine that lacks something."""
    from bot.exit_codes import BadInputError

    _prepared(monkeypatch, BadInputError("SANDBOX_MIRROR is 'x'"))
    with pytest.raises(BotError, match="SANDBOX_MIRROR"):
        run.run(_options())


def test_unusable_context_is_a_bad_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line: nothing was started, nothing is to be cleaned up."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    assert run.run(_options(context="nowhere")) == 2
    assert capsys.readouterr().err.startswith("sandbox: --context nowhere: ")


@pytest.mark.parametrize(
    ("strict", "deployed", "whole", "code"),
    [
        (False, 0, True, 0),
        (False, 0, False, 0),
        (True, 0, True, 0),
        (True, 0, False, 3),
        (True, 1, False, 1),
    ],
    ids=["whole", "in part", "strict and whole", "strict and in part", "failed"],
)
def test_what_is_missing_is_said_at_both_ends_and_told_by_the_exit_code_where_it_is_strict(
    strict: bool,
    deployed: int,
    whole: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who sees a table of proofs must know what it does not prove."""
    notes: Sequence[str] = () if whole else ("STAND-INS for a plugin", "WITHOUT LINKERD: ...")
    _prepared(monkeypatch, Found(tuple(notes), whole))

    def deploys(*_: object, **__: object) -> int:
        print("deployed and proven")
        return deployed

    monkeypatch.setattr(run, "_on_embedded", deploys)
    assert run.run(_options(strict=strict)) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines == [*notes, "deployed and proven", *notes]
