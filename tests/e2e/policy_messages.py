"""The messages of Linkerd's policy API, described at run time: the fields that the tests read.

Field numbers are those of inbound.proto, outbound.proto, meta.proto, net.proto, http_route.proto,
tls_route.proto and opaque_route.proto in https://github.com/linkerd/linkerd2-proxy-api (0.20). On
the wire a message has no name, so messages of the same shape are described once.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "io.linkerd.proxy.described"
_SCALARS = {"string": 9, "uint32": 13, "fixed32": 7, "bytes": 12, "int64": 3, "fixed64": 6}
_MESSAGE, _ONE, _MANY = 11, 1, 3

# `<field>: <number> <type>`, with `[]` behind the type of a list.
_DESCRIBED = """
Empty

PortSpec            workload: 1 string      port: 2 uint32
InboundServer       protocol: 1 Inbound     authorizations: 3 Authz[]   labels: 4 Label[]
Label               key: 1 string           value: 2 string
Inbound             detect: 1 InDetect      opaque: 2 Empty             tls: 3 Empty
Inbound             http1: 4 InRoutes       http2: 5 InRoutes           grpc: 6 InRoutes
InDetect            routes: 3 InRoute[]
InRoutes            routes: 2 InRoute[]
InRoute             metadata: 1 Metadata    authorizations: 3 Authz[]   rules: 4 InRule[]
InRule              matches: 1 HttpMatch[]
HttpMatch           path: 1 PathMatch
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
Resource            group: 1 string         kind: 2 string
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
HttpRoutes          routes: 1 HttpRoute[]
HttpRoute           metadata: 1 Metadata    hosts: 2 Host[]             rules: 3 HttpRule[]
HttpRule            filters: 2 HttpFilter[]
HttpFilter          failure: 1 Failure
Failure             status: 1 uint32
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
