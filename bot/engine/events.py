"""What a run of the engine did, gathered from its events.

Event names and fields: pulumi sdk/go/common/apitype/events.go.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.engine.process import UNREADABLE, Event

CHART_TYPE = "kubernetes:helm.sh/v4:Chart"
COMPONENT_PREFIX = "linkerd-platform:"
_STACK_TYPE = "pulumi:pulumi:Stack"
# The engine's operation -> what it is to a reader. What is not here is a change nobody knows.
KINDS: Mapping[str, str] = {
    "same": "unchanged",
    "read": "unchanged",
    "refresh": "unchanged",
    "discard": "unchanged",
    "create": "created",
    "import": "imported",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "create-replacement": "replaced",
    "delete-replaced": "replaced",
    "read-replacement": "replaced",
    "import-replacement": "replaced",
    "discard-replaced": "replaced",
    "remove-pending-replace": "replaced",
}
UNKNOWN = "unknown"
_ENDED = "program exited with non-zero exit code"
_PRINTED = 20
# Sent for every plugin that is on PATH; nothing is wrong with that.
_EXPECTED_WARNINGS = ("using pulumi-resource-", "resource plugin ")


@dataclass
class ResourceStep:
    """What happened, or would happen, to one resource. `started` and `ended` in seconds.

    old, new: the engine's word on the resource before and after, kept for what changes and for
    charts; detail: its `detailedDiff`; replacing: keys that make it new; op: its last operation.
    """

    urn: str
    type: str
    parent: str
    kind: str
    protected: bool = False
    logical: bool = False
    keys: tuple[str, ...] = ()
    old: dict[str, Any] | None = None
    new: dict[str, Any] | None = None
    detail: dict[str, Any] | None = None
    replacing: tuple[str, ...] = ()
    op: str = ""
    started: float = 0.0
    ended: float | None = None
    failed: bool = False
    news: str = ""

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]

    def keep(self, metadata: dict[str, Any]) -> None:
        """Keep what an event says of the resource; of a replacement no event has everything."""
        self.old = metadata.get("old") or self.old
        self.new = metadata.get("new") or self.new
        self.detail = metadata.get("detailedDiff") or self.detail
        self.replacing = tuple(metadata.get("keys") or ()) or self.replacing


@dataclass
class OperationRecord:
    """The record of one run, filled by `add`.

    `result` is the engine's own word (`succeeded`, `failed`); None when it did not get that far.
    `counts` is its number of resources by operation; `unread` the number of events that say
    something nobody could read; `policies` what rules of a policy pack said; `printed` the last
    that the program wrote to its standard error.
    """

    steps: dict[str, ResourceStep] = field(default_factory=dict)
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    result: str | None = None
    seconds: int = 0
    policies: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    unread: int = 0
    printed: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take one event in; one of a kind that is not known changes nothing.

        One that is known and cannot be read is counted: what it said is not in the record.
        """
        for kind, take in (
            ("resourcePreEvent", self._began),
            ("resOutputsEvent", self._finished),
            ("resOpFailedEvent", self._broke),
            ("diagnosticEvent", self._said),
            ("summaryEvent", self._summed_up),
            ("errorEvent", self._erred),
            ("policyEvent", self.policies.append),
            (UNREADABLE, self._missed),
        ):
            if (body := event.get(kind)) is None:
                continue
            try:
                take(dict(body))
            except (KeyError, TypeError, AttributeError, ValueError):
                self.unread += 1

    def _missed(self, _body: dict[str, Any]) -> None:
        self.unread += 1

    def _began(self, body: dict[str, Any]) -> None:
        self._step(body["metadata"])

    def _finished(self, body: dict[str, Any]) -> None:
        step = self._step(body["metadata"])
        step.ended = time.monotonic()

    def _broke(self, body: dict[str, Any]) -> None:
        step = self._step(body["metadata"])
        step.ended = time.monotonic()
        step.failed = True

    def _said(self, body: dict[str, Any]) -> None:
        text = str(body.get("message", "")).strip()
        urn = str(body.get("urn") or "")
        severity = body.get("severity")
        if severity == "error":
            if _ENDED in text and not self.errors and self.printed:
                # The engine knows no more than that; why, the program has written itself.
                self.errors.append(("", "\n".join(self.printed)))
            self.errors.append((urn, text))
        elif severity == "warning" and not text.startswith(_EXPECTED_WARNINGS):
            if text not in self.warnings:
                self.warnings.append(text)
        elif severity in ("info", "info#err") and urn in self.steps:
            self.steps[urn].news = " ".join(text.split())
        elif severity == "info#err" and text:
            self.printed = [*self.printed, text][-_PRINTED:]

    def _erred(self, body: dict[str, Any]) -> None:
        self.errors.append(("", str(body.get("error", "")).strip()))

    def _summed_up(self, body: dict[str, Any]) -> None:
        self.result = str(body.get("result") or "succeeded")
        self.seconds = int(body.get("durationSeconds") or 0)
        self.counts = {str(op): int(n) for op, n in (body.get("resourceChanges") or {}).items()}

    def _step(self, metadata: dict[str, Any]) -> ResourceStep:
        urn, op = str(metadata["urn"]), str(metadata["op"])
        state = metadata.get("new") or metadata.get("old") or {}
        kind = KINDS.get(op, UNKNOWN)
        step = self.steps.get(urn)
        if step is None:
            step = ResourceStep(
                urn,
                str(metadata["type"]),
                str(state.get("parent") or ""),
                kind,
                logical=not state.get("custom", False),
                started=time.monotonic(),
            )
            self.steps[urn] = step
        else:
            step.kind = _folded(step.kind, kind)
        step.protected = step.protected or any(
            (metadata.get(side) or {}).get("protect") for side in ("old", "new")
        )
        step.keys = step.keys or _changed_keys(metadata)
        step.op = op
        if kind != "unchanged" or step.type == CHART_TYPE:
            step.keep(metadata)
        return step

    @property
    def changes(self) -> list[ResourceStep]:
        """Every resource that is not as it was; the stack itself does not count."""
        return [
            step
            for step in self.steps.values()
            if step.kind != "unchanged" and step.type != _STACK_TYPE
        ]

    @property
    def failed(self) -> list[ResourceStep]:
        """Every resource whose operation failed."""
        return [step for step in self.steps.values() if step.failed]

    @property
    def running(self) -> list[ResourceStep]:
        """What has begun and not ended, oldest first, without what only groups other resources."""
        return [s for s in self.steps.values() if s.ended is None and not s.logical]

    @property
    def done(self) -> int:
        """Number of resources that are through, changed or not."""
        return sum(step.ended is not None for step in self.steps.values())

    @property
    def incomplete(self) -> bool:
        """True when the engine could not look into a chart, so that its objects look deleted."""
        return any("Preview is incomplete" in text for text in self.warnings)

    def reasons(self, step: ResourceStep) -> list[str]:
        """What the engine said went wrong with this resource."""
        return [text for urn, text in self.errors if urn == step.urn]

    def component(self, step: ResourceStep) -> str:
        """Name of the component that the resource belongs to; its own without one."""
        seen: ResourceStep | None = step
        while seen is not None:
            if seen.type.startswith(COMPONENT_PREFIX):
                return seen.name
            if seen.parent not in self.steps:
                return _component_in(seen.urn) or step.name
            seen = self.steps[seen.parent]
        return step.name

    def by_component(
        self, steps: Iterable[ResourceStep] | None = None
    ) -> dict[str, dict[str, int]]:
        """Number of resources per component and kind of change, in the engine's order."""
        table: dict[str, dict[str, int]] = {}
        for step in self.steps.values() if steps is None else steps:
            if step.type == _STACK_TYPE:
                continue
            row = table.setdefault(self.heading(step), {})
            row[step.kind] = row.get(step.kind, 0) + 1
        return table

    def heading(self, step: ResourceStep) -> str:
        """Name under which the resource is counted: its component's, or `providers`."""
        return "providers" if step.type.startswith("pulumi:providers:") else self.component(step)


def _folded(before: str, now: str) -> str:
    """What a resource comes to of which there are several operations.

    A replacement comes as several, the first or last of which may be a create. What is not known
    stays not known, and a deletion beside anything else is a replacement too.
    """
    if UNKNOWN in (before, now):
        return UNKNOWN
    if before == now or "unchanged" in (before, now):
        return now if before == "unchanged" else before
    return "replaced" if {"replaced", "deleted"} & {before, now} else now


def _component_in(urn: str) -> str | None:
    """The innermost component in a URN's chain of types, while its parent is not known.

    A destroy reports children first. Components are called after their type, in kebab case.
    """
    types = urn.split("::")[2].split("$") if urn.count("::") >= 3 else []
    own = [each for each in types if each.startswith(COMPONENT_PREFIX)]
    return re.sub(r"(?<!^)(?=[A-Z])", "-", own[-1].rpartition(":")[2]).lower() if own else None


def _changed_keys(metadata: dict[str, Any]) -> tuple[str, ...]:
    detailed = metadata.get("detailedDiff")
    return tuple(sorted(detailed)) if detailed else tuple(metadata.get("diffs") or ())
