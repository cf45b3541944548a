"""A collector for the spans of the mesh, and a Jaeger to look at them."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.base import Args, Component, Manifest
from components.external_secrets import external_secret
from components.names import LINKERD_TRACING
from components.placement import PlacementSection
from components.tracing import collector as config
from components.tracing import objects, policy
from components.tracing.objects import (
    COLLECTOR,
    H2C,
    HTTP,
    JAEGER,
    OTLP_GRPC,
    OTLP_HTTP,
    CollectorWorkload,
    Port,
)
from components.tracing.section import Collector, Jaeger

# Entries of the Secret with the backend's headers; the collector reads them as variables.
HEADERS_SECRET = "trace-backend-headers"  # noqa: S105


class TracingArgs(Args):
    """The section `collector` of a collector of ours, with what it depends on.

    placement: where its pods run. viz: whether viz links to our Jaeger. refresh_interval: of what
    is read from Vault, as in Go.
    """

    cluster_domain: str = "cluster.local"
    collector: Collector = Collector()
    viz: bool = False
    placement: PlacementSection = PlacementSection()
    refresh_interval: str = "10m0s"


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
        backend = args.collector.backend
        if backend.kind == "jaeger":
            rules = policy.jaeger_rules(viz=args.viz)
            self._run(jaeger(backend.jaeger, args.placement), [], rules, [])
        secrets = [self._headers(manifest) for manifest in headers(args)]
        self._run(collector(args), clients, policy.collector_rules(), secrets)
        self.done(
            endpoint=config.collector_address(args.cluster_domain),
            backend=JAEGER if backend.kind == "jaeger" else backend.endpoint,
        )

    def _headers(self, manifest: Manifest) -> pulumi.Resource:
        return self.apply(manifest, name="headers", wait_for="condition=Ready")

    def _run(
        self,
        workload: CollectorWorkload,
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


def collector(args: TracingArgs) -> CollectorWorkload:
    """The collector as it runs."""
    section = args.collector
    settings = config.collector_config(section, args.cluster_domain)
    files = {objects.CONFIG_FILE: objects.as_yaml(settings)}
    if section.backend.ca_pem:
        files[config.CA_FILE.rpartition("/")[2]] = section.backend.ca_pem
    return CollectorWorkload(
        name=COLLECTOR,
        image=section.image,
        replicas=section.replicas,
        cpu_request=section.cpu_request,
        memory=section.memory,
        ports=(
            Port(name="otlp-grpc", number=OTLP_GRPC, app_protocol=H2C),
            Port(name="otlp-http", number=OTLP_HTTP, app_protocol=HTTP),
            *objects.own_ports(),
        ),
        health_path="/",
        files=files,
        secret={v: (HEADERS_SECRET, v) for v in section.backend.variables.values()},
        placement=args.placement,
    )


def jaeger(args: Jaeger, placement: PlacementSection | None = None) -> CollectorWorkload:
    """Jaeger as it runs: one pod, because another would have other traces."""
    return CollectorWorkload(
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
        placement=placement or PlacementSection(),
    )


def headers(args: TracingArgs) -> list[Manifest]:
    """The ExternalSecret of the backend's headers, where it has some."""
    credentials = args.collector.backend.credentials
    if credentials is None:
        return []
    variables = args.collector.backend.variables
    entries = {variables[name]: key for name, key in credentials.headers.items()}
    return [
        external_secret(
            HEADERS_SECRET, LINKERD_TRACING, credentials.vault_path, entries, args.refresh_interval
        )
    ]
