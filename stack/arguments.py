"""What components are told of the stack as a whole: its charts, namespaces, entries in Vault."""

from __future__ import annotations

from components import namespaces
from components.chart import ChartRef
from stack.charts import Charts
from stack.config import StackConfig


def chart_refs(config: StackConfig, charts: Charts) -> dict[str, ChartRef]:
    """Every archive that the stack needs, by the name it has in charts.yaml (`-crds` for CRDs)."""
    if config.cluster is None:
        return {}
    whole = ["cert-manager", "trust-manager", "external-secrets"]
    if config.sandbox.linkerd:
        whole += ["linkerd-crds", "linkerd-control-plane"]
    only_crds = ["cert-manager", "trust-manager", "external-secrets"]
    if config.gateway_api.install:
        only_crds.append("gateway-api")
    if config.viz.enabled and config.sandbox.linkerd:
        whole.append("linkerd-viz")
    if config.buoyant_cloud.enabled and config.sandbox.linkerd:
        whole.append("linkerd-buoyant")
    made = config.sandbox.charts
    return {
        name: charts.made(name, made[name]) if name in made else charts.chart(name)
        for name in whole
    } | {
        f"{name}-crds": charts.made(f"{name}-crds", made[name])
        if name in made
        else charts.crds(name)
        for name in only_crds
    }


def namespace_args(config: StackConfig) -> namespaces.NamespacesArgs:
    """Which parts have a namespace."""
    return namespaces.NamespacesArgs(
        viz=config.viz.enabled,
        buoyant_cloud=config.buoyant_cloud.enabled,
        prometheus_url=config.viz.prometheus_url,
        tracing=config.observability.tracing.bundled,
    )


def vault_entries(config: StackConfig) -> dict[str, str]:
    """Entries with credentials below the KV mount, and the namespace that reads each."""
    watched = config.observability
    return {
        **config.buoyant_cloud.vault_entries,
        **watched.tracing.vault_entries,
        **watched.routing.vault_entries,
    }
