"""How a cluster's operators log in to Vault: a kubernetes auth mount of the cluster's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import pulumi
import pulumi_vault as vault
from pulumi_vault import kubernetes as vault_kubernetes

from components.base import Args, Component
from components.cluster import ClusterSection
from components.cluster_anchor import own_roots
from components.external_secrets import HasOperators, operators
from components.names import (
    ANCHOR_ACCOUNT,
    ANCHOR_ROLE,
    DEFAULT_PKI_MOUNT,
    ISSUER_ACCOUNT,
    ISSUER_ROLE,
    KEY_ACCOUNT,
    KEY_ROLE,
    READ_ANCHORS_POLICY,
    STORE_ACCOUNT,
    STORE_ROLE,
    Operators,
    PolicyNames,
    anchor_key_path,
    login_role,
    policy_names,
    signing_policy,
)
from components.trust import HasTrust
from components.trust_anchor import read_policy, write_policy
from components.vault import HasVault, auth_delegator, service_account


class VaultAuthArgs(Args):
    """The cluster as Vault sees it.

    `token_ttl` is in seconds. `audience` is what a role demands; `readable` are paths below the KV
    mount that the store may read besides the anchors. `signing` is the generation that Vault signs
    with, None where cert-manager does; `signing_key` the one whose key cert-manager signs with.
    `writes_anchors` is for the owner of roots in custody `cluster`. Mounts are as policies of the
    Vault namespace of the login name them.
    """

    cluster: str
    auth_mount: str
    create_auth_mount: bool = True
    kubernetes_host: str
    kubernetes_ca_pem: str
    audience: str = "vault"
    token_ttl: int = 600
    kv_mount: str = "linkerd/kv"
    pki_mount: str = DEFAULT_PKI_MOUNT
    policy_names: PolicyNames = "mount"
    signing: str | None
    signing_key: str | None = None
    writes_anchors: bool = False
    readable: tuple[str, ...] = ()
    operators: Operators = Operators()


class VaultAuth(Component, area="trust"):
    """Auth mount, one role per operator, and the service accounts that the roles are bound to.

    A mount that is there already is somebody else's: its config, by which their applications log
    in, is left alone, and roles of ours carry the cluster's name.

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
        self._args, places = args, args.operators
        self._mount = self._own_mount(args) if args.create_auth_mount else []
        self._roles: list[str] = []

        def names(short: str, mount: str = args.kv_mount) -> list[str]:
            return list(policy_names(short, mount, args.policy_names).values())

        reads, read = names(READ_ANCHORS_POLICY), list[pulumi.Resource]()
        if args.readable:
            paths = [f"{args.kv_mount}/data/{path}" for path in args.readable]
            more, read = self._policy("read", read_policy(*paths))
            reads += more
        self.store_login = self._login(
            STORE_ROLE, places.external_secrets, STORE_ACCOUNT, reads, *read
        )
        self.issuer_login = []
        if args.signing:
            signs = names(signing_policy(args.signing), args.pki_mount)
            self.issuer_login = self._login(
                ISSUER_ROLE, places.issuer_secrets, ISSUER_ACCOUNT, signs
            )
        if args.signing_key:
            path = f"{args.kv_mount}/data/{anchor_key_path(args.signing_key)}"
            keys, key = self._policy("anchor-key", read_policy(path))
            self.issuer_login += self._login(
                KEY_ROLE, places.issuer_secrets, KEY_ACCOUNT, keys, *key
            )
        self.anchor_login = []
        if args.writes_anchors:
            writes, write = self._policy("write-anchors", write_policy(args.kv_mount))
            self.anchor_login = self._login(
                ANCHOR_ROLE, places.issuer_secrets, ANCHOR_ACCOUNT, writes, *write
            )
        self.done(mount=args.auth_mount, roles=self._roles)

    def _own_mount(self, args: VaultAuthArgs) -> list[pulumi.Resource]:
        mount = vault.AuthBackend(
            f"{self.name}-mount",
            type="kubernetes",
            path=args.auth_mount,
            description=f"Cluster {args.cluster}, made by linkerd-platform",
            opts=self.child(),
        )
        config = vault_kubernetes.AuthBackendConfig(
            f"{self.name}-config",
            backend=args.auth_mount,
            kubernetes_host=args.kubernetes_host,
            kubernetes_ca_cert=args.kubernetes_ca_pem,
            disable_local_ca_jwt=True,
            opts=self.child(mount),
        )
        return [config]

    def _policy(self, what: str, policy: str) -> tuple[list[str], list[pulumi.Resource]]:
        """The cluster's policy under each of its names, and those."""
        args = self._args
        named = policy_names(f"linkerd-{what}-{args.cluster}", args.kv_mount, args.policy_names)
        return list(named.values()), [
            vault.Policy(f"{self.name}-{what}{end}", name=each, policy=policy, opts=self.child())
            for end, each in named.items()
        ]

    def _login(
        self,
        role: str,
        namespace: str,
        account: str,
        policies: list[str],
        *after: pulumi.Resource,
    ) -> list[pulumi.Resource]:
        """A service account that may have its token reviewed, and the role it logs in with."""
        args = self._args
        self._roles.append(login_role(role, args.cluster, own_mount=args.create_auth_mount))
        return [
            self.apply(service_account(account, namespace), name=f"{account}-{namespace}"),
            self.apply(auth_delegator(account, namespace), name=f"{account}-{namespace}-reviews"),
            vault_kubernetes.AuthBackendRole(
                f"{self.name}-{role}",
                backend=args.auth_mount,
                role_name=self._roles[-1],
                bound_service_account_names=[account],
                bound_service_account_namespaces=[namespace],
                audience=args.audience,
                token_policies=policies,
                token_ttl=args.token_ttl,
                token_max_ttl=args.token_ttl,
                opts=self.child(*self._mount, *after),
            ),
        ]


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
        kv_mount=config.vault.from_login(config.vault.kv_mount),
        pki_mount=config.vault.from_login(config.vault.pki_mount),
        policy_names=config.vault.policy_names,
        signing=None if signing_key else config.trust.signing,
        signing_key=signing_key,
        writes_anchors=bool(own_roots(config)),
        readable=tuple(dict.fromkeys(readable)),
        operators=operators(config),
    )
