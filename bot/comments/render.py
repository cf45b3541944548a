"""A change set as the comments of one stack: what matters unfolded, all else behind one fold."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from bot.changes.causes import Cause, RiskReport, report
from bot.changes.impact import Impact
from bot.changes.model import ChangeSet
from bot.changes.rules import RiskFinding
from bot.comments import details, grouped
from bot.comments.marker import CommentRun, Marker
from bot.comments.split import LIMIT, Block, FoldedSection, pack, size
from bot.comments.summary import REASONS, ROOMS, Room, footer, summary, verdict
from bot.comments.values import BRIEF, FULL, LISTED, Amount
from bot.text.markdown import code, in_html, prose, rows

# More comments than this are read by nobody: what is shown of each resource is shortened first.
MOST_PARTS = 8
# Beyond this, resources are counted: a comment each second is what GitHub bears. There are never
# more, because what a stranger's program says must not fill a page.
_LISTED_PARTS = 30
_Details = Callable[..., list[FoldedSection] | None]
_counted = functools.partial(details.sections, counted=True)
_AMOUNTS: tuple[tuple[Amount, _Details, int, str], ...] = (
    (FULL, details.sections, MOST_PARTS, ""),
    (BRIEF, grouped.sections, MOST_PARTS, grouped.NOTE),
    (
        BRIEF,
        details.sections,
        MOST_PARTS,
        "created and deleted objects are named only, long values cut",
    ),
    (LISTED, details.sections, _LISTED_PARTS, "properties are named, without their values"),
    (LISTED, _counted, _LISTED_PARTS, "there are too many resources to list, so they are counted"),
)
_FRAME = 1_000  # bytes around the body of a comment: marker, heading, fold, one line
_CHUNK = 1_000  # characters of a line in a block of text
# Objects of a cause that are listed with it; beyond, each is found beside its difference.
_OBJECTS = 200


def render(
    changes: ChangeSet, findings: Sequence[RiskFinding], impact: Impact, run: CommentRun
) -> tuple[str, ...]:
    """The comments in order; the first alone holds what matters.

    Each begins with the marker of its part and is below GitHub's limit of 65,536 characters.
    """
    told = report(changes, findings, impact)
    head, room = _head(told, run)
    in_full = tuple(_in_full(told, room))
    note, bodies = "", [""]
    for amount, told_by, most, shortened in _AMOUNTS:
        made = told_by(changes, findings, amount, most=most * LIMIT)
        if made is None:
            continue
        note = f"\nThe details are shortened: {shortened}.\n" if shortened else ""
        # Small and most wanted when something is cut above, so it comes before the resources.
        bodies = pack([*in_full, *made], size(head) + size(note) + _FRAME)
        if len(bodies) <= most:
            break
    if (left := len(bodies) - _LISTED_PARTS) > 0:
        bodies = bodies[:_LISTED_PARTS]
        bodies[-1] += (
            f"\n{left:,} more parts are left out: the file of the change set has all of them.\n"
        )
    bodies[0] = f"{head}{note}\n{_folded(told, bodies[0])}\n{footer(run)}"
    return tuple(
        _part(told, run, number, len(bodies), body) for number, body in enumerate(bodies, start=1)
    )


def _folded(told: RiskReport, body: str) -> str:
    """The details of the first comment behind one line; further comments hold nothing else."""
    if not body.strip():
        return ""
    changed = len(told.changes.changes)
    what = f"all {changed:,} changes" if changed > 1 else "the change" if changed else "in full"
    title = f"<b>Details</b>: {'every cause with its objects, ' if told.risk else ''}{what}"
    return f"<details><summary>{title}</summary>\n\n{body.strip()}\n\n</details>\n"


def _head(told: RiskReport, run: CommentRun) -> tuple[str, Room]:
    for room in ROOMS[:-1]:
        made = summary(told, run, room)
        if size(made) <= LIMIT // 2:
            return made, room
    return summary(told, run, ROOMS[-1]), ROOMS[-1]


def _part(told: RiskReport, run: CommentRun, number: int, count: int, body: str) -> str:
    marker = Marker(told.changes.stack, number, run.commit, run.time)
    heading = f"### {prose(told.changes.stack)}: {verdict(told)}"
    if count > 1:
        heading += f" ({number}/{count})"
    commit = run.commit or told.changes.commit
    if number > 1:
        heading += f"\n\nDetails, continued{f'; {code(commit[:12])}' if commit else ''}."
    return f"{marker}{heading}\n\n{body.strip()}\n"


def _in_full(told: RiskReport, room: Room) -> Iterator[FoldedSection]:
    """What the summary shortens, the objects of each cause, and warnings, as blocks of text."""
    changes = told.changes
    listed = [
        ("What went wrong", changes.errors, REASONS),
        ("Why this result is incomplete", changes.doubts, REASONS),
        *((answer.question, answer.texts, room.names) for answer in told.answers),
    ]
    blocks = [
        _texts(title, texts)
        for title, texts, most in listed
        if len(texts) > most or any(len(text) > room.text or "\n" in text for text in texts)
    ]
    if causes := [row for cause in (*told.policy, *told.risk) for row in _objects(cause)]:
        blocks.append(Block("Every cause, with its objects", tuple(causes), "text"))
    if changes.warnings:
        blocks.append(_texts("Warnings", changes.warnings))
    if blocks:
        yield FoldedSection("", False, tuple(blocks))


def _objects(cause: Cause) -> Iterator[str]:
    yield from _lines(f"{cause.level.name} {cause.rule}: {cause.reason}")
    for number, text in enumerate(cause.lines()):
        if number == _OBJECTS:
            yield f"  and {len(cause.subjects) - number:,} more, listed among the changes below"
            break
        yield from (f"  {row}" for row in _lines(text))


def _texts(title: str, texts: Sequence[str]) -> Block:
    # Not cut: an error's end is often what tells.
    lines = tuple(row for text in texts for row in _lines(text))
    return Block(f"<code>{in_html(title)}</code>, in full: {len(texts):,}", lines, "text")


def _lines(text: str) -> Iterator[str]:
    for row in rows(text):
        for start in range(0, len(row) or 1, _CHUNK):
            yield row[start : start + _CHUNK]
