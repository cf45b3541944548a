"""The egress gateway: whether its partners are reached as written, and ways round it."""

from __future__ import annotations

from collections.abc import Iterator

from bot.clients.kubernetes import Manifest
from bot.mesh.status.facts import Facts
from bot.mesh.status.gateways import not_true, reasons, refused
from bot.mesh.status.model import CheckResult, Subject, fail, ok
from bot.mesh.status.objects import bot_up
from bot.mesh.traffic.judge import CONTROLLER as LINKERD_CONTROLLER
from components.egress.arguments import ways
from components.egress.component import NAME
from components.egress.packets import NETWORK_POLICY
from components.egress_gateway import arguments
from components.egress_gateway.egress_partner import EgressPartnerArgs, secrets
from components.envoy_gateway import ENVOY, GATEWAY
from components.ingress.objects import KEYS
from components.names import EGRESS_GATEWAY, LINKERD_EGRESS, LINKERD_EGRESS_GATEWAY

SUBJECT = Subject("egress-gateway")
_GATEWAY = f"/apis/{GATEWAY}/v1"
_ENVOY = f"/apis/{ENVOY}/v1alpha1"
_PLACE = f"namespaces/{LINKERD_EGRESS_GATEWAY}"
# Of each partner, by its name; how it is told; kinds that are not installed have no objects.
_OF_PARTNER = {
    "partner routes": f"{_GATEWAY}/{_PLACE}/httproutes",
    "partner security policies": f"{_ENVOY}/{_PLACE}/securitypolicies",
    "partner traffic policies": f"{_ENVOY}/{_PLACE}/backendtrafficpolicies",
}
_BACKENDS, _SECRETS, _WAYS = "partner backends", "partner secrets", "ways to partners"
_PACKETS = {"NetworkPolicy": "network policies", "CiliumNetworkPolicy": "cilium network policies"}
LISTS = {
    "egress gateways": f"{_GATEWAY}/{_PLACE}/gateways",
    **_OF_PARTNER,
    _BACKENDS: f"{_ENVOY}/{_PLACE}/backends",
    _SECRETS: f"/apis/external-secrets.io/v1/{_PLACE}/externalsecrets",
    _WAYS: f"{_GATEWAY}/httproutes",
    "egress networks": "/apis/policy.linkerd.io/v1alpha1/egressnetworks",
    _PACKETS["NetworkPolicy"]: "/apis/networking.k8s.io/v1/networkpolicies",
    _PACKETS["CiliumNetworkPolicy"]: "/apis/cilium.io/v2/ciliumnetworkpolicies",
}
_RUNBOOK = "docs/runbooks/egress-gateway.md"


def _off(facts: Facts) -> str | None:
    on = facts.config.egress.gateway.enabled
    return None if on else "the egress gateway is off (egress.gateway.enabled)"


def _not_managed(facts: Facts) -> str | None:
    managed = facts.config.egress.gateway.managed
    return _off(facts) or (None if managed else "egress.gateway.managed is false")


@SUBJECT.check("gateway", running=True, off=_off)
def gateway(facts: Facts) -> CheckResult:
    """The Gateway is served by its proxies, which know where the keys of tokens are."""
    found = facts.named("egress gateways", EGRESS_GATEWAY, LINKERD_EGRESS_GATEWAY)
    if found is None:
        return fail(f"no Gateway {LINKERD_EGRESS_GATEWAY}/{EGRESS_GATEWAY}", bot_up(facts))
    if why := not_true(found.get("status") or {}, "Accepted", "Programmed"):
        return fail(why, _RUNBOOK)
    if facts.config.egress.gateway.keys:
        # Without it every token is refused, and every partner that requires one.
        keys = facts.named(_BACKENDS, KEYS, LINKERD_EGRESS_GATEWAY)
        if why := _status(keys, "Accepted"):
            return fail(f"keys of tokens: {why}", _RUNBOOK)
    return ok("accepted and programmed")


@SUBJECT.check("partners", running=True, off=_off)
def partners(facts: Facts) -> CheckResult:
    """Each partner has its secrets, its policies are accepted, and so are the routes to it."""
    every = arguments.partners(facts.config)
    odd = {
        f"{args.partner.name} ({what})": why for args in every for what, why in _odd(facts, args)
    }
    if odd:
        return fail(f"do not act as written: {reasons(odd)}", _RUNBOOK)
    return ok(f"{len(every)} accepted")


def _odd(facts: Facts, args: EgressPartnerArgs) -> Iterator[tuple[str, str]]:
    """What does not act of a partner, and why; the first of what is the gateway's alone."""
    name = args.partner.name
    for each in secrets(args.partner, args.refresh_interval).values():
        secret = each["metadata"]["name"]
        found = facts.named(_SECRETS, secret, LINKERD_EGRESS_GATEWAY)
        if why := _status(found, "Ready"):
            yield f"secret {secret}", why
            return
    if why := _status(facts.named(_BACKENDS, name, LINKERD_EGRESS_GATEWAY), "Accepted"):
        yield "backend", why
        return
    for kind in _OF_PARTNER:
        if why := refused(facts.named(kind, name, LINKERD_EGRESS_GATEWAY)):
            yield kind.removeprefix("partner "), why
            return
    way = (name, args.partner.host)
    for scope in (LINKERD_EGRESS, *facts.config.egress.namespaces):
        if way not in ways(facts.config, scope):
            continue
        route = facts.named(_WAYS, f"partner-{name}", scope)
        if why := refused(route, LINKERD_CONTROLLER):
            yield f"route from {scope}", why


def _status(found: Manifest | None, kind: str) -> str:
    return "not there" if found is None else not_true(found.get("status") or {}, kind)


@SUBJECT.check("ways-round", off=_not_managed)
def ways_round(facts: Facts) -> CheckResult:
    """Namespaces of callers deny what leaves the cluster, and nobody else opens it."""
    partners_ = facts.config.egress.gateway.partners
    callers = sorted({each for partner in partners_ for each in partner.namespaces})
    odd = {each: why for each in callers if (why := _open(facts, each))}
    if odd:
        return fail(f"go round the gateway: {reasons(odd)}", f"{_RUNBOOK}#a-way-round-the-gateway")
    return ok(f"{len(callers)} namespaces deny")


def _open(facts: Facts, namespace: str) -> str:
    """Why a namespace's packets or requests may go out; empty where they may not."""
    listed = namespace in facts.config.egress.namespaces
    # One in a namespace stands for the global one.
    own = facts.objects("egress networks", namespace)
    networks = own or facts.objects("egress networks", LINKERD_EGRESS)
    if odd := [each for each in own if not listed or each["metadata"]["name"] != NAME]:
        return f"EgressNetwork {odd[0]['metadata']['name']} is not ours"
    if not networks:
        return "no EgressNetwork"
    if any((each.get("spec") or {}).get("trafficPolicy") != "Deny" for each in networks):
        return "its EgressNetwork allows"
    kind = facts.config.egress.network_policy_kind
    if facts.named(_PACKETS[kind], NETWORK_POLICY, namespace) is None:
        return f"no {kind} {NETWORK_POLICY}"
    wide = [
        each["metadata"]["name"]
        for each in facts.objects(_PACKETS["NetworkPolicy"], namespace)
        if each["metadata"]["name"] != NETWORK_POLICY and _lets_everything_out(each)
    ]
    return f"NetworkPolicy {wide[0]} lets packets out to every address" if wide else ""


def _lets_everything_out(policy: Manifest) -> bool:
    """True where a rule names no peers, or every address: policies add to one another."""
    for rule in (policy.get("spec") or {}).get("egress") or ():
        peers = rule.get("to") or ()
        blocks = [each["ipBlock"]["cidr"] for each in peers if "ipBlock" in each]
        if not peers or any(each.endswith("/0") for each in blocks):
            return True
    return False
