"""How a cluster's operators log in to Vault: a kubernetes auth mount of the cluster's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import pulumi
import pulumi_vault as vault
from pulumi_vault import kubernetes as vault_kubernetes

from components.base import Args, Component, Manifest
from components.cluster import ClusterSection
from components.cluster_anchor import own_roots
from components.external_secrets import HasOperators, operators
from components.names import (
    ANCHOR_ACCOUNT,
    ANCHOR_ROLE,
    ISSUER_ACCOUNT,
    ISSUER_ROLE,
    KEY_ACCOUNT,
    KEY_ROLE,
    READ_ANCHORS_POLICY,
    STORE_ACCOUNT,
    STORE_ROLE,
    Operators,
    anchor_key_path,
    signing_policy,
)
from components.trust import HasTrust
from components.trust_anchor import read_policy, write_policy
from components.vault import HasVault


class VaultAuthArgs(Args):
    """The cluster as Vault sees it.

    `token_ttl` is in seconds. `audience` is what a role demands; `readable` are paths below the KV
    mount that the store may read besides the anchors. `signing` is the generation that Vault signs
    with, None where cert-manager does; `signing_key` the one whose key cert-manager signs with.
    `writes_anchors` is for the owner of roots in custody `cluster`.
    """

    cluster: str
    auth_mount: str
    create_auth_mount: bool
    kubernetes_host: str
    kubernetes_ca_pem: str
    audience: str
    token_ttl: int
    kv_mount: str
    signing: str | None
    signing_key: str | None = None
    writes_anchors: bool = False
    readable: tuple[str, ...] = ()
    operators: Operators = Operators()


class VaultAuth(Component, area="trust"):
    """Auth mount, one role per operator, and the service accounts that the roles are bound to.

    `issuer_login` is that of the signer: it may have an intermediate signed, or read the one key
    that cert-manager signs with, by a role that nothing else uses.

    Vault reviews a token with that same token, so no long-lived reviewer token is kept in Vault or
    in the state; the accounts may have tokens reviewed and nothing else.
    Follows https://developer.hashicorp.com/vault/docs/auth/kubernetes
    """

    store_login: list[pulumi.Resource]
    issuer_login: list[pulumi.Resource]
    anchor_login: list[pulumi.Resource]

    def __init__(
        self, name: str, args: VaultAuthArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        mount: list[pulumi.Resource] = []
        if args.create_auth_mount:
            mount.append(
                vault.AuthBackend(
                    f"{name}-mount",
                    type="kubernetes",
                    path=args.auth_mount,
                    description=f"Cluster {args.cluster}, made by linkerd-platform",
                    opts=self.child(),
                )
            )
        config = vault_kubernetes.AuthBackendConfig(
            f"{name}-config",
            backend=args.auth_mount,
            kubernetes_host=args.kubernetes_host,
            kubernetes_ca_cert=args.kubernetes_ca_pem,
            disable_local_ca_jwt=True,
            opts=self.child(*mount),
        )
        places = args.operators
        reads = [READ_ANCHORS_POLICY]
        read: list[pulumi.Resource] = []
        if args.readable:
            paths = [f"{args.kv_mount}/data/{path}" for path in args.readable]
            read = [self._policy("read", args.cluster, read_policy(*paths))]
            reads.append(f"linkerd-read-{args.cluster}")
        self.store_login = self._login(
            args, STORE_ROLE, places.external_secrets, STORE_ACCOUNT, reads, config, *read
        )
        self.issuer_login = []
        if args.signing:
            signs = [signing_policy(args.signing)]
            self.issuer_login = self._login(
                args, ISSUER_ROLE, places.issuer_secrets, ISSUER_ACCOUNT, signs, config
            )
        if args.signing_key:
            path = f"{args.kv_mount}/data/{anchor_key_path(args.signing_key)}"
            key = self._policy("anchor-key", args.cluster, read_policy(path))
            keys = [f"linkerd-anchor-key-{args.cluster}"]
            self.issuer_login += self._login(
                args, KEY_ROLE, places.issuer_secrets, KEY_ACCOUNT, keys, config, key
            )
        self.anchor_login = []
        if args.writes_anchors:
            write = self._policy("write-anchors", args.cluster, write_policy(args.kv_mount))
            writes = [f"linkerd-write-anchors-{args.cluster}"]
            self.anchor_login = self._login(
                args, ANCHOR_ROLE, places.issuer_secrets, ANCHOR_ACCOUNT, writes, config, write
            )
        self.done(
            mount=args.auth_mount,
            roles=[
                STORE_ROLE,
                *([ISSUER_ROLE] if args.signing else []),
                *([KEY_ROLE] if args.signing_key else []),
                *([ANCHOR_ROLE] if args.writes_anchors else []),
            ],
        )

    def _policy(self, what: str, cluster: str, policy: str) -> pulumi.Resource:
        return vault.Policy(
            f"{self.name}-{what}",
            name=f"linkerd-{what}-{cluster}",
            policy=policy,
            opts=self.child(),
        )

    def _login(
        self,
        args: VaultAuthArgs,
        role: str,
        namespace: str,
        account: str,
        policies: list[str],
        *after: pulumi.Resource,
    ) -> list[pulumi.Resource]:
        """A service account that may have its token reviewed, and the role it logs in with."""
        return [
            self.apply(service_account(account, namespace), name=f"{account}-{namespace}"),
            self.apply(auth_delegator(account, namespace), name=f"{account}-{namespace}-reviews"),
            vault_kubernetes.AuthBackendRole(
                f"{self.name}-{role}",
                backend=args.auth_mount,
                role_name=role,
                bound_service_account_names=[account],
                bound_service_account_namespaces=[namespace],
                audience=args.audience,
                token_policies=policies,
                token_ttl=args.token_ttl,
                token_max_ttl=args.token_ttl,
                opts=self.child(*after),
            ),
        ]


def service_account(name: str, namespace: str) -> Manifest:
    """A ServiceAccount whose token no pod mounts."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
        "automountServiceAccountToken": False,
    }


def auth_delegator(account: str, namespace: str) -> Manifest:
    """The right to have tokens reviewed."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"linkerd-platform:{namespace}:{account}:auth-delegator"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:auth-delegator",
        },
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


class _Config(HasTrust, HasVault, HasOperators, Protocol):
    """The sections that the login is made from."""


def arguments(config: _Config, cluster: ClusterSection, readable: Iterable[str]) -> VaultAuthArgs:
    """Arguments of `VaultAuth`; `readable` are entries with credentials below the KV mount."""
    signing_key = config.trust.signing_key
    return VaultAuthArgs(
        cluster=cluster.name,
        auth_mount=config.vault.auth_mount_of(cluster),
        create_auth_mount=config.vault.create_auth_mount,
        kubernetes_host=cluster.api_server,
        kubernetes_ca_pem=cluster.ca_pem or "",
        audience=config.vault.audience,
        token_ttl=config.vault.token_ttl.seconds,
        kv_mount=config.vault.kv_mount,
        signing=None if signing_key else config.trust.signing,
        signing_key=signing_key,
        writes_anchors=bool(own_roots(config)),
        readable=tuple(dict.fromkeys(readable)),
        operators=operators(config),
    )
