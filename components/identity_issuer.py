"""The identity issuer: an intermediate CA signed by the anchor, renewed by cert-manager."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import pulumi

from components.base import Component, KubernetesObject, Manifest
from components.cluster import ClusterSection
from components.external_secrets import (
    HasOperators,
    external_secret,
    operators,
    secret_store_in,
)
from components.names import (
    IDENTITY_ISSUER,
    ISSUER_ACCOUNT,
    ISSUER_ROLE,
    KEY_ACCOUNT,
    KEY_ROLE,
    LINKERD,
    Operators,
    anchor_key_path,
)
from components.trust import HasTrust
from components.vault import HasVault, VaultStoreArgs, store

# The one store that may read a key; only the namespace of that key's Secret can use it.
KEY_STORE = "linkerd-trust-anchor-key"


class IdentityIssuerArgs(VaultStoreArgs):
    """Who signs the issuer, and for how long.

    `custody` is where the signer's key lives, see docs/config.md. `role` may have an intermediate
    signed, or in custody `cluster` read that key, every `refresh_interval`. `duration` and
    `renew_before` are written as cert-manager reads them (`48h0m0s`).
    """

    pki_mount: str = "linkerd/pki"
    role: str = ISSUER_ROLE
    signing: str
    custody: Literal["vault", "cluster"] = "vault"
    trust_domain: str = "cluster.local"
    duration: str = "48h0m0s"
    renew_before: str = "25h0m0s"
    refresh_interval: str = "10m0s"
    operators: Operators = Operators()


class IdentityIssuer(Component, area="trust"):
    """A ClusterIssuer of the signing generation, and the issuer's Certificate.

    In custody `vault` Vault signs; in custody `cluster` cert-manager does, with a key that
    External Secrets brings, so that both are alike for everything after them. The key comes
    through a store of its own: with the ClusterSecretStore, each namespace that may use that one
    could have the key too.

    `certificate` is ready when the Secret `linkerd-identity-issuer` holds a signed issuer.
    """

    certificate: KubernetesObject

    def __init__(
        self,
        name: str,
        args: IdentityIssuerArgs,
        signer: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        if args.custody == "vault":
            grant = token_grant(args.operators)
            needed = [self.apply(manifest, name=kind) for kind, manifest in grant.items()]
        else:
            store = self.apply(key_store(args), *signer, wait_for="condition=Ready")
            needed = [self.apply(key_secret(args), store, *signer, wait_for="condition=Ready")]
        issuer = self.apply(cluster_issuer(args), *signer, *needed, wait_for="condition=Ready")
        self.certificate = self.apply(
            certificate(args), issuer, name="certificate", wait_for="condition=Ready"
        )
        self.done(
            issuerRef={"kind": "ClusterIssuer", "name": cluster_issuer_name(args.signing)},
            secret=f"{LINKERD}/{IDENTITY_ISSUER}",
        )


def cluster_issuer_name(generation: str) -> str:
    """Name of the ClusterIssuer of a generation.

    Each has its own: cert-manager re-issues a certificate when its issuerRef changes, not when
    something changes inside the issuer.
    """
    return f"{IDENTITY_ISSUER}-{generation}"


def token_grant(operators: Operators) -> dict[str, Manifest]:
    """The right of cert-manager to ask for tokens of the account that logs in to Vault."""
    metadata = {"name": ISSUER_ACCOUNT, "namespace": operators.issuer_secrets}
    group = "rbac.authorization.k8s.io"
    return {
        "token-role": {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["serviceaccounts/token"],
                    "resourceNames": [ISSUER_ACCOUNT],
                    "verbs": ["create"],
                }
            ],
        },
        "token-role-binding": {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": ISSUER_ACCOUNT},
            "subjects": [
                {
                    "kind": "ServiceAccount",
                    "name": operators.account,
                    "namespace": operators.cert_manager,
                }
            ],
        },
    }


def key_secret_name(generation: str) -> str:
    """Name of the Secret with certificate and key of a generation in custody `cluster`."""
    return f"linkerd-trust-anchor-{generation}-key"


def key_store(args: IdentityIssuerArgs) -> Manifest:
    """The SecretStore that reads the key of the signer, and nothing else."""
    namespace = args.operators.issuer_secrets
    return secret_store_in(namespace, KEY_STORE, args, args.role, KEY_ACCOUNT)


def key_secret(args: IdentityIssuerArgs) -> Manifest:
    """The ExternalSecret that brings certificate and key of the signer from Vault."""
    return external_secret(
        key_secret_name(args.signing),
        args.operators.issuer_secrets,
        anchor_key_path(args.signing),
        {"tls.crt": "tls.crt", "tls.key": "tls.key"},
        args.refresh_interval,
        secret_type="kubernetes.io/tls",  # noqa: S106
        store=KEY_STORE,
    )


def cluster_issuer(args: IdentityIssuerArgs) -> Manifest:
    """The ClusterIssuer of the signing generation."""
    if args.custody == "cluster":
        return ca_issuer(args.signing, key_secret_name(args.signing))
    return _cluster_issuer(args.signing, {"vault": vault_issuer(args)})


def ca_issuer(generation: str, secret: str) -> Manifest:
    """The ClusterIssuer that signs with a key in cert-manager's cluster resource namespace."""
    return _cluster_issuer(generation, {"ca": {"secretName": secret}})


def _cluster_issuer(generation: str, spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": cluster_issuer_name(generation)},
        "spec": spec,
    }


def vault_issuer(args: IdentityIssuerArgs) -> dict[str, Any]:
    """The issuer on Vault's `sign-intermediate`; `sign/<role>` would make a leaf.

    Follows https://cert-manager.io/docs/configuration/vault/
    """
    vault: dict[str, Any] = {
        "server": args.vault_address,
        "path": f"{args.pki_mount}/issuer/{args.signing}/sign-intermediate",
        "auth": {
            "kubernetes": {
                "role": args.role,
                "mountPath": f"/v1/auth/{args.auth_mount}",
                "serviceAccountRef": {"name": ISSUER_ACCOUNT, "audiences": list(args.audiences)},
            }
        },
    }
    if args.vault_ca_pem:
        vault["caBundle"] = base64.b64encode(args.vault_ca_pem.encode()).decode()
    if args.vault_namespace:
        vault["namespace"] = args.vault_namespace
    return vault


def certificate(args: IdentityIssuerArgs) -> Manifest:
    """The Certificate of the identity issuer, signed by the generation that signs."""
    return issuer_certificate(args.signing, args.trust_domain, args.duration, args.renew_before)


def issuer_certificate(
    signing: str, trust_domain: str, duration: str, renew_before: str
) -> Manifest:
    """The Certificate of the identity issuer.

    Linkerd takes only ECDSA P-256 here. `server auth` must be among the usages, or Go's verifier
    in linkerd-identity refuses the chain (linkerd2 pkg/tls/cred.go).
    Follows https://linkerd.io/2/tasks/automatically-rotating-control-plane-tls-credentials/
    """
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": IDENTITY_ISSUER, "namespace": LINKERD},
        "spec": {
            "secretName": IDENTITY_ISSUER,
            "commonName": f"identity.linkerd.{trust_domain}",
            "dnsNames": [f"identity.linkerd.{trust_domain}"],
            "isCA": True,
            "duration": duration,
            "renewBefore": renew_before,
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["cert sign", "crl sign", "server auth", "client auth"],
            "revisionHistoryLimit": 3,
            "issuerRef": {
                "group": "cert-manager.io",
                "kind": "ClusterIssuer",
                "name": cluster_issuer_name(signing),
            },
        },
    }


class _Config(HasTrust, HasVault, HasOperators, Protocol):
    """The sections that the issuer is made from."""


def arguments(config: _Config, cluster: ClusterSection) -> IdentityIssuerArgs:
    """Arguments of `IdentityIssuer`."""
    trust = config.trust
    return IdentityIssuerArgs(
        pki_mount=config.vault.from_login(config.vault.pki_mount),
        role=config.vault.role(KEY_ROLE if trust.signing_key else ISSUER_ROLE, cluster),
        signing=trust.signing,
        custody=trust.signer.custody,
        trust_domain=trust.domain,
        duration=trust.issuer.duration.go,
        renew_before=trust.issuer.renew_before.go,
        refresh_interval=config.external_secrets.refresh_interval.go,
        operators=operators(config),
        **dict(store(config, cluster)),
    )
