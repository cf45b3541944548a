"""The rules that calls would need which were seen, as a section for the stack file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.mesh.authorization.judge import PolicyVerdict, account_of, port_policy
from bot.mesh.authorization.model import ADMIN_PORT, Call, RunningNamespace, ServingWorkload
from components.policy import look_up as policy
from components.policy.section import GRPC_HEALTH
from schema.faults import PROJECT
from stack.config import StackConfig

# What a ReplicaSet or a StatefulSet adds to the labels of its pods.
_GENERATED = ("pod-template-hash", "controller-revision-hash", "rollouts-pod-template-hash")
Section = dict[str, Any]


@dataclass
class Suggestion:
    """The whole section of a namespace with its new rules, and what no rule can say.

    notes: calls that need a person. added: how many rules are new.
    """

    namespace: str
    section: Section
    notes: list[str] = field(default_factory=list)
    added: int = 0


def suggest(
    config: StackConfig, running: RunningNamespace, verdicts: Iterable[PolicyVerdict]
) -> Suggestion:
    """Rules for every denied client that a rule can name, merged with those that are there."""
    known = config.policy.namespaces.get(running.name)
    section = _plain(known) if known else {}
    made = Suggestion(running.name, section)
    tcp = _spoken(verdicts := list(verdicts))
    for verdict in verdicts:
        call = verdict.call
        if verdict.outcome == "unknown" and call.port != ADMIN_PORT:
            made.notes.append(f"{_told(call)}: {verdict.why}")
        if verdict.outcome != "denied":
            continue
        workload = running.workload(*call.workload)
        client = account_of(config, call.client) if call.client else None
        why = _unspeakable(config, running.name, call, client)
        if workload is None or why:
            made.notes.append(f"{_told(call)}: {why or verdict.why}")
            continue
        opaque = (call.workload, call.port) in tcp
        port = _port(config, section, running, workload, call.port, opaque)
        made.added += _add(port.setdefault("allow", []), running.name, call.client, client)
    return made


def _unspeakable(
    config: StackConfig, namespace: str, call: Call, client: tuple[str, str] | None
) -> str | None:
    """Why no rule can be written for a client; None where one can."""
    if call.port == ADMIN_PORT:
        return "the proxies' own port: see policy.prometheus"
    if call.outcome == "deny":
        return "is denied today: write a rule if it should call"
    if not call.client:
        return "it has no mesh identity: mesh it, or allow its network"
    if client is None:
        return None
    section = config.policy.namespaces.get(namespace)
    allowed = policy.callers(namespace, section) if section else ()
    if allowed and client[0] not in allowed:
        return f"{client[0]} is not in allowFrom of {namespace}"
    if client[0] != namespace and (reason := policy.unmeshed(config, client[0])):
        return f"the plan has {client[0]} outside the mesh ({reason}): put it into a wave"
    return None


def _spoken(verdicts: Iterable[PolicyVerdict]) -> set[tuple[tuple[str, str], int]]:
    """The ports at which no HTTP was seen: a Server that detects would wait for the client."""
    calls = [verdict.call for verdict in verdicts]
    http = {(call.workload, call.port) for call in calls if call.protocol == "http"}
    return {(call.workload, call.port) for call in calls} - http


def _plain(section: Any) -> Section:
    """A section as the stack file writes it, without what is default."""
    made = section.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return dict(_numbers(made))


def _numbers(value: Any) -> Any:
    """Ports as numbers again, which are text in the models."""
    if isinstance(value, dict):
        return {
            k: int(v) if k == "port" and str(v).isdigit() else _numbers(v) for k, v in value.items()
        }
    return [_numbers(each) for each in value] if isinstance(value, list) else value


def _port(
    config: StackConfig,
    section: Section,
    running: RunningNamespace,
    workload: ServingWorkload,
    number: int,
    opaque: bool,
) -> Section:
    """The entry of a port, made where there is none."""
    services = section.setdefault("services", [])
    found = port_policy(config, running.name, workload, number)
    if found:
        service = next(each for each in services if each["name"] == found[0].name)
        port: Section = next(p for p in service["ports"] if str(p["port"]) == found[1].port)
        return port
    name, selector = _service_of(running, workload, number)
    service = next((each for each in services if each["name"] == name), None)
    if service is None:
        service = {"name": name, "selector": selector, "ports": []}
        services.append(service)
    port = next((p for p in service["ports"] if p["port"] == number), {})
    if not port:
        port |= {"port": number, **_kind(workload.probes.get(number, frozenset()), opaque)}
        service["ports"].append(port)
    return port


def _kind(probes: frozenset[str], opaque: bool) -> Section:
    """What is spoken there, and the probes, which must all be listed where one is by gRPC."""
    if GRPC_HEALTH in probes:
        return {"probes": sorted(probes)}
    return {"protocol": "opaque"} if opaque else {}


def _service_of(
    running: RunningNamespace, workload: ServingWorkload, number: int
) -> tuple[str, Mapping[str, str]]:
    """Name and selector for a new policy: of the Service in front, else of the workload."""
    for each in running.services:
        numbers = {workload.number(target) for target in each.targets}
        if workload.selected(each.selector) and number in numbers:
            return each.name, dict(each.selector)
    labels = {key: v for key, v in workload.labels.items() if key not in _GENERATED}
    return workload.name, labels


def _add(allow: list[Section], namespace: str, client: str, account: tuple[str, str] | None) -> int:
    """Put a client into the first entry of its kind; how many clients are new."""
    key, text = "identities", client
    if account is not None:
        key = "serviceAccounts"
        text = account[1] if account[0] == namespace else "/".join(account)
    for entry in allow:
        # An entry with networks holds for both at once: it is not widened.
        if entry.keys() == {key}:
            new = text not in entry[key]
            entry[key] = sorted({*entry[key], text})
            return int(new)
    allow.append({key: [text]})
    return 1


def _told(call: Call) -> str:
    who = call.client or "a client without mTLS"
    kind, name = call.workload
    unit = "requests" if call.protocol == "http" else "connections"
    return f"{who} -> {kind}/{name}:{call.port} ({call.count:.0f} {unit})"


def document(config: StackConfig, suggestions: Iterable[Suggestion]) -> dict[str, Any]:
    """The same for programs; policy is None where no rule is missing."""
    made = list(suggestions)
    return {
        "policy": _section(config, made),
        "notes": {each.namespace: sorted(set(each.notes)) for each in made},
    }


def text(config: StackConfig, suggestions: Iterable[Suggestion]) -> str:
    """The whole section `policy` for the stack file, in place of the old; notes as comments."""
    made = list(suggestions)
    lines = [f"# {each.namespace}: {note}" for each in made for note in sorted(set(each.notes))]
    section = _section(config, made)
    if section is not None:
        whole = {f"{PROJECT}:policy": section}
        lines.append(yaml.safe_dump(whole, sort_keys=False, default_flow_style=False).rstrip())
    else:
        lines.append("# no rule is missing")
    return "\n".join(lines)


def _section(config: StackConfig, made: Iterable[Suggestion]) -> Section | None:
    if not any(each.added for each in made):
        return None
    section = _plain(config.policy)
    new = {each.namespace: each.section for each in made if each.section}
    return {**section, "namespaces": {**section.get("namespaces", {}), **new}}
