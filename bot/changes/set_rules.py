"""The rows of the risk table that look at a change set as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.changes import conditions_ingress, pins
from bot.changes.model import Change, ChangeSet, ChartMove, Op
from bot.changes.rules import Level
from bot.changes.versions import Step, older, releases_between, step, steps

WHOLE_SET = "the whole set"
# With fewer resources a half is no sign of anything.
_MANY = 10
_OF_LINKERD = ("linkerd-crds", "linkerd-control-plane", "linkerd2-cni", "linkerd-viz")
Found = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class SetRule:
    """One row. when: subject and words for the reason, for each time that it applies."""

    level: Level
    name: str
    when: Callable[[ChangeSet], Found]
    reason: str


def _incomplete(changes: ChangeSet) -> Found:
    yield from ((WHOLE_SET, doubt) for doubt in changes.doubts)


def _errors(changes: ChangeSet) -> Found:
    if changes.errors:
        first = " ".join(changes.errors[0].split())
        more = f", and {len(changes.errors) - 1} more" if len(changes.errors) > 1 else ""
        yield WHOLE_SET, f"{first[:200]}{more}"


def _adopts(changes: ChangeSet) -> Found:
    if changes.adopted:
        yield WHOLE_SET, f"{changes.adopted} objects"


def _half_goes(changes: ChangeSet) -> Found:
    going = sum(change.op in (Op.DELETE, Op.REPLACE) for change in changes.changes)
    there = changes.unchanged + sum(change.op is not Op.CREATE for change in changes.changes)
    if going >= _MANY and going * 2 >= there:
        yield WHOLE_SET, f"{going} of {there}"


def recreated(changes: ChangeSet) -> Iterator[tuple[Change, Change]]:
    """Objects that go under one URN and come under another: the deletion may hit the new one."""
    gone = {
        (c.api_version, c.kind, c.place): c
        for c in changes.changes
        if c.op is Op.DELETE and c.api_version and not c.retained
    }
    for change in changes.changes if gone else ():
        old = gone.get((change.api_version, change.kind, change.place))
        if change.op is Op.CREATE and old is not None:
            yield old, change


def _recreated(changes: ChangeSet) -> Found:
    for old, new in recreated(changes):
        yield f"{new.kind} {new.place}", f"{old.name} to {new.name}"


def _violations(level: str) -> Callable[[ChangeSet], Found]:
    def found(changes: ChangeSet) -> Found:
        for each in changes.violations:
            if each.level == level:
                name = each.urn.rpartition("::")[2] or WHOLE_SET
                yield name, f"{each.policy}: {' '.join(each.message.split())}"

    return found


def _moves(wanted: Callable[[ChartMove], bool]) -> Callable[[ChangeSet], Found]:
    def found(changes: ChangeSet) -> Found:
        for move in changes.moves:
            if wanted(move):
                moved = f"{move.before or 'nothing'} to {move.after or 'nothing'}"
                yield f"chart {move.chart}", moved

    return found


def _pins(row: pins.Row) -> Callable[[ChangeSet], Found]:
    def found(changes: ChangeSet) -> Found:
        for each in changes.pins:
            if pins.row(each) == row:
                moved = f"{each.before or 'new'} to {each.after or 'gone'}"
                yield f"{each.kind} {each.name} {moved} ({', '.join(each.files)})", ""

    return found


def _is_major(move: ChartMove) -> bool:
    """The next major version by https://semver.org, or the next stable release of Linkerd."""
    return _distance(move) == ("major", 1)


def _skips(move: ChartMove) -> bool:
    """More than one major version, or more than one stable release of Linkerd."""
    large, count = _distance(move)
    return large == "major" and count > 1


def _is_far(move: ChartMove) -> bool:
    """More than one minor version: what a chart migrates, it migrates from the one before."""
    large, count = _distance(move)
    return large == "minor" and count > 1


def _distance(move: ChartMove) -> tuple[Step, int]:
    """How large the step forward is, and over how many such versions; 0 for none forward."""
    if move.before is None or move.after is None or is_older(move):
        return "patch", 0
    if move.chart in _OF_LINKERD:
        # Called after year and month: which release one is, charts.yaml tells.
        count = releases_between(move.before, move.after)
        return ("major", count) if count else ("patch", 1)
    large = step(move.before, move.after)
    if large == "major" and move.after.removeprefix("v").startswith("0."):
        # Below 1.0.0 a minor version counts as a major one, and there are many of them.
        return "major", 1
    return large, steps(move.before, move.after)


def _is_newer(move: ChartMove) -> bool:
    there = move.before is not None and move.after is not None
    return there and not any(found(move) for found in (is_older, _is_major, _skips, _is_far))


def _kept_apart(move: ChartMove) -> bool:
    """A chart whose older version cannot read what the newer one has written."""
    return move.chart.endswith("-crds") or move.chart == "linkerd-control-plane"


def is_older(move: ChartMove) -> bool:
    """True when the chart goes back; also when its versions cannot be compared."""
    if move.before is None or move.after is None:
        return False
    return older(move.before, move.after)


WHOLE: tuple[SetRule, ...] = (
    SetRule(Level.CRITICAL, "incomplete", _incomplete, "this list may be incomplete"),
    SetRule(Level.CRITICAL, "failed", _errors, "it failed"),
    SetRule(
        Level.CRITICAL,
        "policy-violated",
        _violations("mandatory"),
        "a mandatory rule of the policy pack is broken",
    ),
    SetRule(
        Level.CRITICAL, "half-goes", _half_goes, "half or more of the stack is deleted or replaced"
    ),
    SetRule(
        Level.CRITICAL,
        "renamed-without-alias",
        _recreated,
        "created under a new name, then deleted under the old one: without an alias the deletion "
        "removes what was created",
    ),
    SetRule(
        Level.CRITICAL,
        "chart-goes-back",
        _moves(lambda move: is_older(move) and _kept_apart(move)),
        "an older version may not read data of the newer one",
    ),
    SetRule(
        Level.CRITICAL,
        "chart-skips",
        _moves(_skips),
        "more than one major version, or stable release of Linkerd, at once: upgrade one at a time "
        "(docs/runbooks/upgrade.md)",
    ),
    SetRule(
        Level.CRITICAL,
        "gateway-api-one-way",
        _moves(conditions_ingress.one_way),
        "from 1.5 on objects are stored in versions that older Gateway API CRDs do not have: the "
        "way back deletes them (docs/runbooks/gateway-api-back.md)",
    ),
    SetRule(
        Level.HIGH,
        "chart-older",
        _moves(lambda move: is_older(move) and not _kept_apart(move)),
        "an older version of a chart",
    ),
    SetRule(
        Level.HIGH,
        "chart-major",
        _moves(_is_major),
        "the next major version of a chart, or the next stable release of Linkerd",
    ),
    SetRule(
        Level.HIGH,
        "chart-far",
        _moves(_is_far),
        "more than one minor version of a chart at once: upgrade one at a time",
    ),
    SetRule(
        Level.HIGH,
        "pin-major",
        _pins("major"),
        "a major or older version of Pulumi or a provider may replace or drop what it made",
    ),
    SetRule(Level.HIGH, "pin-content", _pins("content"), "other content under the same version"),
    SetRule(Level.HIGH, "pin-source", _pins("source"), "installed from another place than before"),
    SetRule(
        Level.HIGH,
        "pin-unchecked",
        _pins("unchecked"),
        "no longer pinned, or installed without a check of its digest",
    ),
    SetRule(
        Level.HIGH,
        "chart-removed",
        _moves(lambda move: move.before is not None and move.after is None),
        "all objects of the chart are deleted",
    ),
    SetRule(
        Level.MEDIUM,
        "adopts",
        _adopts,
        "objects of a mesh that runs are taken over: its control plane restarts, its issuer is "
        "signed anew",
    ),
    SetRule(
        Level.MEDIUM,
        "policy-advice",
        _violations("advisory"),
        "an advisory rule of the policy pack is broken",
    ),
    SetRule(
        Level.MEDIUM,
        "chart-newer",
        _moves(_is_newer),
        "a newer version of a chart",
    ),
    SetRule(
        Level.MEDIUM,
        "pin-minor",
        _pins("minor"),
        "a minor version of Pulumi or a provider may set new defaults: see the next preview",
    ),
    SetRule(
        Level.MEDIUM,
        "pin-library",
        _pins("library"),
        "a major version of, or a new, package, tool or action that deploys",
    ),
    SetRule(Level.LOW, "pin-patch", _pins("patch"), "a patch version of Pulumi or a provider"),
    SetRule(
        Level.LOW,
        "pin-other",
        _pins("other"),
        "another version of a tool that only checks use",
    ),
    SetRule(
        Level.LOW,
        "chart-added",
        _moves(lambda move: move.before is None),
        "a chart is installed",
    ),
)
