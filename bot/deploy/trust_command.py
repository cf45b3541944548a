"""`python -m bot trust`: the certificate tree, whether a rotation's next step is safe, restarts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from bot.cli.dispatch import Subparsers
from bot.cli.parsers import Parser, command, group
from bot.clients.target import Target
from bot.deploy import trust_import
from bot.exit_codes import DONE, FAILED, REFUSED, BadInputError
from bot.mesh.trust import destroy as trust_destroy
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust import reader as trust_reader
from bot.mesh.trust import text as trust_text
from bot.mesh.trust.decide import decide, judge, stage
from bot.mesh.trust.model import PROPAGATION
from bot.mesh.trust.restart import phases
from bot.mesh.trust.stage import next_step


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    group(
        subparsers,
        "trust",
        "Show the certificate tree, check and plan the steps of a trust anchor rotation, import an "
        "anchor, and destroy the key of a retired one. Only `import` and `destroy-key` write.",
        (_status, _check, _plan, _import, _destroy),
    )


def _status(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "status",
        status,
        "Show the certificate tree with the time left until each certificate expires. Changes "
        "nothing. Needs read access to Vault and to the clusters. Exit code 1 when something could "
        "not be read or differs between clusters.",
        "status --stack staging",
        "status --all --json",
    )
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--stack", metavar="NAME")
    chosen.add_argument("--all", action="store_true", help="every stack of fleet.yaml")
    _json(parser)
    return parser


def _check(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "check",
        check,
        "Check whether the next step of a trust anchor rotation is safe in every cluster. Changes "
        "nothing. Needs read access to Vault and to the clusters. Exit code 4 when the step is "
        "unsafe.",
        "check --stack staging",
        "check --stack staging --step retire",
    )
    _stack(parser)
    _step(parser)
    _json(parser)
    return parser


def _plan(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "restart-plan",
        restart_plan,
        "Print the restarts that a step of the rotation needs, in order, as a shell script. "
        "Restarts nothing itself. Needs read access to the cluster and to Vault.",
        "restart-plan --stack staging",
        "restart-plan --stack staging --step switch",
    )
    _stack(parser)
    _step(parser)
    _json(parser)
    return parser


def _import(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "import",
        import_,
        "Import a trust anchor of your own, root or intermediate, into Vault; an existing one is "
        "never overwritten. Needs a Vault token that may write the generation's mount, and a "
        "generation with `source: imported` in the stack file.",
        "import --stack trust --generation anchor-2027 --certificate root.crt --key root.key",
    )
    _stack(parser)
    parser.add_argument("--generation", required=True, metavar="NAME")
    parser.add_argument("--certificate", required=True, metavar="FILE", help="certificate in PEM")
    parser.add_argument(
        "--key", required=True, metavar="FILE", help="private key in PEM, or - for stdin"
    )
    return parser


def _destroy(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "destroy-key",
        destroy_key,
        "Destroy the private key of a retired generation in Vault, and in custody `cluster` in "
        "the clusters. This cannot be undone. Needs a Vault token that may delete the key; refused "
        "while a cluster still uses the generation.",
        "destroy-key --stack trust --generation anchor-2026 --yes-destroy anchor-2026",
    )
    _stack(parser)
    parser.add_argument("--generation", required=True, metavar="NAME")
    parser.add_argument(
        "--yes-destroy",
        required=True,
        metavar="NAME",
        help="the name of the generation again, to confirm",
    )
    return parser


def _stack(parser: Parser) -> None:
    parser.add_argument("--stack", required=True, metavar="NAME")


def _step(parser: Parser) -> None:
    parser.add_argument("--step", choices=("switch", "retire"), help="default: the next step")


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def status(arguments: argparse.Namespace) -> int:
    """Print the tree; exit code 1 when something is not readable, or not the same everywhere."""
    gathered = trust_fleet.gather(_target(arguments))
    if not arguments.all and arguments.stack != gathered.owner:
        gathered = trust_fleet.only(gathered, arguments.stack)
    _say(
        arguments,
        lambda: trust_text.status_document(gathered),
        lambda: trust_text.status_lines(gathered),
    )
    unsafe = any(each.unsafe for each in gathered.differences)
    return FAILED if gathered.unread or gathered.mismatches or unsafe else DONE


def _target(arguments: argparse.Namespace) -> Target:
    if not arguments.all:
        return trust_fleet.target_of(arguments.stack)
    found = trust_fleet.the_fleet()
    return trust_fleet.target_of(found.owner)


def check(arguments: argparse.Namespace) -> int:
    """Print a verdict per cluster; exit code 4 when one speaks against the step."""
    gathered = trust_fleet.gather(trust_fleet.target_of(arguments.stack))
    verdicts = decide(gathered, arguments.stack, arguments.step)
    safe = all(verdict.safe for verdict in verdicts)
    _say(
        arguments,
        lambda: {"safe": safe, "verdicts": [trust_text.verdict_document(v) for v in verdicts]},
        lambda: [line for v in verdicts for line in trust_text.verdict_lines(v)],
    )
    return DONE if safe else REFUSED


def restart_plan(arguments: argparse.Namespace) -> int:
    """Print what must restart in the stack's own cluster; nothing is run."""
    target = trust_fleet.target_of(arguments.stack)
    if target.config.cluster is None:
        raise BadInputError(f"stack {target.stack} has no cluster, so nothing runs in it")
    seen = trust_reader.read(target)
    now = stage(seen, target.config.trust)
    step = arguments.step or next_step(now, target.config.trust)
    verdict = judge(seen, now, now, target.config.trust, step)
    kubectl = ["kubectl"]
    if target.config.cluster.kubeconfig:
        kubectl += ["--kubeconfig", target.config.cluster.kubeconfig]
    if target.config.cluster.context:
        kubectl += ["--context", target.config.cluster.context]
    fresh = seen.bundle is not None and seen.now < seen.bundle.changed + PROPAGATION
    leaves = step == "retire"
    held = trust_reader.held(target, verdict.restart)
    planned = phases(verdict.restart, kubectl, fresh_bundle=fresh, leaves=leaves, held=held)
    _say(
        arguments,
        lambda: trust_text.plan_document(target.stack, planned),
        lambda: trust_text.plan_lines(planned),
    )
    return DONE


def import_(arguments: argparse.Namespace) -> int:
    """Import an anchor; the key is read from a file or standard input, and printed nowhere."""
    target = trust_fleet.target_of(arguments.stack)
    told = trust_import.run(target, arguments.generation, arguments.certificate, arguments.key)
    sys.stdout.write("".join(f"{line}\n" for line in told))
    return DONE


def destroy_key(arguments: argparse.Namespace) -> int:
    """Destroy the key of a retired generation."""
    if arguments.yes_destroy != arguments.generation:
        raise BadInputError(
            f"--yes-destroy {arguments.yes_destroy}: must be the generation "
            f"{arguments.generation}: nothing was changed"
        )
    target = trust_fleet.target_of(arguments.stack)
    trust_destroy.generation_of(target, arguments.generation)
    told = trust_destroy.run(target, arguments.generation, trust_fleet.gather(target))
    sys.stdout.write("".join(f"{line}\n" for line in told))
    return DONE


def _say(
    arguments: argparse.Namespace,
    document: Callable[[], Any],
    lines: Callable[[], list[str]],
) -> None:
    if arguments.json:
        sys.stdout.write(f"{json.dumps(document(), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines()))
