"""What nobody may approve: doubts, other commits, other stacks, and what is not committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import engine
from bot.changes.model import ChangeSet, Op, Violation
from bot.cli import dispatch
from bot.deploy import approval, approve, snapshot, tree
from bot.deploy.tree import Tree
from bot.exit_codes import BAD_INPUT, DONE, REFUSED, RefusedError
from tests.unit import delivery_samples as samples
from tests.unit.context import Context
from tests.unit.delivery_samples import COMMIT, OTHER, change, change_set

_CLEAN = Tree(COMMIT, dirty=False)
_BROKEN = Violation(policy="no-keys", level="mandatory", urn="u", message="a key")


def test_whole_preview_of_a_clean_commit_may_be_approved() -> None:
    """The baseline; an advisory violation is for the reader."""
    advice = _BROKEN.model_copy(update={"level": "advisory"})
    approve.refuse(samples.bound(change_set(change(), violations=(advice,))), "trust", _CLEAN)


@pytest.mark.parametrize(
    ("changes", "tree", "told"),
    [
        (change_set(stack="production"), _CLEAN, "belong to stack production"),
        (change_set(source="plan"), _CLEAN, "only a preview of the engine"),
        (change_set(source="drift"), _CLEAN, "only a preview of the engine"),
        (change_set(), Tree(COMMIT, dirty=True), "uncommitted"),
        (change_set(), Tree(None, dirty=True), "no git commit"),
        (change_set(commit=OTHER), _CLEAN, "preview again"),
        (change_set(commit=None), _CLEAN, "preview again"),
        (change_set(doubts=("incomplete",)), _CLEAN, "refused: incomplete"),
        (change_set(errors=("failed",)), _CLEAN, "refused: failed"),
        (change_set(change(Op.UNKNOWN)), _CLEAN, "unknown operation on pki"),
        (change_set(violations=(_BROKEN,)), _CLEAN, "policy no-keys: a key"),
    ],
)
def test_anything_less_may_not(changes: ChangeSet, tree: Tree, told: str) -> None:
    """An approval of what is not known is an approval of anything."""
    with pytest.raises(RefusedError, match=told):
        approve.refuse(samples.bound(changes), "trust", tree)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (change_set(), "without a snapshot"),
        (samples.bound(change_set(), clean=False, beside={"a": "b"}), r"was dirty \(a\), is clean"),
        (samples.bound(change_set(), changes="sha256:0"), "the file was edited"),
    ],
)
def test_preview_that_is_bound_to_nothing_that_is_committed_may_not(
    changes: ChangeSet, told: str
) -> None:
    """A dirty tree can be cleaned afterwards, and its preview still tells of what was in it."""
    with pytest.raises(RefusedError, match=told):
        approve.refuse(changes, "trust", _CLEAN)


@pytest.fixture
def changes(tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A preview of stack `trust`, which drops a mount, in a repository."""
    where = samples.target(tmp_path)
    commit = samples.repository(tmp_path)
    monkeypatch.setenv("PULUMI_BACKEND_URL", where.environment["PULUMI_BACKEND_URL"])
    context.project(tmp_path)
    context.engine()
    file = tmp_path / "state" / "changes.json"
    file.parent.mkdir()
    found = change_set(change(Op.DELETE), commit=commit)
    made = snapshot.read(engine.find(), where, tree.read(tmp_path), "up", changes=found)
    file.write_text(found.model_copy(update={"snapshot": made}).model_dump_json())
    context.vault(samples.Transit())
    return file


def _approve(changes: Path, *options: str) -> int:
    words = ["--stack", "trust", "--changes", str(changes), "--by", "ada"]
    return dispatch.main(["approve", *words, "--out", str(changes.with_name("out.json")), *options])


def test_protected_action_is_part_of_the_approval_or_there_is_none(
    changes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who approves names it: it is not found out by whoever applies it."""
    assert _approve(changes) == REFUSED
    assert "approve again with --allow anchor" in capsys.readouterr().err
    out = changes.with_name("out.json")
    assert not out.exists()
    assert _approve(changes, "--allow", "anchor", "--valid", "2", "--reason", "old\nmount") == DONE
    told = capsys.readouterr().out
    assert told.startswith("verdict: ")
    record = approval.read(out)
    assert (record.by, record.reason, record.allowed) == ("ada", "old mount", ("anchor",))
    assert (record.expires_at - record.approved_at).total_seconds() == 7200
    names = {"Pulumi.yaml", "Pulumi.trust.yaml", "charts.yaml", "fleet.yaml", "requirements.txt"}
    assert record.snapshot.files.keys() == names
    assert record.signature.startswith("vault:v1:")
    assert engine.find().program == "pulumi"


@pytest.mark.parametrize(
    "options",
    [("--by", " "), ("--by", "x" * 101), ("--out", "/nowhere/at/all.json"), ("--changes", "none")],
)
def test_bad_options_are_bad_input(changes: Path, options: tuple[str, str]) -> None:
    """One line, and no file."""
    assert _approve(changes, "--allow", "anchor", *options) == BAD_INPUT


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "169", "soon"])
def test_approval_has_an_end_within_a_week(changes: Path, hours: str) -> None:
    """Without one, the approval of last year is still somewhere."""
    with pytest.raises(SystemExit) as ended:
        _approve(changes, "--valid", hours)
    assert ended.value.code == BAD_INPUT
