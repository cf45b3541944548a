"""What is asked of an update before it begins: bindings, preview, doubts, protected actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot import preview
from bot.changes.model import ChangeSet, Op
from bot.delivery import approval, backend, digests, operation, protected
from bot.delivery.operation import Operation
from bot.engine import Engine, Result
from bot.engine import checkpoint as engine_checkpoint
from bot.engine.target import Target
from bot.exit_codes import BotError, RefusedError

_CUT = 8


@dataclass(frozen=True)
class Checked:
    """A preview that may be applied, or one that failed: `result.ok` tells.

    state: version of the state that it was made of; empty without an approval.
    """

    result: Result
    changes: ChangeSet
    state: str = ""


def checked(
    found: Engine,
    target: Target,
    wanted: Operation,
    *,
    refresh: bool,
    timeout: float,
    note: Callable[[str], None],
) -> Checked:
    """Preview, and raise RefusedError where what it shows may not be applied.

    The lock must be free: a state file that a killed run has torn is put right.
    """
    given = wanted.approval
    state, resumed = "", False
    if given is not None:
        state = _state(found, target, note)
        resumed = state != given.bindings.state and operation.goes_on(found, target, given)
        now = digests.Bindings(
            commit=wanted.tree.commit or "",
            files=digests.files(target),
            archives=digests.archives(target),
            state=state,
            changes=given.bindings.changes,
        )
        stale = digests.differences(given.bindings, now, state=not resumed)
        if not wanted.tree.clean:
            # The program is bound by its commit alone.
            stale.insert(0, f"tree: was clean, is {wanted.tree}")
        approval.refuse_stale(given, stale)
        if resumed:
            note(f"going on with approval {given.id}: an earlier run of it has begun this")
    result = preview.preview(found, target, refresh=refresh, timeout=timeout)
    if engine_checkpoint.mend(target, result):
        note("a killed run had torn the state file: the one before it is used")
        result = preview.preview(found, target, refresh=refresh, timeout=timeout)
    changes = preview.judged(result)
    if not result.ok:
        return Checked(result, changes, state)
    refuse_doubtful(changes)
    if given is not None:
        own = digests.signatures(changes)
        compare = digests.beyond if resumed else digests.unlike
        approval.refuse_stale(given, compare(given.changes, own))
    allowed = (*wanted.allowed, *(given.allowed if given else ()))
    command = f"run `python -m bot up --stack {target.stack}` again"
    protected.refuse(protected.needs(changes), allowed, command)
    return Checked(result, changes, state)


def refuse_doubtful(changes: ChangeSet) -> None:
    """Raise RefusedError where it is not sure what would happen, or a mandatory rule is broken."""
    reasons = [*changes.doubts, *changes.errors]
    reasons += [f"unknown operation on {c.name}" for c in changes.changes if c.op == Op.UNKNOWN]
    reasons += [
        f"policy {each.policy}: {each.message}"
        for each in changes.violations
        if each.level == "mandatory"
    ]
    if reasons:
        more = [f"and {len(reasons) - _CUT} more"] if len(reasons) > _CUT else []
        raise RefusedError("\n".join(f"refused: {text}" for text in (*reasons[:_CUT], *more)))


def refuse_moved(found: Engine, target: Target, before: Checked) -> None:
    """Raise RefusedError where the state moved while it was previewed and asked about."""
    if before.state and backend.state_version(found, target) != before.state:
        raise RefusedError(
            f"the state of stack {target.stack} moved while it was previewed: somebody else works "
            "on it; preview and approve again"
        )


def _state(found: Engine, target: Target, note: Callable[[str], None]) -> str:
    try:
        return backend.state_version(found, target)
    except BotError as error:
        if not engine_checkpoint.mend_after(target, [str(error)]):
            raise
    note("a killed run had torn the state file: the one before it is used")
    return backend.state_version(found, target)


def verdict(changes: ChangeSet) -> list[str]:
    """How risky it is, in the words of the preview."""
    return preview.verdict(changes)
