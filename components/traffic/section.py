"""The section `traffic` of a stack file: how requests to a service are routed and kept alive.

Only what Linkerd does is here. What it admits and then ignores is refused, by the type of a key or
by a rule, with what to write instead.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from components.policy.section import Method
from components.traffic.values import (
    Backend,
    Condition,
    FlaggerVersion,
    GrpcName,
    HeaderName,
    HeaderValue,
    MeshTime,
    QueryName,
    Regex,
    RoutePath,
    ServiceKey,
    Weight,
)
from schema.section import Section
from schema.values import Domain, Name

Protocol_ = Literal["http", "h2c", "grpc"]
Delivery = Literal["none", "argo", "flagger"]
Port = Annotated[int, Field(ge=1, le=65535)]
_INGRESS = "is done at an ingress alone, Linkerd drops the whole route for it: remove it here"


class _Placed(Section):
    """A section that knows of keys that are searched here and stand elsewhere, or nowhere."""

    elsewhere: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        wrong = [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{error}", {"error": cls.elsewhere[key]}),
                loc=(key,),
                input=value[key],
            )
            for key in (value if isinstance(value, dict) else ())
            if key in cls.elsewhere
        ]
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return value


class HeaderChanges(Section):
    """Changes of headers; names in lower case."""

    set_: dict[HeaderName, HeaderValue] = Field(
        {}, alias="set", description="Headers that get this value, instead of any they have."
    )
    add: dict[HeaderName, HeaderValue] = Field(
        {}, description="Headers that get this value on top of those they have."
    )
    remove: tuple[HeaderName, ...] = Field((), description="Headers that are taken away.")

    def __bool__(self) -> bool:
        """True where anything is changed."""
        return bool(self.set_ or self.add or self.remove)


class Redirect(Section):
    """An answer that sends the client elsewhere; no request reaches a pod."""

    scheme: Literal["http", "https"] | None = Field(None, description="Scheme, else the same.")
    host: Domain | None = Field(None, description="Host, else the same.")
    port: Port | None = Field(None, description="Port, else that of the scheme.")
    path: RoutePath | None = Field(None, description="Path instead of the whole one.")
    prefix: RoutePath | None = Field(
        None, description="Path instead of the part that `path` of the route is."
    )
    status: Annotated[int, Field(ge=301, le=302)] = Field(302, description="Status of the answer.")


class TrafficRoute(_Placed):
    """Some of the requests, and where they go. The most specific route holds, not the first.

    Before all by its path (exact, then regular expression, then the longest prefix), then by the
    number of its headers, of its parameters, and by its method.
    """

    elsewhere: ClassVar[dict[str, str]] = {
        "mirror": f"mirroring {_INGRESS}",
        "rewrite": f"rewriting a path or host {_INGRESS}",
        "cors": f"CORS {_INGRESS}",
        "retries": "hold for the whole port: write them beside routes",
        "timeouts": "hold for the whole port: write them beside routes",
        "breaker": "holds for the whole service, whatever the route: write it beside routes",
        "host": "a client's host differs with how it names the service: leave it out",
    }

    name: Name = Field(description="Name of the route, unique at its port.")
    path: RoutePath = Field("/", description="Path; `/` is every one. Not with `grpc`.")
    path_type: Literal["prefix", "exact", "regex"] = Field(
        "prefix",
        description="How the path is compared: `prefix` ends at a `/`, `regex` is a regular "
        "expression of the whole path.",
    )
    headers: dict[HeaderName, HeaderValue] = Field({}, description="Headers, all with this value.")
    header_patterns: dict[HeaderName, Regex] = Field(
        {}, description="Headers with a value that a regular expression matches as a whole."
    )
    query: dict[QueryName, HeaderValue] = Field(
        {}, description="Parameters of the query, all with this value. Not with `grpc`."
    )
    query_patterns: dict[QueryName, Regex] = Field(
        {}, description="Parameters with a value that a regular expression matches as a whole."
    )
    methods: tuple[Method, ...] = Field(
        (), description="HTTP methods, any of them; without any, all. Not with `grpc`."
    )
    grpc_service: GrpcName | None = Field(
        None, description="gRPC service with its package, as `shop.v1.Cart`; with `grpc` alone."
    )
    grpc_methods: tuple[GrpcName, ...] = Field(
        (), description="Methods of `grpcService`, any of them; without any, all."
    )
    to: dict[Backend, Weight] = Field(
        {},
        description="Where the requests go, with a weight each: a Service of the same namespace "
        "by its name, or `<namespace>/<name>`; `:<port>` after it where the port differs. Without "
        "any, to the service itself.",
    )
    redirect: Redirect | None = Field(
        None, description="Answered with a redirect instead. Not with `grpc`."
    )
    request_headers: HeaderChanges = Field(
        HeaderChanges(), description="Changes of the request's headers."
    )
    response_headers: HeaderChanges = Field(
        HeaderChanges(), description="Changes of the response's headers."
    )


class Retries(Section):
    """What is tried again, by the client's proxy.

    Bodies of up to 64 KiB are kept for that; a request with a larger one is not retried. A refused
    or broken connection is not retried by Linkerd.
    """

    on: tuple[Condition, ...] = Field(
        description="What is retried: `5xx`, `gateway-error` (502 to 504), a status, a range as "
        "`502-504`; with `grpc` `cancelled`, `deadline-exceeded`, `internal`, "
        "`resource-exhausted`, `unavailable`."
    )
    times: Annotated[int, Field(ge=1, le=5)] = Field(1, description="How often at most.")
    timeout: MeshTime | None = Field(
        None,
        description="Time after which a try without an answer is given up for the next; the last "
        "one has until `timeouts.request`.",
    )
    bodies: bool = Field(
        description="`true`: every request, also POST, which the service must be able to take "
        "twice. `false`: GET, HEAD and OPTIONS alone."
    )


class Timeouts(Section):
    """When a request is ended with 504; none of these is retried."""

    request: MeshTime | None = Field(
        None, description="From its first byte to the last of the response, with all tries."
    )
    response: MeshTime | None = Field(
        None, description="From the end of the request to that of the response."
    )
    idle: MeshTime | None = Field(None, description="Without a byte in either direction.")

    @property
    def used(self) -> bool:
        """True where there is any."""
        return bool(self.request or self.response or self.idle)


class Breaker(Section):
    """A pod that fails gets no more requests for a while, from each client's proxy on its own.

    It is of the service that a client calls, and holds for the pods of every Service that its
    routes lead to. With all pods out, requests wait 3 s and get 504.
    """

    mode: Literal["consecutive", "unified"] = Field(
        "consecutive",
        description="`consecutive`: by failures in a row. `unified`: by the success rate as well.",
    )
    failures: Annotated[int, Field(ge=1, le=4294967295)] = Field(
        7, description="Failures in a row after which a pod is out."
    )
    success_rate: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Least success rate in per cent; with `unified` alone, where it is 80."
    )
    window: MeshTime | None = Field(
        None, description="Time that the success rate is of; with `unified` alone, where it is 10s."
    )
    least_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="Requests in `window` below which the rate says nothing; with `unified` "
        "alone, where it is 5.",
    )
    penalty: MeshTime = Field("1s", description="Time for which a pod is out the first time.")
    max_penalty: MeshTime = Field(
        "1m", description="Longest time, which doubles with every probe that fails."
    )
    jitter: Annotated[int, Field(ge=0, le=100)] = Field(
        50, description="Part of the time that is random, in per cent."
    )


class LoadBias(Section):
    """Failing pods get less load, before a breaker takes them out."""

    penalty: MeshTime = Field(
        "5s", description="How slow a pod is taken for that answered with a failure."
    )
    max_retry_after: MeshTime = Field(
        "5m", description="Longest `Retry-After` of a pod that is respected."
    )


class PortTraffic(_Placed):
    """How requests to one port of a service are treated by the proxies of meshed clients."""

    elsewhere: ClassVar[dict[str, str]] = {
        "rateLimit": "a limit is the server's: write it at policy.namespaces.<name>.services.ports",
        "maxParallel": "Linkerd has no limit of requests at a time: it is done at a gateway alone",
        "mirror": f"mirroring {_INGRESS}",
        "cors": f"CORS {_INGRESS}",
    }

    port: Port = Field(description="Port of the Service, by number.")
    protocol: Protocol_ = Field(
        "http",
        description="What is spoken there: `http` (HTTP/1 or HTTP/2), `h2c` (HTTP/2 alone), "
        "`grpc`. The Service's `appProtocol` agrees with it, or is left out: `kubernetes.io/h2c` "
        "for `h2c` and `grpc`. Any other makes the port opaque.",
    )
    timeouts: Timeouts = Field(Timeouts(), description="Ends of requests that take too long.")
    retries: Retries | None = Field(None, description="What is tried again.")
    routes: tuple[TrafficRoute, ...] = Field(
        (), description="Requests that go elsewhere; the rest go to the service itself."
    )
    delivery: Delivery = Field(
        "none",
        description="Who moves the weights: `none`: this file. `argo`: Argo Rollouts moves those "
        "of the route that is made here. `flagger`: Flagger makes the route as well.",
    )


class ServiceTraffic(PortTraffic):
    """How requests to a service are treated."""

    breaker: Breaker | None = Field(None, description="Keeps requests from pods that fail.")
    load_bias: LoadBias | None = Field(None, description="Gives failing pods less load.")
    other_ports: tuple[PortTraffic, ...] = Field(
        (), description="Further ports of the service, which the same breaker holds for."
    )

    @property
    def ports(self) -> tuple[PortTraffic, ...]:
        """Every port of the service, its own first."""
        return (self, *self.other_ports)


class TrafficSection(Section):
    """How meshed clients' requests to services are routed, retried and timed out.

    All of it is done by the client's proxy: a client outside the mesh has none of it.
    """

    services: dict[ServiceKey, ServiceTraffic] = Field(
        {}, description="The services, by `<namespace>/<name>`; the Service must be there."
    )
    flagger_version: FlaggerVersion | None = Field(
        None,
        description="Version of Flagger in the cluster; needed with `delivery: flagger`, and below "
        "1.42.0.",
    )


class HasTraffic(Protocol):
    """A config with the section `traffic`."""

    @property
    def traffic(self) -> TrafficSection: ...  # noqa: D102
