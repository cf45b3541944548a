"""`python -m bot comment`: change sets as comments of a pull request."""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bot import stacks
from bot.changes.model import ChangeSet
from bot.cli import parsers
from bot.cli.dispatch import Subparsers
from bot.comments import files, forge, pull_request
from bot.comments.marker import CommentRun
from bot.exit_codes import DONE, BadInputError, BotError, MissingToolError
from bot.plan.base_files import SUFFIX
from bot.text import documents

if TYPE_CHECKING:
    from bot.comments.github_api import Api

_OUT = Path(".local/comments")


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "comment",
        run,
        "Render the changes that `preview --out`, `plan --base --out` or `drift --out` wrote as "
        "Markdown, into files or into one set of comments per stack on a pull request, which later "
        "runs update. GitHub needs $GITHUB_TOKEN with write access to pull requests.",
        "comment --changes staging.changes.json",
        "comment --changes staging.changes.json --forge github --summary",
    )
    parser.add_argument(
        "--changes",
        action="append",
        required=True,
        type=Path,
        metavar="FILE",
        help="file with changes (repeatable)",
    )
    parser.add_argument(
        "--missing",
        choices=("preview", "plan", "drift"),
        help="report a missing STACK.changes.json as a failure of this command",
    )
    parser.add_argument(
        "--forge", choices=("github", "files"), default="files", help="default: files"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder of `--forge files` (default {_OUT})"
    )
    parser.add_argument(
        "--summary",
        action="store_true",
        help="also append the comment to the file at $GITHUB_STEP_SUMMARY",
    )
    parser.add_argument(
        "--pull-request", type=int, metavar="N", help="default: the pull request of the job's event"
    )
    parser.add_argument("--repository", metavar="OWNER/NAME", help="default: $GITHUB_REPOSITORY")
    parser.add_argument("--commit", metavar="SHA", help="head commit of the pull request")
    parser.add_argument(
        "--run-url", metavar="URL", help="address of the run's log, linked in the comment"
    )
    parser.add_argument(
        "--identity",
        metavar="LOGIN",
        help="author of the comments (default: the owner of the token)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; nothing is written before every file has been read and rendered."""
    now, environ = datetime.now(UTC), os.environ
    sets = [_read(file, arguments.missing) for file in arguments.changes]
    gc.freeze()  # what was read stays to the end: the collector need not go over it again
    _check_stacks(arguments.changes, sets)
    summary = _summary_file(environ) if arguments.summary else None
    target = server = None
    if arguments.forge == "github":
        target = pull_request.of(arguments.repository, arguments.pull_request, environ)
        server = _server(environ)
    head = arguments.commit or (target.commit if target else pull_request.head(environ))
    url = arguments.run_url or pull_request.run_url(environ)
    runs = {each.stack: CommentRun(head or _hash(each.commit), now, url) for each in sets}
    rendered = {each.stack: _rendered(each, runs[each.stack]) for each in sets}
    if summary is not None:
        for parts in rendered.values():
            files.add_to_summary(summary, parts)
    if target is None or arguments.out is not None:
        _write(arguments.out or _OUT, rendered)
    if target is not None and server is not None:
        _post(target, server, rendered, runs, arguments)
    return DONE


def _server(environ: Mapping[str, str]) -> tuple[Api | None, str]:
    """The REST API, None without a token, and the address of the GraphQL API.

    Raises BadInputError for an address or a token that is none.
    """
    # Imported here: HTTP takes as long to load as a small comment to render.
    from bot.comments.github_api import Api, checked_address

    rest, graphql = pull_request.addresses(environ)
    checked_address(rest, "GITHUB_API_URL")
    checked_address(graphql, "GITHUB_GRAPHQL_URL")
    token = environ.get("GITHUB_TOKEN", "").strip()
    return Api(rest, token) if token else None, graphql


def read(file: Path) -> ChangeSet:
    """A change set from its file; raises BadInputError that names the file and the key."""
    return documents.read(file, ChangeSet, "python -m bot preview --out")


def _read(file: Path, missing: Literal["preview", "plan", "drift"] | None) -> ChangeSet:
    """The set of a file; where it may be missing and is, one that says so.

    A job that ended before it could write anything must not leave the comment of an earlier commit
    as if it were its own.
    """
    if missing is None or not file.name.endswith(SUFFIX) or file.exists():
        return read(file)
    return ChangeSet(
        stack=stacks.checked(file.name.removesuffix(SUFFIX), str(file)),
        source=missing,
        errors=(f"the {missing} ended before it wrote its changes: see its log",),
        doubts=("the state of this stack is unknown",),
    )


def _check_stacks(names: list[Path], sets: list[ChangeSet]) -> None:
    seen: dict[str, Path] = {}
    for file, each in zip(names, sets, strict=True):
        stack = stacks.checked(each.stack, str(file))
        if stack in seen:
            raise BadInputError(
                f"{file}: stack {stack} is in {seen[stack]} too, and has one set of comments"
            )
        seen[stack] = file


def _summary_file(environ: Mapping[str, str]) -> Path:
    if not environ.get("GITHUB_STEP_SUMMARY"):
        raise BadInputError("--summary: GITHUB_STEP_SUMMARY names no file")
    return Path(environ["GITHUB_STEP_SUMMARY"])


def _hash(commit: str | None) -> str | None:
    return commit if commit and re.fullmatch(r"[0-9a-f]{7,64}", commit) else None


def _rendered(changes: ChangeSet, run: CommentRun) -> tuple[str, ...]:
    from bot.changes.impact import impact
    from bot.changes.risk import assess
    from bot.comments.render import render
    from schema.masking import masked

    found = assess(changes)
    return tuple(map(masked, render(changes, found, impact(changes, found), run)))


def _write(folder: Path, rendered: Mapping[str, tuple[str, ...]]) -> None:
    for stack, parts in rendered.items():
        for file in files.write(folder, stack, parts):
            sys.stdout.write(f"{stack}: {file}\n")


def _post(
    target: pull_request.PullRequest,
    server: tuple[Api | None, str],
    rendered: Mapping[str, tuple[str, ...]],
    runs: Mapping[str, CommentRun],
    arguments: argparse.Namespace,
) -> None:
    """Post; what cannot be posted is written to files, so that it is not lost."""
    from bot.comments.github import GitHub, number_of

    api, graphql = server
    folder = arguments.out or _OUT
    if api is None:
        if arguments.out is None:
            _write(folder, rendered)
        raise MissingToolError(
            f"GITHUB_TOKEN is not set, as in a job for a pull request from a fork: nothing is "
            f"posted, the comments are in {folder}"
        )
    try:
        number = target.number
        if number is None and target.source is not None:
            number = number_of(api, target.repository, target.source)
        if number is None:
            sys.stdout.write("nothing is posted: no pull request from that branch is open\n")
            return
        github = GitHub(api, graphql, target.repository, number, arguments.identity)
        for stack, parts in rendered.items():
            outcome = forge.publish(github, stack, parts, runs[stack])
            sys.stdout.write(f"{stack}: {_told(outcome)}\n")
    except BotError as error:
        if arguments.out is None:
            _write(folder, rendered)
        raise type(error)(f"{error}\nthe comments are in {folder}") from None


def _told(outcome: forge.Outcome) -> str:
    if outcome.skipped:
        return f"left as it is: {outcome.skipped}"
    counts = {
        "written": outcome.created,
        "rewritten": outcome.edited,
        "deleted": outcome.deleted,
    }
    told = ", ".join(f"{count} {verb}" for verb, count in counts.items() if count)
    return f"comments {told}" if told else "comments up to date"
