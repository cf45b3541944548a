"""The part of a comment that stands unfolded: the verdict, the answers, a line for each cause."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.changes.causes import Cause, ReviewAnswer, RiskReport, subjects
from bot.changes.model import ChangeSet
from bot.changes.rules import Level
from bot.comments.details import operations
from bot.comments.marker import CommentRun
from bot.text.durations import duration
from bot.text.lists import counted, listed
from bot.text.markdown import code, one_line, prose

_HASH = re.compile(r"[0-9a-f]{40,64}")
_NOUN = {"preview": "preview", "plan": "plan", "drift": "drift report"}
_NOTHING = {"preview": "no changes", "plan": "no changes", "drift": "no drift"}


@dataclass(frozen=True)
class Room:
    """How much is shown: names of a line, lines of a list, characters of a text."""

    names: int
    lines: int
    text: int


# The first that leaves the summary small enough is taken.
ROOMS = (Room(6, 10, 300), Room(4, 6, 240), Room(2, 3, 120))
# What went wrong, and why a result is incomplete: the first, and all of them folded.
REASONS = 4


def verdict(report: RiskReport) -> str:
    """`HIGH risk, 5 changes`, or that it failed, or that nothing changes."""
    changes = report.changes
    if report.quiet:
        return _NOTHING[changes.source]
    words = []
    if changes.errors:
        words.append(f"{_NOUN[changes.source]} FAILED")
    elif changes.doubts:
        words.append(f"{_NOUN[changes.source]} INCOMPLETE")
    if any(violation.level == "mandatory" for violation in changes.violations):
        words.append("policy VIOLATED")
    if report.level is not None:
        words.append(f"{report.level.name} risk")
    words.append(counted(len(changes.changes), "change"))
    if changes.pins:
        words.append(counted(len(changes.pins), "pinned version"))
    return ", ".join(words)


def facts(changes: ChangeSet, run: CommentRun) -> str:
    """What was compared with what, and how much it is, in one line."""
    noun = _NOUN[changes.source].capitalize()
    commit = run.commit or changes.commit
    if changes.dirty:
        parts = [f"{noun} of the working tree"]
    else:
        parts = [f"{noun} of {code(commit[:12])}" if commit else noun]
    if changes.base:
        base = changes.base[:12] if _HASH.fullmatch(changes.base) else changes.base
        parts.append(f"against {code(base, 60)}")
    elif changes.dirty and commit:
        parts.append(f"on top of {code(commit[:12])}")
    sizes = [operations(changes.changes)] if changes.changes else []
    sizes.append(f"{changes.unchanged:,} unchanged")
    told = f"{' '.join(parts)}: {', '.join(sizes)}"
    if changes.snapshot:
        told += f", snapshot {code(changes.snapshot.short)} ({prose(changes.snapshot.tree)})"
    return f"{told}, in {duration(changes.seconds)}." if changes.seconds >= 1 else f"{told}."


def footer(run: CommentRun) -> str:
    """The last line of the first comment: where to read on; empty where there is nothing."""
    told = [f"[Log of the run]({run.url})"] if run.url else []
    return " · ".join(told)


def summary(report: RiskReport, run: CommentRun, room: Room) -> str:
    """Everything between the heading and the folds."""
    changes = report.changes
    blocks = [[facts(changes, run)]]
    if not report.quiet:
        blocks.append(_answers(report, room))
    blocks.append(_titled("What went wrong", changes.errors, room))
    blocks.append(_titled("Why this result is incomplete", changes.doubts, room))
    blocks.append(_policy(report.policy, room))
    blocks.append(_risk(report.risk, room))
    return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"


def _titled(title: str, texts: Sequence[str], room: Room) -> list[str]:
    if not texts:
        return []
    most = min(REASONS, room.lines)
    lines = [f"- {prose(text, room.text)}" for text in texts[:most]]
    return [f"**{title}**", *lines, *_rest(len(texts) - most)]


def _answers(report: RiskReport, room: Room) -> list[str]:
    """Five lines, always the same: how bad, what whoever is on call asks, and what is next.

    Then what else somebody may have to do or to know.
    """
    # Of what was not looked at to the end, nobody can say that there is nothing.
    no = "none" if report.changes.complete else "none seen"
    level = report.level.name if report.level else "none"
    told = f"{level}: {_rich(report.why, room.text)}" if report.why else level
    lines = [_line("Risk", told)]
    lines += [_answer(each, room, no) for each in report.answers if each.always]
    lines += [_line("Next", _rich(report.then, room.text))]
    more = [_answer(each, room) for each in report.answers if each.texts and not each.always]
    return [*lines, *more]


def _answer(answer: ReviewAnswer, room: Room, no: str = "") -> str:
    between = "; " if any("," in text for text in answer.texts) else ", "
    told = listed(answer.texts, room.names, lambda text: prose(text, room.text), between)
    return _line(answer.question, told or no)


def _line(title: str, text: str) -> str:
    return f"- **{title}**: {text}"


def _rich(text: str, limit: int) -> str:
    """Words in which names and commands stand between backticks; whatever is in them is code."""
    parts = one_line(text, limit).split("`")
    if len(parts) % 2 == 0 or not all(parts[1::2]):
        return prose(text, limit)
    return "".join(
        code(part)
        if number % 2
        else f"{' ' * (part[:1] == ' ')}{prose(part, limit)}{' ' * (part[-1:] == ' ')}"
        for number, part in enumerate(parts)
    )


def _policy(causes: Sequence[Cause], room: Room) -> list[str]:
    lines = [
        f"- **{'mandatory' if cause.level is Level.CRITICAL else 'advisory'}** "
        f"{code(cause.rule, 80)}: {_cause(cause, room)}"
        for cause in causes[: room.lines]
    ]
    return ["**Policy**", *lines, *_rest(len(causes) - room.lines)] if lines else []


def _risk(causes: Sequence[Cause], room: Room) -> list[str]:
    lines = [f"- **{cause.level.name}** {_cause(cause, room)}" for cause in causes[: room.lines]]
    rest = Counter(cause.level for cause in causes[room.lines :])
    if rest:
        told = ", ".join(f"{number:,} {level.name}" for level, number in rest.items())
        lines.append(f"- and {told}, in full below")
    return ["**Risk**", *lines] if lines else []


def _cause(cause: Cause, room: Room) -> str:
    """The reason and its objects: those that ask for no look are counted alone."""
    most = {Level.LOW: 1, Level.MEDIUM: room.names // 2}.get(cause.level, room.names)
    told = subjects(cause, most, lambda text: code(text, 120))
    return f"{_rich(cause.told, room.text)}: {told}"


def _rest(number: int) -> list[str]:
    return [f"- and {number:,} more, in full below"] if number > 0 else []
