"""Rules of the section `observability.tracing`. Each gives every fault it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from components.cluster import needs_a_cluster
from components.egress.section import HasEgress
from components.observability import HasObservability
from components.tracing.section import Backend, Collector
from components.trust import HasTrust
from components.vault import apart_from_anchors
from schema.certificates import certificate_fault
from schema.faults import Fault
from schema.values import Duration
from schema.yaml_file import Path_

_TRACING = ("observability", "tracing")
_COLLECTOR = (*_TRACING, "collector")
_SAMPLING = (*_COLLECTOR, "sampling")
_BACKEND = (*_COLLECTOR, "backend")
_OF_EXISTING = ("endpoint", "service_account", "namespace")
_OF_BUNDLED = ("image", "replicas", "cpu_request", "memory", "queries", "sampling", "backend")
_OF_OTLP = ("endpoint", "protocol", "ca_pem", "credentials")
_OF_TAIL = ("slow", "wait")
# A proxy holds spans for up to 10 s: linkerd2-proxy linkerd/opentelemetry/src/lib.rs.
_WAIT = (Duration(15), Duration(300))
# Labels that the chart gives every proxy, linkerd2 charts/linkerd-control-plane/values.yaml.
_CHARTS_OWN = ("k8s.pod.ip", "k8s.pod.uid", "k8s.container.name")


class _Config(HasObservability, HasEgress, HasTrust, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `observability.tracing`.

    - `observability.tracing` needs `trust.domain` to be `cluster.domain`. What is for an `existing`
      collector, for mode `tail`, or for a backend of the other kind is refused elsewhere; `tail`
      needs one replica, and `wait` is 15s to 5m. Credentials go over https; an endpoint for gRPC
      has a port and no path, and with `egress.default: deny` it is one of `egress.hosts`.
    """
    section = config.observability.tracing
    yield from needs_a_cluster(config, {_TRACING: section.enabled})
    if section.enabled:
        yield from _mesh(config)
    yield from _labels(config)
    yield from _source(section.collector, enabled=section.enabled)
    yield from _sampling(section.collector)
    yield from _backend(section.collector.backend, enabled=section.enabled)
    if section.enabled:
        yield from _egress(config, section.collector)


def _mesh(config: _Config) -> Iterator[Fault]:
    path = (*_TRACING, "enabled")
    cluster = config.cluster
    if cluster and cluster.domain != config.trust.domain:
        yield Fault(
            path,
            f"proxies of Linkerd 2.20 look for the collector's identity below cluster.domain "
            f"({cluster.domain}), and it is below trust.domain ({config.trust.domain}), so no span "
            "would arrive (linkerd2#15404): write false",
            looks_at=(("cluster", "domain"), ("trust", "domain")),
        )


def _labels(config: _Config) -> Iterator[Fault]:
    for key in config.observability.tracing.labels:
        path = (*_TRACING, "labels", key)
        if key == "service.name":
            yield Fault(path, "is what serviceName is for: write it there")
        elif key in _CHARTS_OWN:
            yield Fault(path, "is another one for each pod, and set by the chart: remove it")


def _source(section: Collector, *, enabled: bool) -> Iterator[Fault]:
    source = ((*_COLLECTOR, "source"),)
    existing = section.source == "existing"
    for name in _OF_EXISTING:
        path = (*_COLLECTOR, section.key_of(name))
        if not existing and name in section.model_fields_set:
            message = "is for source 'existing': remove it, or write source: existing"
            yield Fault(path, message, looks_at=source)
        if existing and enabled and getattr(section, name) is None:
            yield Fault(path, "missing: source 'existing' needs it", looks_at=source)
    for name in _OF_BUNDLED:
        if existing and name in section.model_fields_set:
            message = "is for source 'bundled': remove it, the collector is somebody else's"
            yield Fault((*_COLLECTOR, section.key_of(name)), message, looks_at=source)


def _sampling(section: Collector) -> Iterator[Fault]:
    sampling = section.sampling
    mode = ((*_SAMPLING, "mode"),)
    if sampling.mode == "tail" and section.replicas > 1:
        yield Fault(
            (*_COLLECTOR, "replicas"),
            f"{section.replicas}: with mode 'tail' each would see a part of a trace: write 1, or "
            "mode: probabilistic",
            looks_at=mode,
        )
    for name in _OF_TAIL:
        if sampling.mode != "tail" and name in sampling.model_fields_set:
            message = "is for mode 'tail': remove it, or write mode: tail"
            yield Fault((*_SAMPLING, name), message, looks_at=mode)
    low, high = _WAIT
    if sampling.wait and not low <= sampling.wait <= high:
        yield Fault((*_SAMPLING, "wait"), f"{sampling.wait} is out of range: write {low} to {high}")


def _backend(section: Backend, *, enabled: bool) -> Iterator[Fault]:
    kind = ((*_BACKEND, "kind"),)
    if section.kind == "jaeger":
        for name in _OF_OTLP:
            if name in section.model_fields_set:
                message = "is for kind 'otlp': remove it, or write kind: otlp"
                yield Fault((*_BACKEND, section.key_of(name)), message, looks_at=kind)
        return
    if "jaeger" in section.model_fields_set:
        message = "is for kind 'jaeger': remove it, or write kind: jaeger"
        yield Fault((*_BACKEND, "jaeger"), message, looks_at=kind)
    if section.endpoint is None:
        if enabled:
            yield Fault((*_BACKEND, "endpoint"), "missing: kind 'otlp' needs it", looks_at=kind)
        return
    yield from _endpoint(section, urlsplit(section.endpoint))


def _endpoint(section: Backend, address: SplitResult) -> Iterator[Fault]:
    path = (*_BACKEND, "endpoint")
    if section.protocol == "grpc" and (address.port is None or address.path):
        yield Fault(
            path,
            f"{section.endpoint}: over gRPC it has a port and no path: write it like "
            "https://traces.example.com:4317, or protocol: http",
            looks_at=((*_BACKEND, "protocol"),),
        )
    plain = address.scheme == "http"
    if plain and section.credentials:
        yield Fault(
            path,
            "would send credentials in clear: write https",
            looks_at=((*_BACKEND, "credentials"),),
        )
    if section.ca_pem is not None:
        yield from _authority((*_BACKEND, "caPem"), section.ca_pem, plain=plain)
    if section.credentials:
        yield from _credentials(section)


def _authority(path: Path_, pem: str, *, plain: bool) -> Iterator[Fault]:
    if wrong := certificate_fault(pem):
        yield Fault(path, wrong)
    elif plain:
        message = "is for https: remove it, or write https"
        yield Fault(path, message, looks_at=((*_BACKEND, "endpoint"),))


def _credentials(section: Backend) -> Iterator[Fault]:
    credentials = section.credentials
    path = (*_BACKEND, "credentials")
    if credentials is None:
        return
    if not credentials.headers:
        yield Fault((*path, "headers"), "names none: write one, or remove credentials")
    yield from apart_from_anchors((*path, "vaultPath"), credentials.vault_path)


def _egress(config: _Config, section: Collector) -> Iterator[Fault]:
    """A default denial holds for the collector's proxy too."""
    address = section.backend.endpoint
    bundled = section.source == "bundled" and section.backend.kind == "otlp"
    if not bundled or address is None or config.egress.default != "deny" or not config.cluster:
        return
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    inside = f".{host}".endswith((".svc", f".{config.cluster.domain}")) or "." not in host
    allowed = any(_matches(each.host, host) and each.port == port for each in config.egress.hosts)
    if not inside and not allowed:
        yield Fault(
            (*_BACKEND, "endpoint"),
            f"egress denies {host} at port {port} to the collector: add it to egress.hosts",
            looks_at=(("egress", "default"), ("egress", "hosts")),
        )


def _matches(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
