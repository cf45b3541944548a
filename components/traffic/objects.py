"""The objects that routes, retries, time-outs and breakers are made of, as functions of dicts.

https://linkerd.io/2/reference/httproute/, /grpcroute/, /retries/, /timeouts/ and
/circuit-breaking/. Everything that has a default is written in full: what the API server fills in
would be a difference with each preview.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.base import Manifest
from components.policy.objects import GATEWAY
from components.rollout.component import FIELD_MANAGER
from components.traffic.matches import backends, matches, with_rest
from components.traffic.section import (
    Breaker,
    HeaderChanges,
    LoadBias,
    PortTraffic,
    Redirect,
    Retries,
    ServiceTraffic,
    Timeouts,
    TrafficRoute,
)
from components.traffic.values import READS, RULES

_ACCRUAL = "balancer.linkerd.io/failure-accrual"
_ALPHA = "balancer.alpha.linkerd.io"
# The names of a route's rules in their order: rules have none in every channel of the Gateway API.
NAMES = "linkerd-platform.io/routes"


def route_name(service: str, port: int) -> str:
    """Name of a port's route; with a dot, which no route of a policy has."""
    return f"{service}.{port}"


def routes(namespace: str, service: str, port: PortTraffic) -> list[Manifest]:
    """The routes of a port, the one that takes every request first.

    An annotation holds for a route with all of its rules. So where bodies are not sent twice, what
    has none is a route of its own, and its matches of a method are more specific than the others'.
    """
    name, whole = route_name(service, port.port), with_rest(port)
    if port.retries is None or port.retries.bodies:
        return [_route(namespace, service, name, port, whole, port.retries)]
    writes = [each for each in map(_without_reads, whole) if each is not None]
    reads = [each for each in map(_reads, whole) if each is not None]
    return [
        _route(namespace, service, name, port, writes, None),
        _route(namespace, service, f"{name}.reads", port, reads, port.retries),
    ]


def _without_reads(route: TrafficRoute) -> TrafficRoute | None:
    """A route without the methods that `_reads` has; None where it has no other."""
    if not route.methods:
        return route
    left = tuple(each for each in route.methods if each not in READS)
    return route.model_copy(update={"methods": left}) if left else None


def _reads(route: TrafficRoute) -> TrafficRoute | None:
    left = tuple(each for each in route.methods or READS if each in READS)
    return route.model_copy(update={"methods": left}) if left else None


def _route(
    namespace: str,
    service: str,
    name: str,
    port: PortTraffic,
    parts: Sequence[TrafficRoute],
    retries: Retries | None,
) -> Manifest:
    grpc = port.protocol == "grpc"
    made = [_rule(namespace, service, port, each) for each in parts]
    annotations = {
        NAMES: ",".join(each.name for each in parts),
        **_timeouts(port.timeouts),
        **(_retries(retries, grpc=grpc) if retries else {}),
    }
    if port.delivery == "argo":
        digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
        annotations[RULES] = digest[:16]
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    parent = {"group": "", "kind": "Service", "namespace": namespace, "name": service}
    return {
        "apiVersion": f"{GATEWAY}/v1",
        "kind": "GRPCRoute" if grpc else "HTTPRoute",
        "metadata": metadata,
        # Without a port it would be for every one, and for an EgressNetwork of the same name.
        "spec": {"parentRefs": [{**parent, "port": port.port}], "rules": made},
    }


def _rule(namespace: str, service: str, port: PortTraffic, route: TrafficRoute) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if found := matches(route, port.protocol):
        rule["matches"] = found
    filters = [
        *_header_filter("RequestHeaderModifier", route.request_headers),
        *_header_filter("ResponseHeaderModifier", route.response_headers),
        *(_redirect_filter(route.redirect) if route.redirect else ()),
    ]
    if filters:
        rule["filters"] = filters
    if to := backends(route, namespace, service, port.port):
        rule["backendRefs"] = [
            {
                "group": "",
                "kind": "Service",
                "namespace": where,
                "name": name,
                "port": at,
                "weight": weight,
            }
            for where, name, at, weight in to
        ]
    return rule


def _header_filter(kind: str, changes: HeaderChanges) -> list[dict[str, Any]]:
    if not changes:
        return []
    made: dict[str, Any] = {}
    for key, headers in (("set", changes.set_), ("add", changes.add)):
        if headers:
            made[key] = [{"name": name, "value": value} for name, value in headers.items()]
    if changes.remove:
        made["remove"] = list(changes.remove)
    return [{"type": kind, f"{kind[0].lower()}{kind[1:]}": made}]


def _redirect_filter(redirect: Redirect) -> list[dict[str, Any]]:
    made: dict[str, Any] = {"statusCode": redirect.status}
    named = {"scheme": redirect.scheme, "hostname": redirect.host, "port": redirect.port}
    made |= {key: value for key, value in named.items() if value is not None}
    if redirect.path:
        made["path"] = {"type": "ReplaceFullPath", "replaceFullPath": redirect.path}
    elif redirect.prefix:
        made["path"] = {"type": "ReplacePrefixMatch", "replacePrefixMatch": redirect.prefix}
    return [{"type": "RequestRedirect", "requestRedirect": made}]


def _timeouts(timeouts: Timeouts) -> dict[str, str]:
    """As annotations: of the field Linkerd drops in silence what it cannot read."""
    named = {
        "request": timeouts.request,
        "response": timeouts.response,
        "idle": timeouts.idle,
    }
    return {f"timeout.linkerd.io/{key}": value for key, value in named.items() if value}


def _retries(retries: Retries, *, grpc: bool) -> dict[str, str]:
    made = {
        # Without blanks: Linkerd drops the whole of it for one.
        f"retry.linkerd.io/{'grpc' if grpc else 'http'}": ",".join(retries.on),
        "retry.linkerd.io/limit": str(retries.times),
    }
    return made | ({"retry.linkerd.io/timeout": retries.timeout} if retries.timeout else {})


def service_patch(namespace: str, service: str, traffic: ServiceTraffic) -> Manifest | None:
    """The annotations of a Service that are ours, and nothing else of it; None without any.

    The Service is another's: it is patched by server-side apply, and stays on destroy.
    """
    annotations = {
        **(_breaker(traffic.breaker) if traffic.breaker else {}),
        **(_load_bias(traffic.load_bias) if traffic.load_bias else {}),
    }
    if not annotations:
        return None
    ours: Mapping[str, str] = {
        "pulumi.com/patchFieldManager": FIELD_MANAGER,
        "pulumi.com/patchForce": "true",
    }
    metadata = {"name": service, "namespace": namespace, "annotations": {**annotations, **ours}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


def _breaker(breaker: Breaker) -> dict[str, str]:
    consecutive, rate = f"{_ACCRUAL}-consecutive", f"{_ALPHA}/failure-accrual-success-rate"
    made = {
        _ACCRUAL: breaker.mode,
        f"{consecutive}-max-failures": str(breaker.failures),
        f"{consecutive}-min-penalty": breaker.penalty,
        f"{consecutive}-max-penalty": breaker.max_penalty,
        f"{consecutive}-jitter-ratio": f"{breaker.jitter / 100:g}",
    }
    if breaker.mode == "unified":
        made[f"{rate}-threshold"] = f"{(breaker.success_rate or 80) / 100:g}"
        made[f"{rate}-window"] = breaker.window or "10s"
        made[f"{rate}-min-requests"] = str(breaker.least_requests or 5)
    return made


def _load_bias(bias: LoadBias) -> dict[str, str]:
    return {
        f"{_ALPHA}/penalize-failures": "true",
        f"{_ALPHA}/load-biaser-penalty": bias.penalty,
        f"{_ALPHA}/load-biaser-max-retry-after": bias.max_retry_after,
    }
