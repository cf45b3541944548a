"""A change set as the comments of one stack: what matters unfolded, every resource folded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from bot.changes.impact import Impact
from bot.changes.model import ChangeSet
from bot.changes.rules import Finding
from bot.comments import details, grouped
from bot.comments.markdown import code, in_html, prose, rows
from bot.comments.marker import Marker, Run
from bot.comments.split import LIMIT, Block, Section, pack, size
from bot.comments.summary import ROOMS, Room, summary, verdict
from bot.comments.values import BRIEF, FULL, LISTED, Amount

# More comments than this are read by nobody: what is shown of each resource is shortened first.
MOST_PARTS = 8
# Beyond this, resources are counted: a comment each second is what GitHub bears. There are never
# more, because what a stranger's program says must not fill a page.
_LISTED_PARTS = 30
_Details = Callable[..., list[Section] | None]
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
_FRAME = 1_000  # bytes around the body of a comment: marker, heading, one line
_CHUNK = 1_000  # characters of a line in a block of text


def render(
    changes: ChangeSet, findings: Sequence[Finding], impact: Impact, run: Run
) -> tuple[str, ...]:
    """The comments in order; the first alone holds what matters.

    Each begins with the marker of its part and is below GitHub's limit of 65,536 characters.
    """
    head, room = _head(changes, findings, impact, run)
    in_full = tuple(_in_full(changes, findings, impact, room))
    bodies: list[str] = []
    for amount, told_by, most, note in _AMOUNTS:
        made = told_by(changes, findings, amount, most=most * LIMIT)
        if made is None:
            continue
        told = head
        if note:
            told += f"\nThe details are shortened: {note}.\n"
        # Small and most wanted when something is cut above, so it comes before the resources.
        bodies = pack([*in_full, *made], size(told) + _FRAME)
        bodies[0] = f"{told}\n{bodies[0]}"
        if len(bodies) <= most:
            break
    if (left := len(bodies) - _LISTED_PARTS) > 0:
        bodies = bodies[:_LISTED_PARTS]
        bodies[-1] += f"\n{left:,} more parts are left out: the file of the change set has all.\n"
    return tuple(
        _part(changes, findings, run, number, len(bodies), body)
        for number, body in enumerate(bodies, start=1)
    )


def _head(
    changes: ChangeSet, findings: Sequence[Finding], impact: Impact, run: Run
) -> tuple[str, Room]:
    for room in ROOMS[:-1]:
        made = summary(changes, findings, impact, run, room)
        if size(made) <= LIMIT // 2:
            return made, room
    return summary(changes, findings, impact, run, ROOMS[-1]), ROOMS[-1]


def _part(
    changes: ChangeSet, findings: Sequence[Finding], run: Run, number: int, count: int, body: str
) -> str:
    marker = Marker(changes.stack, number, run.commit, run.time)
    heading = f"### {prose(changes.stack)}: {verdict(changes, findings)}"
    if count > 1:
        heading += f" ({number}/{count})"
    commit = run.commit or changes.commit
    if number > 1:
        heading += f"\n\nDetails, continued{f'; {code(commit[:12])}' if commit else ''}."
    return f"{marker}{heading}\n\n{body.strip()}\n"


def _in_full(
    changes: ChangeSet, findings: Sequence[Finding], impact: Impact, room: Room
) -> Iterator[Section]:
    """What the summary shortens, and warnings, as blocks of text."""
    urns = {change.urn for change in changes.changes}
    listed = [
        ("Errors", changes.errors, room.lines),
        ("Doubts", changes.doubts, room.lines),
        ("Restarts", impact.restarts, room.names),
        ("Certificates issued anew", impact.reissued, room.names),
        ("Pods that need a restart", impact.need_restart, room.names),
        ("Who could be denied", impact.denied, room.names),
        *((what, names, room.names // 2) for what, names in impact.touched.items()),
        (
            "Chart versions",
            [f"{m.chart} {m.before} to {m.after}" for m in changes.moves],
            room.names,
        ),
        (
            "Policy",
            [f"{v.level} {v.policy}: {v.message} ({v.urn})" for v in changes.violations],
            room.names,
        ),
        # Those of a resource stand beside it.
        (
            "Risk",
            [f"{f.level.name} {f.reason}: {f.subject}" for f in findings if f.urn not in urns],
            room.names,
        ),
        ("Warnings", changes.warnings, 0),
    ]
    blocks = [
        _texts(title, texts)
        for title, texts, most in listed
        if len(texts) > most or any(len(text) > room.text or "\n" in text for text in texts)
    ]
    if blocks:
        yield Section("", False, tuple(blocks))


def _texts(title: str, texts: Sequence[str]) -> Block:
    # Not cut: an error's end is often what tells.
    lines = [
        row[start : start + _CHUNK]
        for text in texts
        for row in rows(text)
        for start in range(0, len(row) or 1, _CHUNK)
    ]
    return Block(f"<code>{in_html(title)}</code>, in full: {len(texts):,}", tuple(lines), "text")
