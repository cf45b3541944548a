"""`python -m bot plan --base REV`: what changes between a revision and the working tree."""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot import stacks
from bot.changes import pins
from bot.changes.model import ChangeSet, PinMove
from bot.cli import fetch_charts
from bot.cli.signals import ending_signals_interrupt
from bot.exit_codes import BadInputError
from bot.plan import base_pins, policy
from bot.plan import rollout_files as plan_files
from bot.plan.as_changes import changes_between
from bot.plan.base_process import RevisionTree, run_all
from bot.plan.base_snapshot import Failure, PlanSnapshot, RevisionPlans
from bot.text import git
from bot.text.lines import line
from schema.masking import masked

# Nothing of these has a part in what the program registers; `bot` is that of the working tree.
_LEFT_OUT = (".ci", ".github", ".venv", "bench", "bot", "docs", "policies", "sandbox", "tests")


@dataclass(frozen=True)
class Comparison:
    """Every stack's changes. base, head: commits; dirty: the working tree differs from `head`.

    faults: lines about stack files of the working tree that cannot be used. broken: True when its
    program failed for a stack.
    """

    base: str
    head: str
    dirty: bool
    sets: tuple[ChangeSet, ...]
    faults: tuple[str, ...]
    broken: bool

    @property
    def refused(self) -> list[str]:
        """A line for each mandatory policy that the working tree breaks."""
        return [
            line(f"{changes.stack}: {told}")
            for changes in self.sets
            for told in policy.lines([v for v in changes.violations if v.level == "mandatory"])
        ]


def compare(
    revision: str,
    names: Sequence[str] | None,
    project_dir: Path | None = None,
    out: Path | None = None,
    *,
    fetch: bool = False,
) -> Comparison:
    """Compare a revision with the working tree.

    names: stacks, or None for all on either side. out: folder for the plan of the working tree, as
    `bot plan --out` writes it. fetch: download what the revision's charts.yaml lists and the
    cache has not; what cannot be had is not rendered, and so a doubt. A stack that cannot be
    evaluated on one side is a change set with a doubt, too.

    Raises BadInputError for an unknown revision or stack, or a tree that cannot be exported;
    MissingToolError without git.
    """
    folder, began = project_dir or stacks.PROJECT_DIR, time.monotonic()
    base, head = git.resolve(revision, folder), git.head(folder)
    dirty = git.dirty(folder)
    notes = list(_notes(base, head, dirty, folder))
    moved = pins.moves(base_pins.of_commit(base, folder), base_pins.of_working_tree(folder))
    with (
        ending_signals_interrupt(),
        tempfile.TemporaryDirectory(prefix="plan-base-", ignore_cleanup_errors=True) as made,
    ):
        scratch = Path(made)
        trees = [scratch / "base", scratch / "head"]
        for tree in trees:
            tree.mkdir()
        git.export(base, folder, trees[0], _LEFT_OUT)
        git.export_working_tree(folder, trees[1], _LEFT_OUT)
        before, after = (_stacks(tree) for tree in trees)
        _add_plan_files(trees[0], functools.partial(git.export, base, folder, trees[0]))
        _add_plan_files(trees[1], functools.partial(git.export_working_tree, folder, trees[1]))
        if fetch:
            # Its lines are news, not the result.
            with contextlib.redirect_stdout(sys.stderr):
                fetch_charts.main([], trees[0])
        wanted = sorted({*before, *after}) if names is None else _known(names, before, after)
        base_stacks = tuple(name for name in wanted if name in before)
        head_stacks = tuple(name for name in wanted if name in after)
        answers = run_all(
            [
                RevisionTree("base", trees[0], base_stacks),
                RevisionTree("head", trees[1], head_stacks, judged=True, out=out),
            ],
            scratch,
        )
    seconds = time.monotonic() - began
    if answers[1].refused:
        raise BadInputError(line(answers[1].refused))
    sets = [_with_pins(_set(name, *answers), moved, answers) for name in wanted]
    failures = answers[1].failures
    return Comparison(
        base=base,
        head=head,
        dirty=dirty,
        sets=tuple(
            each.model_copy(
                update={
                    "commit": head,
                    "base": base,
                    "dirty": dirty,
                    "seconds": round(seconds, 1),
                    "warnings": (*notes, *each.warnings),
                }
            )
            for each in sets
        ),
        # A file that all stacks share is at fault once.
        faults=tuple(
            dict.fromkeys(
                line(text)
                for failure in failures
                if failure.cause == "config"
                for text in failure.reason.splitlines()
            )
        ),
        broken=any(failure.cause == "program" for failure in failures),
    )


def _notes(base: str, head: str, dirty: bool, folder: Path) -> Iterator[str]:
    if dirty:
        yield f"the working tree has changes that are not in {head[: git.SHORT]}: they are included"
    if not git.contains(head, base, folder):
        yield (
            f"{base[: git.SHORT]} is not an ancestor of {head[: git.SHORT]}: its newer commits "
            "look reverted; merge it, or compare with `git merge-base`"
        )


def _stacks(tree: Path) -> list[str]:
    """Stacks of a tree; raises BadInputError for a name that no stack can have."""
    names = stacks.names(tree)
    for name in names:
        stacks.checked(name, f"{f'Pulumi.{name}.yaml'!r}")
    return names


def _add_plan_files(tree: Path, export: Callable[..., Path]) -> None:
    """Rollout plans that lie in a folder that was left out."""
    named = {file for file in plan_files.named(tree).values() if file.split("/")[0] in _LEFT_OUT}
    if named:
        export(only=named)


def _known(names: Sequence[str], before: Sequence[str], after: Sequence[str]) -> list[str]:
    known = sorted({*before, *after})
    for name in names:
        if name not in known:
            raise BadInputError(
                f"stack {name!r}: neither revision has a file Pulumi.{name}.yaml; "
                f"known: {', '.join(known) or 'none'}"
            )
    return list(dict.fromkeys(names))


def _set(name: str, base: RevisionPlans, head: RevisionPlans) -> ChangeSet:
    """The changes of one stack; where a side could not be evaluated, why, and what the other is."""
    seen = [_by_stack(answer).get(name) for answer in (base, head)]
    doubts = []
    for side, answer in (("base", base), ("head", head)):
        for failure in answer.failures:
            if failure.stack == name:
                # That of the head is among the errors, whole; that of the base is here alone.
                told = _first(failure) if side == "head" else _reason(failure)
                doubts.append(f"{side} cannot be evaluated: {told}")
    if not doubts:
        found = seen[1].violations if seen[1] else ()
        return changes_between(*seen).model_copy(update={"violations": found})
    return ChangeSet(
        stack=name,
        source="plan",
        doubts=tuple(doubts),
        errors=tuple(_reason(f) for f in head.failures if f.stack == name),
        warnings=tuple(
            f"{side} has {len(found.resources)} resources and {len(found.charts)} charts, not "
            "compared"
            for side, found in zip(("base", "head"), seen, strict=True)
            if found is not None
        ),
        violations=seen[1].violations if seen[1] else (),
    )


def _with_pins(
    changes: ChangeSet, moved: Sequence[PinMove], answers: Sequence[RevisionPlans]
) -> ChangeSet:
    """With what moves in files that pin versions; of charts those that the stack has.

    A chart's version is among the moves already, where the stack could be compared.
    """
    seen = [_by_stack(answer).get(changes.stack) for answer in answers]
    charts = {chart.name.removesuffix("-crds") for side in seen if side for chart in side.charts}
    told = tuple(
        pin
        for pin in moved
        if pin.kind != "chart"
        or (pin.name in charts and (pin.what != "version" or (None in seen and changes.doubts)))
    )
    return changes.model_copy(update={"pins": told})


def _by_stack(answer: RevisionPlans) -> Mapping[str, PlanSnapshot]:
    return {snapshot.stack: snapshot for snapshot in answer.snapshots}


def _reason(failure: Failure) -> str:
    """All of it: where the comment is read, there is no other copy."""
    return masked("\n".join(line(text, None) for text in failure.reason.splitlines()))


def _first(failure: Failure) -> str:
    told, *more = _reason(failure).splitlines() or [""]
    return f"{told} (and {len(more):,} more lines)" if more else told
