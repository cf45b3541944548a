"""The section about alerts: their thresholds, and objectives of meshed workloads."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from schema.section import Section
from schema.values import Duration, HttpUrl, Name, Replicas, ValueKind, shown
from schema.words import LabelKey, LabelValue

Events = Annotated[int, Field(ge=0, le=1000000)]
Bucket = Annotated[int, Field(ge=1, le=50000)]
Rate = Annotated[int, Field(ge=1, le=1000000)]
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OBJECTIVE = re.compile(r"[0-9]{2}(\.[0-9]{1,3})?")


def objective(text: str) -> str:
    """Per cent from 50 to 99.999, such as `99.9`; raises ValueError otherwise."""
    if _OBJECTIVE.fullmatch(text) and 50 <= float(text) < 100:
        return text
    raise ValueError(
        f"{shown(text)} is no objective: write per cent from 50 to 99.999, such as 99.9"
    )


def metric_label(text: str) -> str:
    """The name of a label of Prometheus; raises ValueError otherwise.

    https://prometheus.io/docs/concepts/data_model/
    """
    if _LABEL_NAME.fullmatch(text) and not text.startswith("__"):
        return text
    raise ValueError(f"{shown(text)} is no label of a metric: write it like cluster")


MetricLabel = Annotated[str, AfterValidator(metric_label), ValueKind("metric label")]
Source = Literal[
    "linkerd-identity",
    "linkerd-proxy",
    "cert-manager",
    "external-secrets",
    "kube-state-metrics",
    "kube-apiserver",
]


def _number_as_text(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number else value


PerCent = Annotated[
    str, BeforeValidator(_number_as_text), AfterValidator(objective), ValueKind("per cent", "99.9")
]


def _days(days: int) -> Duration:
    return Duration(days * 86400)


def _minutes(minutes: int) -> Duration:
    return Duration(minutes * 60)


class ThresholdsSection(Section):
    """When an alert fires."""

    anchor_warning: Duration = Field(
        _days(180), description="Time left to a trust anchor at which its rotation must begin."
    )
    anchor_critical: Duration = Field(
        _days(60), description="Time left to a trust anchor at which somebody is called."
    )
    issuer_left: Duration = Field(
        Duration(12 * 3600), description="Time left to the identity issuer, as identity has it."
    )
    renewal_overdue: Duration = Field(
        _minutes(60), description="Time by which the renewal of a certificate may be late."
    )
    issuer_reload: Duration = Field(
        _minutes(30), description="Time that identity has to take up a renewed issuer."
    )
    webhook_left: Duration = Field(_days(1), description="Time left to a webhook certificate.")
    leaf_left: Duration = Field(
        Duration(2 * 3600),
        description="Time left to the certificate of a proxy: less than after two attempts, which "
        "is 9 per cent of `trust.issuer.leafLifetime`.",
    )
    leaf_overdue: Duration = Field(
        _minutes(30), description="Time by which the renewal of a proxy's certificate may be late."
    )
    settle: Duration = Field(
        _minutes(5),
        description="Time that a fault of certificates or of the control plane's replicas must "
        "last.",
    )
    not_ready: Duration = Field(
        _minutes(15),
        description="Time that a certificate, secret, store or operator may not be ready.",
    )
    secret_errors: Events = Field(
        3, description="Failed readings of an ExternalSecret in 15 minutes."
    )
    sync_errors: Events = Field(
        50, description="Errors of one of cert-manager's controllers in 15 minutes."
    )
    quorum: Replicas | None = Field(
        None,
        description="Least ready replicas of a control plane Deployment; without it more than "
        "half.",
    )
    injector_rejections: Events = Field(
        0, description="Requests refused for the injector's sake in 10 minutes."
    )
    unmeshed: Duration = Field(
        _minutes(15),
        description="Time that a pod of a namespace of a wave that is `on` may run without a "
        "proxy.",
    )
    old_proxies: Duration = Field(
        _days(7), description="Time that proxies may be of another version than the control plane."
    )
    denials: Events = Field(10, description="Denied calls at one port of a Server in 5 minutes.")
    audit_hits: Events = Field(
        0, description="Calls at one port of a Server in one hour that `deny` would have denied."
    )
    rate_limited: Events = Field(
        100, description="Requests over a rate limit at one port of a Server in 5 minutes."
    )
    timed_out: Events = Field(
        100, description="Requests to one service that clients' proxies timed out in 5 minutes."
    )
    retries_failed: Events = Field(
        100,
        description="Requests to one service in 5 minutes that still failed after their last "
        "retry, or were not sent again because no pod was ready.",
    )
    no_ready_endpoint: Duration = Field(
        _minutes(5), description="Time that a backend may have no ready endpoint."
    )
    gateway_down: Duration = Field(
        _minutes(5), description="Time that the gateway of another cluster may be away."
    )
    metrics_missing: Duration = Field(
        _minutes(15), description="Time that Prometheus may have no metrics of a source."
    )


class WorkloadObjective(Section):
    """The objectives of one workload; what is left out is as for all."""

    namespace: Name = Field(description="Its namespace.")
    workload: Name = Field(
        description="Its name: of the Deployment, StatefulSet, DaemonSet, Job or CronJob."
    )
    success: PerCent | None = Field(
        None, description="Per cent of its requests that must not fail."
    )
    latency: Bucket | None = Field(
        None, description="Milliseconds that a request may take, a bucket as above."
    )
    fast: PerCent | None = Field(
        None, description="Per cent of its requests that must take no longer."
    )


class ObjectivesSection(Section):
    """Service level objectives of meshed workloads, over 30 days."""

    success: PerCent = Field("99.9", description="Per cent of the requests that must not fail.")
    latency: Bucket = Field(
        1000,
        description="Milliseconds that a request may take: a bucket of the proxy's histogram, "
        "1 to 5 times 1, 10, 100, 1000 or 10000.",
    )
    fast: PerCent = Field("99", description="Per cent of the requests that must take no longer.")
    least_requests: Rate = Field(
        100, description="Requests an hour below which a workload raises no such alert."
    )
    workloads: tuple[WorkloadObjective, ...] = Field(
        (), description="Workloads with objectives of their own."
    )


class AlertsSection(Section):
    """Alert and recording rules."""

    form: Literal["off", "prometheus-rule", "file"] = Field(
        "off",
        description="`prometheus-rule`: objects for prometheus-operator, whose CRDs must be there. "
        "`file`: ConfigMaps with rules files. In quotes: YAML takes a bare `off` for something "
        "else.",
    )
    namespace: Name = Field(
        "linkerd", description="Namespace of these objects, which must be there."
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels of these objects, by which a Prometheus selects them."
    )
    runbooks: HttpUrl | None = Field(
        None,
        description="Address at which docs/runbooks/alerts is read; each alert links to its page "
        "there.",
    )
    disabled: tuple[str, ...] = Field((), description="Names of alerts that are left out.")
    absent: tuple[Source, ...] = Field(
        (),
        description="Sources whose metrics this Prometheus never has, such as `kube-apiserver` "
        "where a provider hides it: what reads them is left out, and nobody is warned of it.",
    )
    cluster_label: MetricLabel | None = Field(
        None,
        description="Label that tells apart the clusters of the Prometheus, Thanos or Mimir that "
        "evaluates the rules, such as `cluster`: every selector then has it, with "
        "`cluster.name`, and so has what is recorded. Not for a Prometheus of this cluster alone, "
        "whose own series lack its external labels.",
    )
    thresholds: ThresholdsSection = Field(ThresholdsSection(), description="When an alert fires.")
    objectives: ObjectivesSection = Field(
        ObjectivesSection(), description="Service level objectives of meshed workloads."
    )
