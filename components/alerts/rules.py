"""Rules of the section `observability`. Each gives every fault it finds."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Protocol

from components.alerts import component as rules
from components.alerts.arguments import HasAlerts, setting
from components.alerts.groups.slo import BUCKETS
from components.alerts.section import ThresholdsSection
from components.cluster import needs_a_cluster
from components.trust import HasTrust
from schema.faults import Fault
from schema.values import Duration, shown
from schema.yaml_file import Path_

_ALERTS = ("observability", "alerts")
_THRESHOLDS = (*_ALERTS, "thresholds")
_OBJECTIVES = (*_ALERTS, "objectives")
# Below a minute an alert fires at one scrape that is missed.
# Labels by which the queries select or group: one of them cannot tell clusters apart.
OWN_LABELS = frozenset(
    {
        *("namespace", "pod", "container", "deployment", "statefulset", "daemonset", "workload"),
        *("name", "le", "tls", "direction", "version", "generation", "condition", "status"),
        *("classification", "authz_name", "srv_kind", "alertstate", "environment", "phase"),
    }
)
_WAITS = (Duration(60), Duration(30 * 86400))
_WAITING = (
    "renewal_overdue",
    "leaf_overdue",
    "settle",
    "issuer_reload",
    "not_ready",
    "unmeshed",
    "old_proxies",
    "no_ready_endpoint",
    "gateway_down",
    "metrics_missing",
)
# A proxy asks for its next leaf after 70 per cent: linkerd2-proxy
# linkerd/proxy/identity-client/src/certify.rs.
_LEAF_LEFT = 0.3


class _Config(HasAlerts, HasTrust, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `observability.alerts`.

    - `observability.alerts` that are not `off` need `runbooks`; `disabled` names alerts that there
      are; `clusterLabel` is none of the metrics' own labels. `issuerLeft`, `webhookLeft` and
      `leafLeft` are shorter than what is left at a renewal, the last together with `leafOverdue`,
      and `anchorCritical` than `anchorWarning`, which is shorter than each trusted anchor's
      lifetime. Times for which something may last are 1m to 30d; `quorum` is at most
      `linkerd.replicas`.
    """
    alerts = config.observability.alerts
    yield from needs_a_cluster(config, {_ALERTS: alerts.form != "off"})
    if alerts.form != "off" and alerts.runbooks is None:
        yield Fault(
            (*_ALERTS, "runbooks"),
            "missing: every alert links to its page; write the address at which "
            "docs/runbooks/alerts is read, such as https://git.example.com/platform/runbooks/alerts",
            looks_at=((*_ALERTS, "form"),),
        )
    yield from _disabled(config)
    yield from of_the_metrics((*_ALERTS, "clusterLabel"), alerts.cluster_label)
    yield from _waits(alerts.thresholds)
    yield from _certificates(config)
    yield from _quorum(config)
    yield from _objectives(config)


def _disabled(config: _Config) -> Iterator[Fault]:
    every = setting(config).model_copy(update={"absent": ()})
    known = rules.names(rules.groups(every))
    # Left out of the rules where no namespace is meshed by the plan, and a name all the same.
    known.add("LinkerdPodsUnmeshed")
    for index, name in enumerate(config.observability.alerts.disabled):
        if name not in known:
            alert, _, source = name.partition(":")
            if source and alert in known:
                hint = f"is one of {alert}: write absent: [{source}], which leaves that one out"
                yield Fault((*_ALERTS, "disabled", index), f"{shown(name)} {hint}")
                continue
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(known))}"
            yield Fault((*_ALERTS, "disabled", index), f"{shown(name)} is no alert; {hint}")


def of_the_metrics(path: Path_, label: str | None) -> Iterator[Fault]:
    """A fault for a label that cannot tell clusters apart."""
    if label in OWN_LABELS:
        yield Fault(
            path,
            f"{label} is a label of the metrics themselves: write the external label of your "
            "clusters, such as cluster",
        )


def _waits(limits: ThresholdsSection) -> Iterator[Fault]:
    low, high = _WAITS
    for name in _WAITING:
        value = getattr(limits, name)
        if not low <= value <= high:
            yield Fault((*_THRESHOLDS, limits.key_of(name)), f"{value}: write {low} to {high}")


def _certificates(config: _Config) -> Iterator[Fault]:
    """A threshold above what is left at every renewal is an alert that never ends."""
    limits, trust = config.observability.alerts.thresholds, config.trust
    issuer, webhooks = ("trust", "issuer"), ("trust", "webhooks")
    if limits.anchor_critical >= limits.anchor_warning:
        yield Fault(
            (*_THRESHOLDS, "anchorCritical"),
            f"{limits.anchor_critical} must be shorter than anchorWarning "
            f"({limits.anchor_warning})",
            looks_at=((*_THRESHOLDS, "anchorWarning"),),
        )
    leaf = Duration(int(trust.issuer.leaf_lifetime.seconds * _LEAF_LEFT))
    bounds: list[tuple[str, Duration, str, Path_]] = [
        ("issuerLeft", trust.issuer.renew_before, "renewBefore", (*issuer, "renewBefore")),
        ("webhookLeft", trust.webhooks.renew_before, "renewBefore", (*webhooks, "renewBefore")),
        ("leafLeft", leaf, "what is left when a proxy renews", (*issuer, "leafLifetime")),
    ]
    values = (limits.issuer_left, limits.webhook_left, limits.leaf_left)
    used = config.observability.alerts.form != "off"
    for value, (key, bound, what, other) in zip(values, bounds, strict=True):
        if used and value >= bound:
            yield Fault(
                (*_THRESHOLDS, key),
                f"{value} must be shorter than {what} ({bound}), else the alert never ends",
                looks_at=(other,),
            )
    together = limits.leaf_overdue.seconds + limits.leaf_left.seconds
    if used and limits.leaf_left < leaf and together >= leaf.seconds:
        yield Fault(
            (*_THRESHOLDS, "leafOverdue"),
            f"{limits.leaf_overdue} and leafLeft ({limits.leaf_left}) must together be shorter "
            f"than what is left when a proxy renews ({leaf}), else it is urgent at once",
            looks_at=((*_THRESHOLDS, "leafLeft"), (*issuer, "leafLifetime")),
        )
    for index, generation in enumerate(trust.generations):
        if used and not generation.retired and generation.lifetime <= limits.anchor_warning:
            yield Fault(
                (*_THRESHOLDS, "anchorWarning"),
                f"{limits.anchor_warning} must be shorter than the lifetime of {generation.name!r} "
                f"({generation.lifetime}), else the alert never ends",
                looks_at=(("trust", "generations", index, "lifetime"),),
            )


def _quorum(config: _Config) -> Iterator[Fault]:
    quorum = config.observability.alerts.thresholds.quorum
    if quorum is not None and quorum > config.linkerd.replicas:
        yield Fault(
            (*_THRESHOLDS, "quorum"),
            f"{quorum} is more than linkerd.replicas ({config.linkerd.replicas}): write at most "
            "that",
            looks_at=(("linkerd", "replicas"),),
        )


def _objectives(config: _Config) -> Iterator[Fault]:
    section = config.observability.alerts.objectives
    yield from _bucket((*_OBJECTIVES, "latency"), section.latency)
    seen: list[tuple[str, str]] = []
    for index, each in enumerate(section.workloads):
        path = (*_OBJECTIVES, "workloads", index)
        key = (each.namespace, each.workload)
        if key in seen:
            message = f"{each.namespace}/{each.workload} is listed twice: keep one"
            yield Fault((*path, "workload"), message)
        seen.append(key)
        if (each.success, each.latency, each.fast) == (None, None, None):
            yield Fault(path, "says nothing: write success, latency or fast, or remove it")
        if each.latency is not None:
            yield from _bucket((*path, "latency"), each.latency)


def _bucket(path: Path_, latency: int) -> Iterator[Fault]:
    if latency not in BUCKETS:
        nearest = min(BUCKETS, key=lambda bucket: (abs(bucket - latency), bucket))
        yield Fault(path, f"{latency} is no bucket of the proxy's histogram: write {nearest}")
