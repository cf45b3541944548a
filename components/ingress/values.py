"""Types of values of the section `ingress`, each refused with what to write instead."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from schema.values import ValueKind, dns_domain, http_url, kubernetes_name, shown

_BYTES = {None: 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_LONGEST_ADDRESS = 253  # of an issuer and of a JWKS, in Envoy Gateway's CRDs


def https_address(text: str) -> str:
    """An https address, with a path or not, as Envoy Gateway takes one; raises ValueError."""
    http_url(text)
    if urlsplit(text).scheme != "https" or len(text) > _LONGEST_ADDRESS:
        raise ValueError(
            f"{shown(text)} is no https address of at most {_LONGEST_ADDRESS} characters: keys of "
            "tokens are never fetched in the clear; write https://idp.example.com/jwks"
        )
    return text


def listener_host(text: str) -> str:
    """A DNS name of two labels at least, `*.` before it or not; raises ValueError."""
    bare = text.removeprefix("*.")
    if "." in bare and "*" not in bare:
        dns_domain(bare)
        return text
    raise ValueError(f"{shown(text)} is no host: write shop.example.com, or '*.example.com'")


def service_name(text: str) -> str:
    """`<namespace>/<name>` of a Service; raises ValueError."""
    namespace, slash, name = text.partition("/")
    if not slash:
        raise ValueError(f"{shown(text)} names no namespace: write <namespace>/<service>")
    kubernetes_name(namespace)
    kubernetes_name(name)
    return text


def limited_by(text: str) -> str:
    """What requests are counted by; raises ValueError."""
    if re.fullmatch(r"all|client|claim:[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*|header:[a-z0-9-]+", text):
        return text
    raise ValueError(
        f"{shown(text)} is nothing that requests are counted by: write all, client, "
        "claim:<name>, or header:<name> in lower case"
    )


def origin(text: str) -> str:
    """An origin of CORS, or `*`; raises ValueError."""
    if text == "*" or re.fullmatch(r"https?://(\*\.)?[a-z0-9.-]+(:[0-9]{1,5})?", text):
        return text
    raise ValueError(
        f"{shown(text)} is no origin: write https://app.example.com, 'https://*.example.com', "
        "or '*' for every site"
    )


def path(text: str) -> str:
    """The path of a URL, that Envoy compares after it has removed `//` and `..`."""
    # What HTTPPathMatch of the Gateway API takes, but for escapes.
    allowed = r"/[-A-Za-z0-9/._~!$&'()*+,=:@]{0,1023}"
    if re.fullmatch(allowed, text) and not re.search(r"//|/\.\.?(/|$)", text):
        return text
    raise ValueError(f"{shown(text)} is no path: write it like /api, without a query or escapes")


def body_size(text: str) -> str:
    """A size in bytes that Envoy keeps in 32 bits; raises ValueError."""
    found = re.fullmatch(r"([1-9][0-9]{0,9})(k|M|G|Ki|Mi|Gi)?", text)
    if found and int(found[1]) * _BYTES[found[2]] < 2**32:
        return text
    raise ValueError(f"{shown(text)} is no size of a body: write it like 64Ki or 1Mi, below 4Gi")


def claim_header(by: str) -> str:
    """The header that holds the claim of `claim:<name>`; Envoy takes it away from clients."""
    return f"x-ingress-claim-{by.partition(':')[2].replace('.', '-').replace('_', '-').lower()}"


HttpsAddress = Annotated[
    str, AfterValidator(https_address), ValueKind("https address", "https://idp.example.com")
]
ListenerHost = Annotated[str, AfterValidator(listener_host), ValueKind("host", "shop.example.com")]
ServiceName = Annotated[str, AfterValidator(service_name), ValueKind("service", "shop/cart")]
LimitedBy = Annotated[
    str, AfterValidator(limited_by), ValueKind("all, client, claim or header", "all")
]
Origin = Annotated[str, AfterValidator(origin), ValueKind("origin", "https://app.example.com")]
Path = Annotated[str, AfterValidator(path), ValueKind("path", "/")]
BodySize = Annotated[str, AfterValidator(body_size), ValueKind("size of a body", "1Mi")]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]
