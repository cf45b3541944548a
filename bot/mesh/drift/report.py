"""The report on drift: one closed document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bot.changes.model import ChangeSet, Texts
from bot.changes.rules import Level
from bot.exit_codes import CHANGES_PENDING, DONE, FAILED

Outcome = Literal["none", "drift", "undetermined"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Undeclared(_Model):
    """An object of ours that nobody declared.

    subject: `Secret linkerd/found`. created: time as the API server gives it. managers: who set
    its fields. children: what controllers made from it, number by kind.
    """

    subject: str
    api_version: str
    kind: str
    namespace: str | None
    name: str
    level: Level
    reason: str
    created: str
    managers: Texts
    children: Mapping[str, int] = {}


class Added(_Model):
    """Fields of a declared object that somebody else has set, by path, without their values."""

    urn: str
    subject: str
    api_version: str
    kind: str
    namespace: str | None
    name: str
    level: Level
    manager: str
    time: str
    paths: Texts


class StackDrift(_Model):
    """One stack. tracked: from what is declared to what is there.

    writers: URN of a tracked object, and who wrote to it last beside us. helm: URN of a tracked
    object that Helm has to put back, and `namespace/name` of its release. unlisted: what nobody
    could look at, with why. errors: why it is undetermined. seconds: how long it took.
    """

    stack: str
    tracked: ChangeSet
    writers: Mapping[str, str] = {}
    helm: Mapping[str, str] = {}
    added: tuple[Added, ...] = ()
    undeclared: tuple[Undeclared, ...] = ()
    unlisted: Mapping[str, str] = {}
    errors: Texts = ()
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """`undetermined` as soon as something could not be looked at, whatever else was found."""
        if self.errors or self.unlisted or not self.tracked.complete:
            return "undetermined"
        return "drift" if self.found else "none"

    @property
    def found(self) -> int:
        """Number of objects that are not as declared."""
        return len(self.tracked.changes) + len(self.added) + len(self.undeclared)


class DriftReport(_Model):
    """Every stack that was looked at."""

    format: Literal[1] = 1
    stacks: tuple[StackDrift, ...]

    @property
    def exit_code(self) -> int:
        """1 before 5: where something could not be looked at, nobody knows what else there is."""
        outcomes = {each.outcome for each in self.stacks}
        if "undetermined" in outcomes:
            return FAILED
        return CHANGES_PENDING if "drift" in outcomes else DONE


def document(report: DriftReport) -> dict[str, Any]:
    """The report as JSON has it, with each stack's outcome."""
    whole = report.model_dump(mode="json")
    for each, stack in zip(whole["stacks"], report.stacks, strict=True):
        each["outcome"] = stack.outcome
    return whole
