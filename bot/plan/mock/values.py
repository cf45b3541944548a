"""What the mock monitor is handed, as plain values: no secret in clear, no unknown invented."""

from __future__ import annotations

import datetime
import sys
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf import struct_pb2
from pulumi.runtime import rpc

from bot.text.hidden_values import SECRET, UNKNOWN

_SHARED = 256  # characters; what is longer is a text of its own
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
_RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


def plain(value: struct_pb2.Struct | struct_pb2.Value) -> Any:
    """A property of a request as JSON has it.

    Secrets become `[secret]`, what is known only after an apply becomes `[known after apply]`, and
    a resource becomes its URN. Signatures as in pulumi sdk/python/lib/pulumi/runtime/rpc.py.
    """
    if isinstance(value, struct_pb2.Struct):
        return _mapping(value)
    match value.WhichOneof("kind"):
        case "struct_value":
            return _mapping(value.struct_value)
        case "list_value":
            return [plain(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "string_value":
            return UNKNOWN if value.string_value == rpc.UNKNOWN else shared(value.string_value)
    return None


def shared(text: str) -> str:
    """The text, the same one wherever it is told again: requests repeat kinds, names and URNs."""
    return sys.intern(text) if len(text) <= _SHARED else text


def _mapping(value: struct_pb2.Struct) -> Any:
    fields = value.fields
    match fields[_SIGNATURE].string_value if _SIGNATURE in fields else "":
        case s if s == _SECRET_SIGNATURE:
            return SECRET
        case s if s == _RESOURCE_SIGNATURE:
            return fields["urn"].string_value
        case s if s == _OUTPUT_SIGNATURE:
            if "secret" in fields and fields["secret"].bool_value:
                return SECRET
            return plain(fields["value"]) if "value" in fields else UNKNOWN
    return {shared(key): plain(item) for key, item in sorted(fields.items())}


@lru_cache(maxsize=1)
def throwaway_certificate() -> str:
    """A certificate for what an applied program reads back; its key is gone when this returns."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root.linkerd.cluster.local")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
