"""`python -m bot policy suggest|check`: the rules that are missing, and who would be denied."""

from __future__ import annotations

import argparse
import json
import sys
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.cli import options
from bot.cli.dispatch import Subparsers
from bot.cli.parsers import Parser, command, group
from bot.clients.connect import cluster
from bot.clients.prometheus import PrometheusApi
from bot.clients.target import Target
from bot.engine import target as engine_target
from bot.exit_codes import DONE, REFUSED, BadInputError, MissingToolError
from bot.mesh.authorization import objections, observed, reader
from bot.mesh.authorization.judge import PolicyVerdict, by_client, judge
from bot.mesh.authorization.model import Call, RunningNamespace
from bot.mesh.authorization.suggest import document as suggested
from bot.mesh.authorization.suggest import suggest, text
from components.alerts.arguments import own_series
from components.linkerd import InboundPolicy
from components.policy.section import AUTHENTICATED, DefaultPolicy, NamespacePolicySection
from components.rollout import plan as rollout
from schema.faults import ConfigError
from schema.values import Duration, http_url
from stack import rules
from stack.config import StackConfig

DEFAULT_POLICIES: tuple[InboundPolicy, ...] = typing.get_args(DefaultPolicy)
WINDOW = Duration(7 * 86400)
POLICY, OLD_POLICY = "--default-inbound-policy", "--rung"


class Inbound(argparse.Action):
    """Takes the value, and says the new name to who gave the old one."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """As argparse calls it."""
        if option_string == OLD_POLICY:
            sys.stderr.write(f"{OLD_POLICY} is now called {POLICY}\n")
        setattr(namespace, self.dest, values)


@dataclass(frozen=True)
class ObservedCalls:
    """A namespace and the calls into it."""

    running: RunningNamespace
    calls: list[Call]


def add(subparsers: Subparsers) -> None:
    """Add the command with its two subcommands."""
    group(
        subparsers,
        "policy",
        "Suggest authorization rules from observed calls, and check which callers may lose access. "
        "Changes nothing.",
        (_suggest, _check),
    )


def _suggest(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "suggest",
        run_suggest,
        "Print the authorization rules that the calls of the last days need, for the stack file. "
        "Changes nothing. Needs read access to the cluster and to Prometheus.",
        "suggest --stack staging --namespace shop --window 7d",
        "suggest --stack staging --prometheus http://127.0.0.1:9090",
    )
    _common(parser)
    parser.add_argument(
        POLICY,
        OLD_POLICY,
        action=Inbound,
        dest="inbound",
        choices=DEFAULT_POLICIES,
        default="deny",
        help="default inbound policy to reach (default deny)",
    )
    _json(parser)
    return parser


def _check(commands: Subparsers) -> Parser:
    parser = command(
        commands,
        "check",
        run_check,
        "List the callers that would lose access. Changes nothing. Needs read access to the "
        "cluster and to Prometheus. Exit code 4 when a caller would be denied, 2 when a policy "
        "does not match the workloads.",
        "check --stack staging",
        "check --stack staging --namespace shop --default-inbound-policy deny",
    )
    _common(parser)
    parser.add_argument(
        POLICY,
        OLD_POLICY,
        action=Inbound,
        dest="inbound",
        choices=DEFAULT_POLICIES,
        help="check this default inbound policy instead of those of the stack file",
    )
    _json(parser)
    return parser


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _common(parser: Parser) -> None:
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument(
        "--namespace",
        action="append",
        metavar="NAME",
        help="a namespace (repeatable; default: those of the section policy, and every meshed one "
        "where linkerd.defaultInboundPolicy requires an identity)",
    )
    parser.add_argument(
        "--prometheus", metavar="URL", help="default viz.prometheusUrl of the stack file"
    )
    parser.add_argument("--window", default=str(WINDOW), help="how far to look back (default 7d)")


def run_suggest(arguments: argparse.Namespace) -> int:
    """Print the missing rules as YAML; nothing is changed."""
    target = engine_target.of(arguments.stack)
    made = []
    for seen in look(target, arguments):
        verdicts = judge(target.config, seen.running, seen.calls, arguments.inbound)
        made.append(suggest(target.config, seen.running, verdicts))
        if not seen.calls:
            made[-1].notes.append("no call was seen: nothing is known of its clients")
    if arguments.json:
        print(json.dumps(suggested(target.config, made), indent=2))
    else:
        print(text(target.config, made))
    return DONE


def run_check(arguments: argparse.Namespace) -> int:
    """Name every client that would be denied; REFUSED when there is one, or nothing was seen.

    Raises ConfigError for policies that do not fit what runs.
    """
    target = engine_target.of(arguments.stack)
    found = look(target, arguments)
    config = target.config
    if arguments.inbound:
        config = with_default(config, [seen.running.name for seen in found], arguments.inbound)
    faults = rules.introduced(target.config, config)
    faults += [f for seen in found for f in objections.find(config, seen.running)]
    if faults:
        file = target.config_file or target.project_dir / f"Pulumi.{target.stack}.yaml"
        raise ConfigError(file, faults)
    verdicts = by_client(v for seen in found for v in judge(config, seen.running, seen.calls))
    silent = [seen.running.name for seen in found if not seen.calls and seen.running.serves]
    shared = [line for seen in found for line in objections.shared_accounts(seen.running)]
    if arguments.json:
        print(json.dumps(document(verdicts, silent, shared), indent=2))
    else:
        print("\n".join(lines(verdicts, silent, shared)))
    return REFUSED if silent or any(v.breaks for v in verdicts) else DONE


def with_default(config: StackConfig, names: Sequence[str], inbound: DefaultPolicy) -> StackConfig:
    """The config with this default inbound policy; a service keeps one of its own."""
    sections = dict(config.policy.namespaces)
    for name in names:
        section = sections.get(name, NamespacePolicySection())
        sections[name] = section.model_copy(update={"default_inbound_policy": inbound})
    policy = config.policy.model_copy(update={"namespaces": sections})
    return config.model_copy(update={"policy": policy})


def look(target: Target, arguments: argparse.Namespace) -> list[ObservedCalls]:
    """What runs in the namespaces, and who called there; raises as the readers do."""
    names = namespaces(target, arguments.namespace)
    url = address(target, arguments.prometheus)
    prometheus = PrometheusApi(url, cluster=own_series(target.config))
    window = options.given("--window", Duration.parse, arguments.window)
    with cluster(target) as api:
        running = [reader.read(api, name) for name in names]
    return [ObservedCalls(each, observed.calls(prometheus, each.name, window)) for each in running]


def namespaces(target: Target, chosen: Sequence[str] | None) -> list[str]:
    """The namespaces to look at; raises BadInputError where there are none."""
    known = {planned.name for _, planned in rollout.named(target.config)}
    for name in chosen or ():
        if name not in known:
            raise BadInputError(
                f"--namespace {name!r} is in no wave of rollout of stack {target.stack}: "
                f"there are {', '.join(sorted(known)) or 'none'}"
            )
    concerned = set(target.config.policy.namespaces)
    if target.config.linkerd.default_inbound_policy in AUTHENTICATED:
        concerned |= {
            planned.name
            for wave, planned in rollout.named(target.config)
            if wave.state != "off" and not planned.opt_out
        }
    names = list(dict.fromkeys(chosen or sorted(concerned)))
    if not names:
        raise BadInputError(
            f"stack {target.stack} has no namespace under policy.namespaces: give --namespace"
        )
    return names


def address(target: Target, given: str | None) -> str:
    """The address of Prometheus; raises BadInputError and MissingToolError."""
    if given is not None:
        return options.given("--prometheus", http_url, given)
    if target.config.viz.prometheus_url is None:
        raise MissingToolError(
            f"stack {target.stack} names no Prometheus (viz.prometheusUrl): that of viz is reached "
            "with `kubectl -n linkerd-viz port-forward svc/prometheus 9090`, then give "
            "--prometheus http://127.0.0.1:9090; it keeps 6 hours"
        )
    return target.config.viz.prometheus_url


def lines(
    verdicts: Sequence[PolicyVerdict], silent: Sequence[str], shared: Sequence[str]
) -> list[str]:
    """The findings for a terminal, the worst first, and what they sum up to."""
    made = [f"{name}: no call was seen, so nothing is known of its clients" for name in silent]
    for outcome in ("denied", "unknown"):
        chosen = sorted((v for v in verdicts if v.outcome == outcome), key=lambda v: v.call)
        made += [f"{outcome}: {_line(verdict)}" for verdict in chosen]
    made += [f"account: {line}" for line in shared]
    count = {o: sum(v.outcome == o for v in verdicts) for o in ("allowed", "unknown", "denied")}
    summed = ", ".join(f"{number} {outcome}" for outcome, number in count.items())
    return [*made, f"clients at ports: {summed}"]


def _line(verdict: PolicyVerdict) -> str:
    call = verdict.call
    kind, name = call.workload
    who = call.client or "a client without mTLS"
    unit = "requests" if call.protocol == "http" else "connections"
    where = f"{call.namespace} {kind}/{name}:{call.port}"
    already = "" if call.outcome == "allow" else " (is denied today already)"
    return f"{who} -> {where}, {call.count:.0f} {unit}: {verdict.why}{already}"


def document(
    verdicts: Sequence[PolicyVerdict], silent: Sequence[str], shared: Sequence[str]
) -> dict[str, Any]:
    """The findings for a program."""
    return {
        "calls": [
            {
                "namespace": v.call.namespace,
                "workload": "/".join(v.call.workload),
                "port": v.call.port,
                "client": v.call.client or None,
                "count": v.call.count,
                "outcome": v.outcome,
                "why": v.why,
            }
            for v in sorted(verdicts, key=lambda v: v.call)
        ],
        "silent": list(silent),
        "sharedAccounts": list(shared),
    }
