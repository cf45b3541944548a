"""The part of a comment that stands unfolded: the verdict, the answers, the findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.changes.impact import Impact
from bot.changes.model import ChangeSet
from bot.changes.rules import Finding, Level
from bot.comments.details import operations, rank
from bot.comments.markdown import code, prose
from bot.comments.marker import Run
from bot.durations import duration

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
ROOMS = (Room(8, 12, 400), Room(4, 6, 240), Room(2, 3, 120))


def level_of(changes: ChangeSet, findings: Sequence[Finding]) -> Level | None:
    """The highest level; what is not the whole truth is never less than critical."""
    if not changes.complete:
        return Level.CRITICAL
    return max((finding.level for finding in findings), key=rank, default=None)


def quiet(changes: ChangeSet, findings: Sequence[Finding]) -> bool:
    """True when there is nothing to tell but that nothing changes."""
    told = changes.changes or changes.moves or changes.violations or findings
    return changes.complete and not told


def verdict(changes: ChangeSet, findings: Sequence[Finding]) -> str:
    """`HIGH risk, 5 changes`, or that it failed, or that nothing changes."""
    if quiet(changes, findings):
        return _NOTHING[changes.source]
    words = []
    if changes.errors:
        words.append(f"{_NOUN[changes.source]} FAILED")
    elif changes.doubts:
        words.append(f"{_NOUN[changes.source]} INCOMPLETE")
    if any(violation.level == "mandatory" for violation in changes.violations):
        words.append("policy VIOLATED")
    level = level_of(changes, findings)
    if level is not None:
        words.append(f"{level.name} risk")
    return ", ".join([*words, _count(len(changes.changes), "change")])


def facts(changes: ChangeSet, run: Run) -> str:
    """Where it comes from and how much it is, in one line."""
    noun = _NOUN[changes.source].capitalize()
    commit = run.commit or changes.commit
    parts = [f"{noun} of {code(commit[:12])}" if commit else noun]
    if changes.base:
        base = changes.base[:12] if _HASH.fullmatch(changes.base) else changes.base
        parts.append(f"against {code(base, 60)}")
    sizes = [operations(changes.changes)] if changes.changes else []
    sizes.append(f"{changes.unchanged:,} unchanged")
    told = f"{' '.join(parts)}: {', '.join(sizes)}"
    if changes.snapshot:
        told += f", snapshot {code(changes.snapshot.short)} ({prose(changes.snapshot.tree)})"
    if changes.seconds >= 1:
        told += f", in {duration(changes.seconds)}"
    return f"{told}. [Log of the run]({run.url})" if run.url else f"{told}."


def summary(
    changes: ChangeSet, findings: Sequence[Finding], impact: Impact, run: Run, room: Room
) -> str:
    """Everything between the heading and the folds."""
    blocks = [[facts(changes, run)]]
    blocks.append(_titled("What went wrong", changes.errors, room))
    blocks.append(_titled("Why this is not the whole truth", changes.doubts, room))
    if not quiet(changes, findings):
        blocks.append(_answers(changes, impact, room))
        blocks.append(_violations(changes, room))
        blocks.append(_findings(findings, room))
    return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"


def _titled(title: str, texts: Sequence[str], room: Room) -> list[str]:
    if not texts:
        return []
    lines = [f"- {prose(text, room.text)}" for text in texts[: room.lines]]
    return [f"**{title}**", "", *lines, *_rest(len(texts) - room.lines)]


def _answers(changes: ChangeSet, impact: Impact, room: Room) -> list[str]:
    """The questions of whoever is on call, always the same ones in the same order."""
    # Of what was not looked at to the end, nobody can say that there is nothing.
    no = "none" if changes.complete else "none seen"
    kinds = [
        f"{prose(what)}: {_names(names, replace(room, names=room.names // 2))}"
        for what, names in impact.touched.items()
        if names
    ]
    touched = _joined(kinds, room)
    moves = [
        f"{prose(move.chart)} {code(move.before or 'not there')} to {code(move.after or 'gone')}"
        for move in changes.moves
    ]
    restarts = f"yes: {_names(impact.restarts, room)}" if impact.restarts else no
    return [
        f"- **Restarts of control plane or extensions**: {restarts}",
        f"- **Certificates issued anew**: {_names(impact.reissued, room) or no}",
        f"- **Pods that need a restart to take it up**: {_names(impact.need_restart, room) or no}",
        f"- **Who could be denied**: {_names(impact.denied, room) or no}",
        f"- **CRDs, namespaces, anchors, PKI, webhooks, providers**: {touched or no}",
        f"- **Chart versions**: {_joined(moves, room) or no}",
    ]


def _violations(changes: ChangeSet, room: Room) -> list[str]:
    groups: dict[tuple[bool, str, str], list[str]] = {}
    for each in changes.violations:
        key = (each.level != "mandatory", each.policy, each.message)
        groups.setdefault(key, []).append(each.urn.rpartition("::")[2] or each.urn)
    ordered = sorted(groups.items(), key=lambda item: item[0][0])
    lines = [
        f"- **{'advisory' if advisory else 'mandatory'}** {code(policy, 80)}: "
        f"{prose(message, room.text)} ({_joined([code(n, 120) for n in names], room)})"
        for (advisory, policy, message), names in ordered[: room.lines]
    ]
    return ["**Policy**", "", *lines, *_rest(len(ordered) - room.lines)] if lines else []


def _findings(findings: Sequence[Finding], room: Room) -> list[str]:
    """One line for all findings of a rule that have the same reason, the worst first."""
    groups: dict[tuple[Level, str, str], list[str]] = {}
    for finding in findings:
        key = (finding.level, finding.rule, finding.reason)
        groups.setdefault(key, []).append(finding.subject)
    ordered = sorted(groups.items(), key=lambda item: -rank(item[0][0]))
    lines = [
        f"- **{level.name}** {prose(reason, room.text)}: {_subjects(subjects, level, room)}"
        for (level, _, reason), subjects in ordered[: room.lines]
    ]
    rest = Counter(key[0] for key, subjects in ordered[room.lines :] for _ in subjects)
    if rest:
        counts = ", ".join(f"{n:,} {level.name}" for level, n in rest.items())
        lines.append(f"- and {counts}, each beside its resource below")
    return ["**Risk**", "", *lines] if lines else []


def _subjects(subjects: Sequence[str], level: Level, room: Room) -> str:
    most = {Level.LOW: 1, Level.MEDIUM: room.names // 2}.get(level, room.names)
    if len(subjects) <= most:
        return ", ".join(code(subject, 120) for subject in subjects)
    kinds = Counter(subject.partition(" ")[0] for subject in subjects)
    counts = [f"{count:,} x {code(kind, 60)}" for kind, count in kinds.most_common()]
    named = ", ".join(code(subject, 120) for subject in subjects[: most // 2])
    which = f", such as {named}" if rank(level) >= rank(Level.HIGH) else ""
    return f"{_joined(counts, room)}{which}"


def _names(texts: Iterable[str], room: Room) -> str:
    return _joined([prose(text, room.text) for text in texts], room)


def _joined(texts: Sequence[str], room: Room) -> str:
    """The first of them, and how many more; texts with commas in them are parted otherwise."""
    between = "; " if any("," in text for text in texts) else ", "
    more = f" and {len(texts) - room.names:,} more" if len(texts) > room.names else ""
    return between.join(texts[: room.names]) + more


def _rest(number: int) -> list[str]:
    return [f"- and {number:,} more, in full below"] if number > 0 else []


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
