"""Reads what decides about requests from the API server, and what came of it from Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.clients.https import Client
from bot.clients.kubernetes import Manifest, list_objects
from bot.clients.prometheus import PrometheusApi, Sample
from bot.mesh.traffic.model import Figures, Key, TrafficObjects
from components.alerts.groups.traffic import TIMED_OUT
from schema.values import Duration

_GATEWAY = "/apis/gateway.networking.k8s.io/v1"
# Kinds that are not installed have no objects.
LISTS = {
    "http routes": f"{_GATEWAY}/httproutes",
    "grpc routes": f"{_GATEWAY}/grpcroutes",
    "service profiles": "/apis/linkerd.io/v1alpha2/serviceprofiles",
    "rollouts": "/apis/argoproj.io/v1alpha1/rollouts",
    "canaries": "/apis/flagger.app/v1beta1/canaries",
}
_DEPLOYMENTS = "/apis/apps/v1/deployments"
_FLAGGER = "app.kubernetes.io/name=flagger"
_PARENT = ("parent_namespace", "parent_name")
_BACKEND = ("backend_namespace", "backend_name")
_KINDS = ("http", "grpc")
_RETRY = "outbound_{}_route_retry"


def read(api: Client) -> TrafficObjects:
    """The objects of the whole cluster; raises Unreadable."""
    found: dict[str, Any] = {name: list_objects(api, path) for name, path in LISTS.items()}
    found["services"] = list_objects(api, "/api/v1/services")
    return objects(found, flagger(api))


def objects(found: Mapping[str, list[Manifest]], image: str | None = None) -> TrafficObjects:
    """The objects of lists by name."""
    routes = [
        {"kind": kind, **each}
        for kind, name in (("HTTPRoute", "http routes"), ("GRPCRoute", "grpc routes"))
        for each in found[name]
    ]
    return TrafficObjects(
        services=found["services"],
        routes=routes,
        profiles=found["service profiles"],
        rollouts=found["rollouts"],
        canaries=found["canaries"],
        flagger=image,
    )


def flagger(api: Client) -> str | None:
    """The image of Flagger, where its Deployment has the label of its chart."""
    for each in list_objects(api, _DEPLOYMENTS, label=_FLAGGER):
        for container in each["spec"]["template"]["spec"]["containers"]:
            if "flagger" in container.get("image", ""):
                return str(container["image"])
    return None


def figures(prometheus: PrometheusApi, window: Duration) -> Figures:
    """What proxies counted in the window; raises PrometheusError.

    The series of retries are there once a route has them, those of limits once one is hit.
    """
    endpoints = "outbound_http_balancer_endpoints"
    by_pod = f"namespace, pod, {', '.join(_BACKEND)}"
    shut = (
        f"count by ({', '.join(_BACKEND)}) "
        f'(sum by ({by_pod}) ({endpoints}{{endpoint_state="ready"}}) == 0 '
        f'and sum by ({by_pod}) ({endpoints}{{endpoint_state="pending"}}) > 0)'
    )
    states = {
        state: _by(
            prometheus.query(
                f'sum by ({", ".join(_BACKEND)}) ({endpoints}{{endpoint_state="{state}"}})'
            ),
            _BACKEND,
        )
        for state in ("ready", "pending")
    }
    ready, pending = states["ready"], states["pending"]
    out = {key: (number, number + ready.get(key, 0.0)) for key, number in pending.items() if number}
    return Figures(
        window=str(window),
        retried=_routes(prometheus, _RETRY + "_requests_total", window),
        recovered=_routes(prometheus, _RETRY + "_successes_total", window),
        exhausted=_routes(prometheus, _RETRY + "_limit_exceeded_total", window),
        overflowed=_routes(prometheus, _RETRY + "_overflow_total", window),
        timed_out=_routes(prometheus, TIMED_OUT, window),
        shut=_by(prometheus.query(shut), _BACKEND),
        out=out,
        limited=_grown(
            prometheus, "inbound_http_local_ratelimit_total", ("namespace", "srv_name"), window
        ),
    )


def _routes(prometheus: PrometheusApi, name: str, window: Duration) -> dict[Key, float]:
    made: dict[Key, float] = {}
    for kind in _KINDS:
        for key, number in _grown(prometheus, name.format(kind), _PARENT, window).items():
            made[key] = made.get(key, 0.0) + number
    return made


def _grown(
    prometheus: PrometheusApi, series: str, labels: tuple[str, str], window: Duration
) -> dict[Key, float]:
    """By how much a counter grew; one that began within the window counts whole."""
    seconds = f"{window.seconds}s"
    born = f"max_over_time({series}[{seconds}]) unless {series} offset {seconds}"
    expression = f"sum by ({', '.join(labels)}) (({born}) or (increase({series}[{seconds}]) > 0))"
    return _by(prometheus.query(expression), labels)


def _by(samples: list[Sample], labels: tuple[str, str]) -> dict[Key, float]:
    return {
        (each.labels.get(labels[0], ""), each.labels.get(labels[1], "")): each.value
        for each in samples
    }
