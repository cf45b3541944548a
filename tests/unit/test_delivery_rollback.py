"""`bot rollback`: what is refused before anything runs, and what is handed to the engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.cli.dispatch import main
from bot.deploy import backend, environment, rollback, rollback_rules
from bot.deploy.backend import Entry
from bot.deploy.protected import Action
from bot.deploy.rollback import Rollback
from bot.deploy.tree import Tree
from bot.engine import target as engine_target
from bot.exit_codes import (
    BAD_INPUT,
    DONE,
    BadInputError,
    MissingToolError,
    RefusedError,
)
from tests.unit import delivery_samples as samples
from tests.unit.context import Context
from tests.unit.delivery_samples import keep
from tests.unit.rollback_sample import (
    Delivered,
    arguments,
    commit,
    deliveries,
    edit,
    git,
    prepared,
    template,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("made"))


@pytest.fixture
def repo(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return prepared(made, tmp_path, monkeypatch)


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> Delivered:
    return deliveries(monkeypatch)


def test_the_older_program_and_stack_file_are_applied_as_that_commit(
    repo: Path, delivered: Delivered, capsys: pytest.CaptureFixture[str]
) -> None:
    """The history must say which commit the stack has, or the next gate trusts the wrong one."""
    assert rollback.run(arguments(), repo) == DONE
    ((target, wanted),) = delivered
    assert target.stack == "one"
    assert target.project_dir != repo
    assert target.config.linkerd.log_level == "info"
    assert wanted.tree == Tree(git(repo, "rev-parse", "HEAD~1"), dirty=False)
    assert "moves stack one forward again" in capsys.readouterr().err


def test_the_history_says_that_it_went_back_and_nothing_that_was_not_allowed() -> None:
    """Anchors and CRDs are let through one rule to be refused by another."""
    wanted = Rollback(Tree("a" * 40, dirty=False), allowed=(Action.DENY, *rollback_rules.NEVER))
    text = wanted.message("one")
    assert text.startswith("rollback of one")
    assert "commit aaaaaaaaaaaa" in text
    assert "\nAllowed: deny\n" in f"{text}\n"
    entry = Entry("update", datetime.now(UTC), datetime.now(UTC), "succeeded", text, {}, {}, True)
    assert (entry.commit, entry.clean) == ("a" * 40, True)


def test_a_commit_of_another_branch_is_no_way_back(repo: Path, delivered: Delivered) -> None:
    """It would deploy what nobody has reviewed."""
    git(repo, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(repo, "on the side")
    git(repo, "checkout", "--quiet", "main")
    with pytest.raises(RefusedError, match="is not in the history of the checked-out one"):
        rollback.run(arguments(to="side"), repo)
    assert not delivered


def test_a_file_that_today_s_bot_cannot_read_is_refused(repo: Path, delivered: Delivered) -> None:
    """Today's rules cannot be applied to what they do not know."""
    edit(repo, "one", "config:\n", "config:\n  linkerd-platform:oldKey: 1\n")
    commit(repo, "a key of old")
    edit(repo, "one", "  linkerd-platform:oldKey: 1\n", "")
    commit(repo, "without it")
    with pytest.raises(RefusedError, match=r"(?s)cannot read its files:.*oldKey: unknown key"):
        rollback.run(arguments(), repo)
    assert not delivered


def test_a_dropped_generation_is_refused_with_the_way_forward(
    repo: Path, delivered: Delivered
) -> None:
    """And asks neither state nor cluster for it: the files say so."""
    old = "      - name: anchor-2026\n"
    for stack in ("one", "trust", "europe", "america"):
        edit(repo, stack, old, f"{old}      - name: anchor-2027\n")
    commit(repo, "a second generation")
    with pytest.raises(RefusedError) as caught:
        rollback.run(arguments(), repo)
    first, last = str(caught.value).splitlines()
    assert first == (
        "refused: it does not trust anchor generation anchor-2027, which is trusted now"
    )
    assert "go forward instead" in last
    assert not delivered


def test_what_another_stack_of_today_cannot_live_with_is_refused(
    repo: Path, delivered: Delivered
) -> None:
    """The others have moved on; the files of the revision would agree with each other."""
    for stack in ("trust", "europe", "america"):
        edit(
            repo,
            stack,
            "address: https://vault.example.com:8200",
            "address: https://vault.example.com:8200\n    kvMount: other/kv",
        )
    commit(repo, "the anchor has moved")
    with pytest.raises(RefusedError, match=r"fleet\.yaml: one looks for anchor-2026 at"):
        rollback.run(arguments(), repo)
    assert not delivered


def test_downgraded_crds_are_refused(
    repo: Path, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is deployed, not of what charts.yaml says today."""
    deployed = {"linkerd-crds": "9999.1.1"}
    monkeypatch.setattr(rollback_rules, "deployed_crds", lambda _engine, _today: deployed)
    with pytest.raises(RefusedError, match=r"and 9999\.1\.1 is installed now"):
        rollback.run(arguments(), repo)
    assert not delivered


def test_what_the_preview_shows_is_judged_too(
    repo: Path, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between preview and update: the state may hold what no file tells of."""
    monkeypatch.setattr(rollback_rules, "changes", lambda _changes: ["CRD x: is deleted"])
    with pytest.raises(RefusedError, match="refused: CRD x: is deleted"):
        rollback.run(arguments(), repo)
    assert not delivered


def test_a_chart_that_is_not_in_the_cache_says_how_to_get_it(
    repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`make charts` here would download today's."""
    monkeypatch.undo()
    Context(monkeypatch).engine()
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "empty"))
    with pytest.raises(MissingToolError, match=r"git worktree add \.\./rollback [0-9a-f]{12}"):
        rollback.run(arguments(preview=True, yes=False), repo)


def test_other_pins_are_provided_before_the_engine_runs(
    repo: Path, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older program with today's providers is neither of the two."""
    (repo / "requirements.txt").write_text("pulumi==2.0.0\n")
    commit(repo, "newer pins")
    asked: list[bytes] = []

    def cached(wanted: bytes, _file: Path, _note: environment.Note) -> Path:
        asked.append(wanted)
        return repo / ".venv"

    monkeypatch.setattr(environment, "cached", cached)
    assert rollback.run(arguments(), repo) == DONE
    assert asked == [b"pulumi==1.0.0\n"]
    assert len(delivered) == 1


def entry(sha: str, *, result: str = "succeeded", tree: str = "clean") -> Entry:
    now = datetime.now(UTC)
    message = backend.message("up", {"Operation": "1" * 16, "Commit": sha, "Tree": tree})
    return Entry("update", now, now, result, message, {}, {}, authentic=True)


def test_a_commit_that_the_stack_once_had_needs_no_earlier_wave(
    repo: Path, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was through them then; in an incident the canary may have moved on."""
    monkeypatch.setattr(rollback.gate, "check", lambda *_a, **_k: None)
    with pytest.raises(RefusedError, match=r"missing: .*: no commit was ever applied to it"):
        rollback.run(arguments(stack="europe"), repo)
    sha = git(repo, "rev-parse", "HEAD~1")
    keep(repo / "backend-europe.json", history=[samples.entry(commit=sha)])
    assert rollback.run(arguments(stack="europe"), repo) == DONE
    assert len(delivered) == 1


@pytest.mark.parametrize("other", [{"result": "failed"}, {"tree": "dirty"}])
def test_a_commit_that_failed_or_was_edited_is_none_that_the_stack_had(
    other: dict[str, str],
) -> None:
    """It proves nothing."""
    assert rollback.was_applied((entry("a" * 40),), "a" * 40)
    assert not rollback.was_applied((entry("a" * 40, **other),), "a" * 40)
    assert not rollback.was_applied((entry("b" * 40),), "a" * 40)


def test_a_stack_that_needs_approval_needs_one_to_go_back(repo: Path, delivered: Delivered) -> None:
    """An incident is no reason to work alone."""
    with pytest.raises(RefusedError, match="needs an approval"):
        rollback.run(arguments(stack="europe"), repo)
    assert not delivered


def test_nobody_to_ask_is_bad_input(repo: Path, delivered: Delivered) -> None:
    """Before minutes are spent on a preview."""
    with pytest.raises(BadInputError, match="needs --yes"):
        rollback.run(arguments(yes=False), repo)
    assert not delivered


@pytest.mark.parametrize(
    "words",
    [
        ["--stack", "staging"],
        ["--stack", "staging", "--to", "HEAD", "--yes", "--preview"],
        ["--stack", "staging", "--to", "HEAD", "--approve-by", "jo"],
        ["--stack", "staging", "--to", "HEAD", "--approve-by", " ", "--out", "x"],
        ["--stack", "staging", "--to", "HEAD", "--out", "x"],
        ["--stack", "staging", "--to", "HEAD", "--yes", "--allow", "crd"],
        ["--stack", "staging", "--to", "HEAD", "--yes", "--allow", "anchor"],
        ["--stack", "staging", "--to", "HEAD", "--yes", "--skip-waves"],
        ["--stack", "stagng", "--to", "HEAD", "--yes"],
        ["--stack", "staging", "--to", "--no-such", "--yes"],
    ],
)
def test_arguments_that_cannot_be_meant_are_bad_input(words: list[str]) -> None:
    """CRDs and anchors cannot even be asked for."""
    try:
        code = main(["rollback", *words])
    except SystemExit as ending:
        code = int(ending.code or 0)
    assert code == BAD_INPUT


def test_the_target_of_today_is_validated_first(repo: Path) -> None:
    """Its faults are bad input, not a refusal."""
    edit(repo, "one", "config:\n", "config:\n  linkerd-platform:oldKey: 1\n")
    with pytest.raises(rollback.ConfigError, match="oldKey"):
        rollback.run(arguments(), repo)
    assert engine_target.SANDBOX == "sandbox"
