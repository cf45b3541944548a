"""What is asked of an update before it begins: snapshot, preview, doubts, protected actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.changes.model import ChangeSet, Op
from bot.changes.snapshot import Snapshot, differences
from bot.clients.target import Target
from bot.deploy import approval, digests, operation, preview, protected, snapshot
from bot.deploy.operation import Operation
from bot.engine import Engine, EngineResult
from bot.engine import checkpoint as engine_checkpoint
from bot.exit_codes import BotError, RefusedError
from bot.text.lists import short

_CUT = 8
_STATE = frozenset({"state"})


@dataclass(frozen=True)
class Checked:
    """A preview that may be applied, or one that failed: `result.ok` tells.

    snapshot: what it was made of.
    """

    result: EngineResult
    changes: ChangeSet
    snapshot: Snapshot


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
    made, resumed = bound(found, target, wanted, note)
    result = preview.preview(found, target, refresh=refresh, timeout=timeout)
    if engine_checkpoint.mend(target, result):
        note("a killed run left the state file incomplete: the previous one is used")
        result = preview.preview(found, target, refresh=refresh, timeout=timeout)
    changes = preview.judged(result)
    if not result.ok:
        return Checked(result, changes, made)
    refuse_doubtful(changes)
    refuse_unapproved(wanted, changes, resumed=resumed)
    allowed = (*wanted.allowed, *(given.allowed if given else ()))
    command = f"run `python -m bot {wanted.kind} --stack {target.stack}` again"
    protected.refuse(protected.needs(changes), allowed, command)
    return Checked(result, changes, snapshot.with_changes(made, changes))


def bound(
    found: Engine, target: Target, wanted: Operation, note: Callable[[str], None]
) -> tuple[Snapshot, bool]:
    """What would be applied now, and whether a run of the same approval has begun it already.

    Raises RefusedError where that is not what was approved, or is on another cluster.
    """
    snapshot.refuse_other_cluster(target)
    now = _read(found, target, wanted, note)
    given = wanted.approval
    if given is None:
        return now, False
    resumed = now.state != given.snapshot.state and operation.goes_on(found, target, given)
    without = _STATE if resumed else frozenset[str]()
    approval.refuse_stale(given, differences(given.snapshot, now, without))
    if resumed:
        note(f"resuming with approval {given.id}: an earlier run has started it")
    return now, resumed


def refuse_unapproved(wanted: Operation, changes: ChangeSet, *, resumed: bool) -> None:
    """Raise RefusedError where the approval is for other changes than these."""
    given = wanted.approval
    if given is None:
        return
    own = digests.signatures(changes)
    found = (
        digests.beyond(given.changes, changes) if resumed else digests.unlike(given.changes, own)
    )
    approval.refuse_stale(given, found)


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
        raise RefusedError("\n".join(f"refused: {text}" for text in short(reasons, _CUT)))


def refuse_moved(found: Engine, target: Target, wanted: Operation, before: Snapshot) -> None:
    """Raise RefusedError where anything moved while it was previewed and asked about.

    wanted: with the tree as it is now.
    """
    snapshot.refuse_other_cluster(target)
    now = snapshot.read(found, target, wanted.tree, wanted.kind, options=wanted.options)
    approval.refuse_differing(
        f"stack {target.stack} would get other changes than the preview a moment ago",
        differences(before, now),
        "next: the files or the stack changed meanwhile; run the same command again",
    )


def _read(
    found: Engine, target: Target, wanted: Operation, note: Callable[[str], None]
) -> Snapshot:
    def once() -> Snapshot:
        return snapshot.read(found, target, wanted.tree, wanted.kind, options=wanted.options)

    try:
        return once()
    except BotError as error:
        if not engine_checkpoint.mend_after(target, [str(error)]):
            raise
    note("a killed run left the state file incomplete: the previous one is used")
    return once()


def verdict(changes: ChangeSet) -> list[str]:
    """How risky it is, in the words of the preview."""
    return preview.verdict(changes)
