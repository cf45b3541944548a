"""The section about tracing: where spans go, how many of them, and who shows them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from components.names import LINKERD_TRACING
from schema.images import pinned
from schema.section import Section
from schema.values import Duration, HttpUrl, Name, Replicas, ValueKind, VaultPath, dns_domain, shown
from schema.words import LabelKey, LabelValue, Quantity

Traces = Annotated[int, Field(ge=100, le=1000000)]
_SHARE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")
_IMAGE = re.compile(r"[a-z0-9][\w./:@-]*")
_HEADER = re.compile(r"[a-z][a-z0-9-]*")
_ENTRY = re.compile(r"[\w.-]+", re.ASCII)
_RELEASES = "ghcr.io/open-telemetry/opentelemetry-collector-releases"


def share(text: str) -> str:
    """Per cent from 0.01 to 100; raises ValueError otherwise."""
    if _SHARE.fullmatch(text) and 0.01 <= float(text) <= 100:
        return text
    raise ValueError(f"{shown(text)} is no share: write per cent from 0.01 to 100, such as 12.5")


def host_port(text: str) -> str:
    """A host with a port, such as `collector.tracing:4317`; raises ValueError otherwise."""
    host, _, port = text.rpartition(":")
    try:
        dns_domain(host.removesuffix("."))
    except ValueError:
        host = ""
    if host and re.fullmatch(r"[1-9][0-9]{0,4}", port) and int(port) <= 65535:
        return text
    raise ValueError(
        f"{shown(text)} is no host and port: write it like "
        "collector.tracing.svc.cluster.local:4317, without a scheme"
    )


def pinned_image(text: str) -> str:
    """An image with a tag other than `latest`, or a digest; raises ValueError otherwise."""
    if _IMAGE.fullmatch(text) and pinned(text):
        return text
    raise ValueError(f"{shown(text)} is no fixed version: write it like {_RELEASES}/name:0.159.0")


def header_name(text: str) -> str:
    """The name of a header, in lower case as gRPC has it; raises ValueError otherwise."""
    if _HEADER.fullmatch(text) and len(text) <= 100:
        return text
    raise ValueError(f"{shown(text)} is no header: write it in lower case, like authorization")


def entry_name(text: str) -> str:
    """A property of an entry in Vault; raises ValueError otherwise."""
    if _ENTRY.fullmatch(text):
        return text
    raise ValueError(f"{shown(text)} is no property of an entry: write it like token")


def _number_as_text(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number else value


Share = Annotated[
    str, BeforeValidator(_number_as_text), AfterValidator(share), ValueKind("per cent", "100")
]
HostPort = Annotated[str, AfterValidator(host_port), ValueKind("host and port", "a:1")]
Image = Annotated[str, AfterValidator(pinned_image), ValueKind("image", "a:1")]
Header = Annotated[str, AfterValidator(header_name), ValueKind("text")]
Entry = Annotated[str, AfterValidator(entry_name), ValueKind("property of an entry")]


class Sampling(Section):
    """Which of the traces that reach the collector are kept.

    Who starts a trace, an ingress or an application, decides first: of a trace that it does not
    mark as sampled no proxy sends a span.
    """

    mode: Literal["probabilistic", "tail"] = Field(
        "probabilistic",
        description="`probabilistic`: a share of all, by the trace's id. `tail`: traces with "
        "errors, slow ones, and a share of the others; needs `replicas: 1`, for a trace must be "
        "in one place.",
    )
    per_cent: Share = Field("100", description="Share that is kept, in per cent from 0.01 to 100.")
    slow: Duration | None = Field(
        None, description="Traces that take longer are kept, with mode `tail`."
    )
    wait: Duration | None = Field(
        None,
        description="Time until a trace is taken to be whole, with mode `tail`; without it 30s. A "
        "proxy holds spans back for up to 10 s.",
    )


class Jaeger(Section):
    """Jaeger with its traces in memory: to try it out. A restart forgets them."""

    image: Image = Field("docker.io/jaegertracing/jaeger:2.20.0", description="Image of Jaeger 2.")
    traces: Traces = Field(10000, description="Traces that it keeps; the oldest go first.")
    cpu_request: Quantity = Field("100m", description="CPU that is reserved.")
    memory: Quantity = Field("1Gi", description="Memory, reserved and at most.")


class BackendCredentials(Section):
    """Headers with credentials, from Vault through External Secrets."""

    vault_path: VaultPath = Field(
        description="Path below the KV mount of the entry that holds the values."
    )
    headers: dict[Header, Entry] = Field(
        description="Property of the entry by the name of its header, such as "
        "`authorization: token`."
    )


class Backend(Section):
    """Where the collector sends traces."""

    kind: Literal["jaeger", "otlp"] = Field(
        "jaeger", description="`jaeger`: one of our own in the cluster. `otlp`: any other, by OTLP."
    )
    jaeger: Jaeger = Field(Jaeger(), description="Our own Jaeger, with kind `jaeger`.")
    endpoint: HttpUrl | None = Field(
        None,
        description="Address, with kind `otlp`. `http://` is for a meshed backend in the cluster.",
    )
    protocol: Literal["grpc", "http"] = Field(
        "grpc", description="OTLP over gRPC, whose endpoint has a port and no path, or over HTTP."
    )
    ca_pem: str | None = Field(
        None, description="CA certificate of the backend, as PEM; without it the public ones."
    )
    credentials: BackendCredentials | None = Field(
        None, description="Headers with credentials; without it none."
    )

    @property
    def variables(self) -> dict[str, str]:
        """Environment variable of the collector by header."""
        names = sorted(self.credentials.headers) if self.credentials else []
        return {name: f"TRACE_BACKEND_HEADER_{index}" for index, name in enumerate(names)}


class Collector(Section):
    """The OpenTelemetry collector that proxies send spans to."""

    source: Literal["bundled", "existing"] = Field(
        "bundled",
        description="`bundled`: ours, in `linkerd-tracing`. `existing`: another one, in the mesh.",
    )
    endpoint: HostPort | None = Field(
        None,
        description="Its host and port for OTLP over gRPC, with source `existing`. Of a headless "
        "Service with several ports, proxies would call them all.",
    )
    service_account: Name | None = Field(
        None, description="Its service account, with source `existing`: its identity in the mesh."
    )
    namespace: Name | None = Field(
        None, description="Namespace of that service account, with source `existing`."
    )
    image: Image = Field(
        f"{_RELEASES}/opentelemetry-collector-k8s:0.159.0",
        description="Image of ours: the distribution `k8s`, or another with the same parts.",
    )
    replicas: Replicas = Field(2, description="Replicas of ours.")
    cpu_request: Quantity = Field("100m", description="CPU that is reserved for each of ours.")
    memory: Quantity = Field(
        "512Mi",
        description="Memory of each of ours, reserved and at most; from four fifths of it on spans "
        "are refused.",
    )
    queries: bool = Field(
        False,
        description="Whether spans keep the query strings of addresses, which may hold secrets.",
    )
    sampling: Sampling = Field(Sampling(), description="Which traces ours keeps.")
    backend: Backend = Field(Backend(), description="Where ours sends them.")


class TracingSection(Section):
    """Spans of the proxies, for requests that carry the context of a trace."""

    enabled: bool = Field(
        False,
        description="Every proxy sends spans: the control plane restarts, and every meshed pod "
        "takes it up when it restarts.",
    )
    service_name: Name = Field(
        "linkerd-proxy",
        description="`service.name` of the spans of pods that have no label for it; the dashboard "
        "of viz looks for `linkerd-proxy`.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Attributes of all spans, on top of cluster, pod, and the pod's labels."
    )
    open_census: HostPort | None = Field(
        None,
        description="Host and port of an OpenCensus receiver, for spans of the controllers "
        "themselves, which in Linkerd 2.20 speak nothing else; no collector since 0.134 has one.",
    )
    collector: Collector = Field(Collector(), description="Where proxies send spans to.")

    @property
    def bundled(self) -> bool:
        """Whether a collector of ours runs."""
        return self.enabled and self.collector.source == "bundled"

    @property
    def own_jaeger(self) -> bool:
        """Whether a Jaeger of ours runs."""
        return self.bundled and self.collector.backend.kind == "jaeger"

    @property
    def vault_entries(self) -> dict[str, str]:
        """The entry with the backend's credentials, and the namespace that reads it."""
        credentials = self.collector.backend.credentials
        return {credentials.vault_path: LINKERD_TRACING} if self.bundled and credentials else {}
