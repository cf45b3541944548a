"""The section `policy` of a stack file: who may call what, and how far it is enforced."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator, Field

from schema.section import Section
from schema.values import Name, ValueKind, Was, kubernetes_name, shown
from schema.words import Cidr, LabelKey, LabelValue

DefaultPolicy = Literal[
    "all-unauthenticated", "audit", "cluster-authenticated", "all-authenticated", "deny"
]
PortProtocol = Literal["unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS"]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# From which default policy on an unauthenticated client is turned away where no rule allows it.
AUTHENTICATED: tuple[DefaultPolicy, ...] = ("cluster-authenticated", "all-authenticated", "deny")
# A gRPC health probe is a call like any other: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
GRPC_HEALTH = "/grpc.health.v1.Health/Check"

_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9]|-(?!-))*")


def container_port(text: str) -> str:
    """A port of a container, by number or name; raises ValueError otherwise.

    A name as https://www.rfc-editor.org/rfc/rfc6335#section-5.1 has it, at most 15 characters.
    """
    if re.fullmatch(r"[1-9][0-9]{0,4}", text) and int(text) <= 65535:
        return text
    if len(text) <= 15 and _PORT_NAME.fullmatch(text) and not text.endswith("-"):
        return text
    raise ValueError(
        f"{shown(text)} is no port: write the container's port, by number (8080) or name (http)"
    )


def service_account(text: str) -> str:
    """`<name>`, or `<namespace>/<name>`; raises ValueError otherwise."""
    *namespace, name = text.split("/")
    good = len(namespace) <= 1 and re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name)
    if not good or len(name) > 253:
        raise ValueError(
            f"{shown(text)} is no service account: write <name>, or <namespace>/<name>"
        )
    for part in namespace:
        kubernetes_name(part)
    return text


def url_path(text: str) -> str:
    """The path of a URL, without a query; raises ValueError otherwise."""
    if re.fullmatch(r"/[!-~]*", text) and not re.search(r"[?#]|//", text):
        return text
    raise ValueError(f"{shown(text)} is no path: write it like /healthz, without a query")


def identity(text: str) -> str:
    """A mesh identity, whole or `*.` before its end, or `*`; raises ValueError otherwise.

    Follows the pattern of MeshTLSAuthentication in linkerd2 charts/linkerd-crds.
    """
    label = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    spiffe = r"spiffe://[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*(/[a-zA-Z0-9._-]+)*"
    if re.fullmatch(rf"\*|(\*|{label})(\.{label})*|{spiffe}", text):
        return text
    raise ValueError(
        f"{shown(text)} is no mesh identity: write <account>.<namespace>.serviceaccount.identity."
        "linkerd.<trust domain>, or '*' for its first parts"
    )


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ContainerPort = Annotated[
    str, BeforeValidator(_number_as_text), AfterValidator(container_port), ValueKind("port", "1")
]
Account = Annotated[str, AfterValidator(service_account), ValueKind("service account")]
Rate = Annotated[int, Field(ge=1, le=4_294_967_295)]
UrlPath = Annotated[str, AfterValidator(url_path), ValueKind("path", "/")]
Identity = Annotated[str, AfterValidator(identity), ValueKind("mesh identity")]


class Network(Section):
    """A network of clients, meshed or not."""

    cidr: Cidr = Field(description="The network.")
    except_: tuple[Cidr, ...] = Field((), alias="except", description="Parts of it to leave out.")


class Clients(Section):
    """Clients that may call. Of the identities one must match, and of the networks one."""

    service_accounts: tuple[Account, ...] = Field(
        (), description="Service accounts: a name of the same namespace, or `<namespace>/<name>`."
    )
    namespaces: tuple[Name, ...] = Field(
        (), description="Every service account of these namespaces."
    )
    identities: tuple[Identity, ...] = Field(
        (), description="Mesh identities in full, as of another cluster; not with the two above."
    )
    networks: tuple[Network, ...] = Field(
        (), description="Networks; alone they allow clients that nobody can name."
    )


class RouteSection(Section):
    """Part of a port with clients of its own; those of the port do not hold there."""

    name: Name = Field(description="Name of the route, unique at its port.")
    path: UrlPath = Field(description="Path below which the route holds.")
    exact: bool = Field(False, description="The path alone, without what is below it.")
    methods: tuple[Method, ...] = Field(
        (), description="HTTP methods, else all; any other goes by `allow` of the port."
    )
    allow: tuple[Clients, ...] = Field((), description="Who may call here.")


class RateOverride(Section):
    """Clients with a rate of their own, which those of one entry share."""

    service_accounts: tuple[Account, ...] = Field(
        description="Service accounts: a name of the same namespace, or `<namespace>/<name>`."
    )
    rate: Rate = Field(description="Requests a second and pod; `perClient` does not hold for them.")


class RateLimit(Section):
    """Requests a second, counted by each pod's proxy on its own; those above get 429.

    A second's worth may come at once. Every request that is allowed counts, probes and metrics too.
    """

    total: Rate | None = Field(None, description="Requests a second and pod of all clients.")
    per_client: Rate | None = Field(
        None,
        description="Requests a second and pod of each service account. All clients that are not "
        "in the mesh count as one, the kubelet among them.",
    )
    overrides: tuple[RateOverride, ...] = Field(
        (), description="Service accounts that have a rate of their own."
    )


class ServicePort(Section):
    """A port of the pods behind a service, and who may call it."""

    port: ContainerPort = Field(description="Port of the container, by number or name.")
    protocol: PortProtocol = Field("unknown", description="What is spoken; `unknown` is detected.")
    allow: tuple[Clients, ...] = Field(
        (), description="Who may call; without any, whoever `allowFrom` of the namespace names."
    )
    routes: tuple[RouteSection, ...] = Field((), description="Paths with clients of their own.")
    metrics: UrlPath | None = Field(
        None, description="Path of the metrics, which Prometheus may read and nobody else."
    )
    probes: tuple[UrlPath, ...] | None = Field(
        None,
        description="Paths that the kubelet probes. Linkerd allows HTTP probes by itself, until "
        "`routes` or `metrics` are used: then all must be listed, `[]` where there are none. "
        f"A gRPC probe is `{GRPC_HEALTH}`.",
    )
    rate_limit: RateLimit | None = Field(None, description="How many requests it takes.")
    api_server: bool = Field(
        False, description="A webhook: the API server may call, which is not in the mesh."
    )

    @property
    def routed(self) -> bool:
        """True where routes are attached, so that the automatic allowance of probes is gone."""
        return bool(self.routes or self.metrics or self.probes)


class Service(Section):
    """Who may call the pods of one service."""

    name: Name = Field(description="Name of the service, which its policies are called after.")
    selector: dict[LabelKey, LabelValue] = Field(
        description="Labels of its pods, as the Service's own selector has them."
    )
    default_inbound_policy: Annotated[DefaultPolicy | None, Was("rung")] = Field(
        None, description="DefaultPolicy of this workload's ports; default that of the namespace."
    )
    ports: tuple[ServicePort, ...] = Field(description="The ports of its pods.")


class NamespacePolicySection(Section):
    """Who may call into a namespace."""

    default_inbound_policy: Annotated[DefaultPolicy | None, Was("rung")] = Field(
        None,
        description="What happens to a client that no rule allows, from `all-unauthenticated` "
        "over `audit` (allowed, and counted) to `deny`; default `linkerd.defaultInboundPolicy`. "
        "It holds for a port of `services` at once, for any other when its pod is next created.",
    )
    strict_mtls: bool = Field(
        False,
        description="Every client must have a mesh identity, but for the kubelet's probes: a "
        "weaker default policy and a rule for networks alone are refused.",
    )
    allow_from: tuple[Name, ...] = Field(
        (),
        description="The only namespaces that may call, on top of this one; a rule for a client "
        "of another is refused.",
    )
    services: tuple[Service, ...] = Field((), description="Policies of single services.")


class PrometheusAccess(Section):
    """The Prometheus that reads the metrics of proxies and services."""

    service_account: Account = Field(
        "linkerd-viz/prometheus", description="Its service account, where it is meshed."
    )
    networks: tuple[Network, ...] = Field(
        (), description="Where it is not meshed: its networks, instead of the service account."
    )


_ANYWHERE = (Network(cidr="0.0.0.0/0"), Network(cidr="::/0"))


class PolicySection(Section):
    """Who may call whom in the mesh; docs/runbooks/deny.md says how to get there."""

    namespaces: dict[Name, NamespacePolicySection] = Field(
        {}, description="The namespaces that have a policy, by name."
    )
    prometheus: PrometheusAccess = Field(PrometheusAccess(), description="Who reads metrics.")
    kubelet_networks: tuple[Network, ...] = Field(
        _ANYWHERE, description="Networks of the nodes, from which the kubelet probes."
    )
    api_server_networks: tuple[Network, ...] = Field(
        _ANYWHERE, description="Networks from which the API server calls webhooks."
    )


class HasPolicy(Protocol):
    """A config with the section `policy`."""

    @property
    def policy(self) -> PolicySection: ...  # noqa: D102
