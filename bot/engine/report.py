"""What a run of the engine came to, as text for people and as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.engine import EngineResult
from bot.engine.errors import Lock, explain, first_line, follows
from bot.engine.events import OperationRecord, ResourceStep
from bot.text import log_file
from bot.text.durations import duration
from bot.text.lists import listed, short
from schema.masking import masked

COLUMNS = ("created", "imported", "updated", "replaced", "deleted", "unknown", "unchanged")
# In a preview nothing has happened yet.
_FUTURE = {
    "created": "create",
    "imported": "import",
    "updated": "update",
    "replaced": "replace",
    "deleted": "delete",
}
_LISTED = 40


def table(record: OperationRecord, *, preview: bool = False) -> list[str]:
    """Lines with the number of resources per component and kind of change."""
    rows = record.by_component()
    columns = [c for c in COLUMNS if any(c in row for row in rows.values())]
    changed = {name: row for name, row in rows.items() if set(row) - {"unchanged"}}
    if not changed:
        count = sum(row.get("unchanged", 0) for row in rows.values())
        return [f"no changes, {count} resources unchanged"]
    width = max(len(name) for name in [*changed, "component"])
    titles = [_FUTURE.get(c, c) if preview else c for c in columns]
    lines = [f"{'component':{width}}  {'  '.join(f'{t:>9}' for t in titles)}"]
    for name, row in changed.items():
        lines.append(_row(name, width, [row.get(c, 0) for c in columns]))
    untouched = sum(row.get("unchanged", 0) for name, row in rows.items() if name not in changed)
    if untouched:
        counts = [untouched if c == "unchanged" else 0 for c in columns]
        lines.append(_row("others", width, counts))
    totals = [sum(row.get(c, 0) for row in rows.values()) for c in columns]
    lines.append(_row("total", width, totals))
    return lines


def _row(name: str, width: int, counts: list[int]) -> str:
    cells = "  ".join(f"{count or '-':>9}" for count in counts)
    return f"{name:{width}}  {cells}"


def changed_resources(record: OperationRecord, *, preview: bool = False) -> list[str]:
    """One line for each change that is not a plain creation: those a reader must look at."""
    shown = [step for step in record.changes if step.kind != "created"]
    lines = []
    for step in shown:
        first = ", ".join((*step.keys[:4], "…") if len(step.keys) > 4 else step.keys)
        keys = f"  ({first})" if first else ""
        verb = _FUTURE.get(step.kind, step.kind) if preview else step.kind
        guard = "  PROTECTED" if step.protected and step.kind in ("deleted", "replaced") else ""
        lines.append(f"  {verb:9} {_short_type(step)} {step.name}{keys}{guard}")
    return short(lines, _LISTED, "  ")


def locked(stack: str, locks: Sequence[Lock]) -> list[str]:
    """Who holds the stack, for how long, and what to do about it."""
    line = f"stack {stack} is locked by {'; '.join(map(str, locks))}"
    release = f"pulumi cancel {stack} --yes"
    if all(lock.stale for lock in locks):
        return [line, f"next: its run has ended; release it with `{release}`"]
    way_on = "wait until that run has ended (`--wait SECONDS` does); if it never ends, release it"
    return [line, f"next: {way_on} with `{release}`"]


def failure(result: EngineResult) -> list[str]:
    """What was applied, what failed and why, what was not reached, and the next step.

    The reasons are the engine's and the servers': secrets in them are masked. Where they are cut,
    the last line names the log that has all of them.
    """
    told = [masked(line) for line in _failure(result)]
    whole = "\n\n".join(dict.fromkeys(_texts(result)))
    if any(first_line(text, len(text)) != first_line(text) for text in _texts(result)):
        command = f"{result.operation} {result.target.stack}"
        if log := log_file.write(command, whole, result.target.project_dir):
            told.append(f"the engine's full output is in {log}")
    return told


def _failure(result: EngineResult) -> list[str]:
    record, stack = result.record, result.target.stack
    lines: list[str] = []
    if result.locks:
        return locked(stack, result.locks)
    if result.ending.ended == "timed out":
        lines.append(f"{result.operation} was stopped: it took longer than its time-out")
    elif result.ending.ended == "interrupted":
        lines.append(f"{result.operation} was interrupted")
    if result.ending.killed:
        lines.append("the engine did not stop and was killed: the stack may stay locked")
    applied = [s for s in record.changes if s.ended is not None and not s.failed]
    if result.operation in ("up", "destroy") and record.steps:
        lines.append(f"applied: {_counts(record, applied) or 'nothing'}")
    lines += _failed(result)
    waiting = [step for step in record.running if step.kind != "unchanged"]
    if waiting and result.operation in ("up", "destroy"):
        lines.append(f"started but not finished: {listed([step.name for step in waiting], 6)}")
    if result.operation == "up" and record.steps and (applied or waiting or record.failed):
        lines.append("not applied: resources that depend on those above")
    what, next_step = explain(_texts(result), stack)
    if what:
        lines.append(f"cause: {what}")
    if result.ending.ended == "finished" or what:
        lines.append(f"next: {next_step}")
    else:
        lines.append(f"next: run `python -m bot {result.operation} --stack {stack}` again")
    return lines


def _failed(result: EngineResult) -> list[str]:
    lines = []
    record = result.record
    told: set[str] = set()
    others = any(not follows(text) for _, text in record.errors)
    for step in record.failed:
        reasons = record.reasons(step)
        reason = first_line(reasons[0]) if reasons else "the engine gave no reason"
        told.update(reasons)
        lines.append(f"failed: {record.component(step)}: {step.name}: {reason}")
    for urn, text in record.errors:
        if text in told or (follows(text) and (told or others)):
            continue
        told.add(text)
        name = f"{urn.rpartition('::')[2]}: " if urn else ""
        lines.append(f"failed: {name}{first_line(text)}")
    if not lines:
        lines += [f"failed: {first_line(text)}" for text in result.outside]
    if not lines and result.ending.ended == "finished":
        lines.append(
            f"failed: the engine ended with exit code {result.ending.code}, without a reason"
        )
    return lines


def _texts(result: EngineResult) -> list[str]:
    return [*(text for _, text in result.record.errors), *result.outside]


def _counts(record: OperationRecord, steps: list[ResourceStep]) -> str:
    rows = record.by_component(steps)
    return ", ".join(f"{name} ({sum(row.values())})" for name, row in rows.items())


def _short_type(step: ResourceStep) -> str:
    return step.type.rpartition(":")[2]


def closing(result: EngineResult, seconds: float) -> str:
    """The last line of a run that went well."""
    done = {"up": "is up to date", "destroy": "is destroyed", "preview": "was previewed"}
    verb = done.get(result.operation, "was refreshed")
    return f"stack {result.target.stack} {verb}, in {duration(seconds)}"


def document(result: EngineResult) -> dict[str, Any]:
    """The result as one JSON document; it has no inputs, so nothing that is secret."""
    record = result.record
    return {
        "stack": result.target.stack,
        "operation": result.operation,
        "ok": result.ok,
        "complete": not record.incomplete,
        "seconds": record.seconds,
        "components": record.by_component(),
        "changes": [
            {
                "urn": step.urn,
                "type": step.type,
                "name": step.name,
                "component": record.component(step),
                "change": step.kind,
                "keys": list(step.keys),
                "protected": step.protected,
                "failed": step.failed,
            }
            for step in record.changes
        ],
        "errors": [{"urn": urn, "text": masked(text)} for urn, text in record.errors]
        + [{"urn": "", "text": masked(text)} for text in result.outside],
        "warnings": [masked(text) for text in record.warnings],
    }
