"""The trust anchor, made once inside Vault. Only an owner stack has this component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pulumi
import pulumi_random as random
import pulumi_vault as vault
from pulumi_vault import pkisecret

from components.base import Args, Component
from components.names import (
    READ_ANCHORS_POLICY,
    PolicyNames,
    anchor_path,
    policy_names,
    signing_policy,
)
from components.trust import HasTrust
from components.vault import HasVault


class AnchorGeneration(Args):
    """A root in Vault's PKI engine: its name, lifetime in seconds, whether it was imported."""

    name: str
    lifetime: int
    imported: bool = False


class TrustAnchorArgs(Args):
    """Mounts in Vault, the trust domain, and the generations of the anchor, oldest first.

    `engines` is the Vault namespace of the mounts, below that of the provider, where they are not
    in the same; policies are in the provider's.
    """

    pki_mount: str = "linkerd/pki"
    kv_mount: str = "linkerd/kv"
    create_kv_mount: bool = True
    trust_domain: str = "cluster.local"
    generations: tuple[AnchorGeneration, ...]
    engines: str | None = None
    policy_names: PolicyNames = "mount"

    def from_login(self, mount: str) -> str:
        """A mount as policies name it."""
        return f"{self.engines}/{mount}" if self.engines else mount


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
                    namespace=args.engines,
                    type="kv",
                    options={"version": "2"},
                    description="Linkerd's public certificates, made by linkerd-platform",
                    opts=self.child(),
                )
            )
        self.certificates = {}
        self._made: set[str] = set()
        if args.generations:
            self._generations(args)
        kv_mount = args.from_login(args.kv_mount)
        self._policies(
            f"{name}-read-anchors",
            policy_names(READ_ANCHORS_POLICY, kv_mount, args.policy_names),
            read_policy(f"{kv_mount}/data/anchors/*"),
        )
        self.done(
            certificates=self.certificates,
            issuers=[g.name for g in args.generations],
            policies=sorted(self._made),
        )

    def _policies(
        self, name: str, names: Mapping[str, str], policy: str, *after: pulumi.Resource
    ) -> list[pulumi.Resource]:
        """One policy under each of its names."""
        self._made |= set(names.values())
        return [
            vault.Policy(f"{name}{end}", name=each, policy=policy, opts=self.child(*after))
            for end, each in names.items()
        ]

    def _generations(self, args: TrustAnchorArgs) -> None:
        longest = max(generation.lifetime for generation in args.generations)
        pki = vault.Mount(
            f"{self.name}-pki",
            path=args.pki_mount,
            namespace=args.engines,
            type="pki",
            description="Linkerd's trust anchors, made by linkerd-platform",
            # Vault cuts what it signs to this, its own default would be 768 h.
            max_lease_ttl_seconds=longest,
            default_lease_ttl_seconds=longest,
            opts=self.child(),
        )
        for generation in args.generations:
            name = f"{self.name}-{generation.name}"
            pki_mount = args.from_login(args.pki_mount)
            sign = self._policies(
                f"{name}-sign",
                policy_names(signing_policy(generation.name), pki_mount, args.policy_names),
                sign_policy(pki_mount, generation.name),
                pki,
            )
            certificate = (
                self._imported(args, generation, pki, *sign)
                if generation.imported
                else self._root(name, args, generation, pki)
            )
            vault.kv.SecretV2(
                f"{name}-certificate",
                mount=args.kv_mount,
                namespace=args.engines,
                name=anchor_path(generation.name),
                data_json=pulumi.Output.json_dumps({"certificate": certificate}),
                opts=self.child(*self.kv_mount, pki, *sign),
            )
            self.certificates[generation.name] = certificate

    def _imported(
        self, args: TrustAnchorArgs, generation: AnchorGeneration, *after: pulumi.Resource
    ) -> pulumi.Output[str]:
        # Not asked for in an update of the mounts alone, which makes no policy: that update comes
        # before the import (bot/deploy/trust_mounts.py).
        issuer = pkisecret.get_backend_issuer_output(
            backend=args.pki_mount,
            namespace=args.engines,
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
            namespace=args.engines,
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
        engines=config.vault.engines,
        policy_names=config.vault.policy_names,
        generations=tuple(
            AnchorGeneration(
                name=g.name, lifetime=g.lifetime.seconds, imported=g.source == "imported"
            )
            for g in config.trust.generations
            if g.custody == "vault"
        ),
    )
