"""Spans as a proxy sends them, and a backend that keeps what reaches it, both by OTLP.

Field numbers are those of trace.proto, common.proto and resource.proto in
https://github.com/open-telemetry/opentelemetry-proto; an enum is a number on the wire.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.e2e.policy_messages import described
from tests.local_server import Handler, serving

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_SECONDS = 20.0
_SERVER = 2
START_NS = 1_800_000_000_000_000_000

# The request has the shape of `TracesData`.
MESSAGES = described(
    "opentelemetry.described",
    """
Request         resource_spans: 1 ResourceSpans[]
ResourceSpans   resource: 1 Resource        scope_spans: 2 ScopeSpans[]
Resource        attributes: 1 KeyValue[]
ScopeSpans      spans: 2 Span[]
Span            trace_id: 1 bytes           span_id: 2 bytes        parent_span_id: 4 bytes
Span            name: 5 string              kind: 6 int64           start: 7 fixed64
Span            end: 8 fixed64              attributes: 9 KeyValue[]
KeyValue        key: 1 string               value: 2 AnyValue
AnyValue        string_value: 1 string
""",
)


def trace_id(number: int) -> bytes:
    """The id of a trace: as good as chance, and the same in every run."""
    return hashlib.sha256(str(number).encode()).digest()[:16]


def span(number: int, *, code: str = "200", millis: int = 5, path: str = "/") -> Any:
    """A span as a proxy makes it: attributes are text, and there is no status.

    linkerd2-proxy linkerd/trace-context/src/service.rs and linkerd/opentelemetry/src/lib.rs.
    """
    attributes = {
        "http.request.method": "GET",
        "http.response.status_code": code,
        "url.path": path.partition("?")[0],
        "url.query": path.partition("?")[2],
        "url.full": f"http://web.shop{path}",
    }
    return MESSAGES["Span"](
        trace_id=trace_id(number),
        span_id=trace_id(number)[:8],
        parent_span_id=trace_id(number)[8:],
        name=path.partition("?")[0],
        kind=_SERVER,
        start=START_NS,
        end=START_NS + millis * 1_000_000,
        attributes=_key_values(attributes),
    )


def _key_values(attributes: dict[str, str]) -> list[Any]:
    key_value, any_value = MESSAGES["KeyValue"], MESSAGES["AnyValue"]
    return [
        key_value(key=key, value=any_value(string_value=text)) for key, text in attributes.items()
    ]


def export(port: int, spans: Sequence[Any], labels: Mapping[str, str] | None = None) -> None:
    """Send spans over gRPC, in one call as a proxy does; raises grpc.RpcError.

    labels: those of the proxy's pod, which come with the spans.
    """
    attributes = {"service.name": "linkerd-proxy", **(labels or {})}
    resource = MESSAGES["Resource"](attributes=_key_values(attributes))
    scope = MESSAGES["ScopeSpans"](spans=spans)
    of_resource = MESSAGES["ResourceSpans"](resource=resource, scope_spans=[scope])
    request = MESSAGES["Request"](resource_spans=[of_resource])
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call = channel.unary_unary(_METHOD, request_serializer=None, response_deserializer=None)
        call(request.SerializeToString(), timeout=_SECONDS, wait_for_ready=True)


@dataclass
class Backend:
    """What has reached the backend: each span with its attributes, and the headers of each call."""

    port: int = 0
    spans: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def traces(self) -> set[bytes]:
        """Ids of the traces that it has spans of."""
        return {trace for trace, _ in self.spans}

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        """Keep what a call has brought."""
        request = MESSAGES["Request"]()
        request.ParseFromString(body)
        self.headers.append(headers)
        for of_resource in request.resource_spans:
            for scope in of_resource.scope_spans:
                for each in scope.spans:
                    attributes = {kv.key: kv.value.string_value for kv in each.attributes}
                    self.spans.append((bytes(each.trace_id), attributes))


@contextmanager
def backend() -> Iterator[Backend]:
    """A backend on loopback that speaks OTLP over HTTP; ends with the block."""
    made = Backend()

    class Takes(Handler):
        def post(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            made.take(body, {key.lower(): value for key, value in self.headers.items()})
            self.answer(b"", "application/x-protobuf")

    with serving(Takes) as address:
        made.port = int(address.rpartition(":")[2])
        yield made
