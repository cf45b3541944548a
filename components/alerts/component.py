"""Alert and recording rules, for a Prometheus that prometheus-operator runs, or any other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pulumi
import yaml
from pydantic import Field

from components.alerts.groups.anchor import anchors, ends
from components.alerts.groups.certificates import certificates
from components.alerts.groups.control_plane import control_plane
from components.alerts.groups.egress_gateway import egress_gateway
from components.alerts.groups.ingress import ingress
from components.alerts.groups.model import (
    PART_OF,
    Alert,
    Group,
    RecordingRule,
    Setting,
    duration,
    rule,
)
from components.alerts.groups.overview import overview
from components.alerts.groups.policy import policy
from components.alerts.groups.secrets import secrets
from components.alerts.groups.selectors import narrowed
from components.alerts.groups.slo import slo
from components.alerts.groups.sources import needs, sources
from components.alerts.groups.traffic import traffic
from components.base import Args, Component, Manifest

RULES = "linkerd-platform-rules"
ANCHOR_RULES = "linkerd-platform-anchor-rules"
Ends = Mapping[str, pulumi.Input[str]]


class AlertsArgs(Args):
    """How the rules are delivered, what every alert says of itself, and what they depend on."""

    form: Literal["prometheus-rule", "file"] = "prometheus-rule"
    namespace: str = "linkerd"
    labels: dict[str, str] = Field({})
    runbooks: str
    cluster: str
    environment: str
    disabled: tuple[str, ...] = ()
    cluster_label: str | None = None
    setting: Setting


class Alerts(Component, area="observability"):
    """A PrometheusRule, or a ConfigMap with a rules file, and another for the anchors' ends.

    `anchor_ends` is the end of each trusted anchor in ISO 8601. It is read from Vault, so what
    depends on it is an object of its own: the other rules are known in every preview.
    """

    def __init__(
        self,
        name: str,
        args: AlertsArgs,
        anchor_ends: Ends,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        self.apply(manifest(args, RULES, content(args, groups(args.setting))))
        made = pulumi.Output.all(**anchor_ends).apply(lambda known: content(args, [ends(known)]))
        self.apply(manifest(args, ANCHOR_RULES, made))
        self.done(form=args.form, namespace=args.namespace, alerts=sorted(enabled(args)))


def groups(setting: Setting) -> list[Group]:
    """Every group but the anchors' ends, without the rules whose sources are never there."""
    every = [
        anchors(setting),
        certificates(setting),
        secrets(setting),
        control_plane(setting),
        policy(setting),
        traffic(setting),
        ingress(setting),
        egress_gateway(setting),
        *slo(setting.objectives),
        *([overview()] if setting.overview else []),
        sources(setting),
    ]
    return [
        replace(group, rules=[each for each in group.rules if not needs(each, setting.absent)])
        for group in every
    ]


def names(every: Iterable[Group]) -> set[str]:
    """The names of the alerts in these groups."""
    return {each.name for group in every for each in group.rules if isinstance(each, Alert)}


def enabled(args: AlertsArgs) -> set[str]:
    """The alerts that can fire."""
    return names(groups(args.setting)) - set(args.disabled)


def content(args: AlertsArgs, every: Sequence[Group]) -> dict[str, Any]:
    """The rules as in a rules file, without the alerts that are disabled.

    Follows https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
    """
    base = {"cluster": args.cluster, "environment": args.environment, "part_of": PART_OF}
    made = []
    for group in every:
        rules = [
            rule(_of_the_cluster(each, args), base, args.runbooks)
            for each in group.rules
            if not (isinstance(each, Alert) and each.name in args.disabled)
        ]
        if rules:
            made.append({"name": group.name, "interval": duration(group.interval), "rules": rules})
    return {"groups": made}


def _of_the_cluster(each: Alert | RecordingRule, args: AlertsArgs) -> Alert | RecordingRule:
    """The rule for this cluster alone, where its Prometheus has those of others too.

    What is recorded has the label as well: the sums have none, and those of two clusters would be
    one series.
    """
    if args.cluster_label is None:
        return each
    made = replace(each, expr=narrowed(each.expr, args.cluster_label, args.cluster))
    if isinstance(made, RecordingRule):
        own = {args.cluster_label: args.cluster}
        made = replace(made, labels={**own, **made.labels})
    return made


def manifest(args: AlertsArgs, name: str, rules: Any) -> Manifest:
    """The object that carries the rules.

    Follows https://prometheus-operator.dev/docs/api-reference/api/ PrometheusRule. The key of the
    ConfigMap ends as linkerd-viz wants it, `prometheus.ruleConfigMapMounts`.
    """
    metadata = {"name": name, "namespace": args.namespace}
    if args.labels:
        metadata["labels"] = dict(args.labels)  # type: ignore[assignment]
    if args.form == "prometheus-rule":
        return {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata,
            "spec": rules,
        }
    text = rules.apply(as_file) if isinstance(rules, pulumi.Output) else as_file(rules)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {f"{name.replace('-', '_')}.yaml": text},
    }


def as_file(rules: Mapping[str, Any]) -> str:
    """The text of a rules file; the same for the same rules."""
    # Through JSON: what an Output holds may be of the engine's own mapping types.
    plain = json.loads(json.dumps(rules))
    return yaml.safe_dump(plain, sort_keys=False, width=1000)
