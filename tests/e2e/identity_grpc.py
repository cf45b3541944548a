"""Linkerd's identity API as a proxy calls it; the messages are described at run time.

Follows https://github.com/linkerd/linkerd2-proxy-api/blob/main/proto/identity.proto
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

_PACKAGE = "io.linkerd.proxy.identity"
_METHOD = f"/{_PACKAGE}.Identity/Certify"
_STRING, _BYTES = 9, 12
_ONE, _MANY = 1, 3
_FIELDS = {
    "CertifyRequest": (
        ("identity", _STRING, _ONE),
        ("token", _BYTES, _ONE),
        ("certificate_signing_request", _BYTES, _ONE),
    ),
    "CertifyResponse": (
        ("leaf_certificate", _BYTES, _ONE),
        ("intermediate_certificates", _BYTES, _MANY),
    ),
}
_SECONDS = 5.0


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="identity.proto", package=_PACKAGE, syntax="proto3"
    )
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, label) in enumerate(fields, 1):
            message.field.add(name=field, number=number, type=kind, label=label)
    file.message_type[1].field.add(
        name="valid_until",
        number=3,
        type=11,
        label=_ONE,
        type_name=".google.protobuf.Timestamp",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _FIELDS
    }


_MESSAGES = _messages()


class Refused(Exception):  # noqa: N818  (an answer, not a fault of ours)
    """The service gave no certificate; says its status and why."""


class IdentityClient:
    """A client of one identity process on loopback, without TLS as beside its own proxy."""

    def __init__(self, address: str) -> None:
        # A proxy of the environment must not see tokens.
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self._certify = self._channel.unary_unary(
            _METHOD,
            request_serializer=_MESSAGES["CertifyRequest"].SerializeToString,
            response_deserializer=_MESSAGES["CertifyResponse"].FromString,
        )

    def __enter__(self) -> IdentityClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def certify(
        self, identity: str, token: str, asked: x509.CertificateSigningRequest
    ) -> tuple[x509.Certificate, ...]:
        """The leaf and the chain that it is presented with; raises Refused."""
        request = _MESSAGES["CertifyRequest"](
            identity=identity,
            token=token.encode(),
            certificate_signing_request=asked.public_bytes(Encoding.DER),
        )
        try:
            answer = self._certify(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()  # type: ignore[attr-defined]
            raise Refused(f"{code.name}: {details}") from None
        raw = [answer.leaf_certificate, *answer.intermediate_certificates]
        return tuple(x509.load_der_x509_certificate(each) for each in raw)
