"""The stacks of one tree, each planned by itself, so that a broken one hides no other."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from pathlib import Path

from bot import stacks
from bot.exit_codes import BadInputError, BotError
from bot.plan import files as plan_files
from bot.plan.base_snapshot import Failure, PlanSnapshot, RevisionPlans, snapshot
from bot.plan.model import Plan, plans

# By name: a revision may have them in modules of its own.
_CONFIG = frozenset({"ChartError", "ConfigError"})
_LONGEST = 1 << 20  # characters of a reason: it is nowhere else


def answer(tree: Path, names: Sequence[str], out: Path | None, *, judged: bool) -> RevisionPlans:
    """Plan these stacks; with `out` also write what `bot plan --out` writes of those that could.

    judged: hold the plans against the policies too.
    """
    if judged:
        # The policies know the stack files of their own revision, and no older ones.
        from bot.plan import policy
    made: list[Plan] = []
    snapshots: list[PlanSnapshot] = []
    failures: list[Failure] = []
    for name in names:
        try:
            file = stacks.file_of(name, tree)
            (plan,) = plans([file], tree, confined=True)
            broken = policy.of_plan(plan, tree) if judged else ()
            snapshots.append(snapshot(plan, file, broken))
            made.append(plan)
        except BadInputError as error:
            failures.append(_failure(name, "config", str(error), tree))
        except BotError as error:
            failures.append(_failure(name, "program", str(error), tree))
        except Exception as error:  # whatever a program that nobody has reviewed raises
            if _CONFIG.intersection(each.__name__ for each in type(error).__mro__):
                failures.append(_failure(name, "config", str(error), tree))
                continue
            with contextlib.suppress(Exception):  # there may be no memory left
                traceback.print_exc()  # into a file, of which a log is made
            failures.append(_failure(name, "program", f"{type(error).__name__}: {error}", tree))
    refused = None
    if out is not None and made:
        try:
            plan_files.write(made, out)
        except BadInputError as error:
            refused = str(error)
    return RevisionPlans(snapshots=tuple(snapshots), failures=tuple(failures), refused=refused)


def _failure(stack: str, cause: str, reason: str, tree: Path) -> Failure:
    shown = reason.replace(f"{tree}/", "").replace(str(tree), ".")
    return Failure.model_validate({"stack": stack, "cause": cause, "reason": shown[:_LONGEST]})
