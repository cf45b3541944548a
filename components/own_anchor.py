"""A trust anchor of the cluster's own: its cert-manager makes it, keeps it, and signs with it."""

from __future__ import annotations

from typing import Self

import pulumi
from pydantic import model_validator

from components.base import Args, Component, KubernetesObject
from components.cluster_anchor import ClusterGeneration, origin, root_certificate, self_signed
from components.identity_issuer import ca_issuer, issuer_certificate
from components.names import IDENTITY_ISSUER, LINKERD, TRUST_ROOTS_CONFIG_MAP
from components.trust_bundle import bundle_of


class OwnAnchorArgs(Args):
    """The roots, which of them signs, and for how long the identity issuer below it lives.

    A rotation is three updates: add a generation, let it sign, retire the old one; every meshed pod
    restarts between one and the next. `trust_domain` is that of the mesh: `Linkerd` sets it.
    """

    generations: tuple[ClusterGeneration, ...] = (ClusterGeneration(name="anchor-1"),)
    signing: str = "anchor-1"
    duration: str = "48h0m0s"
    renew_before: str = "25h0m0s"
    trust_domain: str = "cluster.local"

    @model_validator(mode="after")
    def _signs_with_one_that_is_trusted(self) -> Self:
        names = [generation.name for generation in self.generations]
        if len(set(names)) < len(names):
            raise ValueError(f"generations: two have one name: {', '.join(names)}")
        trusted = [generation.name for generation in self.generations if not generation.retired]
        if self.signing not in trusted:
            raise ValueError(
                f"signing: {self.signing!r} is none of the trusted generations "
                f"({', '.join(trusted)}): name one of them"
            )
        return self


class OwnAnchor(Component, area="trust"):
    """A self-signed root per generation, the Bundle of those that are trusted, and the issuer.

    The roots' keys are Secrets in `cert-manager`, and in no state file: whoever may read Secrets
    there can sign for the mesh. A mesh over several clusters shares one anchor instead, in Vault.
    `certificate` is ready when the issuer is signed, `bundle` when Linkerd's ConfigMap is there.
    """

    certificate: KubernetesObject
    bundle: KubernetesObject

    def __init__(
        self,
        name: str,
        args: OwnAnchorArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        args = args or OwnAnchorArgs()
        self_signing = self.apply(self_signed(), name="issuer", wait_for="condition=Ready")
        roots = {
            generation.name: self.apply(
                root_certificate(generation, args.trust_domain),
                self_signing,
                wait_for="condition=Ready",
            )
            for generation in args.generations
        }
        trusted = [generation.name for generation in args.generations if not generation.retired]
        self.bundle = self.apply(
            bundle_of([origin(generation) for generation in trusted], "tls.crt"),
            *(roots[generation] for generation in trusted),
            wait_for="condition=Synced",
        )
        signer = self.apply(
            ca_issuer(args.signing, origin(args.signing)),
            roots[args.signing],
            wait_for="condition=Ready",
        )
        self.certificate = self.apply(
            issuer_certificate(args.signing, args.trust_domain, args.duration, args.renew_before),
            signer,
            name="certificate",
            wait_for="condition=Ready",
        )
        self.done(
            generations=trusted,
            configMap=f"{LINKERD}/{TRUST_ROOTS_CONFIG_MAP}",
            secret=f"{LINKERD}/{IDENTITY_ISSUER}",
        )
