"""Rules about authorization policy and rate limits, as each inbound proxy counts them.

Metrics: linkerd2-proxy linkerd/app/inbound/src/metrics/authz.rs. A server without a policy of its
own has the kind `default`; its name is the namespace's default policy.
"""

from __future__ import annotations

from components.alerts.groups.model import Alert, Group, Setting, grown_in_proxies

_PAGE = "policy"
_SERVER = "namespace, srv_kind, srv_name, srv_port"
_WHERE = "{{ $labels.srv_kind }} {{ $labels.srv_name }}:{{ $labels.srv_port }} in "
_AUDIT = '{authz_name="audit"}'


def _either(window: int, *counters: str) -> str:
    """Growth of several counters together, of which each alone may be there."""
    return " or ".join(
        # Without a label of their own, `or` would drop the second of a server.
        f'label_replace(sum by ({_SERVER}) ({grown_in_proxies(counter, window)}), "counter", '
        f'"{i}", "", "")'
        for i, counter in enumerate(counters)
    )


def policy(setting: Setting) -> Group:
    """Denials, audit hits, rate limits."""
    limits = setting.thresholds
    denied = _either(
        300,
        "inbound_http_authz_deny_total",
        "inbound_tcp_authz_deny_total",
        "inbound_tcp_authz_terminate_total",
    )
    audited = _either(
        3600, f"inbound_http_authz_allow_total{_AUDIT}", f"inbound_tcp_authz_allow_total{_AUDIT}"
    )
    return Group(
        "linkerd-platform-policy",
        [
            Alert(
                "LinkerdAuthorizationDenied",
                f"sum by ({_SERVER}) ({denied}) > {limits.denials}",
                "warning",
                _WHERE + "{{ $labels.namespace }} denied {{ $value | humanize }} calls",
                "In 5 minutes. A client is missing in its policy, or somebody calls who should "
                "not.",
                _PAGE,
            ),
            Alert(
                "LinkerdAuditHits",
                f"sum by ({_SERVER}) ({audited}) > {limits.audit_hits}",
                "info",
                _WHERE + "{{ $labels.namespace }} would have denied {{ $value | humanize }} calls",
                "In one hour. Do not set the policy from audit to deny before these are allowed.",
                _PAGE,
            ),
            Alert(
                "LinkerdRateLimited",
                f"sum by ({_SERVER}, ratelimit_name) "
                f"({grown_in_proxies('inbound_http_local_ratelimit_total', 300)}) "
                f"> {limits.rate_limited}",
                "warning",
                _WHERE + "{{ $labels.namespace }} refused {{ $value | humanize }} requests",
                "In 5 minutes, by the rate limit {{ $labels.ratelimit_name }}.",
                _PAGE,
            ),
        ],
    )
