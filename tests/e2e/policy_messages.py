"""The messages of Linkerd's policy API, described at run time: the fields that the tests read.

Field numbers are those of inbound.proto, outbound.proto, meta.proto, net.proto and the files
*_route.proto in https://github.com/linkerd/linkerd2-proxy-api (0.20). On the wire a message has no
name, so messages of the same shape are described once.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "io.linkerd.proxy.described"
_SCALARS = {"string": 9, "uint32": 13, "fixed32": 7, "bytes": 12, "int64": 3, "fixed64": 6}
_SCALARS |= {"bool": 8, "double": 1, "float": 2, "int32": 5}
_MESSAGE, _ONE, _MANY = 11, 1, 3

# `<field>: <number> <type>`, with `[]` behind the type of a list.
_DESCRIBED = """
Empty

PortSpec            workload: 1 string      port: 2 uint32
InboundServer       protocol: 1 Inbound     authorizations: 3 Authz[]   labels: 4 Label[]
Label               key: 1 string           value: 2 string
Inbound             detect: 1 InDetect      opaque: 2 Empty             tls: 3 Empty
Inbound             http1: 4 InRoutes       http2: 5 InRoutes           grpc: 6 InRoutes
InDetect            routes: 3 InRoute[]     limit: 4 Limits
InRoutes            routes: 2 InRoute[]     limit: 3 Limits
Limits              metadata: 1 Metadata    total: 2 Limit              identity: 3 Limit
Limits              overrides: 4 Override[]
Limit               rate: 1 uint32
Override            limit: 1 Limit          clients: 2 Identities
InRoute             metadata: 1 Metadata    authorizations: 3 Authz[]   rules: 4 InRule[]
InRule              matches: 1 HttpMatch[]
HttpMatch           path: 1 PathMatch       headers: 2 PairMatch[]      query: 3 PairMatch[]
HttpMatch           method: 4 Method
PairMatch           name: 1 string          exact: 2 string             regex: 3 string
Method              registered: 1 uint32
PathMatch           exact: 1 string         prefix: 2 string            regex: 3 string
Authz               networks: 1 Network[]   authentication: 2 Authn     metadata: 4 Metadata
Network             net: 1 Cidr             except: 2 Cidr[]
Cidr                ip: 1 Address           prefix_len: 2 uint32
Address             ipv4: 1 fixed32         ipv6: 2 Empty
Authn               unauthenticated: 1 Empty    mesh_tls: 2 MeshTls
MeshTls             unauthenticated: 1 Empty    identities: 2 Identities
Identities          identities: 1 Identity[]    suffixes: 2 Suffix[]
Identity            name: 1 string
Suffix              parts: 1 string[]
Metadata            default: 1 string       resource: 2 Resource
Resource            group: 1 string         kind: 2 string              port: 6 uint32
Resource            name: 3 string          namespace: 4 string

TrafficSpec         source_workload: 1 string   addr: 2 TcpAddress      authority: 3 string
TcpAddress          ip: 1 Address           port: 2 uint32
OutboundPolicy      protocol: 1 Outbound    metadata: 2 Metadata
Outbound            detect: 1 OutDetect     opaque: 2 StreamRoutes      http1: 3 HttpRoutes
Outbound            http2: 4 HttpRoutes     grpc: 5 HttpRoutes          tls: 6 StreamRoutes
OutDetect           opaque: 2 StreamRoutes  http1: 3 HttpRoutes         http2: 4 HttpRoutes
StreamRoutes        routes: 1 StreamRoute[]
StreamRoute         metadata: 1 Metadata    hosts: 2 Host[]             rules: 3 StreamRule[]
StreamRule          filters: 2 StreamFilter[]
StreamFilter        invalid: 1 Empty        forbidden: 2 Empty
HttpRoutes          routes: 1 HttpRoute[]   accrual: 2 Accrual
HttpRoute           metadata: 1 Metadata    hosts: 2 Host[]             rules: 3 HttpRule[]
HttpRule            matches: 1 HttpMatch[]  filters: 2 HttpFilter[]     backends: 3 Backends
HttpRule            timeouts: 5 Timeouts    retry: 6 Retry
HttpFilter          failure: 1 Failure      request: 2 Modifier         redirect: 3 Redirect
HttpFilter          response: 4 Modifier
Failure             status: 1 uint32
Modifier            add: 1 Headers          set: 2 Headers              remove: 3 string[]
Headers             headers: 1 Pair[]
Pair                name: 1 string          value: 2 string
Redirect            scheme: 1 Method        host: 2 string              path: 3 NewPath
Redirect            port: 4 uint32          status: 5 uint32
NewPath             full: 1 string          prefix: 2 string
Backends            first: 2 FirstBackends  random: 3 AnyBackends
FirstBackends       backends: 1 Backend[]
AnyBackends         backends: 1 Weighted[]
Weighted            backend: 1 Backend      weight: 2 uint32
Backend             backend: 1 Target       filters: 3 HttpFilter[]
Target              metadata: 1 Metadata    balancer: 3 Balancer
Balancer            ewma: 2 Empty           penalty: 3 Ewma
Ewma                penalty: 3 Time         max_retry_after: 4 Time
Timeouts            response: 1 Time        request: 2 Time             idle: 3 Time
Retry               times: 1 uint32         bytes: 2 uint32             on: 3 Conditions
Retry               timeout: 4 Time
Conditions          ranges: 1 Range[]
Range               start: 1 uint32         end: 2 uint32
Time                seconds: 1 int64        nanos: 2 int32
Accrual             consecutive: 1 InARow   unified: 2 Unified
InARow              failures: 1 uint32      backoff: 2 Backoff
Unified             rate: 1 double          decay: 2 Time               least: 3 uint32
Unified             failures: 4 uint32      backoff: 5 Backoff
Backoff             min: 1 Time             max: 2 Time                 jitter: 3 float
GrpcPolicy          protocol: 1 GrpcOut     metadata: 2 Metadata
GrpcOut             grpc: 5 GrpcRoutes
GrpcRoutes          routes: 1 GrpcRoute[]   accrual: 2 Accrual
GrpcRoute           metadata: 1 Metadata    rules: 3 GrpcRule[]
GrpcRule            matches: 1 GrpcMatch[]  backends: 3 Backends        timeouts: 5 Timeouts
GrpcRule            retry: 6 GrpcRetry
GrpcMatch           rpc: 1 Call             headers: 2 PairMatch[]
Call                service: 1 string       method: 2 string
GrpcRetry           times: 1 uint32         on: 3 Codes                 timeout: 4 Time
Codes               cancelled: 1 bool       internal: 13 bool           unavailable: 14 bool
Host                exact: 1 string         suffix: 2 HostSuffix
HostSuffix          reverse_labels: 1 string[]
"""


def described(package: str, text: str) -> dict[str, Any]:
    """The classes of the messages that a text in the form above describes."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    made: dict[str, Any] = {}
    for line in filter(None, text.splitlines()):
        name, *words = line.split()
        if name not in made:
            made[name] = file.message_type.add(name=name)
        for field, number, kind in zip(words[::3], words[1::3], words[2::3], strict=True):
            scalar = _SCALARS.get(kind.removesuffix("[]"))
            made[name].field.add(
                name=field.rstrip(":"),
                number=int(number),
                label=_MANY if kind.endswith("[]") else _ONE,
                type=scalar or _MESSAGE,
                type_name=None if scalar else f".{package}.{kind.removesuffix('[]')}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in made
    }


MESSAGES = described(_PACKAGE, _DESCRIBED)
