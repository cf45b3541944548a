"""Whether `clusterNetworks` of the control plane covers the cluster: outside it is egress."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from bot.clients.kubernetes import place
from bot.mesh.status.control_plane import SUBJECT
from bot.mesh.status.facts import Facts, NoAnswerError
from bot.mesh.status.linkerd_config import config_of
from bot.mesh.status.model import CheckResult, fail, ok, skipped, warn
from bot.mesh.status.objects import some

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NEXT = "add the network to cluster.networks of the stack file, then up, and restart the proxies"


@SUBJECT.check("networks-nodes")
def nodes(facts: Facts) -> CheckResult:
    """The pod network of every node is inside `clusterNetworks`: outside it is egress."""
    networks = _networks(facts)
    ranges = {
        each["metadata"]["name"]: ipaddress.ip_network(each["spec"]["podCIDR"], strict=False)
        for each in facts.objects("nodes")
        if each["spec"].get("podCIDR")
    }
    if not ranges:
        return skipped("no node says which network its pods are in (spec.podCIDR)")
    outside = {
        f"{name} ({found})"
        for name, found in ranges.items()
        if not any(_inside(found, network) for network in networks)
    }
    return _result(outside, len(ranges), "nodes")


@SUBJECT.check("networks-pods")
def pods(facts: Facts) -> CheckResult:
    """So is the address of every pod, but for pods in their host's network."""
    found = {
        place(each): (each.get("status") or {}).get("podIP", "")
        for each in facts.objects("pods")
        if not each["spec"].get("hostNetwork")
    }
    return _addresses(facts, found, "pods")


@SUBJECT.check("address-family")
def address_family(facts: Facts) -> CheckResult:
    """Proxies take IPv6 where pods have it: else what comes by it passes the mesh by."""
    with_it = {
        place(each)
        for each in facts.objects("pods")
        if not each["spec"].get("hostNetwork")
        for one in (each.get("status") or {}).get("podIPs") or ()
        if ":" in one.get("ip", "")
    }
    if with_it and config_of(facts).get("disableIPv6", True):
        return warn(
            f"pods with addresses of IPv6, and proxies that leave it alone: {some(with_it)}",
            "set cluster.ipv6: true in the stack file, then up, and restart the proxies",
        )
    return ok("IPv6 is taken by proxies" if with_it else "no pod has an address of IPv6")


@SUBJECT.check("networks-services")
def services(facts: Facts) -> CheckResult:
    """So is the address of every Service."""
    found = {place(each): each["spec"].get("clusterIP", "") for each in facts.objects("services")}
    return _addresses(facts, found, "Services")


def _addresses(facts: Facts, found: dict[str, str], what: str) -> CheckResult:
    networks = _networks(facts)
    known = {
        name: ipaddress.ip_address(text) for name, text in found.items() if text not in ("", "None")
    }
    outside = {
        f"{name} ({address})"
        for name, address in known.items()
        if not any(address in network for network in networks)
    }
    return _result(outside, len(known), what)


def _result(outside: Iterable[str], count: int, what: str) -> CheckResult:
    odd = set(outside)
    if odd:
        return fail(f"outside clusterNetworks: {some(odd)}", _NEXT)
    return ok(f"{count} {what} inside clusterNetworks")


def _inside(found: _Network, network: _Network) -> bool:
    if isinstance(found, ipaddress.IPv4Network) and isinstance(network, ipaddress.IPv4Network):
        return found.subnet_of(network)
    if isinstance(found, ipaddress.IPv6Network) and isinstance(network, ipaddress.IPv6Network):
        return found.subnet_of(network)
    return False


def _networks(facts: Facts) -> list[_Network]:
    text = str(config_of(facts).get("clusterNetworks", ""))
    try:
        return [ipaddress.ip_network(each.strip(), strict=False) for each in text.split(",")]
    except ValueError:
        raise NoAnswerError(f"clusterNetworks of linkerd-config cannot be read: {text!r}") from None
