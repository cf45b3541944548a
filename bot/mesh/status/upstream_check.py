"""One check of `linkerd check`, and where a status has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Upstream:
    """One check of the CLI.

    anchor: of https://linkerd.io/2/checks/. ours: the checks of a status that have it. left: why
    it is left to the CLI, where no line of ours has it. design: why it warns about a mesh that is
    as we make it. running: it needs pods that really run. category: set by the table below.
    """

    description: str
    anchor: str
    ours: tuple[str, ...] = ()
    left: str = ""
    design: str = ""
    running: bool = False
    category: str = ""


def row(description: str, anchor: str, *ours: str) -> Upstream:
    """A check that ours have."""
    return Upstream(description, anchor, ours)


def left(description: str, anchor: str, why: str, *, running: bool = False) -> Upstream:
    """A check that is left to the CLI."""
    return Upstream(description, anchor, left=why, running=running)
