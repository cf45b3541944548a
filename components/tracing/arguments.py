"""From a stack's config to the arguments of tracing."""

from __future__ import annotations

from typing import Protocol

from components.cluster import ClusterSection
from components.external_secrets import HasExternalSecrets
from components.linkerd import ProxyTracing
from components.names import LINKERD_TRACING
from components.observability import HasObservability
from components.placement import HasPlacement, ImagesSection
from components.tracing.collector import JAEGER_UI, collector_address
from components.tracing.component import TracingArgs
from components.tracing.objects import COLLECTOR, JAEGER
from components.tracing.section import Collector, TracingSection
from components.viz import HasViz

CLUSTER_LABEL = "k8s.cluster.name"


class _Config(HasObservability, HasExternalSecrets, HasPlacement, HasViz, Protocol):
    """The sections that tracing is made from."""


def jaeger_address(config: HasObservability, cluster: ClusterSection) -> str | None:
    """Host and port that the dashboard of viz links to; None where Jaeger is not ours."""
    if not config.observability.tracing.own_jaeger:
        return None
    return f"{JAEGER}.{LINKERD_TRACING}.svc.{cluster.domain}:{JAEGER_UI}"


def proxy_tracing(config: HasObservability, cluster: ClusterSection) -> ProxyTracing | None:
    """What the control plane tells proxies; None where tracing is off."""
    section = config.observability.tracing
    if not section.enabled:
        return None
    endpoint, account, namespace = _collector(section, cluster)
    return ProxyTracing(
        endpoint=endpoint,
        service_account=account,
        namespace=namespace,
        service_name=section.service_name,
        labels={CLUSTER_LABEL: cluster.name, **section.labels},
        open_census=section.open_census,
    )


def _collector(section: TracingSection, cluster: ClusterSection) -> tuple[str, str, str]:
    collector = section.collector
    if collector.source == "bundled":
        return collector_address(cluster.domain), COLLECTOR, LINKERD_TRACING
    # The rules see to it that none is missing.
    return (
        collector.endpoint or "",
        collector.service_account or "",
        collector.namespace or "",
    )


def arguments(config: _Config, cluster: ClusterSection) -> TracingArgs | None:
    """Arguments of `Tracing`; None where no collector of ours runs."""
    if not config.observability.tracing.bundled:
        return None
    return TracingArgs(
        cluster_domain=cluster.domain,
        collector=_mirrored(config.observability.tracing.collector, config.images),
        viz=config.viz.enabled,
        placement=config.placement,
        refresh_interval=config.external_secrets.refresh_interval.go,
    )


def _mirrored(collector: Collector, images: ImagesSection) -> Collector:
    """The collector with its images, and Jaeger's, from the registries of the stack."""
    backend = collector.backend
    jaeger = backend.jaeger.model_copy(update={"image": images.of(backend.jaeger.image)})
    return collector.model_copy(
        update={
            "image": images.of(collector.image),
            "backend": backend.model_copy(update={"jaeger": jaeger}),
        }
    )
