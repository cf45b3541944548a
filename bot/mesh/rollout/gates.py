"""What must hold in the waves that are in: requests, restarts, and the injector's failures."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

from bot.clients.prometheus import PrometheusApi
from bot.mesh.rollout.model import RolloutState
from components.rollout.section import Gates
from schema.values import Duration

# linkerd2 web docs/reference/proxy-metrics: what a proxy answered for its own workload.
_REQUESTS = 'response_total{direction="inbound"%s}'
_LATENCY = 'response_latency_ms_bucket{direction="inbound"}'
_INJECTOR = '{name="linkerd-proxy-injector.linkerd.io"}'
API_SERVER = (
    "apiserver_admission_webhook_rejection_count",
    "apiserver_admission_webhook_fail_open_count",
)


def success_rate(window: Duration) -> str:
    """The query for the share of requests per namespace that a proxy has answered well, 0 to 1.

    No series for a namespace without requests; 0 for one in which nothing succeeds, whose counter
    of successes may not be there at all.
    """
    good, every = (
        f"sum by (namespace) (rate({_REQUESTS % more}[{window.seconds}s]))"
        for more in (',classification="success"', "")
    )
    return f"({good} or 0 * {every}) / ({every} > 0)"


def latency(window: Duration) -> str:
    """The query for the 95th percentile of the latency per namespace, in milliseconds."""
    rates = f"sum by (namespace, le) (rate({_LATENCY}[{window.seconds}s]))"
    return f"histogram_quantile(0.95, {rates})"


def webhook_failures(metric: str, window: Duration) -> str:
    """The query for the increase of one of `API_SERVER` for the injector's webhook."""
    return f"sum(increase({metric}{_INJECTOR}[{window.seconds}s]))"


@dataclass(frozen=True)
class GateResult:
    """What a gate found in a namespace; holds: False speaks against the next wave."""

    namespace: str
    text: str
    holds: bool


def look(
    gates: Gates, seen: RolloutState, namespaces: Collection[str], prometheus: PrometheusApi | None
) -> list[GateResult]:
    """Every gate for these namespaces; raises PrometheusError.

    Without a Prometheus requests are not looked at, which is said and does not speak against.
    """
    found = [*_restarts(gates, seen, namespaces), *_failures(gates, seen, namespaces)]
    if prometheus:
        found += [*_requests(gates, namespaces, prometheus), *_webhook(gates, prometheus)]
    else:
        text = "success rate and latency were not looked at: set viz.prometheusUrl or --prometheus"
        found.append(GateResult("", text, holds=True))
    return found


def _restarts(
    gates: Gates, seen: RolloutState, namespaces: Collection[str]
) -> Iterator[GateResult]:
    since = seen.now - timedelta(seconds=gates.window.seconds)
    for pod in seen.pods:
        lately = pod.recent is not None and pod.recent >= since
        if pod.namespace in namespaces and lately and pod.restarts > gates.restarts:
            text = (
                f"pod {pod.name} restarted {pod.restarts} times, last within {gates.window} "
                f"(tolerated: {gates.restarts})"
            )
            yield GateResult(pod.namespace, text, holds=False)


def _failures(
    gates: Gates, seen: RolloutState, namespaces: Collection[str]
) -> Iterator[GateResult]:
    for namespace in sorted(namespaces):
        count = seen.failures.get(namespace, 0)
        if count > gates.injector_failures:
            text = f"the injector failed {count} times for pods that were to be made"
            yield GateResult(namespace, text, holds=False)


def _requests(
    gates: Gates, namespaces: Collection[str], prometheus: PrometheusApi
) -> Iterator[GateResult]:
    rates = _by_namespace(prometheus, success_rate(gates.window))
    latencies = _by_namespace(prometheus, latency(gates.window))
    for namespace in sorted(namespaces):
        if namespace not in rates:
            yield GateResult(namespace, f"had no request in {gates.window}", holds=True)
            continue
        rate = 100 * rates[namespace]
        text = f"success rate {rate:.2f} % (least: {gates.success_rate} %)"
        yield GateResult(namespace, text, holds=rate >= gates.success_rate)
        if namespace in latencies:
            slow = latencies[namespace]
            text = f"95th percentile {slow:.0f} ms (greatest: {gates.latency_p95} ms)"
            yield GateResult(namespace, text, holds=slow <= gates.latency_p95)


def _by_namespace(prometheus: PrometheusApi, expression: str) -> dict[str, float]:
    found = prometheus.query(expression)
    return {each.labels.get("namespace", ""): each.value for each in found}


def _webhook(gates: Gates, prometheus: PrometheusApi) -> Iterator[GateResult]:
    """What the API server counts of the injector's webhook, for every namespace together."""
    for name in API_SERVER:
        for sample in prometheus.query(webhook_failures(name, gates.window)):
            if sample.value > gates.injector_failures:
                text = f"the API server counts {sample.value:.0f} of {name} for the injector"
                yield GateResult("", text, holds=False)
