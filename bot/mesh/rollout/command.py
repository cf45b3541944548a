"""`python -m bot rollout`: what is meshed, the next wave, whether it is safe, restarts."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.cli import options
from bot.cli.dispatch import Subparsers
from bot.cli.parsers import Parser, command, group
from bot.clients.connect import cluster
from bot.clients.prometheus import PrometheusApi
from bot.clients.target import Target
from bot.exit_codes import DONE, REFUSED, BadInputError
from bot.mesh.rollout import admission, reader, restart, select, text
from bot.mesh.rollout import check as checks
from bot.mesh.rollout.model import RolloutState, Standing
from bot.mesh.rollout.standing import standings
from bot.mesh.rollout.step import Direction, RolloutStep, choose, refusals
from bot.mesh.trust import fleet as trust_fleet
from bot.plan import rollout_files
from components.alerts.arguments import own_series
from schema.values import http_url

_RESTART_SECONDS = 900


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    group(
        subparsers,
        "rollout",
        "Show how far the namespaces are in the mesh, prepare and check the next wave, and restart "
        "workloads. Only `restart --yes` changes anything.",
        (_status, _next, _check, _restart),
    )


def _status(commands: Subparsers) -> Parser:
    parser = _command(
        commands,
        "status",
        status,
        "Show which namespaces are meshed, and which workloads must restart. Changes nothing. "
        "Needs read access to the cluster.",
        "status --stack staging",
        "status --stack staging --namespace shop",
    )
    parser.add_argument(
        "--namespace",
        action="append",
        metavar="NAME",
        help="a namespace (repeatable; default: all)",
    )
    return parser


def _next(commands: Subparsers) -> Parser:
    parser = _command(
        commands,
        "next",
        next_,
        "Print the edit of the rollout plan that meshes the next wave. Writes nothing. Needs read "
        "access to the cluster.",
        "next --stack staging",
        "next --stack staging --back",
    )
    _step(parser)
    return parser


def _check(commands: Subparsers) -> Parser:
    parser = _command(
        commands,
        "check",
        check,
        "Check whether the next wave is safe: asks the API server by a dry run for a pod of each "
        "workload. Changes nothing. Needs read access to the cluster and to Prometheus, and the "
        "right to create pods for the dry run. Exit code 4 when it is not safe.",
        "check --stack staging",
        "check --stack staging --wave one --prometheus http://127.0.0.1:9090",
    )
    _step(parser)
    parser.add_argument(
        "--prometheus",
        type=options.typed(http_url),
        metavar="URL",
        help="default: viz.prometheusUrl",
    )
    return parser


def _restart(commands: Subparsers) -> Parser:
    parser = _command(
        commands,
        "restart",
        restart_,
        "Restart the workloads of a namespace that must enter or leave the mesh, one after "
        "another; without --yes only list them. Needs permission to patch workloads.",
        "restart --stack staging --namespace shop",
        "restart --stack staging --namespace shop --yes",
    )
    parser.add_argument("--namespace", required=True, metavar="NAME")
    parser.add_argument("--yes", action="store_true", help="restart the workloads")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_RESTART_SECONDS,
        metavar="SECONDS",
        help=f"for each workload (default {_RESTART_SECONDS})",
    )
    return parser


def _command(
    commands: Subparsers, name: str, run: Callable[[argparse.Namespace], int], *words: str
) -> Parser:
    parser = command(commands, name, run, *words)
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def _step(parser: Parser) -> None:
    parser.add_argument("--back", action="store_true", help="take back the last wave instead")
    parser.add_argument("--wave", metavar="NAME", help="default: the next wave")
    parser.add_argument(
        "--state", choices=("off", "opt-in", "on"), help="default: on, with --back off"
    )


def _seconds(words: str) -> int:
    number = int(words) if words.isascii() and words.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{words!r} is no whole number above 0")
    return number


def status(arguments: argparse.Namespace) -> int:
    """Print how far each namespace is."""
    target = _target(arguments.stack)
    seen = _seen(target)
    found = _only(standings(target.config, seen), arguments.namespace)
    _say(
        arguments,
        lambda: text.status_document(found, seen),
        lambda: text.status_lines(found, seen),
    )
    return DONE


def _only(found: list[Standing], chosen: Sequence[str] | None) -> list[Standing]:
    """The chosen namespaces, else all; raises BadInputError for one that is not among them."""
    known = {each.namespace for each in found}
    for name in chosen or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BadInputError(
                f"--namespace {name}: neither in the plan nor in the cluster, or never meshed{hint}"
            )
    return [each for each in found if not chosen or each.namespace in chosen]


def next_(arguments: argparse.Namespace) -> int:
    """Print the change that comes next; nothing is written."""
    target = _target(arguments.stack)
    step = _chosen(arguments, target, _seen(target))
    refused = refusals(target.config, step)
    place = _place(target)
    _say(
        arguments,
        lambda: text.step_document(step, place, refused),
        lambda: text.step_lines(step, place, refused),
    )
    return DONE


def check(arguments: argparse.Namespace) -> int:
    """Print the verdict; exit code 4 when something speaks against the step."""
    target = _target(arguments.stack)
    config = target.config
    url = arguments.prometheus or config.viz.prometheus_url
    window = timedelta(seconds=config.rollout.gates.window.seconds)
    with cluster(target) as api:
        seen = reader.read(api, window)
        step = _chosen(arguments, target, seen)
        # Those outside stay so; going back is what every pod could do before.
        out = {each.name for each in step.wave.namespaces if each.opt_out}
        names = [each for each in step.names if each in seen.namespaces and each not in out]
        asked = admission.look(api, config, seen, names, step.state) if step.forward else None
    prometheus = PrometheusApi(url, cluster=own_series(config)) if url else None
    verdict = checks.judge(config, seen, step, prometheus, asked)
    if shared := _place(target).shared:
        verdict = replace(verdict, remarks=(*verdict.remarks, shared))
    _say(
        arguments,
        lambda: text.verdict_document(verdict),
        lambda: text.verdict_lines(verdict),
    )
    return DONE if verdict.safe else REFUSED


def restart_(arguments: argparse.Namespace) -> int:
    """Restart what has to in a namespace; raises RestartError at the first failure."""
    target = _target(arguments.stack)
    name = arguments.namespace
    if why := select.forbidden(target.config, name):
        raise BadInputError(f"--namespace {name}: {why}: `bot trust restart-plan` is for that")
    with cluster(target) as api:
        seen = reader.read(api, timedelta(seconds=target.config.rollout.gates.window.seconds))
        if name not in seen.namespaces:
            raise BadInputError(f"--namespace {name}: the cluster has no such namespace")
        (standing,) = [each for each in standings(target.config, seen) if each.namespace == name]
        mine, others = restart.order(standing.restarts)
        lines = [f"{each}: for you to restart" for each in others]
        if not mine:
            lines.append(f"{name}: no workload has to restart")
        if arguments.yes:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            restart.run(api, mine, _tell, seconds=arguments.timeout)
            return DONE
    lines = [*(f"{each}: would restart (--yes)" for each in mine), *lines]
    document = {"restart": [str(each) for each in mine], "byHand": [str(each) for each in others]}
    _say(arguments, lambda: document, lambda: lines)
    return DONE


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _target(stack: str) -> Target:
    target = trust_fleet.target_of(stack)
    if target.config.cluster is None:
        raise BadInputError(f"stack {stack} has no cluster, so nothing runs in it")
    return target


def _place(target: Target) -> text.WaveInFile:
    """Where the plan is written, and which other stacks have it from there."""
    plan = target.config.rollout.file
    named = rollout_files.named(target.project_dir) if plan else {}
    others = tuple(name for name, file in named.items() if file == plan and name != target.stack)
    return text.WaveInFile(target.stack, plan, others)


def _seen(target: Target) -> RolloutState:
    window = timedelta(seconds=target.config.rollout.gates.window.seconds)
    with cluster(target) as api:
        return reader.read(api, window)


def _chosen(arguments: argparse.Namespace, target: Target, seen: RolloutState) -> RolloutStep:
    direction: Direction = "back" if arguments.back else "next"
    return choose(target.config, seen, direction, arguments.wave, arguments.state)


def _say(
    arguments: argparse.Namespace, document: Callable[[], Any], lines: Callable[[], list[str]]
) -> None:
    if arguments.json:
        sys.stdout.write(f"{json.dumps(document(), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines()))
