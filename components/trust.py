"""The section `trust` of a stack file: anchors, identity issuer, webhooks' certificates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schema.section import Section
from schema.values import Domain, Duration, Name


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


class Trust(Section):
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
