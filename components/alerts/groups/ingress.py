"""Rules about the ingress gateway: whether it serves, what it cannot ask, and ways round it.

Metrics: kube-state-metrics, and Envoy's own, https://www.envoyproxy.io/docs/envoy/latest/
configuration/upstream/cluster_manager/cluster_stats and .../http/http_filters/jwt_authn_filter.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.alerts.groups.model import Alert, Group, Setting
from components.names import LINKERD_INGRESS

_PAGE = "ingress"
_OURS = f'namespace="{LINKERD_INGRESS}"'


def ingress(setting: Setting) -> Group:
    """None where no gateway runs."""
    rules = _rules(setting) if setting.ingress else []
    return Group("linkerd-platform-ingress", rules)


def of_gateway(
    namespace: str, prefix: str, called: str, page: str, consequence: str
) -> Iterator[Alert]:
    """What the proxies of every Gateway can lack: pods, keys of tokens, the count of limits."""
    ours = f'namespace="{namespace}"'

    def grown(counter: str) -> str:
        return f"sum by (namespace) (increase({counter}{{{ours}}}[10m])) > 0"

    yield Alert(
        f"{prefix}Down",
        f"sum by (namespace) (kube_deployment_status_replicas_available{{{ours}}}) < 1",
        "critical",
        f"No pod of the {called} is available",
        consequence,
        page,
        for_=60,
    )
    yield Alert(
        f"{prefix}KeysMissing",
        grown("envoy_http_jwt_authn_jwks_fetch_failed"),
        "warning",
        f"The {called} cannot fetch the keys of tokens",
        "Those that it has go on to hold; a pod that begins now refuses every token.",
        page,
        for_=300,
    )
    yield Alert(
        f"{prefix}Uncounted",
        grown("envoy_cluster_ratelimit_error"),
        "warning",
        f"{{{{ $value | humanize }}}} requests to the {called} were not counted",
        "In 10 minutes. The service of global limits or its Redis does not answer; requests pass "
        "or are refused as `globalLimits.onFailure` says.",
        page,
    )


def _rules(setting: Setting) -> list[Alert]:
    inside = f'namespace=~"{"|".join(each.name for each in setting.meshed)}"'
    why = "Its clients are asked for no token and no certificate, and no rate holds for them."
    ways = [
        f'label_replace({series}, "object", "{kind.capitalize()} $1", "{kind}", "(.+)")'
        for kind, series in (
            ("service", f'kube_service_spec_type{{{inside},type=~"LoadBalancer|NodePort"}}'),
            ("ingress", f"kube_ingress_info{{{inside}}}"),
        )
    ]
    return [
        Alert(
            "LinkerdIngressBypassed",
            f"count by (namespace, object) ({' or '.join(ways)})",
            "warning",
            "The {{ $labels.object }} of {{ $labels.namespace }} is reached from outside past the "
            "gateway",
            why,
            _PAGE,
            for_=300,
        ),
        Alert(
            "LinkerdIngressCircuitOpen",
            "count by (namespace, envoy_cluster_name) "
            f"(envoy_cluster_outlier_detection_ejections_active{{{_OURS}}} > 0)",
            "warning",
            "{{ $value }} pods of the ingress gateway send nothing to "
            "{{ $labels.envoy_cluster_name }}",
            "Its answers were 5xx in a row (`breaker.failures`), and clients get 503 at once.",
            _PAGE,
            for_=60,
        ),
        *of_gateway(
            LINKERD_INGRESS,
            "LinkerdIngress",
            "ingress gateway",
            _PAGE,
            "Nothing is reached from outside.",
        ),
    ]
