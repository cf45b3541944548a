"""The trust anchor in custody `cluster`: made once by the owner's cert-manager, kept in Vault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pulumi

from components.base import Args, Component, KubernetesObject, Manifest
from components.cert_manager import HasCertManager
from components.cluster import ClusterSection
from components.external_secrets import secret_store_in
from components.names import (
    ANCHOR_ACCOUNT,
    ANCHOR_ROLE,
    CERT_MANAGER,
    anchor_key_path,
    anchor_path,
)
from components.trust import HasTrust
from components.vault import HasVault, VaultStoreArgs, store

ANCHOR_STORE = "linkerd-trust-anchor"


class ClusterGeneration(Args):
    """One root: its name, and its lifetime as Go writes it (`87600h0m0s`).

    A `retired` one is kept, and pushed no more: Vault's entry would come back within the hour
    after somebody destroyed it.
    """

    name: str
    lifetime: str = "87600h0m0s"
    retired: bool = False


class ClusterAnchorArgs(VaultStoreArgs):
    """The roots to make, and the role that writes them to Vault; their keys are in `namespace`."""

    role: str = ANCHOR_ROLE
    trust_domain: str = "cluster.local"
    generations: tuple[ClusterGeneration, ...]
    namespace: str = CERT_MANAGER


class ClusterAnchor(Component, area="trust"):
    """A self-signed root per generation, pushed to Vault's KV unless there is one already.

    What every cluster trusts and signs with, this one too, is what lies in Vault: should the
    Secret here be lost, cert-manager would make another root, and nobody would come to know it.
    The key is in Secrets and in Vault, and in no state file. `pushed` is ready when it lies there.
    """

    pushed: list[KubernetesObject]

    def __init__(
        self,
        name: str,
        args: ClusterAnchorArgs,
        vault_login: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        store = self.apply(secret_store(args), *vault_login, wait_for="condition=Ready")
        issuer = self.apply(self_signed(args.namespace), name="issuer", wait_for="condition=Ready")
        self.pushed = []
        for generation in args.generations:
            root = self.apply(
                root_certificate(generation, args.trust_domain, args.namespace),
                issuer,
                wait_for="condition=Ready",
            )
            if generation.retired:
                continue
            self.pushed.append(
                self.apply(
                    push_secret(generation.name, args.namespace),
                    root,
                    store,
                    name=f"{generation.name}-push",
                    wait_for="condition=Ready",
                )
            )
        self.done(generations=[generation.name for generation in args.generations])


def origin(generation: str) -> str:
    """Name of the root's Certificate and Secret in the owner's cluster."""
    return f"linkerd-trust-anchor-{generation}-origin"


def secret_store(args: ClusterAnchorArgs) -> Manifest:
    """The SecretStore through which roots are written; only the roots' namespace can use it."""
    return secret_store_in(args.namespace, ANCHOR_STORE, args, args.role, ANCHOR_ACCOUNT)


def self_signed(namespace: str = CERT_MANAGER) -> Manifest:
    """The issuer of the roots."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Issuer",
        "metadata": {"name": ANCHOR_STORE, "namespace": namespace},
        "spec": {"selfSigned": {}},
    }


def root_certificate(
    generation: ClusterGeneration, trust_domain: str, namespace: str = CERT_MANAGER
) -> Manifest:
    """The root, which is never renewed: another anchor is another generation.

    Four public installations renew theirs by an ordinary `renewBefore`, and stop the mesh with it.
    https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.CertificateSpec
    """
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": origin(generation.name), "namespace": namespace},
        "spec": {
            "secretName": origin(generation.name),
            "commonName": f"root.linkerd.{trust_domain}",
            "isCA": True,
            "duration": generation.lifetime,
            "renewal": {"policy": "Disabled"},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
            "usages": ["cert sign", "crl sign"],
            "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": ANCHOR_STORE},
        },
    }


def push_secret(generation: str, namespace: str = CERT_MANAGER) -> Manifest:
    """Certificate and key to one entry of KV, the certificate alone to another.

    `IfNotExists` leaves alone what is there.
    Follows https://external-secrets.io/latest/api/pushsecret/
    """
    whole: dict[str, Any] = {"remoteRef": {"remoteKey": anchor_key_path(generation)}}
    public = {
        "secretKey": "tls.crt",
        "remoteRef": {"remoteKey": anchor_path(generation), "property": "certificate"},
    }
    return {
        "apiVersion": "external-secrets.io/v1alpha1",
        "kind": "PushSecret",
        "metadata": {"name": origin(generation), "namespace": namespace},
        "spec": {
            "refreshInterval": "1h0m0s",
            "updatePolicy": "IfNotExists",
            "deletionPolicy": "None",
            "secretStoreRefs": [{"kind": "SecretStore", "name": ANCHOR_STORE}],
            "selector": {"secret": {"name": origin(generation)}},
            "data": [{"match": whole}, {"match": public}],
        },
    }


class _Config(HasTrust, HasVault, HasCertManager, Protocol):
    """The sections that the cluster's own roots are made from."""


def own_roots(config: HasTrust) -> tuple[ClusterGeneration, ...]:
    """Roots that cert-manager makes here, for Vault to keep."""
    return tuple(
        ClusterGeneration(name=g.name, lifetime=g.lifetime.go, retired=g.retired)
        for g in config.trust.generations
        if config.owns_anchor and g.custody == "cluster" and g.source == "generated"
    )


def arguments(config: _Config, cluster: ClusterSection) -> ClusterAnchorArgs:
    """Arguments of `ClusterAnchor`."""
    return ClusterAnchorArgs(
        role=config.vault.role(ANCHOR_ROLE, cluster),
        trust_domain=config.trust.domain,
        generations=own_roots(config),
        namespace=config.cert_manager.issuer_secrets,
        **dict(store(config, cluster)),
    )
