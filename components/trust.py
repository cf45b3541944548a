"""The section `trust` of a stack file: anchors, identity issuer, webhooks' certificates.

Which lifetimes fit into which: https://linkerd.io/2/tasks/automatically-rotating-control-plane-tls-credentials/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from pydantic import Field

from components.cluster import HasCluster
from schema.faults import Fault
from schema.section import Section
from schema.values import Domain, Duration, Name

# cert-manager refuses less: https://cert-manager.io/docs/reference/api-docs/ CertificateSpec.
MIN_DURATION = Duration(3600)
MIN_RENEW_BEFORE = Duration(300)
# With these a generation would be called like the Secret of another's key.
_LONGEST_NAME = 64
_ENDINGS = ("-key", "-origin")


class Generation(Section):
    """One trust anchor. Several may be trusted at a time; one signs."""

    name: Name = Field(description="Name of the generation, and of the issuer in Vault.")
    custody: Literal["vault", "cluster"] = Field(
        "vault",
        description="Where the key lives. `vault`: in Vault's PKI engine, never outside. "
        "`cluster`: in Vault's KV engine and in every cluster that signs with it.",
    )
    source: Literal["generated", "imported"] = Field(
        "generated",
        description="`imported`: a root or intermediate of your own, put there by "
        "`python -m bot trust import`.",
    )
    lifetime: Duration = Field(
        Duration(3650 * 86400),
        description="Lifetime of the certificate: of one to generate, or as an imported one has "
        "it.",
    )
    retired: bool = Field(
        False, description="No longer trusted; the owner keeps the key until it is destroyed."
    )


class Issuer(Section):
    """The identity issuer, an intermediate CA that cert-manager renews unattended."""

    duration: Duration = Field(Duration(48 * 3600), description="Lifetime of the issuer.")
    renew_before: Duration = Field(
        Duration(25 * 3600),
        description="Time before its end at which the issuer is renewed; more than a leaf's "
        "lifetime, so that no leaf is cut short.",
    )
    leaf_lifetime: Duration = Field(
        Duration(24 * 3600), description="Lifetime of the proxies' certificates."
    )
    clock_skew: Duration = Field(
        Duration(20), description="Difference between clocks that a leaf tolerates."
    )


class Webhooks(Section):
    """Certificates of the admission webhooks and of the tap API, from a CA of their own."""

    ca_duration: Duration = Field(Duration(365 * 86400), description="Lifetime of the webhook CA.")
    ca_renew_before: Duration = Field(
        Duration(60 * 86400), description="Time before its end at which that CA is renewed."
    )
    duration: Duration = Field(
        Duration(7 * 86400), description="Lifetime of each webhook certificate."
    )
    renew_before: Duration = Field(
        Duration(3 * 86400),
        description="Time before its end at which it is renewed: a weekend without cert-manager "
        "goes unnoticed.",
    )


class TrustSection(Section):
    """The trust anchor and what is signed below it."""

    domain: Domain = Field("cluster.local", description="Trust domain of the mesh identities.")
    generations: tuple[Generation, ...] = Field(
        description="The trust anchors that are trusted, oldest first."
    )
    signing: Name = Field(description="Name of the generation that signs the identity issuer.")
    issuer: Issuer = Field(Issuer(), description="The identity issuer.")
    webhooks: Webhooks = Field(Webhooks(), description="The webhooks' certificates.")

    @property
    def trusted(self) -> tuple[Generation, ...]:
        """The generations that are not retired, oldest first."""
        return tuple(generation for generation in self.generations if not generation.retired)

    @property
    def signer(self) -> Generation:
        """The generation that signs."""
        return next(g for g in self.generations if g.name == self.signing)

    @property
    def signing_key(self) -> str | None:
        """The generation whose key clusters read to sign by themselves; None where Vault signs."""
        return self.signer.name if self.signer.custody == "cluster" else None


class HasTrust(HasCluster, Protocol):
    """A config with the section `trust`."""

    @property
    def trust(self) -> TrustSection: ...  # noqa: D102


def check(config: HasTrust) -> Iterator[Fault]:
    """All faults of `trust`.

    - `trust.domain` has at most 47 characters: with `identity.linkerd.` before it, it is the name
      of a certificate.
    - `trust.signing` is one of `trust.generations` and not retired, at least one is trusted, and
      none is listed twice or called `...-key` or `...-origin`, as the Secrets of keys are.
    - A generation in custody `cluster` that is generated needs a cluster to be made in: role
      `standalone`, or `cluster`, which reads what the owner has made.
    - What Vault can sign is known here only for a root that this program generates in custody
      `vault`: the PKI mount is tuned to the longest of them. Of an imported one `lifetime` is what
      you say it has, and Vault or cert-manager cut an issuer to what is left of it.
    - `trust.issuer.renewBefore` is longer than `leafLifetime` and `clockSkew` together; a leaf
      lives shorter than the issuer, the issuer shorter than each generation.
    - A `renewBefore` is at least 5m and shorter than its `duration`, which is at least 1h; a
      webhook certificate does not outlive its CA, whose `caRenewBefore` is at most half of
      `caDuration`.
    """
    for rule in (_domain, _generations, _issuer, _webhooks):
        yield from rule(config)


def _domain(config: HasTrust) -> Iterator[Fault]:
    """X.509 has no name longer than 64 (RFC 5280, ub-common-name), and neither has cert-manager."""
    name = f"identity.linkerd.{config.trust.domain}"
    if len(name) > _LONGEST_NAME:
        yield Fault(
            ("trust", "domain"),
            f"{config.trust.domain} is too long: {name} names a certificate, whose name has at "
            f"most {_LONGEST_NAME} characters: write a domain of at most "
            f"{_LONGEST_NAME - len(name) + len(config.trust.domain)}",
        )


def _generations(config: HasTrust) -> Iterator[Fault]:
    trust = config.trust
    names = [generation.name for generation in trust.generations]
    if not names:
        yield Fault(("trust", "generations"), "lists no trust anchor: name at least one generation")
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(("trust", "generations", index, "name"), f"{name!r} is listed twice")
    if names and trust.signing not in names:
        yield Fault(
            ("trust", "signing"),
            f"{trust.signing!r} is not one of the generations: name one of {', '.join(names)}",
            looks_at=(("trust", "generations"),),
        )
    if names and not trust.trusted:
        yield Fault(("trust", "generations"), "all are retired: at least one must be trusted")
    for index, generation in enumerate(trust.generations):
        path = ("trust", "generations", index)
        if generation.retired and generation.name == trust.signing:
            yield Fault(
                (*path, "retired"),
                f"{generation.name!r} signs the identity issuer: switch `signing` first",
            )
        made = generation.custody == "cluster" and generation.source == "generated"
        if made and config.role == "owner":
            yield Fault(
                (*path, "custody"),
                "is made by cert-manager, and a stack with role 'owner' has no cluster: "
                "use role 'standalone', or source: imported",
            )
        if generation.name.endswith(_ENDINGS):
            endings = " or ".join(repr(ending) for ending in _ENDINGS)
            yield Fault(
                (*path, "name"),
                f"{generation.name!r} ends in {endings}, as the Secrets of keys do: take another",
            )


def _issuer(config: HasTrust) -> Iterator[Fault]:
    issuer = config.trust.issuer
    path = ("trust", "issuer")
    yield from _renewal((*path, "duration"), issuer.duration, issuer.renew_before)
    if issuer.renew_before <= issuer.leaf_lifetime + issuer.clock_skew:
        yield Fault(
            (*path, "renewBefore"),
            f"{issuer.renew_before} must be longer than a leaf's lifetime with clock skew "
            f"({issuer.leaf_lifetime + issuer.clock_skew}), else leaves are cut short",
            looks_at=((*path, "leafLifetime"), (*path, "clockSkew")),
        )
    if issuer.leaf_lifetime >= issuer.duration:
        yield Fault(
            (*path, "leafLifetime"),
            f"{issuer.leaf_lifetime} must be shorter than the issuer's duration {issuer.duration}",
            looks_at=((*path, "duration"),),
        )
    for index, generation in enumerate(config.trust.generations):
        if generation.lifetime <= issuer.duration:
            yield Fault(
                ("trust", "generations", index, "lifetime"),
                f"{generation.lifetime} must be longer than the issuer it signs "
                f"({issuer.duration})",
                looks_at=((*path, "duration"),),
            )


def _webhooks(config: HasTrust) -> Iterator[Fault]:
    webhooks = config.trust.webhooks
    path = ("trust", "webhooks")
    yield from _renewal((*path, "caDuration"), webhooks.ca_duration, webhooks.ca_renew_before)
    yield from _reversed(path, webhooks)
    yield from _renewal((*path, "duration"), webhooks.duration, webhooks.renew_before)
    if webhooks.duration > webhooks.ca_renew_before:
        yield Fault(
            (*path, "duration"),
            f"{webhooks.duration} must not be longer than caRenewBefore "
            f"({webhooks.ca_renew_before}), else a certificate outlives its CA",
            looks_at=((*path, "caRenewBefore"),),
        )


def _reversed(path: tuple[str, ...], webhooks: Webhooks) -> Iterator[Fault]:
    """A lifetime taken for the time left: a CA of a year that is renewed in its second month."""
    duration, before = webhooks.ca_duration, webhooks.ca_renew_before
    if duration.seconds < 2 * before.seconds < 2 * duration.seconds:
        age = Duration(duration.seconds - before.seconds)
        yield Fault(
            (*path, "caRenewBefore"),
            f"{before} counts back from the end, so the CA would be renewed at {age} of "
            f"{duration}: write at most half of caDuration, such as {age}",
            looks_at=((*path, "caDuration"),),
        )


def _renewal(path: tuple[str, ...], duration: Duration, before: Duration) -> Iterator[Fault]:
    """`path` is that of the duration; its renewal key is called alike."""
    renew_path = (*path[:-1], "caRenewBefore" if path[-1] == "caDuration" else "renewBefore")
    if duration < MIN_DURATION:
        yield Fault(path, f"{duration} is below cert-manager's least duration of {MIN_DURATION}")
    if before < MIN_RENEW_BEFORE:
        yield Fault(renew_path, f"{before} is below cert-manager's least of {MIN_RENEW_BEFORE}")
    if before >= duration:
        message = f"{before} must be shorter than {path[-1]} {duration}"
        yield Fault(renew_path, message, looks_at=(path,))
