"""The calls that proxies counted, from Prometheus.

Labels and names of the counters follow linkerd2-proxy linkerd/app/inbound/src/metrics/authz.rs; the
labels of workloads the scrape rules of linkerd2 viz/charts/linkerd-viz/templates/prometheus.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from bot.clients.prometheus import PrometheusApi, Sample
from bot.exit_codes import BotError
from bot.mesh.authorization.model import Call
from schema.values import Duration

# What Prometheus' labels call the kinds of workloads.
KINDS = ("deployment", "statefulset", "daemonset", "replicaset", "k8s_job")
COUNTERS = {
    "inbound_http_authz_allow_total": ("http", "allow"),
    "inbound_http_authz_deny_total": ("http", "deny"),
    "inbound_tcp_authz_allow_total": ("tcp", "allow"),
    "inbound_tcp_authz_deny_total": ("tcp", "deny"),
}
_LABELS = (
    "namespace", *KINDS, "target_port", "target_addr", "client_id", "tls",
    "authz_kind", "authz_name", "route_name",
)  # fmt: skip


def calls(prometheus: PrometheusApi, namespace: str, window: Duration) -> list[Call]:
    """Every call into a namespace within the time; raises PrometheusError and BotError.

    A TCP connection on which HTTP was spoken counts under HTTP alone: its requests say more.
    """
    found: list[Call] = []
    for counter, (protocol, outcome) in COUNTERS.items():
        samples = prometheus.query(expression(counter, namespace, window))
        found += [_call(sample, protocol, outcome) for sample in samples]
    return _merged(found)


def expression(counter: str, namespace: str, window: Duration) -> str:
    """How much a counter of a namespace grew, in PromQL.

    A client that called once makes a counter that is born at 1 and never grows, which `increase`
    takes for nothing: what was not there at the window's beginning counts whole.
    """
    series = f'{counter}{{namespace="{namespace}"}}'
    seconds = f"{window.seconds}s"
    born = f"max_over_time({series}[{seconds}]) unless {series} offset {seconds}"
    return f"sum by ({', '.join(_LABELS)}) (({born}) or (increase({series}[{seconds}]) > 0))"


def _call(sample: Sample, protocol: str, outcome: str) -> Call:
    labels = sample.labels
    kind = next((kind for kind in KINDS if labels.get(kind)), "")
    return Call(
        namespace=labels.get("namespace", ""),
        workload=(kind, labels.get(kind, "")),
        port=_port(labels),
        client=labels.get("client_id", "") if labels.get("tls") == "true" else "",
        protocol=protocol,
        outcome=outcome,
        authorization=f"{labels.get('authz_kind', '')}/{labels.get('authz_name', '')}",
        route=labels.get("route_name", ""),
        count=sample.value,
    )


def _port(labels: Mapping[str, str]) -> int:
    text = labels.get("target_port") or labels.get("target_addr", "").rpartition(":")[2]
    if not text.isdigit():
        raise BotError(
            "Prometheus has a counter of authorizations without target_addr: its relabelling "
            "drops labels of the proxies, which must stay"
        )
    return int(text)


def _merged(found: list[Call]) -> list[Call]:
    spoken = {(c.workload, c.port, c.client) for c in found if c.protocol == "http"}
    kept = [
        call
        for call in found
        if call.protocol == "http" or (call.workload, call.port, call.client) not in spoken
    ]
    made = []
    for _, group in groupby(sorted(kept)):
        same = list(group)
        total = sum(call.count for call in same)
        made.append(Call(**{**vars(same[0]), "count": total}))
    return made
