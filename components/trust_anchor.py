"""The trust anchor, made once inside Vault. Only an owner stack has this component."""

from __future__ import annotations

from typing import Protocol

import pulumi
import pulumi_random as random
import pulumi_vault as vault
from pulumi_vault import pkisecret

from components.base import Args, Component
from components.names import READ_ANCHORS_POLICY, anchor_path, signing_policy
from components.trust import HasTrust
from components.vault import HasVault


class AnchorGeneration(Args):
    """A root in Vault's PKI engine: its name, lifetime in seconds, whether it was imported."""

    name: str
    lifetime: int
    imported: bool = False


class TrustAnchorArgs(Args):
    """Mounts in Vault, the trust domain, and the generations of the anchor, oldest first."""

    pki_mount: str
    kv_mount: str
    create_kv_mount: bool
    trust_domain: str
    generations: tuple[AnchorGeneration, ...]


class TrustAnchor(Component, area="trust"):
    """A PKI mount with one root per generation, each published to KV and with a signing policy.

    The root key is made by Vault as `internal`: no call of Vault's API gives it out, so it is in no
    state file either. An imported one is there already, and is published alike. `certificates` maps
    generations to PEM.
    Follows https://developer.hashicorp.com/vault/docs/secrets/pki/setup
    """

    certificates: dict[str, pulumi.Output[str]]
    kv_mount: list[pulumi.Resource]

    def __init__(
        self, name: str, args: TrustAnchorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self.kv_mount: list[pulumi.Resource] = []
        if args.create_kv_mount:
            self.kv_mount.append(
                vault.Mount(
                    f"{name}-kv",
                    path=args.kv_mount,
                    type="kv",
                    options={"version": "2"},
                    description="Linkerd's public certificates, made by linkerd-platform",
                    opts=self.child(),
                )
            )
        self.certificates = {}
        if args.generations:
            self._generations(args)
        vault.Policy(
            f"{name}-read-anchors",
            name=READ_ANCHORS_POLICY,
            policy=read_policy(f"{args.kv_mount}/data/anchors/*"),
            opts=self.child(),
        )
        self.done(
            certificates=self.certificates,
            issuers=[g.name for g in args.generations],
            policies=[READ_ANCHORS_POLICY, *(signing_policy(g.name) for g in args.generations)],
        )

    def _generations(self, args: TrustAnchorArgs) -> None:
        longest = max(generation.lifetime for generation in args.generations)
        pki = vault.Mount(
            f"{self.name}-pki",
            path=args.pki_mount,
            type="pki",
            description="Linkerd's trust anchors, made by linkerd-platform",
            # Vault cuts what it signs to this, its own default would be 768 h.
            max_lease_ttl_seconds=longest,
            default_lease_ttl_seconds=longest,
            opts=self.child(),
        )
        for generation in args.generations:
            name = f"{self.name}-{generation.name}"
            sign = vault.Policy(
                f"{name}-sign",
                name=signing_policy(generation.name),
                policy=sign_policy(args.pki_mount, generation.name),
                opts=self.child(pki),
            )
            certificate = (
                self._imported(args.pki_mount, generation, pki, sign)
                if generation.imported
                else self._root(name, args, generation, pki)
            )
            vault.kv.SecretV2(
                f"{name}-certificate",
                mount=args.kv_mount,
                name=anchor_path(generation.name),
                data_json=pulumi.Output.json_dumps({"certificate": certificate}),
                opts=self.child(*self.kv_mount, pki, sign),
            )
            self.certificates[generation.name] = certificate

    def _imported(
        self, pki_mount: str, generation: AnchorGeneration, *after: pulumi.Resource
    ) -> pulumi.Output[str]:
        # Not asked for in an update of the mounts alone, which makes no policy: that update comes
        # before the import (bot/deploy/trust_mounts.py).
        issuer = pkisecret.get_backend_issuer_output(
            backend=pki_mount,
            issuer_ref=generation.name,
            opts=pulumi.InvokeOutputOptions(parent=self, depends_on=list(after)),
        )
        return issuer.certificate

    def _root(
        self, name: str, args: TrustAnchorArgs, generation: AnchorGeneration, pki: vault.Mount
    ) -> pulumi.Output[str]:
        # A deleted root leaves its key behind, and Vault takes no two keys of one name.
        suffix = random.RandomString(
            f"{name}-key",
            length=8,
            special=False,
            upper=False,
            keepers={"generation": generation.name},
            opts=self.child(),
        )
        root = pkisecret.SecretBackendRootCert(
            f"{name}-root",
            backend=args.pki_mount,
            type="internal",
            common_name=f"root.linkerd.{args.trust_domain}",
            exclude_cn_from_sans=True,
            key_type="ec",
            key_bits=256,
            # Room for the identity issuer below it, and for no other CA below that one.
            max_path_length=1,
            ttl=str(generation.lifetime),
            issuer_name=generation.name,
            key_name=suffix.result.apply(lambda text: f"{generation.name}-{text}"),
            # Another issuer of that name is the same certificate without its destroyed key; the
            # provider would make another root in its place.
            opts=self.child(pki, opts=pulumi.ResourceOptions(ignore_changes=["issuerId"])),
        )
        return root.certificate


def sign_policy(pki_mount: str, generation: str) -> str:
    """The right to have an intermediate CA signed by one generation, and nothing else.

    Follows https://developer.hashicorp.com/vault/api-docs/secret/pki#sign-intermediate
    """
    return (
        f'path "{pki_mount}/issuer/{generation}/sign-intermediate" '
        '{ capabilities = ["create", "update"] }\n'
    )


def read_policy(*paths: str) -> str:
    """The right to read these paths, and nothing else."""
    return "".join(f'path "{path}" {{ capabilities = ["read"] }}\n' for path in paths)


def write_policy(kv_mount: str) -> str:
    """The right to write anchors and their keys; for the owner's cluster alone.

    `update` is needed for a first write too, because External Secrets marks the entry's metadata
    before it writes the entry. What keeps an entry is `IfNotExists`, and KV's older versions.
    """
    return "".join(
        f'path "{kv_mount}/{part}/{kind}/*" {{ capabilities = ["create", "read", "update"] }}\n'
        for kind in ("anchors", "anchor-keys")
        for part in ("data", "metadata")
    )


class _Config(HasTrust, HasVault, Protocol):
    """The sections that the owner's anchors are made from."""


def arguments(config: _Config) -> TrustAnchorArgs:
    """Arguments of the owner's `TrustAnchor`."""
    return TrustAnchorArgs(
        pki_mount=config.vault.pki_mount,
        kv_mount=config.vault.kv_mount,
        create_kv_mount=config.vault.create_kv_mount,
        trust_domain=config.trust.domain,
        generations=tuple(
            AnchorGeneration(
                name=g.name, lifetime=g.lifetime.seconds, imported=g.source == "imported"
            )
            for g in config.trust.generations
            if g.custody == "vault"
        ),
    )
