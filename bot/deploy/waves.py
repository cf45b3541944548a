"""`python -m bot up --wave NAME`: the stacks of a wave, each by a bot of its own.

What a wave adds to `up` is before and around it: everything that can be refused is refused before
the first stack begins, and a stack that has this commit, applied and verified, is passed over. So
the same command, run again, goes on where it was left.

The owner of the trust anchor is in no wave. It changes when somebody rotates, on its own and
first; here it is only asked whether it has published what the stacks of the wave trust.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from bot import engine, stacks
from bot.clients.target import Target
from bot.deploy import approval, backend, gate, signing, tree, verified, waves_run, waves_text
from bot.deploy.tree import SHORT, Tree
from bot.deploy.waves_run import Job, State
from bot.engine import Engine
from bot.engine import target as engine_target
from bot.exit_codes import BadInputError, BotError, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust import vault as trust_vault
from stack import fleet
from stack.fleet import Fleet, FleetWave

PARALLEL = 4
LOGS = Path(".local") / "waves"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of a wave to the parser of `up`."""
    parser.add_argument(
        "--parallel",
        type=_count,
        metavar="N",
        help=f"with --wave: stacks applied at the same time (default {PARALLEL})",
    )
    parser.add_argument(
        "--approved-dir",
        type=Path,
        metavar="DIR",
        help="with --wave: folder with an approval of each stack, DIR/<stack>.approval.json",
    )
    parser.add_argument(
        "--json", action="store_true", help="with --wave: print one JSON document at the end"
    )


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number above 0")
    return number


def refuse_options(arguments: argparse.Namespace) -> None:
    """Raise BadInputError for options of a wave where a stack is named, and the reverse."""
    if arguments.wave:
        if arguments.approved:
            raise BadInputError("bot up: --approved is for one stack: use --approved-dir DIR")
    elif arguments.parallel or arguments.approved_dir or arguments.json:
        raise BadInputError("bot up: --parallel, --approved-dir and --json need --wave NAME")


def run(arguments: argparse.Namespace, project_dir: Path = stacks.PROJECT_DIR) -> int:
    """Run the command; raises BotError and ConfigError before any stack begins."""
    skipped = gate.skipped(arguments.skip_waves, arguments.reason)
    search = engine.FoundMeanwhile()
    found_fleet, wave = wave_named(arguments.wave, project_dir)
    checked_out = tree.read(project_dir)
    approvals = _approvals(wave, arguments.approved_dir)
    _refuse_unasked(wave, approvals, yes=arguments.yes)
    targets = {stack: engine_target.of(stack, project_dir) for stack in wave.stacks}
    for target in targets.values():
        trust_fleet.guard(target)
        rule = gate.requirement_of(target.stack, project_dir)
        gate.check(rule, target, checked_out, approved=target.stack in approvals)
    for stack, file in approvals.items():
        signing.refuse_unsigned(targets[stack], approval.read(file))
    refuse_unpublished(found_fleet, targets)
    found = search.engine()
    # The same for each: the stacks of a wave have the same waves before them.
    first = targets[wave.stacks[0]]
    if not skipped:
        gate.earlier_waves(found, first, gate.requirement_of(first.stack, project_dir), checked_out)
    jobs = _jobs(arguments, targets, approvals, project_dir)
    _pass_over(found, targets, jobs, checked_out)
    board = waves_text.Board()
    waves_run.run(jobs, project_dir, arguments.parallel or PARALLEL, board.show)
    if arguments.json:
        told = json.dumps(waves_text.document(wave.name, jobs, checked_out), indent=2)
    else:
        told = "\n".join(waves_text.summary(wave.name, jobs, checked_out))
    sys.stdout.write(f"{told}\n")
    return waves_text.worst(jobs)


def wave_named(name: str, project_dir: Path) -> tuple[Fleet, FleetWave]:
    """A wave of the fleet file; raises BadInputError that lists the waves there are."""
    found = fleet.read(project_dir)
    if found is None:
        raise BadInputError(f"--wave: there is no {fleet.FILE}: list `owner` and `waves` there")
    wave = found.wave(name)
    if wave is None:
        known = [each.name for each in found.waves]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise BadInputError(
            f"wave {name!r}: {fleet.FILE} has no such wave; {hint}known: {', '.join(known)}"
        )
    return found, wave


def _approvals(wave: FleetWave, folder: Path | None) -> dict[str, Path]:
    """The approval file of each stack that has one; raises BadInputError and RefusedError."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise BadInputError(f"--approved-dir: {folder} is not a folder")
    files = {stack: folder.resolve() / f"{stack}.approval.json" for stack in wave.stacks}
    found = {stack: file for stack, file in files.items() if file.exists()}
    for stack, file in found.items():
        approval.refuse_unusable(approval.read(file), stack)
    return found


def _refuse_unasked(wave: FleetWave, approvals: Mapping[str, Path], *, yes: bool) -> None:
    """Raise where a stack has neither an approval nor `--yes`: nobody can answer for several."""
    missing = [stack for stack in wave.stacks if stack not in approvals]
    if not missing:
        return
    if wave.approval == fleet.REQUIRED:
        raise RefusedError(
            f"wave {wave.name} needs an approval for each stack, and there is none for "
            f"{', '.join(missing)}: `python -m bot approve --stack {missing[0]} ... --out "
            f"DIR/{missing[0]}.approval.json`, then `--approved-dir DIR`"
        )
    if not yes:
        raise BadInputError(
            f"bot up: --wave {wave.name} does not ask for each stack: see `python -m bot preview "
            f"--stack {missing[0]}`, then give --yes or --approved-dir DIR"
        )


def refuse_unpublished(found: Fleet, targets: Mapping[str, Target]) -> None:
    """Raise RefusedError where a stack trusts a generation that the owner has not published.

    The stack would wait for it until its time is over. Raises what the owner's Vault raises.
    """
    owner = trust_fleet.target_of(found.owner, next(iter(targets.values())).project_dir)
    published = {each.generation for each in trust_vault.read(owner) if each.published}
    missing = [
        f"{stack} trusts {generation.name}, which {found.owner} has not published: "
        f"`python -m bot up --stack {found.owner}` first"
        for stack, target in targets.items()
        for generation in target.config.trust.trusted
        if generation.name not in published
    ]
    if missing:
        raise RefusedError("\n".join(missing))


def _jobs(
    arguments: argparse.Namespace,
    targets: Mapping[str, Target],
    approvals: Mapping[str, Path],
    project_dir: Path,
) -> list[Job]:
    logs = LOGS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{arguments.wave}"
    return [
        Job(
            stack,
            command(arguments, stack, approvals.get(stack)),
            project_dir / logs / f"{stack}.log",
        )
        for stack in targets
    ]


def command(arguments: argparse.Namespace, stack: str, approved: Path | None) -> list[str]:
    """What is run for one stack: the options of the wave that concern it are handed on."""
    words = [sys.executable, "-m", "bot", "up", "--stack", stack]
    words += ["--approved", str(approved)] if approved else ["--yes"]
    words += [word for action in arguments.allow for word in ("--allow", str(action))]
    words += ["--refresh"] if arguments.refresh else []
    words += ["--no-verify"] if arguments.no_verify else []
    if arguments.skip_waves:
        words += ["--skip-waves", f"--reason={arguments.reason}"]
    return [*words, f"--wait={arguments.wait}", f"--timeout={arguments.timeout}"]


def _pass_over(
    found: Engine, targets: Mapping[str, Target], jobs: Sequence[Job], checked_out: Tree
) -> None:
    """Mark the stacks that have this commit already; all are asked at the same time."""
    commit = checked_out.commit
    if commit is None or checked_out.dirty:
        return  # What was applied from such files cannot be told from what is here now.

    def proven(job: Job) -> bool:
        target = targets[job.stack]
        try:
            entries = backend.history(found, target)
            proofs = verified.read(found, target)
        except BotError:
            return False  # Its own run says why, with the right exit code.
        return not gate.unproven(entries, proofs, commit, target.project_dir)

    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        for job, done in zip(jobs, pool.map(proven, jobs), strict=True):
            if done:
                job.state = State.SKIPPED
                job.reason = f"has commit {commit[:SHORT]}, applied and verified"
