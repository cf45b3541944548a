"""`bot preview`: the verdict first, and a file that says what came of it, whatever did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot import engine
from bot.changes.model import ChangeSet
from bot.cli import dispatch
from bot.clients.target import Target
from bot.engine import target as engine_target
from bot.exit_codes import BotError
from stack.load import from_file
from tests.unit import fake_engine
from tests.unit.context import Context

_UPDATE = """
state = dict(urn=MOUNT, parent=COMPONENT, custom=True, protect=True, retainOnDelete=True)
say(resourcePreEvent=dict(metadata=dict(op="update", urn=MOUNT, type="vault:index/mount:Mount",
    old=dict(state, inputs=dict(type="pki", options="a", token="made-up-word")),
    new=dict(state, inputs=dict(type="pki", options="b", token="made-up-word")),
    detailedDiff={"options": {"diffKind": "update"}})))
"""
_SAME = 'resource("resourcePreEvent", "same", MOUNT)\nsummary()'


@pytest.fixture
def run(tmp_path: Path, context: Context) -> Any:
    """Runs `preview --stack trust` with an engine that does what it is told."""

    def preview(body: str, *flags: str) -> int:
        found = fake_engine.engine(tmp_path, body)
        config = from_file(fake_engine.REPO / "Pulumi.trust.yaml")
        target = Target("trust", tmp_path, config, None, {})
        context.engine(found)
        context.target(target)
        return dispatch.main(["preview", "--stack", "trust", *flags])

    return preview


def _read(file: Path) -> ChangeSet:
    return ChangeSet.model_validate_json(file.read_bytes())


def test_verdict_comes_before_the_table(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Who reads the first two lines must know whether to read on."""
    assert run(_UPDATE + "summary()") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "verdict: high risk, 1 change"
    assert "a protected resource changes in place" in lines[1]
    assert any("component" in line for line in lines)


def test_file_has_the_changes(run: Any, tmp_path: Path) -> None:
    """The job that comments has nothing else."""
    out = tmp_path / "trust.changes.json"
    assert run(_UPDATE + "summary()", "--out", str(out)) == 0
    found = _read(out)
    assert (found.stack, found.source, found.complete) == ("trust", "preview", True)
    assert [(f.path, f.before, f.after) for f in found.changes[0].fields] == [("options", "a", "b")]
    assert "made-up-word" not in out.read_text()


def test_no_changes_are_written_too(run: Any, tmp_path: Path) -> None:
    """The comment of an earlier push must not stand when the change was taken back."""
    out = tmp_path / "out.json"
    assert run(_SAME, "--out", str(out), "--expect-no-changes") == 0
    assert (_read(out).changes, _read(out).unchanged, _read(out).doubts) == ((), 1, ())


@pytest.mark.parametrize(
    ("body", "flags", "said"),
    [
        pytest.param(_UPDATE + "summary('failed'); sys.exit(1)", (), "failed", id="failed"),
        pytest.param(_UPDATE, (), "no summary", id="no-summary"),
        pytest.param(_UPDATE + "time.sleep(30)", ("--timeout", "4"), "time-out", id="time-out"),
    ],
)
def test_preview_that_fails_is_a_result(
    run: Any, tmp_path: Path, body: str, flags: tuple[str, ...], said: str
) -> None:
    """What was seen is told, and that it is not all."""
    out = tmp_path / "out.json"
    assert run(body, "--out", str(out), *flags) == 1
    found = _read(out)
    assert any(said in doubt for doubt in found.doubts)
    assert len(found.changes) == 1


def test_without_anything_seen_the_reason_stands_alone(
    run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong passphrase is one thing to mend, and no risk to weigh."""
    body = "print('error: incorrect passphrase', file=sys.stderr)\nsys.exit(255)"
    assert run(body) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "failed: incorrect passphrase"
    assert [line.partition(":")[0] for line in told] == ["failed", "cause", "next"]


@pytest.mark.parametrize("line", ["{half a line\\n", "[1]\\n", '{"summaryEvent"'])
def test_log_that_cannot_be_read_is_a_doubt(run: Any, tmp_path: Path, line: str) -> None:
    """What stood in that line may have been the one deletion that matters."""
    out = tmp_path / "out.json"
    body = f"{_SAME}\nwith open(log, 'a') as file: file.write('{line}')"
    assert run(body, "--out", str(out)) == 0
    assert _read(out).doubts == ("1 event of the engine could not be read",)


def test_file_says_why_nothing_was_previewed(run: Any, tmp_path: Path, context: Context) -> None:
    """No engine, a faulty stack file: the pull request must not show the verdict of last week."""
    out = tmp_path / "out.json"
    run(_SAME, "--out", str(out))
    why = "pulumi is not on PATH, token hvs." + "a" * 24
    context.no_engine(engine.EngineMissing(why))
    assert dispatch.main(["preview", "--stack", "trust", "--out", str(out)]) == 3
    assert _read(out).errors == ("pulumi is not on PATH, token [secret]",)
    assert not _read(out).complete


def test_file_of_a_run_that_was_killed_is_not_that_of_the_run_before(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that dies leaves a file; it must not look like a preview that went well."""
    out = tmp_path / "out.json"
    run(_SAME, "--out", str(out))

    def killed(_stack: str) -> None:
        raise MemoryError

    monkeypatch.setattr(engine_target, "of", killed)
    with pytest.raises(MemoryError):
        dispatch.main(["preview", "--stack", "trust", "--out", str(out)])
    assert any("did not finish" in doubt for doubt in _read(out).doubts)


def test_file_that_cannot_be_written_is_bad_input_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an hour of preview must not end in a typing error."""

    def asked(_stack: str) -> None:
        raise BotError("the stack was looked at")

    monkeypatch.setattr(engine_target, "of", asked)
    out = tmp_path / "none" / "out.json"
    assert dispatch.main(["preview", "--stack", "trust", "--out", str(out)]) == 2
    assert f"--out {out}: No such file or directory" in capsys.readouterr().err


def test_mandatory_policy_is_refused(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What `up` will refuse is refused where it is reviewed."""
    body = """
say(policyEvent=dict(policyName="p", enforcementLevel="mandatory", message="no", resourceUrn=MOUNT))
summary()"""
    assert run(body) == 4
    assert "mandatory policy p: no" in capsys.readouterr().err


def test_document_has_the_risk(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A script decides by one word."""
    assert run(_UPDATE + "summary()", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["risk"] == "high"
    assert {finding["rule"] for finding in document["findings"]} >= {"protected-changes"}
    assert document["doubts"] == []


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_charts_without_a_digest_are_told_once_and_not_to_who_has_none(
    tmp_path: Path, context: Context, capsys: pytest.CaptureFixture[str],
    flags: list[str],
) -> None:  # fmt: skip
    """Until somebody runs `make charts-lock`; beside the result, which a program may read."""
    (tmp_path / "charts.yaml").write_text((fake_engine.REPO / "charts.yaml").read_text())
    found = fake_engine.engine(tmp_path, _SAME)
    for stack, count in (("trust", 0), ("staging", 1)):
        config = from_file(fake_engine.REPO / f"Pulumi.{stack}.yaml")
        target = Target(stack, tmp_path, config, None, {})
        context.engine(found)
        context.target(target)
        dispatch.main(["preview", "--stack", stack, *flags])
        told = capsys.readouterr()
        assert told.err.count("make charts charts-lock") == count
        assert "charts-lock" not in told.out
