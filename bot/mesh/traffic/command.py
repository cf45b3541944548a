"""`python -m bot traffic`: how requests are treated now, and the next weights of a route."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from bot import stacks
from bot.cli import options
from bot.cli.dispatch import Subparsers
from bot.cli.parsers import Parser, command, group
from bot.clients.connect import cluster
from bot.clients.prometheus import PrometheusApi
from bot.exit_codes import DONE, REFUSED, BadInputError
from bot.mesh.traffic import reader, shift, text
from bot.mesh.traffic.judge import judge
from bot.mesh.trust import fleet as trust_fleet
from components.alerts.arguments import own_series
from schema.values import Duration, http_url
from stack import load

# From here on the preview has a risk of its own for it.
_JUMP = 50
_WINDOW = Duration(3600)


def add(subparsers: Subparsers) -> None:
    """Add the command with its two subcommands."""
    group(
        subparsers,
        "traffic",
        "Show how requests to the services of the stack file are treated, and change the weights "
        "of a route there. Neither changes anything in the cluster.",
        (_status, _shift),
    )


def _status(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "status",
        run_status,
        "Show whether the cluster treats requests as the stack file says: routes accepted or "
        "refused and why, what makes Linkerd ignore them, who moves weights and how far; with a "
        "Prometheus breakers, retries, time-outs and limits. Changes nothing. Needs read access to "
        "the cluster. Exit code 4 when something does not hold.",
        "status --stack staging",
        "status --stack staging --window 1d --prometheus http://127.0.0.1:9090",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--service", metavar="NAMESPACE/NAME", help="one service of `traffic` (default: all)"
    )
    parser.add_argument("--prometheus", metavar="URL", help="default: viz.prometheusUrl")
    parser.add_argument("--window", default=str(_WINDOW), help="how far to look back (default 1h)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def run_status(arguments: argparse.Namespace) -> int:
    """Print the state of the services; REFUSED where one has a fault."""
    target = trust_fleet.target_of(arguments.stack)
    config = target.config
    if config.cluster is None:
        raise BadInputError(f"stack {arguments.stack} has no cluster, so nothing is called in it")
    window = options.given("--window", Duration.parse, arguments.window)
    url = arguments.prometheus and options.given("--prometheus", http_url, arguments.prometheus)
    url = url or config.viz.prometheus_url
    if arguments.service is not None:
        shift.service_of(config, arguments.service)
    with cluster(target) as api:
        objects = reader.read(api)
    figures, unread = None, "no Prometheus is named (viz.prometheusUrl, or --prometheus)"
    if url:
        figures = reader.figures(PrometheusApi(url, cluster=own_series(config)), window)
        unread = ""
    state = judge(config, objects, figures, unread)
    if arguments.service is not None:
        chosen = [each for each in state.services if each.key == arguments.service]
        state = replace(state, services=chosen, silent=())
    if arguments.json:
        print(json.dumps(text.document(state), indent=2))
    else:
        print("\n".join(text.lines(state)))
    return REFUSED if state.faults else DONE


def _shift(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "shift",
        run_shift,
        "Change the weights of a route in the stack file, and print the diff. Comments stay, and "
        "the file is checked before it is written. Changes nothing in the cluster: the change is "
        "reviewed, previewed and applied like any other. Exit code 4 where Argo Rollouts or "
        "Flagger moves the weights.",
        "shift --stack staging --service shop/cart --to cart-canary=20",
        "shift --stack staging --service shop/cart --to cart=50,cart-canary=30,cart-next=20",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--service", required=True, metavar="NAMESPACE/NAME", help="a service of `traffic`"
    )
    parser.add_argument(
        "--to",
        action="append",
        required=True,
        metavar="SERVICE=PER_CENT",
        help="share of a backend (repeatable, or with commas); the only other backend gets the "
        "rest",
    )
    parser.add_argument(
        "--route", metavar="NAME", help="route (default: the one with weights, or for everything)"
    )
    parser.add_argument("--port", type=int, metavar="N", help="port (default: the service's own)")
    parser.add_argument("--dry-run", action="store_true", help="print the diff and write nothing")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def run_shift(arguments: argparse.Namespace) -> int:
    """Write the stack file with other weights; raises BadInputError, RefusedError, ConfigError."""
    file = stacks.file_of(stacks.checked(arguments.stack))
    config = load.from_file(file)
    to = shift.weights(arguments.to)
    planned = shift.planned(config, arguments.service, arguments.port, arguments.route, to)
    # As it is: neither line ends nor what looks like a secret may be touched.
    before = file.read_bytes().decode("utf-8")
    after = shift.edited(before, planned)
    _check(file, after)
    diff = shift.diff(before, after, file.name)
    if not arguments.dry_run:
        file.write_bytes(after.encode("utf-8"))
    if arguments.json:
        document = {
            "file": file.name,
            "service": planned.key,
            "port": planned.port.port,
            "route": planned.name,
            "before": dict(planned.before),
            "after": dict(planned.after),
            "written": not arguments.dry_run,
            "diff": diff,
        }
        print(json.dumps(document, indent=2))
        return DONE
    print(diff, end="")
    if planned.jump > _JUMP:
        print(f"one backend gets {planned.jump} points of a hundred more at once")
    done = "would be written" if arguments.dry_run else "is written"
    print(f"{file.name} {done}: review it, then `python -m bot preview --stack {arguments.stack}`")
    return DONE


def _check(file: Path, text: str) -> None:
    """Refuse a text with a fault, under the name of the file that it is to be in."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / file.name
        made.write_bytes(text.encode("utf-8"))
        load.from_file(made, project_dir=file.parent)
