"""`python -m bot status`: is the mesh healthy, and what is to be done. It changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
import time

from bot.cli import Subparsers
from bot.trust import fleet as trust_fleet
from stack.values import http_url


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "status",
        description="Versions, control plane, certificates, operators, rollout, policy, alerts, "
        "Buoyant Cloud agent, and what `linkerd check` says. Exit code 0 when the mesh is healthy, "
        "4 when it is not, 1 when something that was asked did not tell.",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--verbose", action="store_true", help="also what holds, and what was not looked at"
    )
    parser.add_argument("--prometheus", type=_url, metavar="URL", help="default: viz.prometheusUrl")
    parser.add_argument(
        "--drift",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="also look for drift, which takes as long as a preview (default: no)",
    )
    parser.add_argument(
        "--linkerd-check",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run `linkerd check` where it is on PATH (default: yes)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; raises BadInputError for a stack that is none."""
    started = time.monotonic()
    target = trust_fleet.target_of(arguments.stack)
    # The checks take a while to import, which the other commands need not wait for.
    from bot.status import document, judge, sources, text
    from bot.status.model import Report

    wanted = sources.Wanted(arguments.prometheus, arguments.drift, arguments.linkerd_check)
    facts = sources.read(target, wanted)
    cluster = target.config.cluster
    report = Report(
        stack=target.stack,
        cluster=cluster.name if cluster else "",
        lines=judge.judge(facts),
        seconds=time.monotonic() - started,
    )
    if arguments.json:
        sys.stdout.write(f"{json.dumps(document.document(report), indent=2)}\n")
    else:
        told = text.lines(report, verbose=arguments.verbose)
        sys.stdout.write("".join(f"{line}\n" for line in told))
    return report.exit_code


def _url(words: str) -> str:
    try:
        return http_url(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
