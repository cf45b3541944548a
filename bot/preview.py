"""`python -m bot preview`: what `up` would change, from the engine."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing, suppress
from pathlib import Path

from bot import engine, git, stacks
from bot.changes import file
from bot.changes.model import ChangeSet
from bot.cli import Subparsers
from bot.engine import Engine, Result
from bot.engine import report as engine_report
from bot.engine import target as engine_target
from bot.engine.target import Target
from bot.exit_codes import CHANGES_PENDING, DONE, FAILED, INTERRUPTED, BotError
from bot.progress import Progress, remember
from bot.trust import fleet as trust_fleet
from stack.charts import unchecked
from stack.errors import InputError

_MOST_SECONDS = 7 * 86_400.0


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("preview")
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--expect-no-changes", action="store_true", help="exit code 5 when something would change"
    )
    parser.add_argument("--refresh", action="store_true", help="read what is there first")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="also write what would change for `bot comment`, whatever comes of the preview",
    )
    add_timeout(parser)
    parser.set_defaults(run=run)


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the option that every command of the engine has."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=engine.TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="interrupt the engine after this long (default 1800)",
    )


def seconds(text: str) -> float:
    """A number of seconds above 0, for argparse."""
    found = seconds_or_none(text)
    if found == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return found


def seconds_or_none(text: str) -> float:
    """The same where 0 is for not at all."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    # `nan` is neither above nor below; what is longer overflows the clock of a wait.
    if not 0 <= found <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds from 0 to {_MOST_SECONDS:.0f}"
        )
    return found


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises RefusedError where a mandatory policy is broken.

    With `--out` the file is there whatever happens: it says why when nothing could be previewed.
    """
    if arguments.out is not None:
        file.begin(arguments.out, stacks.checked(arguments.stack))
    try:
        result = _previewed(arguments)
    except (BotError, InputError) as error:
        if arguments.out is not None:
            file.fail(arguments.out, arguments.stack, str(error))
        raise
    changes = judged(result)
    if arguments.out is not None:
        file.write(arguments.out, changes.model_copy(update={"commit": _commit(result.target)}))
    if arguments.json:
        sys.stdout.write(f"{json.dumps(document(result, changes), indent=2)}\n")
    else:
        # Of what was not begun there is nothing to judge: the reason alone.
        seen = result.ok or changes.changes
        told = [*(verdict(changes) if seen else ()), *lines(result)]
        sys.stdout.write("".join(f"{line}\n" for line in told))
    # The owner has no charts; in the comment it would come again with every push.
    if result.target.config.role != "owner" and (note := unchecked(result.target.project_dir)):
        sys.stderr.write(f"note: {note}\n")
    code = exit_code(result, expect_no_changes=arguments.expect_no_changes)
    if code in (DONE, CHANGES_PENDING):
        from bot import policy

        policy.refuse(result.target.stack, changes.violations)
    return code


def _previewed(arguments: argparse.Namespace) -> Result:
    search = engine.FoundMeanwhile()
    target = engine_target.of(arguments.stack)
    trust_fleet.guard(target)
    return preview(search.engine(), target, refresh=arguments.refresh, timeout=arguments.timeout)


def _commit(target: Target) -> str | None:
    with suppress(BotError):
        return git.head(target.project_dir)
    return None


def verdict(changes: ChangeSet) -> list[str]:
    """How risky it is, and what makes it so, in a few lines."""
    from bot.changes.verdict import lines as told

    return told(changes)


def judged(result: Result) -> ChangeSet:
    """What would change, with the policies that it breaks, and namespaces that are not there."""
    # Imported here: what reads plans and policies takes longer to load than the parser may wait.
    from bot import policy
    from bot.changes.from_engine import changes_of
    from bot.rollout import absent

    target = result.target
    found = changes_of(result, target.config)
    return absent.judged(target, policy.of_changes(found, target.config, target.project_dir))


def document(result: Result, changes: ChangeSet) -> dict[str, object]:
    """The result as one JSON document, with its risk."""
    from bot.changes.risk import assess

    found = assess(changes)
    return {
        **engine_report.document(result),
        "doubts": list(changes.doubts),
        "risk": found[0].level if found else None,
        "findings": [vars(finding) for finding in found],
    }


def preview(
    found: Engine,
    target: Target,
    *,
    refresh: bool = False,
    timeout: float = engine.TIMEOUT_SECONDS,
) -> Result:
    """Run the preview with progress on stderr."""
    flags = ["--refresh"] if refresh else []
    with closing(Progress("preview", target)) as progress:
        result = engine.run(found, target, "preview", *flags, listen=progress.show, timeout=timeout)
    if result.ok:
        remember(target, result.ledger)
    return result


def lines(result: Result) -> list[str]:
    """The result in words."""
    if not result.ok:
        return engine_report.failure(result)
    told = [*engine_report.table(result.ledger, preview=True)]
    told += engine_report.listed(result.ledger, preview=True)
    if result.ledger.incomplete:
        told.append(
            "the preview is incomplete: a chart has a value that only `up` knows, so its objects "
            "look deleted"
        )
    return told


def exit_code(result: Result, *, expect_no_changes: bool) -> int:
    """The command's exit code for a result."""
    if result.ending.ended == "interrupted":
        return INTERRUPTED
    if not result.ok:
        return FAILED
    if expect_no_changes and not result.unchanged:
        return CHANGES_PENDING
    return DONE
