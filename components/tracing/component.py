"""A collector for the spans of the mesh, and a Jaeger to look at them."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.base import Args, Component, Manifest
from components.external_secrets import external_secret
from components.names import LINKERD_TRACING
from components.tracing import collector as config
from components.tracing import objects, policy
from components.tracing.model import (
    COLLECTOR,
    HEADERS_SECRET,
    JAEGER,
    OTLP_GRPC,
    OTLP_HTTP,
    BackendArgs,
    JaegerArgs,
    SamplingArgs,
)
from components.tracing.objects import H2C, HTTP, Port, Workload


class TracingArgs(Args):
    """The collector, and either a Jaeger beside it or a backend elsewhere.

    queries: whether spans keep the query strings of addresses. memory: a Kubernetes quantity, both
    request and limit.
    """

    cluster_domain: str
    image: str
    replicas: int
    cpu_request: str
    memory: str
    queries: bool
    sampling: SamplingArgs
    jaeger: JaegerArgs | None
    backend: BackendArgs | None
    refresh_interval: str


class Tracing(Component, area="observability"):
    """Collector and Jaeger in the namespace `linkerd-tracing`, both in the mesh.

    Proxies send spans to nobody but the identity that the control plane tells them, which is that
    of the collector's account. Follows https://linkerd.io/2/tasks/distributed-tracing/
    """

    def __init__(
        self, name: str, args: TracingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        clients = [self.apply(manifest) for manifest in policy.authentications()]
        if args.jaeger:
            rules = policy.jaeger_rules(viz=args.jaeger.viz)
            self._run(jaeger(args.jaeger), [], rules, [])
        secrets = [self._headers(manifest) for manifest in headers(args)]
        self._run(collector(args), clients, policy.collector_rules(), secrets)
        self.done(
            endpoint=config.collector_address(args.cluster_domain),
            backend=args.backend.endpoint if args.backend else JAEGER,
        )

    def _headers(self, manifest: Manifest) -> pulumi.Resource:
        return self.apply(manifest, name="headers", wait_for="condition=Ready")

    def _run(
        self,
        workload: Workload,
        clients: Sequence[pulumi.Resource],
        rules: list[Manifest],
        secrets: Sequence[pulumi.Resource],
    ) -> None:
        """Make the workload: who may call it, then what it needs, then its pods."""
        made: list[pulumi.Resource] = [*clients]
        for manifest in rules:
            # One after the other: a Server comes last of its port's policies.
            made.append(self._named(manifest, *made))
        needed = [
            self._named(objects.service_account(workload.name)),
            self._named(objects.config_map(workload)),
            self._named(objects.service(workload)),
            *(self._named(each) for each in objects.disruption_budget(workload)),
        ]
        self._named(objects.deployment(workload), *made, *needed, *secrets)

    def _named(self, manifest: Manifest, *after: pulumi.Resource) -> pulumi.Resource:
        """An object called by its kind too: several of a workload have the same name."""
        name = f"{manifest['metadata']['name']}-{manifest['kind'].lower()}"
        return self.apply(manifest, *after, name=name)


def collector(args: TracingArgs) -> Workload:
    """The collector as it runs."""
    settings = config.collector_config(
        args.sampling,
        queries=args.queries,
        cluster_domain=args.cluster_domain,
        backend=args.backend,
    )
    files = {objects.CONFIG_FILE: objects.as_yaml(settings)}
    secret: dict[str, tuple[str, str]] = {}
    if args.backend:
        secret = {v: (HEADERS_SECRET, v) for v in args.backend.variables.values()}
        if args.backend.ca_pem:
            files[config.CA_FILE.rpartition("/")[2]] = args.backend.ca_pem
    return Workload(
        name=COLLECTOR,
        image=args.image,
        replicas=args.replicas,
        cpu_request=args.cpu_request,
        memory=args.memory,
        ports=(
            Port(name="otlp-grpc", number=OTLP_GRPC, app_protocol=H2C),
            Port(name="otlp-http", number=OTLP_HTTP, app_protocol=HTTP),
            *objects.own_ports(),
        ),
        health_path="/",
        files=files,
        secret=secret,
    )


def jaeger(args: JaegerArgs) -> Workload:
    """Jaeger as it runs: one pod, because another would have other traces."""
    return Workload(
        name=JAEGER,
        image=args.image,
        replicas=1,
        cpu_request=args.cpu_request,
        memory=args.memory,
        ports=(
            Port(name="otlp-grpc", number=OTLP_GRPC, app_protocol=H2C),
            Port(name="ui", number=config.JAEGER_UI, app_protocol=HTTP),
            *objects.own_ports(),
        ),
        health_path=config.JAEGER_HEALTH_PATH,
        files={objects.CONFIG_FILE: objects.as_yaml(config.jaeger_config(args))},
        secret={},
        scratch=True,
    )


def headers(args: TracingArgs) -> list[Manifest]:
    """The ExternalSecret of the backend's headers, where it has some."""
    backend = args.backend
    if backend is None or backend.vault_path is None or not backend.headers:
        return []
    entries = {backend.variables[name]: key for name, key in backend.headers.items()}
    return [
        external_secret(
            HEADERS_SECRET, LINKERD_TRACING, backend.vault_path, entries, args.refresh_interval
        )
    ]
