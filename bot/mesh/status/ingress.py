"""The ingress gateway: whether Envoy Gateway takes what the program made, and ways round it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bot.clients.kubernetes import Manifest
from bot.mesh.status.facts import Facts
from bot.mesh.status.gateways import not_true, reasons, refused
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import bot_up, labels, some
from components.envoy_gateway import ENVOY, GATEWAY
from components.ingress import arguments
from components.ingress.routes import backend_traffic_policy, security_policy
from components.ingress.rules import HTTP_LISTENER
from components.names import INGRESS, LINKERD_INGRESS
from components.rollout import plan

Selector = Mapping[str, str]
SUBJECT = Subject("ingress")
_GATEWAY = f"/apis/{GATEWAY}/v1"
_ENVOY = f"/apis/{ENVOY}/v1alpha1"
_PLACE = f"namespaces/{LINKERD_INGRESS}"
# Kinds that are not installed have no objects.
LISTS = {
    "gateways": f"{_GATEWAY}/{_PLACE}/gateways",
    "ingress routes": f"{_GATEWAY}/{_PLACE}/httproutes",
    "security policies": f"{_ENVOY}/{_PLACE}/securitypolicies",
    "traffic policies": f"{_ENVOY}/{_PLACE}/backendtrafficpolicies",
    "client policies": f"{_ENVOY}/{_PLACE}/clienttrafficpolicies",
    "ingresses": "/apis/networking.k8s.io/v1/ingresses",
}
_RUNBOOK = "docs/runbooks/ingress.md"
_OUTSIDE = ("LoadBalancer", "NodePort")


def _off(facts: Facts) -> str | None:
    return None if facts.config.ingress.enabled else "ingress is off (ingress.enabled)"


@SUBJECT.check("gateway", running=True, off=_off)
def gateway(facts: Facts) -> CheckResult:
    """The Gateway has an address, and each listener a certificate and its policy for clients."""
    found = facts.named("gateways", INGRESS, LINKERD_INGRESS)
    if found is None:
        return fail(f"no Gateway {LINKERD_INGRESS}/{INGRESS}", bot_up(facts))
    status = found.get("status") or {}
    if why := not_true(status, "Accepted", "Programmed"):
        return fail(why, _RUNBOOK)
    odd: dict[str, str] = {}
    for name in (HTTP_LISTENER, *(each.name for each in facts.config.ingress.listeners)):
        # Without it nobody is asked for a certificate; refused, every route answers 500.
        if why := refused(facts.named("client policies", name, LINKERD_INGRESS)):
            odd[name] = f"policy of its clients: {why}"
    for each in status.get("listeners") or ():
        if why := not_true(each, "Programmed", "ResolvedRefs"):
            odd[each["name"]] = why
    if odd:
        return fail(f"listeners that do not act as written: {reasons(odd)}", _RUNBOOK)
    return ok(f"{len(status.get('listeners') or ())} listeners")


@SUBJECT.check("routes", running=True, off=_off)
def routes(facts: Facts) -> CheckResult:
    """Envoy Gateway has accepted each route of the stack file, with its policies."""
    odd: dict[str, str] = {}
    wanted = arguments.routes(facts.config)
    for args in wanted:
        name = args.route.name
        kinds = {
            "ingress routes": True,
            "security policies": security_policy(args) is not None,
            "traffic policies": backend_traffic_policy(args.route) is not None,
        }
        for kind, made in kinds.items():
            if made and (why := refused(facts.named(kind, name, LINKERD_INGRESS))):
                odd[f"{name} ({kind})"] = why
                break
    if odd:
        return fail(f"do not act as written: {reasons(odd)}", _RUNBOOK)
    return ok(f"{len(wanted)} accepted")


@SUBJECT.check("ways-round", off=_off)
def ways_round(facts: Facts) -> CheckResult:
    """No Service and no Ingress of a namespace in the mesh is reached from outside by itself."""
    inside = {each.name for wave, each in plan.named(facts.config) if wave.state != "off"}
    behind = facts.config.ingress.exposed() if facts.config.ingress.managed else {}
    found = dict(_ways(facts, inside))
    closed = {key for key in found if found[key] & set(behind)}
    if closed:
        return fail(f"go round the gateway: {some(closed)}", f"{_RUNBOOK}#a-way-round-the-gateway")
    if found:
        return warn(
            f"are reached without the gateway: {some(found)}", f"{_RUNBOOK}#a-way-round-the-gateway"
        )
    return ok(f"{len(inside)} namespaces have no other way in")


def _ways(facts: Facts, inside: set[str]) -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """What is reached from outside, and the Services that it leads to."""
    for each in facts.objects("services"):
        namespace, name = _key(each)
        spec = each.get("spec") or {}
        if namespace in inside and (spec.get("type") in _OUTSIDE or spec.get("externalIPs")):
            # Another Service of one of its pods leads to the same workload.
            pods = [labels(pod) for pod in facts.objects("pods", namespace)]
            same = {
                _key(other)
                for other in facts.objects("services", namespace)
                if _meet(spec.get("selector"), (other.get("spec") or {}).get("selector"), pods)
            }
            yield f"{namespace}/{name} ({spec.get('type')})", {(namespace, name), *same}
    for each in facts.objects("ingresses"):
        namespace, name = _key(each)
        if namespace in inside:
            to = {(namespace, to) for to in _backends(each.get("spec") or {})}
            yield f"{namespace}/{name} (Ingress)", to


def _meet(one: Selector | None, other: Selector | None, pods: Iterable[Mapping[str, str]]) -> bool:
    """Whether two selectors of Services are the same, or lead to a pod that both have."""
    if not one or not other:
        return False
    return one == other or any(one.items() | other.items() <= pod.items() for pod in pods)


def _backends(spec: Manifest) -> Iterator[str]:
    every = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or ():
        every += [path["backend"] for path in (rule.get("http") or {}).get("paths") or ()]
    yield from (each["service"]["name"] for each in every if "service" in each)


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
