"""What changes in a stack between two revisions of the program, without engine or cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.changes import paths
from bot.changes.conditions_mesh import URN
from bot.changes.lists import aligned
from bot.changes.masking import masked_field
from bot.changes.model import Change, ChangeSet, ChartMove, FieldChange, Op
from bot.changes.replacements import replaces
from bot.plan import plan_notes
from bot.plan.base_snapshot import Planned, PlanSnapshot
from bot.plan.plan_sides import Sides
from bot.text.hidden_values import SECRET
from schema.masking import masked, masked_object

# Options that the engine applies to a resource, told as fields beside its inputs.
PROTECT, RETAIN, PROVIDER = "protect", "retainOnDelete", "provider"


def changes_between(base: PlanSnapshot | None, head: PlanSnapshot | None) -> ChangeSet:
    """The changes from one revision to the other; None where the stack is not there.

    Resources are told apart by their URN. A chart that one side could not render is compared by its
    values and version, which is a doubt, as is whatever a plan cannot see. Raises ValueError when
    the stack is on neither side, or they are two stacks.
    """
    stacks = {side.stack for side in (base, head) if side is not None}
    if len(stacks) != 1:
        raise ValueError(f"one stack is compared, not {sorted(stacks)}")
    sides = Sides(base, head)
    changes = tuple(_changes(sides))
    return ChangeSet(
        stack=stacks.pop(),
        source="plan",
        changes=changes,
        moves=tuple(sorted(_moves(sides), key=lambda move: move.chart)),
        doubts=tuple(masked(text) for text in plan_notes.doubts(sides, changes)),
        warnings=tuple(dict.fromkeys(map(masked, plan_notes.warnings(sides)))),
        unchanged=len(sides.compared[1]) - sum(c.op is not Op.DELETE for c in changes),
    )


def _changes(sides: Sides) -> Iterator[Change]:
    """In the order of the program, what goes at the end."""
    before, after = sides.compared
    remade = frozenset(_remade_providers(sides))
    for urn, new in after.items():
        old, component = before.get(urn), sides.component(new, 1)
        if old is None:
            yield _change(Op.CREATE, component, None, new)
            continue
        fields = (*_fields(old, new), *_hidden(sides, old, new), *_options(old, new))
        if urn in sides.renamed:
            fields = (*fields, FieldChange(path=URN, before=sides.renamed[urn], after=urn))
        if any(field.replaces for field in fields) or new.provider in remade:
            yield _change(Op.REPLACE, component, old, new, fields)
        elif fields:
            yield _change(Op.UPDATE, component, old, new, fields)
    for urn, old in before.items():
        if urn not in after:
            yield _change(Op.DELETE, sides.component(old, 0), old, None)


def _change(
    op: Op,
    component: str,
    old: Planned | None,
    new: Planned | None,
    fields: tuple[FieldChange, ...] = (),
) -> Change:
    # What the engine acts by is what the state has, that is the older side.
    shown, acting = new or old, old or new
    if shown is None or acting is None:
        raise ValueError("a change has a side")
    return Change(
        urn=shown.urn,
        type=shown.type,
        name=shown.name,
        component=component,
        op=op,
        protected=acting.protected,
        retained=acting.retained,
        fields=fields,
        before=masked_object(_kind(old), old.inputs) if old else None,
        after=masked_object(_kind(new), new.inputs) if new else None,
    )


def _kind(planned: Planned) -> str:
    return str(planned.inputs.get("kind") or planned.type.rpartition(":")[2])


def _fields(old: Planned, new: Planned) -> Iterator[FieldChange]:
    # Compared first and masked then: two secrets look the same when they are masked.
    sides = aligned(old.inputs, new.inputs)
    for field in paths.differences(*sides):
        again = replaces(new.type, paths.parts(field.path))
        yield masked_field(_kind(new), field.model_copy(update={"replaces": again}), *sides)


def _hidden(sides: Sides, old: Planned, new: Planned) -> Iterator[FieldChange]:
    """The values of a chart's Secret: they may change with anything that the chart is given."""
    if new.parent not in sides.moved or new.inputs.get("kind") != "Secret":
        return
    for part in ("data", "stringData"):
        one, two = old.inputs.get(part), new.inputs.get(part)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            for key in two:
                if one.get(key) == two[key] == SECRET:
                    yield FieldChange(path=paths.text((part, key)), before=SECRET, after=SECRET)


def _options(old: Planned, new: Planned) -> Iterator[FieldChange]:
    if old.protected != new.protected:
        yield FieldChange(path=PROTECT, before=old.protected, after=new.protected)
    if old.retained != new.retained:
        yield FieldChange(path=RETAIN, before=old.retained, after=new.retained)
    if old.provider != new.provider:
        yield FieldChange(path=PROVIDER, before=old.provider, after=new.provider, replaces=True)


def _remade_providers(sides: Sides) -> Iterator[str]:
    """Providers that are made anew, and with them all that they have made."""
    before, after = sides.compared
    for urn, new in after.items():
        old = before.get(urn)
        if old is None or not new.type.startswith("pulumi:providers:"):
            continue
        if any(field.replaces for field in _fields(old, new)):
            yield urn


def _moves(sides: Sides) -> Iterator[ChartMove]:
    for urn in dict.fromkeys([*sides.charts[0], *sides.charts[1]]):
        found = [side.get(urn) for side in sides.charts]
        before, after = (chart.version if chart else None for chart in found)
        if before != after:
            name = next(chart.name for chart in reversed(found) if chart)
            yield ChartMove(chart=name, before=before, after=after)
