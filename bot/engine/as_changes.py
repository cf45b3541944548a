"""What a preview, an update or a refresh of the engine comes to, as a change set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from bot.changes import paths
from bot.changes.engine_values import plain
from bot.changes.masking import masked_field
from bot.changes.model import Change, ChangeSet, ChartMove, FieldChange, Op, Violation
from bot.engine import EngineResult
from bot.engine import events as engine_events
from bot.engine.chart_versions import moves_of
from bot.engine.errors import follows
from bot.engine.events import OperationRecord, ResourceStep
from bot.text.hidden_values import SECRET
from bot.text.lists import counted, listed
from schema.masking import masked, masked_object
from stack.config import StackConfig

_OPS: Mapping[str, Op] = {
    "created": Op.CREATE,
    "imported": Op.IMPORT,
    "updated": Op.UPDATE,
    "replaced": Op.REPLACE,
    "deleted": Op.DELETE,
}
_STAYS = frozenset({"same", "read", "refresh"})
# From this number on, a chart whose objects all go is more likely one that was not looked into.
_ALL_GONE = 2


def changes_of(
    result: EngineResult,
    config: StackConfig | None = None,
    *,
    source: Literal["preview", "drift"] = "preview",
    commit: str | None = None,
    base: str | None = None,
) -> ChangeSet:
    """The changes in a record of the engine, one per resource, whatever became of the run.

    config: of the stack; without it `result.target`'s, which says which charts there are to be.
    commit, base: revisions, for the reader. Never raises for what the engine has said: what could
    not be read is a doubt.
    """
    record = result.record
    moves = moves_of(record, config or result.target.config, result.target.project_dir)
    return ChangeSet(
        stack=result.target.stack,
        source=source,
        changes=tuple(_change(record, step) for step in record.changes if not step.logical),
        moves=moves,
        violations=tuple(_violations(record)),
        doubts=tuple(dict.fromkeys(_doubts(result, moves))),
        errors=tuple(dict.fromkeys(_errors(result))),
        warnings=tuple(dict.fromkeys(masked(text) for text in record.warnings)),
        unchanged=sum(s.kind == "unchanged" and not s.logical for s in record.steps.values()),
        seconds=float(record.seconds),
        commit=commit,
        base=base,
    )


def _change(record: OperationRecord, step: ResourceStep) -> Change:
    op = _OPS.get(step.kind, Op.UNKNOWN)
    old, new = step.old or {}, step.new or {}
    before = None if op in (Op.CREATE, Op.IMPORT) else _inputs(old)
    after = None if op is Op.DELETE else _inputs(new)
    fields = () if op in (Op.CREATE, Op.DELETE) else _fields(step, before or {}, after or {})
    kind = str((after or before or {}).get("kind") or step.type.rpartition(":")[2])
    return Change(
        urn=step.urn,
        type=step.type,
        name=step.name,
        component=record.component(step),
        op=op,
        protected=step.protected,
        retained=bool(old.get("retainOnDelete") or new.get("retainOnDelete")),
        fields=tuple(masked_field(kind, field, before, after) for field in fields),
        before=None if before is None else masked_object(kind, before),
        after=None if after is None else masked_object(kind, after),
    )


def _inputs(state: Mapping[str, Any]) -> dict[str, Any]:
    found = plain(state.get("inputs") or {})
    return found if isinstance(found, dict) else {}


def _fields(
    step: ResourceStep, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[FieldChange, ...]:
    """What changes, by the provider's own word where it gives one, else by comparing the inputs."""
    if not step.detail:
        found = paths.differences(before, after) if step.old and step.new else ()
        return tuple(
            field.model_copy(update={"replaces": _first(field.path) in step.replacing})
            for field in found
        )
    outputs: list[Mapping[str, Any]] = []
    made = []
    for path, how in sorted(step.detail.items()):
        kind = str((how or {}).get("diffKind") or "")
        keys = paths.parts(path)
        old, new = paths.value_at(before, keys), paths.value_at(after, keys)
        if old == new and SECRET not in (old, new):
            # Not the program has changed but what is there: the difference is in the outputs.
            outputs = outputs or [_outputs(step.old), _outputs(step.new)]
            live = paths.value_at(outputs[0], keys)
            old, new = (live, new) if live != new else (old, paths.value_at(outputs[1], keys))
        made.append(
            FieldChange(
                path=path,
                before=paths.ABSENT if kind.startswith("add") else old,
                after=paths.ABSENT if kind.startswith("delete") else new,
                replaces=kind.endswith("-replace"),
            )
        )
    return tuple(made)


def _first(path: str) -> str:
    keys = paths.parts(path)
    return str(keys[0]) if keys else ""


def _outputs(state: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = plain((state or {}).get("outputs") or {})
    return found if isinstance(found, dict) else {}


def _violations(record: OperationRecord) -> Iterator[Violation]:
    for body in record.policies:
        level = str(body.get("enforcementLevel") or "mandatory")
        pack = str(body.get("policyPackName") or "")
        name = str(body.get("policyName") or "a policy without a name")
        yield Violation(
            policy=f"{pack}/{name}" if pack else name,
            level="advisory" if level in ("advisory", "warning", "disabled") else "mandatory",
            urn=str(body.get("resourceUrn") or ""),
            message=masked(str(body.get("message") or "").strip()),
        )


def _errors(result: EngineResult) -> Iterator[str]:
    for urn, text in result.record.errors:
        if follows(text) and len(result.record.errors) > 1:
            continue
        name = urn.rpartition("::")[2]
        yield masked(f"{name}: {text}" if name else text)
    yield from (masked(text) for text in result.outside)


def _doubts(result: EngineResult, moves: tuple[ChartMove, ...]) -> Iterator[str]:
    record, ending, what = result.record, result.ending, result.operation
    if ending.ended != "finished":
        took = "took longer than its time-out" if ending.ended == "timed out" else "was interrupted"
        yield f"the {what} {took}: what it did not reach is missing"
    elif not result.ok:
        yield f"the {what} failed: what it did not reach is missing"
    if ending.killed:
        yield "the engine was killed before it recorded everything"
    if record.result is None:
        yield "the engine gave no summary: this list may be incomplete"
    if record.incomplete:
        yield (
            "the preview is incomplete: a chart has a value that is only known during `up`, so "
            "its objects look deleted"
        )
    if record.unread:
        yield f"{counted(record.unread, 'event')} of the engine could not be read"
    if unknown := [step for step in record.changes if step.kind == engine_events.UNKNOWN]:
        names = listed(unknown, 3, lambda step: f"{step.op} of {step.name}")
        yield f"unknown operation: {names}"
    if (missing := _missing(record)) > 0:
        yield f"the engine counts {counted(missing, 'change')} without an event"
    if what != "refresh":
        # A refresh asks for each object by itself: what it calls gone, somebody has deleted.
        yield from _gone(record, moves)


def _missing(record: OperationRecord) -> int:
    """How many more changes the engine has counted than there are in the record."""
    said = sum(number for op, number in record.counts.items() if op not in _STAYS)
    return said - sum(step.kind != "unchanged" for step in record.steps.values())


def _gone(record: OperationRecord, moves: tuple[ChartMove, ...]) -> Iterator[str]:
    """Charts that stay, and whose objects all go: the engine could not look into them."""
    charts: dict[str, list[ResourceStep]] = {}
    for step in record.steps.values():
        if (
            step.parent in record.steps
            and record.steps[step.parent].type == engine_events.CHART_TYPE
        ):
            charts.setdefault(step.parent, []).append(step)
    removed = {move.chart for move in moves if move.after is None}
    for urn, steps in charts.items():
        stays = record.steps[urn].kind != "deleted" and record.steps[urn].name not in removed
        if stays and len(steps) >= _ALL_GONE and all(step.kind == "deleted" for step in steps):
            yield (
                f"all {len(steps)} objects of chart {record.steps[urn].name} look deleted although "
                "the chart stays: the engine did not render it"
            )
