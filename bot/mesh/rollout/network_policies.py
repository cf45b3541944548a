"""NetworkPolicies that drop what a proxy sends and receives, though they let the workload's through.

Meshed clients reach every port of a meshed pod through one, 4143, so a policy that lists ports
lets nobody in who is meshed; a policy for egress that leaves the control plane out lets no proxy
start. https://linkerd.io/2/reference/cluster-configuration/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bot.clients.kubernetes import Manifest, place
from bot.mesh.rollout import select
from bot.mesh.rollout.model import Refusal, RolloutState, Template
from components.names import LINKERD
from stack.config import StackConfig

INBOUND = 4143
# Identity, destination and policy, as each proxy asks them.
CONTROL_PLANE = (8080, 8086, 8090)
_DNS = 53
_NAME = "kubernetes.io/metadata.name"
_NAMED = "linkerd-proxy"


def find(
    config: StackConfig,
    seen: RolloutState,
    policies: Sequence[Manifest],
    templates: Sequence[Template],
    names: Iterable[str],
) -> Iterator[Refusal]:
    """What the policies of these namespaces would drop once their pods are meshed."""
    wanted = set(names)
    for name in sorted(wanted):
        own = [each for each in policies if each["metadata"]["namespace"] == name]
        here = [each for each in templates if each.namespace == name]
        for policy in own:
            chosen = [each for each in here if matches(_pods(policy), each.labels)]
            if here and not chosen:
                continue
            beside = [each for each in own if _as_wide(policy, each, chosen)]
            told = ", ".join(each.workload for each in chosen) or "every pod"
            for what, fix in _dropped(config, seen, policy, beside, wanted):
                yield Refusal(name, told, f"NetworkPolicy {place(policy)}", what, fix)


def _pods(policy: Manifest) -> Manifest:
    return policy["spec"].get("podSelector") or {}


def _as_wide(policy: Manifest, other: Manifest, chosen: Sequence[Template]) -> bool:
    """Whether another policy is for all pods of this one."""
    selector = _pods(other)
    if not selector or selector == _pods(policy):
        return True
    return bool(chosen) and all(matches(selector, each.labels) for each in chosen)


def _dropped(
    config: StackConfig,
    seen: RolloutState,
    policy: Manifest,
    beside: Sequence[Manifest],
    wanted: set[str],
) -> Iterator[tuple[str, str]]:
    if _is_for(policy, "Ingress"):
        rules = [rule for each in beside for rule in _rules(each, "ingress")]
        for rule in _rules(policy, "ingress"):
            peers = [
                peer
                for peer in rule.get("from") or [{}]
                if _may_be_meshed(config, seen, peer) and not _allowed(rules, "from", peer, INBOUND)
            ]
            if peers and (ports := _tcp(config, policy, rule)):
                yield (
                    f"allows {ports} and not {INBOUND} from meshed clients",
                    f"allow TCP port {INBOUND} from the same peers",
                )
    if _is_for(policy, "Egress"):
        rules = [rule for each in beside for rule in _rules(each, "egress")]
        closed = [
            port
            for port in CONTROL_PLANE
            if not any(_to_mesh(config, seen, r, port) for r in rules)
        ]
        if closed:
            told = ", ".join(map(str, closed))
            yield (
                f"egress lets no proxy reach the control plane (TCP {told})",
                f"allow egress to namespace {LINKERD} on TCP {told}",
            )
        for rule in _rules(policy, "egress"):
            peers = [
                peer
                for peer in rule.get("to") or ()
                if _is_meshed(config, seen, peer, policy, wanted)
                and not _allowed(rules, "to", peer, INBOUND)
            ]
            if peers and (ports := _tcp(config, policy, rule)):
                yield (
                    f"egress allows {ports} and not {INBOUND} to meshed pods",
                    f"allow egress on TCP port {INBOUND} to the same peers",
                )


def _is_for(policy: Manifest, direction: str) -> bool:
    default = ["Ingress", *(["Egress"] if policy["spec"].get("egress") else [])]
    return direction in (policy["spec"].get("policyTypes") or default)


def _rules(policy: Manifest, key: str) -> list[Manifest]:
    return list(policy["spec"].get(key) or ()) if _is_for(policy, key.capitalize()) else []


def _allowed(rules: Iterable[Manifest], key: str, peer: Manifest, port: int) -> bool:
    return any(
        (not rule.get(key) or peer in rule[key]) and _covers(rule.get("ports"), port)
        for rule in rules
    )


def _covers(ports: Sequence[Manifest] | None, wanted: int) -> bool:
    if not ports:
        return True
    for each in ports:
        port, last = each.get("port"), each.get("endPort")
        if each.get("protocol", "TCP") != "TCP":
            continue
        if port is None or port == wanted or (wanted == INBOUND and port == _NAMED):
            return True
        if isinstance(port, int) and last and port <= wanted <= last:
            return True
    return False


def _tcp(config: StackConfig, policy: Manifest, rule: Manifest) -> str:
    """The TCP ports of a rule that go through a proxy, as text; empty where there is none."""
    defaults = config.workloads.namespaces.get(policy["metadata"]["namespace"])
    skipped = set(defaults.skip_inbound_ports) if defaults else set()
    found = [
        f"{each['port']}-{each['endPort']}" if each.get("endPort") else str(each["port"])
        for each in rule.get("ports") or ()
        if each.get("protocol", "TCP") == "TCP" and each.get("port") not in (None, _DNS)
    ]
    return ", ".join(each for each in found if each not in skipped)


def _may_be_meshed(config: StackConfig, seen: RolloutState, peer: Manifest) -> bool:
    """False for a client that never is: outside of the cluster, or in what is never meshed."""
    if "ipBlock" in peer:
        return _inside(config, peer)
    if peer.get("namespaceSelector") is None:
        return True
    found = _namespaces(seen, peer)
    return not found or any(select.forbidden(config, name) is None for name in found)


def _is_meshed(
    config: StackConfig, seen: RolloutState, peer: Manifest, policy: Manifest, wanted: set[str]
) -> bool:
    if "ipBlock" in peer:
        return False
    if peer.get("namespaceSelector") is None:
        return policy["metadata"]["namespace"] in wanted
    return any(
        name in wanted or seen.namespaces[name].state in ("on", "opt-in")
        for name in _namespaces(seen, peer)
        if select.forbidden(config, name) is None
    )


def _to_mesh(config: StackConfig, seen: RolloutState, rule: Manifest, port: int) -> bool:
    peers = rule.get("to")
    there = seen.namespaces.get(LINKERD)
    labels = {**(there.labels if there else {}), _NAME: LINKERD}
    reached = not peers or any(
        _inside(config, peer)
        if "ipBlock" in peer
        else peer.get("namespaceSelector") is not None
        and matches(peer["namespaceSelector"], labels)
        for peer in peers
    )
    return reached and _covers(rule.get("ports"), port)


def _inside(config: StackConfig, peer: Manifest) -> bool:
    networks = config.cluster.networks if config.cluster else ()
    block = ipaddress.ip_network(peer["ipBlock"]["cidr"], strict=False)
    known = [ipaddress.ip_network(each, strict=False) for each in networks]
    return any(each.version == block.version and each.overlaps(block) for each in known)


def _namespaces(seen: RolloutState, peer: Manifest) -> list[str]:
    selector = peer["namespaceSelector"]
    return [
        each.name
        for each in seen.namespaces.values()
        if matches(selector, {**each.labels, _NAME: each.name})
    ]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes an object; an empty one takes each."""
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    for each in selector.get("matchExpressions") or ():
        value, values = labels.get(each["key"]), each.get("values") or ()
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds.get(each["operator"], False):
            return False
    return True
