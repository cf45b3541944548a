"""Staging before production, and no approval skipped: what a commit must have behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bot.deploy import gate, verified
from bot.deploy.gate import Requirement
from bot.deploy.tree import Tree
from bot.deploy.verified import Proven
from bot.exit_codes import BadInputError, RefusedError
from tests.unit.delivery_samples import (
    COMMIT,
    OTHER,
    entries,
    entry,
    repository,
    target,
)
from tests.unit.fake_engine import BACKEND, engine
from tests.unit.git_repository import commit

_CLEAN = Tree(COMMIT, dirty=False)
_NEEDS = Requirement("production", "production", approval=True, before=("staging",))
_PROVEN = (Proven(COMMIT, "0123456789abcdef"),)


def test_policy_is_the_fleet_files(tmp_path: Path) -> None:
    """A stack outside of every wave, such as the anchor's owner, needs no approval."""
    waves = [
        {"name": "canary", "clusters": [{"stack": "staging", "environment": "staging"}]},
        {
            "name": "all",
            "approval": "required",
            "clusters": [{"stack": "production", "environment": "production"}],
        },
    ]
    for stack in ("trust", "staging", "production"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    (tmp_path / "fleet.yaml").write_text(yaml.safe_dump({"owner": "trust", "waves": waves}))
    found = gate.requirement_of("production", tmp_path)
    assert (found.wave, found.approval, found.before) == ("all", True, ("staging",))
    for stack, wave in (("staging", "canary"), ("trust", "")):
        found = gate.requirement_of(stack, tmp_path)
        assert (found.wave, found.approval, found.listed) == (wave, False, True)
        assert found.others == ("production",)
    found = gate.requirement_of("elsewhere", tmp_path)
    assert (found.wave, found.approval, found.listed) == ("", False, False)
    assert found.others == ("trust", "staging", "production")


@pytest.mark.parametrize("tree", [Tree(None, dirty=True), Tree(COMMIT, dirty=True)])
def test_stack_that_needs_approval_takes_only_a_commit(tmp_path: Path, tree: Tree) -> None:
    """What is not committed was seen by nobody, approval or not."""
    where = target(tmp_path)
    with pytest.raises(RefusedError, match="takes only a commit"):
        gate.check(_NEEDS, where, tree, approved=True)
    gate.check(Requirement("staging"), where, tree, approved=False)


def test_stack_that_needs_approval_is_refused_without(tmp_path: Path) -> None:
    """With the three commands that lead to one."""
    where = target(tmp_path)
    with pytest.raises(RefusedError, match="needs an approval") as error:
        gate.check(_NEEDS, where, _CLEAN, approved=False)
    assert "bot approve --stack production" in str(error.value)
    gate.check(_NEEDS, where, _CLEAN, approved=True)


def test_skipping_waves_needs_a_reason() -> None:
    """It goes into the history, where somebody will ask for it."""
    with pytest.raises(BadInputError, match="--reason"):
        gate.skipped(True, " ")
    assert gate.skipped(True, " hot fix ") == "hot fix"
    assert gate.skipped(False, "why") == ""


def test_commit_that_was_applied_and_verified_is_proven(tmp_path: Path) -> None:
    """The baseline of what follows."""
    assert gate.unproven(entries(entry()), _PROVEN, COMMIT, tmp_path) == ""


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        ([], "no commit was ever applied"),
        ([entry(commit=OTHER)], "was not applied"),
        ([entry(tree="dirty")], "was not applied"),
        ([entry(result="failed")], "was not applied"),
        ([entry(kind="refresh")], "no commit was ever applied"),
        ([entry(operation="fedcba9876543210")], "not verified"),
        ([entry(minute=1, result="failed"), entry()], "its last update"),
        ([entry(minute=1, kind="destroy"), entry()], "destroyed"),
        ([entry(minute=1, commit=OTHER), entry()], "reverted"),
        ([entry(minute=1, message="by hand"), entry()], "reverted"),
    ],
)
def test_anything_less_is_not_proven(
    tmp_path: Path, documents: list[dict[str, object]], why: str
) -> None:
    """Each is a way in which production gets what staging has not survived."""
    assert why in gate.unproven(entries(*documents), _PROVEN, COMMIT, tmp_path)


def test_later_commit_on_the_earlier_stack_does_not_take_the_proof_away(tmp_path: Path) -> None:
    """Staging goes on while production is approved; only what was reverted is gone."""
    (tmp_path / "a").write_text("1")
    first = repository(tmp_path)
    second = commit(tmp_path, "two")
    later = entries(entry(minute=1, commit=second), entry(commit=first))
    proofs = (Proven(first, "0123456789abcdef"),)
    assert gate.unproven(later, proofs, first, tmp_path) == ""
    back = entries(entry(minute=1, commit=first), entry(commit=second))
    proofs = (Proven(second, "0123456789abcdef"),)
    assert "reverted" in gate.unproven(back, proofs, second, tmp_path)


def test_refusal_names_the_stack_and_the_way_on(tmp_path: Path) -> None:
    """Read from the earlier stack's own backend."""
    found = BACKEND
    rule = Requirement("production", "all", approval=True, before=("trust",))
    where = replace(target(tmp_path), stack="production")
    with pytest.raises(RefusedError) as error:
        gate.earlier_waves(found, where, rule, _CLEAN)
    assert "missing: trust: no commit was ever applied to it" in str(error.value)
    assert "--skip-waves --reason" in str(error.value)
    proofs = {verified.TAG: verified.added("", _PROVEN[0])}
    target(tmp_path, history=[entry()], tags=proofs)
    gate.earlier_waves(found, where, rule, _CLEAN)
    with pytest.raises(RefusedError, match="no stack can have this version"):
        gate.earlier_waves(found, where, rule, Tree(COMMIT, dirty=True))


def test_backend_that_does_not_answer_proves_nothing(tmp_path: Path) -> None:
    """An outage of the backend must not open the gate."""
    found = engine(tmp_path, "sys.exit('error: no route')")
    where = target(tmp_path)
    rule = Requirement("production", "all", before=("trust",))
    with pytest.raises(RefusedError, match="cannot be read"):
        gate.earlier_waves(found, where, rule, _CLEAN)


def test_proofs_are_kept_within_what_a_tag_takes() -> None:
    """The Pulumi service refuses longer values; the oldest proofs go first."""
    value = ""
    for number in range(9):
        value = verified.added(value, Proven(f"{number:040x}", f"{number:016x}"))
    assert len(value) <= 256
    kept = verified.parse(value)
    assert [int(each.operation, 16) for each in kept] == [8, 7, 6, 5]
    assert verified.parse(f"{value} junk a@b") == kept
    assert json.dumps(value)
