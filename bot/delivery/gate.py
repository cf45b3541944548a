"""Whether a commit may go to a stack at all: approval by policy, and staging before production."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.delivery import backend, tree, verified
from bot.delivery.tree import Tree
from bot.engine import Engine
from bot.engine.target import Target
from bot.exit_codes import BadInputError, BotError, RefusedError
from bot.trust import fleet as trust_fleet
from stack import fleet


@dataclass(frozen=True)
class Policy:
    """What fleet.yaml says of a stack. wave: empty for a stack that is in none."""

    stack: str
    wave: str = ""
    approval: bool = False
    before: tuple[str, ...] = ()


def policy(stack: str, project_dir: Path) -> Policy:
    """The policy for a stack; a stack that no wave has needs no approval. Raises ConfigError."""
    found = fleet.read(project_dir)
    wave = found.wave_of(stack) if found and stack in found.stacks else None
    if found is None or wave is None:
        return Policy(stack)
    return Policy(stack, wave.name, wave.approval == "required", tuple(found.before(stack)))


def skipped(skip: bool, reason: str | None) -> str:
    """The reason for which earlier waves are skipped, empty where they are not.

    Raises BadInputError where one of the two options is there without the other.
    """
    if skip and not (reason or "").strip():
        raise BadInputError("bot up: --skip-waves needs --reason TEXT, which goes into the history")
    return (reason or "").strip() if skip else ""


def check(rule: Policy, checked_out: Tree, *, approved: bool) -> None:
    """Raise RefusedError where the stack needs an approval, or a clean commit, and has none."""
    if not rule.approval:
        return
    stack = rule.stack
    if not checked_out.clean:
        raise RefusedError(
            f"stack {stack} (wave {rule.wave}) takes only a commit, and here is {checked_out}: "
            "commit, or check the commit out elsewhere"
        )
    if not approved:
        raise RefusedError(
            f"stack {stack} (wave {rule.wave}) needs an approval: "
            f"`python -m bot preview --stack {stack} --out changes.json`, "
            f"`python -m bot approve --stack {stack} --changes changes.json --by NAME "
            "--out approval.json`, then `--approved approval.json`"
        )


def earlier_waves(found: Engine, target: Target, rule: Policy, checked_out: Tree) -> None:
    """Raise RefusedError that names each stack of an earlier wave that has not proven the commit.

    Proven: the commit was applied from a clean tree, verified, and not taken back since.
    """
    missing = [
        f"{stack}: {why}"
        for stack in rule.before
        if (why := _not_proven(found, target, stack, checked_out))
    ]
    if missing:
        head = (
            f"stack {rule.stack} (wave {rule.wave}) comes after stacks that have not had "
            f"{checked_out}, applied and verified"
        )
        way_on = (
            f"next: `python -m bot up --stack {rule.before[0]}` with this commit, or "
            "--skip-waves --reason TEXT"
        )
        raise RefusedError("\n".join([head, *(f"missing: {text}" for text in missing), way_on]))


def _not_proven(found: Engine, target: Target, stack: str, checked_out: Tree) -> str:
    """Why a stack does not prove the commit; empty where it does."""
    if checked_out.commit is None or checked_out.dirty:
        return f"here is {checked_out}, which nobody can have applied"
    try:
        other = trust_fleet.target_of(stack, target.project_dir)
        entries = backend.history(found, other)
        proofs = verified.read(found, other)
    except BotError as error:
        return f"its history cannot be read: {error}"
    return unproven(entries, proofs, checked_out.commit, target.project_dir)


def unproven(
    entries: tuple[backend.Entry, ...],
    proofs: tuple[verified.Proven, ...],
    commit: str,
    project_dir: Path,
) -> str:
    """Why a history does not prove a commit; empty where it does."""
    updates = [each for each in entries if each.kind in ("update", "destroy")]
    if not updates:
        return "nothing was ever applied to it"
    short = commit[: tree.SHORT]
    mine = [e for e in updates if e.commit == commit and e.clean and e.result == "succeeded"]
    if not mine:
        return f"commit {short} was not applied to it"
    operations = {each.operation for each in proofs if each.commit == commit}
    if not any(e.trailers.get(backend.OPERATION) in operations for e in mine):
        return f"commit {short} was applied to it and not verified"
    last = updates[0]
    if last.kind == "destroy":
        return "it was destroyed since"
    if last.result != "succeeded":
        return f"its last update, of {_commit(last)}, {last.result}"
    if last.commit is None or not tree.contains(project_dir, last.commit, commit):
        return (
            f"it has {_commit(last)} by now, which does not contain commit {short} (or is not in "
            "this clone): it was taken back, or another branch was applied"
        )
    return ""


def _commit(entry: backend.Entry) -> str:
    return f"commit {entry.commit[: tree.SHORT]}" if entry.commit else "no commit"
