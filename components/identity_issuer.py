"""The identity issuer: an intermediate CA signed by the anchor, renewed by cert-manager."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pulumi

from components.base import Args, Component, KubernetesObject, Manifest
from components.names import CERT_MANAGER, IDENTITY_ISSUER, ISSUER_ACCOUNT, LINKERD


class IdentityIssuerArgs(Args):
    """Who signs the issuer, and for how long.

    `duration` and `renew_before` are written as cert-manager reads them (`48h`).
    """

    vault_address: str
    vault_ca_pem: str | None
    vault_namespace: str | None
    pki_mount: str
    auth_mount: str
    role: str
    audiences: tuple[str, ...]
    signing: str
    trust_domain: str
    duration: str
    renew_before: str


class IdentityIssuer(Component, area="trust"):
    """A ClusterIssuer on Vault for the signing generation, and the issuer's Certificate.

    `certificate` is ready when the Secret `linkerd-identity-issuer` holds a signed issuer.
    """

    certificate: KubernetesObject

    def __init__(
        self,
        name: str,
        args: IdentityIssuerArgs,
        vault_login: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        grants = [self.apply(manifest, name=kind) for kind, manifest in token_grant().items()]
        issuer = self.apply(cluster_issuer(args), *vault_login, *grants, wait_for="condition=Ready")
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


def token_grant() -> dict[str, Manifest]:
    """The right of cert-manager to ask for tokens of the account that logs in to Vault."""
    metadata = {"name": ISSUER_ACCOUNT, "namespace": CERT_MANAGER}
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
                {"kind": "ServiceAccount", "name": CERT_MANAGER, "namespace": CERT_MANAGER}
            ],
        },
    }


def cluster_issuer(args: IdentityIssuerArgs) -> Manifest:
    """The ClusterIssuer on Vault's `sign-intermediate`; `sign/<role>` would make a leaf.

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
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": cluster_issuer_name(args.signing)},
        "spec": {"vault": vault},
    }


def certificate(args: IdentityIssuerArgs) -> Manifest:
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
            "commonName": f"identity.linkerd.{args.trust_domain}",
            "dnsNames": [f"identity.linkerd.{args.trust_domain}"],
            "isCA": True,
            "duration": args.duration,
            "renewBefore": args.renew_before,
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["cert sign", "crl sign", "server auth", "client auth"],
            "revisionHistoryLimit": 3,
            "issuerRef": {
                "group": "cert-manager.io",
                "kind": "ClusterIssuer",
                "name": cluster_issuer_name(args.signing),
            },
        },
    }
