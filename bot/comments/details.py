"""Every resource that changes, as folded blocks: by component, what matters most first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bot.changes.label_changes import PATCHED, patch_removed
from bot.changes.masking import masked_field
from bot.changes.model import Change, ChangeSet, Op
from bot.changes.rules import Level, RiskFinding
from bot.comments import churn
from bot.comments.split import Block, FoldedSection
from bot.comments.values import Amount, field_lines, object_lines
from bot.text.lists import listed
from bot.text.markdown import in_html, one_line
from schema.masking import masked_object

_ORDER = list(Level)
# Up to this many resources the folds of the components stand open.
_OPEN = 12
_NAMED = 12  # resources that change in churn alone, and are named
_ALIKE = 3  # from this many on, resources that change in the same way are shown once
_MOST_LINES = 400  # of one resource
_AROUND = 32  # characters, and more: what stands around a title, and is left free in each comment


def rank(level: Level | None) -> int:
    """A number that is higher for a higher level; -1 without one."""
    return -1 if level is None else _ORDER.index(level)


def sections(
    changes: ChangeSet,
    findings: Sequence[RiskFinding],
    amount: Amount,
    *,
    most: int,
    counted: bool = False,
) -> list[FoldedSection] | None:
    """A section per component, the one with the highest risk first.

    most: characters; None comes back, and soon, when that is not enough. counted: only how many
    resources of a component change, for a set that is too large to list; what is over is summed up.
    """
    by_urn: dict[str, list[RiskFinding]] = {}
    for finding in findings:
        by_urn.setdefault(finding.urn or "", []).append(finding)
    worst = {urn: max(rank(f.level) for f in found) for urn, found in by_urn.items()}
    components: dict[str, list[Change]] = {}
    for change in changes.changes:
        components.setdefault(change.component, []).append(change)

    def order(item: tuple[str, list[Change]]) -> tuple[int, str]:
        return -max(worst.get(change.urn, -1) for change in item[1]), item[0]

    opened = len(changes.changes) <= _OPEN
    made = []
    ordered = sorted(components.items(), key=order)
    for place, (name, members) in enumerate(ordered):
        title = f"<b><code>{in_html(name)}</code></b>: {operations(members)}"
        if counted:
            most -= len(title) + _AROUND
            if most < 0:
                rest = [change for _, each in ordered[place:] for change in each]
                title = f"{len(ordered) - place:,} more components: {operations(rest)}"
            made.append(FoldedSection("", False, (Block(title, ()),)))
            if most < 0:
                break
            continue
        members.sort(key=lambda c: (-worst.get(c.urn, -1), c.kind, c.place, c.urn))
        blocks = []
        for block in _blocks(members, by_urn, amount):
            blocks.append(block)
            most -= len(block.title) + sum(map(len, block.lines))
            if most < 0:
                return None
        made.append(FoldedSection(title, opened, tuple(blocks)))
    return made


def operations(changes: Iterable[Change]) -> str:
    """`1 replace, 3 update`, what is most dangerous first."""
    counts = Counter(change.op for change in changes)
    order = (Op.UNKNOWN, Op.DELETE, Op.REPLACE, Op.UPDATE, Op.IMPORT, Op.CREATE)
    return ", ".join(f"{counts[op]:,} {op.value}" for op in order if counts[op])


def _blocks(
    changes: Sequence[Change], findings: Mapping[str, Sequence[RiskFinding]], amount: Amount
) -> Iterable[Block]:
    quiet = []
    alike: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        found = findings.get(change.urn, ())
        low = all(f.level is Level.LOW for f in found)
        if low and churn.only_churn(change):
            quiet.append(change)
        elif low and change.op is Op.UPDATE and change.fields and not change.protected:
            alike.setdefault(difference(change), []).append(change)
        else:
            yield _block(change, found, amount)
    for members in alike.values():
        if len(members) < _ALIKE:
            yield from (_block(each, findings.get(each.urn, ()), amount) for each in members)
        else:
            yield _block_of(members, amount)
    if quiet:
        names = listed(quiet, _NAMED, lambda c: f"<code>{in_html(f'{c.kind} {c.place}')}</code>")
        what = in_html(churn.line(churn.total(quiet)))
        yield Block(
            f"{len(quiet):,} x update of chart labels and checksums alone "
            f"(<code>{what}</code>): {names}",
            (),
        )


def difference(change: Change) -> tuple[object, ...]:
    """What two changes have in common when they read the same; `1`, `1.0` and `true` do not."""
    secret = change.kind if change.kind.startswith("Secret") else ""
    return secret, *((f.path, repr(f.before), repr(f.after), f.replaces) for f in change.fields)


def _block_of(changes: Sequence[Change], amount: Amount) -> Block:
    """Resources that change in the same way: the difference once, and every name."""
    kinds = Counter(change.kind for change in changes)
    counts = ", ".join(f"{n:,} x {kind}" for kind, n in kinds.most_common())
    lines, note = _lines(changes[0], amount)
    title = f"update of <code>{in_html(counts)}</code>, all alike ({note})"
    return Block(title, (*lines, *(f"  {one_line(f'{c.kind} {c.place}')}" for c in changes)))


def _block(change: Change, findings: Sequence[RiskFinding], amount: Amount) -> Block:
    level = max((f.level for f in findings), key=rank, default=None)
    marks = [f"<b>{level.name}</b>"] if level is not None and level is not Level.LOW else []
    marks.append(f"{_verb(change)} <code>{in_html(f'{change.kind} {change.place}')}</code>")
    lines, note = _lines(change, amount)
    notes = [note] if note else []
    if change.protected:
        notes.append("protected")
    if change.retained and change.op is Op.DELETE:
        notes.append("stays in the cluster")
    if notes:
        marks.append(f"({', '.join(notes)})")
    # What the findings say stands above the difference, where the reader asks why.
    told = [f"! {f.level.name} {one_line(f.reason)}" for f in findings if f.level is not Level.LOW]
    return Block(" ".join(marks), (*dict.fromkeys(told), *lines) if amount.fields else ())


def _verb(change: Change) -> str:
    """A patch of ours comes and goes without the namespace or Service."""
    if patch_removed(change):
        return f"labels removed (the {PATCHED[change.kind]} stays):"
    return change.op.value


def _lines(change: Change, amount: Amount) -> tuple[list[str], str]:
    """The lines of a resource's block, and what its title says about them, as safe HTML."""
    told, counts = churn.split(change)
    lines: list[str] = []
    note = f"{len(told):,} {'property' if len(told) == 1 else 'properties'}" if told else ""
    for field in told[: amount.fields]:
        shown = masked_field(change.kind, field, change.before, change.after)
        lines += field_lines(shown, amount)
        if len(lines) > _MOST_LINES:
            break
    if not change.fields and change.op in (Op.UPDATE, Op.REPLACE):
        note = "its properties are unknown"
    count = sum(line.startswith("@@") for line in lines)
    if told[count:]:
        names = listed(told[count:], 20, lambda field: one_line(field.path, 120))
        if amount.fields:
            lines.append(f"  … also: {names}")
        else:
            note += f": <code>{in_html(names, 600)}</code>"
    if not told and change.op in (Op.CREATE, Op.IMPORT, Op.DELETE) and amount.new:
        sign, content = ("-", change.before) if change.op is Op.DELETE else ("+", change.after)
        lines += object_lines(masked_object(change.kind, content or {}), sign, amount)
    if counts:
        lines.append(f"  … and {one_line(churn.line(counts))}")
    return lines, note
