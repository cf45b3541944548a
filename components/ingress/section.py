"""The section `ingress` of a stack file: what is reached from outside, by whom, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import Field

from components.chart import Shape
from components.envoy_gateway import CHARTS, SHAPES
from components.ingress.values import (
    BodySize,
    HttpsAddress,
    LimitedBy,
    ListenerHost,
    Origin,
    Path,
    Percent,
    Port,
    ServiceName,
)
from components.names import ENVOY_GATEWAY, LINKERD_INGRESS
from schema.section import Section
from schema.values import Domain, Duration, Name, Replicas, Text, VaultPath
from schema.words import Cidr, LabelKey

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class TokenIdentity(Section):
    """Who signs the tokens that clients come with (JWT)."""

    issuer: HttpsAddress = Field(description="`iss` of the tokens, to the last character.")
    audiences: tuple[Text, ...] = Field(description="`aud` of the tokens, any of them; at most 8.")
    jwks: HttpsAddress = Field(
        description="Address of the keys. The gateway fetches it itself, every 5 minutes, and "
        "checks its certificate by the public authorities."
    )

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of the keys."""
        return _place(self.jwks)


class GatewayService(Section):
    """How the gateway is reached: its Service, which the cloud's load balancer stands before."""

    type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = Field(
        "LoadBalancer", description="Type of the Service."
    )
    annotations: dict[LabelKey, Text] = Field(
        {}, description="Annotations that the cloud's load balancer reads."
    )
    source_ranges: tuple[Cidr, ...] = Field(
        (), description="The only networks that the load balancer takes connections from."
    )


class Acme(Section):
    """Certificates of a public authority, by HTTP-01 through the gateway itself."""

    server: HttpsAddress = Field(
        "https://acme-v02.api.letsencrypt.org/directory", description="Directory of the authority."
    )
    email: Text = Field(description="Where it writes to before a certificate ends.")


class VaultIssuer(Section):
    """Certificates of a PKI engine of the Vault in `vault`; never the mesh's own."""

    path: VaultPath = Field(description="Path that signs, such as `pki/sign/ingress`.")
    role: Text = Field(
        description="Role on the cluster's auth mount for service account `ingress-issuer` of "
        "`linkerd-ingress`, with a policy that may update `path`. Whoever owns the PKI makes it."
    )


class CertificateIssuer(Section):
    """Where certificates of listeners come from; exactly one of the keys."""

    existing: Name | None = Field(None, description="A ClusterIssuer that is there already.")
    acme: Acme | None = Field(None, description="A public authority.")
    vault: VaultIssuer | None = Field(None, description="A PKI engine of Vault.")
    ca: bool = Field(False, description="A CA of the gateway's own, that clients must be given.")


class ClientCa(Section):
    """Client certificates that a listener asks for (mTLS)."""

    pem: str = Field(description="The CA certificates, as PEM. A client's is signed by one.")
    mode: Literal["required", "optional"] = Field(
        "required",
        description="`optional`: a client without one is let in too; a wrong one is refused.",
    )


class Listener(Section):
    """A host with TLS, at port 443. Port 80 sends every client there."""

    name: Name = Field(description="Name of the listener.")
    host: ListenerHost = Field(
        description="Host of its certificate and routes; `*.example.com` is every name below it."
    )
    issuer: Name = Field(description="Where its certificate comes from: a name of `issuers`.")
    client_ca: ClientCa | None = Field(
        None, description="CA of client certificates; without it none is asked for."
    )


class ExistingRedis(Section):
    """An existing Redis."""

    host: Domain = Field(description="Its host.")
    port: Port = Field(6379, description="Its port.")
    tls: bool = Field(True, description="Whether it is reached by TLS, of a public authority.")
    vault_path: VaultPath | None = Field(
        None, description="Entry below `vault.kvMount` with its `password`; none asks for none."
    )


class GlobalLimits(Section):
    """Limits that all pods of the gateway count together, in a Redis."""

    redis: ExistingRedis | None = Field(
        None, description="An existing Redis; without it, one replica of ours that keeps nothing."
    )
    on_failure: Literal["open", "closed"] = Field(
        description="What happens while it does not answer within 50 ms. `open`: requests pass "
        "uncounted. `closed`: each is refused with 500."
    )


class TokenRequirement(Section):
    """What a token must hold, all of it."""

    scopes: tuple[Text, ...] = Field((), description="Scopes (`scope` or `scp`), each of them.")
    claims: dict[Text, tuple[Text, ...]] = Field(
        {}, description="Claims that are a text, by dotted name, with the values that will do."
    )
    list_claims: dict[Text, tuple[Text, ...]] = Field(
        {}, description="Claims that are a list, of which one item must be among the values."
    )

    @property
    def used(self) -> bool:
        """True where anything is asked for."""
        return bool(self.scopes or self.claims or self.list_claims)


class Cors(Section):
    """Which web pages of other origins may call. The gateway answers preflights itself."""

    origins: tuple[Origin, ...] = Field(description="The origins, as `https://app.example.com`.")
    methods: tuple[Method, ...] = Field(
        ("GET", "HEAD", "POST"), description="Methods that pages may use."
    )
    headers: tuple[Text, ...] = Field(
        ("authorization", "content-type"), description="Request headers that pages may set."
    )
    expose: tuple[Text, ...] = Field((), description="Response headers that pages may read.")
    max_age: Duration = Field(Duration(600), description="How long a browser keeps the answer.")
    credentials: bool = Field(False, description="Whether cookies and certificates are sent.")


class IngressLimit(Section):
    """A rate above which requests are answered with 429."""

    requests: Annotated[int, Field(ge=1, le=10_000_000)] = Field(description="So many requests.")
    per: Literal["second", "minute", "hour"] = Field("minute", description="In this time.")
    by: LimitedBy = Field(
        "all",
        description="`all` of the route together; each `client` by its address; each value of "
        "`claim:sub`, or of `header:x-tenant`. A request without the claim or header is not "
        "counted.",
    )
    global_: bool = Field(
        False,
        alias="global",
        description="Counted by all pods of the gateway together (`globalLimits`), else by each, "
        "which counts each method of `methods` by itself.",
    )


class IngressBreaker(Section):
    """Ends requests to a service that fails: 503 at once, for a while."""

    failures: Annotated[int, Field(ge=3, le=1000)] = Field(
        5, description="Answers of 5xx in a row, of each pod of the gateway by itself."
    )
    open: Duration = Field(Duration(30), description="How long; longer with each time.")


class IngressRetries(Section):
    """What is tried again by the gateway. Not where the mesh retries too."""

    on: tuple[
        Literal["5xx", "gateway-error", "reset", "connect-failure", "refused-stream"], ...
    ] = Field(("connect-failure", "refused-stream"), description="What is tried again.")
    times: Annotated[int, Field(ge=1, le=5)] = Field(1, description="How often at most.")
    timeout: Duration | None = Field(None, description="Time of each try.")


class MirrorTo(Section):
    """Requests that another service gets as well, whose answers nobody sees."""

    to: ServiceName = Field(description="The Service, as `<namespace>/<name>`.")
    port: Port = Field(80, description="Its port.")
    percent: Percent = Field(description="How many of them, in per cent.")


class SplitPart(Section):
    """A part of the requests that another service answers."""

    service: ServiceName = Field(description="The Service, as `<namespace>/<name>`.")
    port: Port = Field(80, description="Its port.")
    percent: Percent = Field(description="How many of them, in per cent.")


class IngressRedirect(Section):
    """An answer that sends the client elsewhere."""

    host: Domain | None = Field(None, description="Host, else the same.")
    path: Path | None = Field(None, description="Path, else the same.")
    status: Literal[301, 302] = Field(302, description="Status: for good, or for now.")


class Oidc(Section):
    """A login by browser (OpenID Connect); the session is a cookie.

    The endpoints are what the provider tells at `/.well-known/openid-configuration`.
    """

    issuer: HttpsAddress = Field(description="The identity provider.")
    # Without them Envoy Gateway would ask the provider at each change of any route, answer 500
    # where that is away, and check no name of the server that it is told of.
    authorization_endpoint: HttpsAddress = Field(
        description="Its `authorization_endpoint`, where browsers log in."
    )
    token_endpoint: HttpsAddress = Field(
        description="Its `token_endpoint`, which the gateway asks; of another host it is what the "
        "gateway is let out to where egress denies."
    )
    end_session_endpoint: HttpsAddress | None = Field(
        None, description="Its `end_session_endpoint`; without it a logout ends our session alone."
    )
    client_id: Text = Field(description="Client ID of the gateway there.")
    vault_path: VaultPath = Field(
        description="Entry below `vault.kvMount` with the client's secret, as `client-secret`."
    )
    scopes: tuple[Text, ...] = Field(("openid",), description="Scopes that are asked for.")
    callback: Path = Field("/oauth2/callback", description="Path below the route's, for answers.")
    logout: Path = Field("/logout", description="Path below the route's that ends a session.")

    @property
    def asked(self) -> tuple[str, int]:
        """Host and port that the gateway asks."""
        return _place(self.token_endpoint)


class ExposedRoute(Section):
    """Requests to a host and path, and the service that answers them.

    Without `public`, a token is needed (`identity`), or a login (`oidc`), or the client certificate
    that the listener requires.
    """

    name: Name = Field(description="Name of the route, unique in the stack.")
    host: ListenerHost = Field(description="Host, that of a listener or below its `*.`.")
    path: Path = Field("/", description="Path; `/` is every one.")
    exact: bool = Field(False, description="The path alone, without what is below it.")
    methods: tuple[Method, ...] = Field((), description="HTTP methods; without any, all.")
    service: ServiceName | None = Field(
        None, description="The Service that answers, as `<namespace>/<name>`."
    )
    port: Port = Field(80, description="Its port.")
    split: tuple[SplitPart, ...] = Field((), description="Parts that other Services answer.")
    redirect: IngressRedirect | None = Field(None, description="Instead of a service.")
    rewrite: Path | None = Field(
        None, description="What the service sees instead of the part that `path` is."
    )
    public: bool = Field(False, description="Anybody may call; must be said.")
    require: TokenRequirement = Field(
        TokenRequirement(), description="What a token must hold besides being valid."
    )
    oidc: Oidc | None = Field(None, description="A login by browser, instead of a token.")
    cors: Cors | None = Field(None, description="Web pages of other origins.")
    limits: tuple[IngressLimit, ...] = Field((), description="Rates, all of which hold.")
    max_parallel: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1024, description="Requests at once from each pod of the gateway; more get 503."
    )
    breaker: IngressBreaker | None = Field(None, description="Ends requests to a failing service.")
    retries: IngressRetries | None = Field(None, description="What is tried again.")
    timeout: Duration = Field(Duration(15), description="Time of a request; then 504.")
    mirror: MirrorTo | None = Field(None, description="Another service that gets requests too.")
    request_size: BodySize | None = Field(
        None,
        description="Largest body, as `1Mi`; a larger one gets 413. Bodies are then read whole "
        "before they are passed on, so not for streams.",
    )

    @property
    def backends(self) -> tuple[tuple[str, int], ...]:
        """Every Service that requests go to, with its port; the mirror last."""
        found = [(self.service, self.port)] if self.service else []
        found += [(each.service, each.port) for each in self.split]
        found += [(self.mirror.to, self.mirror.port)] if self.mirror else []
        return tuple(dict.fromkeys(found))


class IngressSection(Section):
    """The way in: Envoy Gateway in front of meshed services."""

    shapes: ClassVar[dict[str, Shape]] = SHAPES

    enabled: bool = Field(
        False, description="Runs the gateway. It needs `gatewayApi.version: 1.5.1`."
    )
    replicas: Replicas = Field(3, description="Pods of the gateway, in different zones.")
    controller_replicas: Replicas = Field(2, description="Pods of Envoy Gateway, its controller.")
    service: GatewayService = Field(GatewayService(), description="How it is reached.")
    managed: bool = Field(
        True,
        description="Services that are routed to are closed to everybody else from outside: their "
        "policy denies, and the gateway is added to their clients.",
    )
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] | None = Field(
        None,
        description="Proxies before the gateway that add the client's address to "
        "`X-Forwarded-For`; 0 where the address of the connection is the client's. Needed for "
        "limits by client.",
    )
    access_log: Literal["errors", "all", "off"] = Field(
        "errors",
        description="Which requests are logged, as JSON: `errors` is every status but 2xx. In "
        "quotes: YAML takes a bare `off` for something else.",
    )
    identity: TokenIdentity | None = Field(None, description="Whose tokens are taken.")
    issuers: dict[Name, CertificateIssuer] = Field(
        {}, description="Where certificates come from, by name."
    )
    listeners: tuple[Listener, ...] = Field((), description="The hosts.")
    global_limits: GlobalLimits | None = Field(
        None, description="What counts limits that are `global`."
    )
    routes: tuple[ExposedRoute, ...] = Field((), description="What is reached.")

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return CHARTS if self.enabled else ()

    @property
    def vault_entries(self) -> dict[str, str]:
        """Entries with credentials, and the namespace that reads each."""
        if not self.enabled:
            return {}
        return {each.oidc.vault_path: LINKERD_INGRESS for each in self.routes if each.oidc}

    @property
    def counter_entries(self) -> dict[str, str]:
        """The same for what counts `global` limits, whichever of the gateways has them."""
        redis = self.global_limits.redis if self.global_limits else None
        return {redis.vault_path: ENVOY_GATEWAY} if redis and redis.vault_path else {}

    @property
    def acme(self) -> bool:
        """Whether cert-manager answers challenges through the gateway."""
        return self.enabled and any(each.acme for each in self.issuers.values())

    @property
    def keys(self) -> tuple[str, int] | None:
        """Host and port of the keys of tokens."""
        return self.identity.place if self.identity else None

    @property
    def outside(self) -> tuple[tuple[str, int], ...]:
        """Hosts and ports outside that the gateway's own pods must reach."""
        return tuple(sorted({_place(each) for each in self._addresses()})) if self.enabled else ()

    def _addresses(self) -> Iterator[str]:
        if self.identity:
            yield self.identity.jwks
        for each in self.routes:
            if each.oidc:
                yield each.oidc.token_endpoint

    def listener_of(self, host: str) -> Listener | None:
        """The listener that a route's host belongs to: its own, else the longest `*.` above it."""
        fitting = [
            each
            for each in self.listeners
            if each.host == host or (each.host.startswith("*.") and host.endswith(each.host[1:]))
        ]
        return max(fitting, key=lambda each: (each.host == host, len(each.host)), default=None)

    def guarded(self, route: ExposedRoute) -> bool:
        """Whether somebody is asked who they are before a route answers."""
        if route.public:
            return False
        listener = self.listener_of(route.host)
        ca = listener.client_ca if listener else None
        certified = ca is not None and ca.mode == "required"
        return bool(self.identity or route.oidc or certified)

    def exposed(self) -> Mapping[tuple[str, str], Sequence[ExposedRoute]]:
        """The routes of each Service that is reached, by its namespace and name."""
        if not self.enabled:
            return {}
        if not (_EXPOSED and _EXPOSED[0][0] is self):
            _EXPOSED[:] = [(self, _exposed(self.routes))]
        return _EXPOSED[0][1]


_Exposed = dict[tuple[str, str], list[ExposedRoute]]
# Asked for each service of a stack: that of the section that was asked for last.
_EXPOSED: list[tuple[IngressSection, _Exposed]] = []


def _exposed(routes: Sequence[ExposedRoute]) -> _Exposed:
    found: _Exposed = {}
    for route in routes:
        for service, _ in route.backends:
            namespace, _, name = service.partition("/")
            found.setdefault((namespace, name), []).append(route)
    return found


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or 443


class HasIngress(Protocol):
    """A config with the section `ingress`."""

    @property
    def ingress(self) -> IngressSection: ...  # noqa: D102
