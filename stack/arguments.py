"""What components are told of the stack as a whole: its charts, namespaces, entries in Vault."""

from __future__ import annotations

import json

from components import namespaces
from components.chart import ChartRef, Shape
from components.ingress.arguments import gateways
from components.placement import overlay
from stack.charts import Charts
from stack.config import StackConfig


def chart_refs(config: StackConfig, charts: Charts) -> dict[str, ChartRef]:
    """Every archive that the stack needs, by the name it has in charts.yaml (`-crds` for CRDs).

    Each section says which it is installed from (`chart_names`).
    """
    cluster = config.cluster
    if cluster is None:
        return {}
    sections = [getattr(config, name) for name in StackConfig.model_fields]
    names = [name for each in sections for name in getattr(each, "chart_names", ())]
    return {
        name: _ref(config, charts, name).model_copy(update={"records": cluster.helm_namespace})
        for name in names
        if config.sandbox.linkerd or not name.startswith("linkerd")
    }


def _ref(config: StackConfig, charts: Charts, name: str) -> ChartRef:
    whole = name.removesuffix("-crds") if name != "linkerd-crds" else name
    if made := config.sandbox.charts.get(whole):
        ref = charts.made(name, made)
    else:
        ref = charts.chart(name) if whole == name else charts.crds(whole)
    shape = shapes().get(name)
    laid_over = overlay(config, name, shape) if shape else {}
    return ref.model_copy(update={"overlay": json.dumps(laid_over)}) if laid_over else ref


def shapes() -> dict[str, Shape]:
    """The shape of every chart, by its name."""
    found: dict[str, Shape] = {}
    for field in StackConfig.model_fields.values():
        found |= getattr(field.annotation, "shapes", {})
    return found


def namespace_args(config: StackConfig) -> namespaces.NamespacesArgs:
    """Which parts have a namespace."""
    return namespaces.NamespacesArgs(
        viz=config.viz.enabled,
        buoyant_cloud=config.buoyant_cloud.enabled,
        prometheus_url=config.viz.prometheus_url,
        tracing=config.observability.tracing.bundled,
        cert_manager=config.cert_manager.install,
        external_secrets=config.external_secrets.install,
        gateways=bool(gateways(config)),
        ingress=config.ingress.enabled,
        egress_gateway=config.egress.gateway.enabled,
    )


def vault_entries(config: StackConfig) -> dict[str, str]:
    """Entries with credentials below the KV mount, and the namespace that reads each."""
    watched = config.observability
    return {
        **config.buoyant_cloud.vault_entries,
        **watched.tracing.vault_entries,
        **watched.routing.vault_entries,
        **config.ingress.vault_entries,
        **(config.ingress.counter_entries if gateways(config) else {}),
        **config.egress.gateway.vault_entries,
    }
