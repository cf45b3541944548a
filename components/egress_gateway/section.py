"""The part `egress.gateway` of a stack file: partners outside, and who may call them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.ingress.section import (
    IngressBreaker,
    IngressLimit,
    IngressRetries,
    TokenIdentity,
    TokenRequirement,
)
from components.ingress.values import Port
from components.names import LINKERD_EGRESS_GATEWAY
from schema.section import Section
from schema.values import Duration, Name, Replicas, ValueKind, VaultPath, dns_domain, shown
from schema.words import Cidr

_OF_REQUESTS = (
    *("host", "content-length", "transfer-encoding", "connection", "te", "upgrade"),
    *("keep-alive", "proxy-connection", "trailer"),
)


def host_name(text: str) -> str:
    """A DNS name of two labels at least, which a certificate can have; raises ValueError."""
    if re.fullmatch(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]([-a-z0-9]*[a-z0-9])?", text):
        return dns_domain(text)
    raise ValueError(
        f"{shown(text)} is no host of a partner: write its DNS name in small letters, without port "
        "or scheme, such as api.example.com"
    )


def caller(text: str) -> str:
    """`<namespace>/<name>` of a service account; raises ValueError otherwise."""
    label = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    if re.fullmatch(rf"{label}/{label}(\.{label})*", text) and len(text) <= 253:
        return text
    raise ValueError(f"{shown(text)} is no caller: write <namespace>/<service account>")


def counted_by(text: str) -> str:
    """What requests to a partner are counted by; raises ValueError."""
    if re.fullmatch(r"all|caller|claim:[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*", text):
        return text
    raise ValueError(
        f"{shown(text)} is nothing that requests are counted by: write all, caller, or claim:<name>"
    )


def header_name(text: str) -> str:
    """The name of an HTTP header, in small letters; raises ValueError."""
    # Those that say where a request goes, how long it is and who calls are not a credential's; the
    # last of them are taken away before the partner.
    if (
        re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", text)
        and text not in _OF_REQUESTS
        and not text.startswith(("l5d-", "x-forwarded-", "x-envoy-", "x-ingress-claim-"))
    ):
        return text
    raise ValueError(
        f"{shown(text)} is no header of a credential: write authorization, or a name such as "
        "x-api-key, in small letters"
    )


PartnerHost = Annotated[str, AfterValidator(host_name), ValueKind("host", "api.example.com")]
Caller = Annotated[str, AfterValidator(caller), ValueKind("caller", "shop/cart")]
CountedBy = Annotated[str, AfterValidator(counted_by), ValueKind("all, caller or claim", "all")]
HeaderName = Annotated[str, AfterValidator(header_name), ValueKind("header", "authorization")]


class PartnerCredential(Section):
    """A header that the gateway writes into each request, over what the caller wrote."""

    vault_path: VaultPath = Field(
        description="Entry below `vault.kvMount` with `credential`: the whole value of the header, "
        "such as `Bearer ...`."
    )
    header: HeaderName = Field("authorization", description="The header, in small letters.")


class PartnerLimit(IngressLimit):
    """A rate above which requests to a partner are answered with 429."""

    by: CountedBy = Field(
        "all",
        description="`all` to the partner together; each `caller`; each value of `claim:sub`. A "
        "request without the claim is not counted. Each pod counts by itself, but what is "
        "`global`.",
    )


class Partner(Section):
    """A server outside, and who may call it: as `http://<host>`, in the clear within the pod.

    The caller's proxy sends the request to the gateway by mTLS of the mesh, and the gateway sends
    it on by TLS.
    """

    name: Name = Field(description="Name of the partner, unique in the stack.")
    host: PartnerHost = Field(description="Its DNS name, which its certificate must have.")
    port: Port = Field(443, description="Its port. Callers use 80.")
    networks: tuple[Cidr, ...] = Field(
        (),
        description="Where it is, if that is known: the gateway's packets to this port go there "
        "alone, where every partner at the port has some. Without them, to every address outside "
        "the cluster.",
    )
    ca: str | None = Field(
        None,
        description="The CA certificates that its certificate is checked by, as PEM; without them "
        "the public authorities.",
    )
    client_certificate: VaultPath | None = Field(
        None,
        description="Entry below `vault.kvMount` with `tls.crt` and `tls.key`, which the gateway "
        "shows it (mTLS).",
    )
    credential: PartnerCredential | None = Field(
        None, description="A header that proves who calls, such as a key of its API."
    )
    allow: tuple[Caller, ...] = Field(
        description="Who may call, as `<namespace>/<service account>`."
    )
    require: TokenRequirement = Field(
        TokenRequirement(),
        description="What the caller's token must hold (`identity`). The token ends at the "
        "gateway.",
    )
    limits: tuple[PartnerLimit, ...] = Field((), description="Rates, all of which hold.")
    max_parallel: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1024, description="Requests at once from each pod of the gateway; more get 503."
    )
    breaker: IngressBreaker | None = Field(
        None,
        description="Ends requests to an address of the partner that fails, in each pod of the "
        "gateway by itself.",
    )
    retries: IngressRetries | None = Field(None, description="What is tried again.")
    timeout: Duration = Field(Duration(15), description="Time of a request; then 504.")

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces of its callers, each once."""
        return tuple(dict.fromkeys(each.partition("/")[0] for each in self.allow))

    @property
    def vault_paths(self) -> dict[tuple[str, ...], str]:
        """The entries of Vault that are its own, by their keys below the partner."""
        found: dict[tuple[str, ...], str] = {}
        if self.client_certificate:
            found["clientCertificate",] = self.client_certificate
        if self.credential:
            found["credential", "vaultPath"] = self.credential.vault_path
        return found


class EgressGatewaySection(Section):
    """A way out for requests to partners, with their credentials: Envoy in the mesh."""

    enabled: bool = Field(
        False, description="Runs the gateway. It needs `gatewayApi.version: 1.5.1`."
    )
    replicas: Replicas = Field(3, description="Pods of the gateway, in different zones.")
    managed: bool = Field(
        True,
        description="Namespaces of callers reach partners through the gateway alone: their egress "
        "denies, with a NetworkPolicy, and opens no partner's port to every address.",
    )
    access_log: Literal["errors", "all", "off"] = Field(
        "errors",
        description="Which requests are logged, as JSON: `errors` is every status but 2xx. In "
        "quotes: YAML takes a bare `off` for something else.",
    )
    identity: TokenIdentity | None = Field(
        None, description="Whose tokens callers come with, where partners `require` something."
    )
    partners: tuple[Partner, ...] = Field((), description="The servers outside.")

    @property
    def keys(self) -> tuple[str, int] | None:
        """Host and port of the keys of tokens, where a partner asks for some."""
        used = any(each.require.used for each in self.partners)
        return self.identity.place if self.identity and used else None

    @property
    def vault_entries(self) -> dict[str, str]:
        """Entries with credentials, and the namespace that reads each."""
        partners = self.partners if self.enabled else ()
        return {
            path: LINKERD_EGRESS_GATEWAY for each in partners for path in each.vault_paths.values()
        }
