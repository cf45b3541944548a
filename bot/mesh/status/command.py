"""`python -m bot status`: is the mesh healthy, and what is to be done. It changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from bot.cli import options, parallel, parsers
from bot.cli.dispatch import Subparsers
from bot.mesh.trust import fleet as trust_fleet
from schema.values import http_url


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "status",
        run,
        "Check the health of the mesh: versions, control plane, certificates, operators, rollout, "
        "policy, alerts, Buoyant Cloud agent, and the result of `linkerd check`. Changes nothing. "
        "Needs read access to the clusters and to Vault. Exit code 0 when the mesh is healthy, 4 "
        "when it is not, 1 when a source did not answer.",
        "status --stack staging",
        "status --all --verbose",
        "status --stack staging --json --no-linkerd-check",
    )
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--stack", metavar="NAME")
    chosen.add_argument(
        "--all", action="store_true", help="every stack of fleet.yaml, a line for each"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON document on stdout; with --all a list of them"
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="also show checks that passed or were skipped; with --all the report of each stack",
    )
    parallel.add(parser)
    parser.add_argument(
        "--prometheus",
        type=options.typed(http_url),
        metavar="URL",
        help="default: viz.prometheusUrl",
    )
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


def run(arguments: argparse.Namespace) -> int:
    """Print the report; raises BadInputError for a stack that is none, or without a fleet file."""
    # The checks take a while to import, which the other commands need not wait for.
    from bot.mesh.status import document, fleet, sources, table, text

    wanted = sources.WantedSources(arguments.prometheus, arguments.drift, arguments.linkerd_check)
    if not arguments.all:
        report = fleet.of(trust_fleet.target_of(arguments.stack), wanted)
        _print(
            document.document(report) if arguments.json else None,
            text.lines(report, verbose=arguments.verbose),
        )
        return report.exit_code
    reports = fleet.look(trust_fleet.the_fleet().stacks, wanted, arguments.parallel)
    lines = table.lines(reports)
    if arguments.verbose:
        lines += [line for each in reports for line in ("", *text.lines(each, verbose=True))]
    _print([document.document(each) for each in reports] if arguments.json else None, lines)
    return fleet.exit_code(reports)


def _print(document: Any, lines: Sequence[str]) -> None:
    """The document where there is one, else the lines."""
    if document is not None:
        sys.stdout.write(f"{json.dumps(document, indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
