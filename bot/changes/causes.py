"""What a change set comes to: one model that the comment, the terminal and the plan render.

A cause is one thing to read: a rule of the risk table, or a policy that is broken, with every
object that it is said of. What is told elsewhere in a report (a doubt, an error, a broken policy)
is no cause of risk besides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.changes.impact import Impact, impact
from bot.changes.model import ChangeSet
from bot.changes.risk import assess
from bot.changes.rules import Level, RiskFinding
from bot.text.lists import counted, listed

# Rows about the set that have a place of their own in a report.
_TOLD = frozenset({"incomplete", "failed", "policy-violated", "policy-advice"})
# A broken policy says what a row of the risk table says of the same namespace.
_SAME = {"spread-goes": "ha-anti-affinity", "budget-loosens": "ha-disruption-budget"}
_TOUCHED = 4  # things of a kind that cannot be put right by another `up`
_NAMED_PINS = 8
_KINDS = 6  # of objects, counted in a line
_PODS = re.compile(r"(.+) (\([^()]*\))")


@dataclass(frozen=True)
class Cause:
    """level, rule: of the table, or of the policy. details: of each subject; empty for none."""

    level: Level
    rule: str
    reason: str
    subjects: tuple[str, ...]
    details: tuple[str, ...]

    @property
    def told(self) -> str:
        """The reason, and what the first subject has to add to it."""
        shown = list(dict.fromkeys(filter(None, self.details)))
        more = f" and {len(shown) - 1:,} more of the same kind" if len(shown) > 1 else ""
        return f"{self.reason}: {shown[0]}{more}" if shown else self.reason

    def lines(self) -> Iterator[str]:
        """Every subject on a line of its own."""
        for subject, detail in zip(self.subjects, self.details, strict=True):
            yield f"{subject}: {detail}" if detail else subject


@dataclass(frozen=True)
class ReviewAnswer:
    """What whoever is on call asks. always: an empty answer is one, too."""

    question: str
    texts: tuple[str, ...]
    always: bool = False


@dataclass(frozen=True)
class RiskReport:
    """level: the highest, None where nothing changes. policy: broken policies, mandatory first.

    risk: causes, the worst first. answers: in the order in which they are asked. then: what to do.
    """

    changes: ChangeSet
    level: Level | None
    policy: tuple[Cause, ...]
    risk: tuple[Cause, ...]
    answers: tuple[ReviewAnswer, ...]
    then: str

    @property
    def quiet(self) -> bool:
        """True when there is nothing to tell but that nothing changes."""
        changes = self.changes
        told = changes.changes or changes.moves or changes.pins or changes.violations
        return self.changes.complete and not told and self.level is None

    @property
    def why(self) -> str:
        """What makes the level what it is, in a few words."""
        if self.changes.errors:
            return "it failed, so its risk is unknown"
        if self.changes.doubts:
            return "the result is incomplete, so its risk is unknown"
        if broken := sum(cause.level is Level.CRITICAL for cause in self.policy):
            return f"{counted(broken, 'mandatory policy', 'mandatory policies')} broken"
        worst = [cause.reason for cause in self.risk if cause.level is self.level]
        more = f", and {counted(len(worst) - 1, 'more cause')}" if len(worst) > 1 else ""
        return f"{worst[0]}{more}" if worst else ""


def report(
    changes: ChangeSet, found: Sequence[RiskFinding] | None = None, means: Impact | None = None
) -> RiskReport:
    """The report on a change set. found, means: what is known of it already."""
    found = assess(changes) if found is None else found
    means = impact(changes, found) if means is None else means
    level = max((finding.level for finding in found), default=None)
    if not changes.complete:
        level = Level.CRITICAL  # what nobody has seen to the end cannot be called safe
    policy = tuple(_policy(changes))
    return RiskReport(
        changes=changes,
        level=level,
        policy=policy,
        risk=tuple(_risk(found, {cause.rule: cause for cause in policy})),
        answers=_answers(changes, means),
        then=_then(changes, level, means),
    )


def subjects(cause: Cause, most: int, shown: Callable[[str], str] = str) -> str:
    """Its objects: up to so many by name, more of them counted by kind, and the first named."""
    # Nobody can look up elsewhere what moves in the project's own files.
    if len(cause.subjects) <= most or cause.rule.startswith("pin-"):
        most = max(most, _NAMED_PINS)
        return listed(cause.subjects, most, shown)
    kinds = Counter(subject.partition(" ")[0] for subject in cause.subjects)
    counts = [f"{count:,} x {shown(kind)}" for kind, count in kinds.most_common()]
    if cause.level < Level.HIGH:
        return listed(counts, _KINDS)
    return f"{listed(counts, _KINDS)}, such as {listed(cause.subjects[: most // 2], most, shown)}"


def _risk(found: Iterable[RiskFinding], broken: dict[str, Cause]) -> Iterator[Cause]:
    groups: dict[tuple[Level, str, str], list[RiskFinding]] = {}
    for finding in found:
        if finding.rule in _TOLD or _said_by_policy(finding, broken):
            continue
        reason = finding.reason
        if finding.detail:
            reason = reason.removesuffix(f": {finding.detail}")
        groups.setdefault((finding.level, finding.rule, reason), []).append(finding)
    for (level, rule, reason), members in sorted(groups.items(), key=lambda g: -g[0][0].rank):
        yield Cause(
            level,
            rule,
            reason,
            tuple(finding.subject for finding in members),
            tuple(finding.detail for finding in members),
        )


def _said_by_policy(finding: RiskFinding, broken: dict[str, Cause]) -> bool:
    cause = broken.get(_SAME.get(finding.rule, ""))
    if cause is None:
        return False
    namespace = finding.subject.partition(" ")[2].partition("/")[0]
    return any(f"{namespace}/" in subject for subject in cause.subjects)


def _policy(changes: ChangeSet) -> Iterator[Cause]:
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for each in changes.violations:
        name = each.urn.rpartition("::")[2] or "the whole set"
        groups.setdefault((each.level, each.policy), []).append((name, each.message))
    # `mandatory` comes before `advisory`.
    for (level, policy), members in sorted(groups.items(), reverse=True, key=lambda g: g[0][0]):
        said = [_without_subject(message) for _, message in members]
        alike = len(set(said)) == 1
        yield Cause(
            Level.CRITICAL if level == "mandatory" else Level.MEDIUM,
            policy,
            said[0],
            tuple(_subject(name, message) for name, message in members),
            tuple("" if alike else text for text in said),
        )


_SUBJECT = re.compile(r"([A-Z]\w+ [\w./-]+): (.+)", re.DOTALL)


def _without_subject(message: str) -> str:
    found = _SUBJECT.fullmatch(message)
    return " ".join((found[2] if found else message).split())


def _subject(name: str, message: str) -> str:
    found = _SUBJECT.fullmatch(message)
    return found[1] if found else name


def _answers(changes: ChangeSet, means: Impact) -> tuple[ReviewAnswer, ...]:
    moves = tuple(
        f"{move.chart} {move.before or 'not there'} to {move.after or 'gone'}"
        for move in changes.moves
    )
    touched = tuple(
        f"{what}: {listed(names, _TOUCHED)}" for what, names in means.touched.items() if names
    )
    return (
        ReviewAnswer("Restarts", _together(means.restarts), always=True),
        ReviewAnswer("Certificates re-issued", means.reissued, always=True),
        ReviewAnswer("Callers that may lose access", means.denied, always=True),
        ReviewAnswer("Pods to restart for this to take effect", means.need_restart),
        ReviewAnswer("CRDs, namespaces, anchors, PKI, webhooks, providers", touched),
        ReviewAnswer("Chart versions", moves),
    )


def _together(texts: Sequence[str]) -> tuple[str, ...]:
    """`a, b (3 replicas each)` for those of which the same is said."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        found = _PODS.fullmatch(text)
        groups.setdefault(found[2] if found else text, []).append(found[1] if found else "")
    made = []
    for pods, names in groups.items():
        if len(names) > 1 and "replica" in pods:
            pods = f"{pods.removesuffix(')')} each)"
        made.append(f"{', '.join(names)} {pods}".strip())
    return tuple(made)


_APPLY = {
    "plan": "merge: it is previewed and approved before it is applied",
    "preview": "approve and apply it: `python -m bot up --stack {stack}`",
    "drift": "change the program to keep it, or revert it: "
    "`python -m bot up --stack {stack} --refresh`",
}


def _then(changes: ChangeSet, level: Level | None, means: Impact) -> str:
    """What is next, for a reader who has no more than this."""
    if changes.errors:
        return "do not apply it: fix the error, then run it again"
    if changes.doubts:
        return "do not apply it: read why this result is incomplete, then run it again"
    if any(each.level == "mandatory" for each in changes.violations):
        return "fix the violation of the mandatory policy: `up` refuses it"
    if level is None:
        return _APPLY[changes.source].format(stack=changes.stack)
    first = {
        Level.LOW: "",
        Level.MEDIUM: "check that restarts and re-issues suit the time, then ",
        Level.HIGH: "check each cause below, then ",
        Level.CRITICAL: (
            "have it reviewed by an owner of the platform, prepare the rollback "
            "(docs/runbooks/roll-back.md), then "
        ),
    }[level]
    told = first + _APPLY[changes.source].format(stack=changes.stack)
    return f"{told}; then restart the pods named below" if means.need_restart else told
