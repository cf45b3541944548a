"""How a cluster's operators log in to Vault: a kubernetes auth mount of the cluster's own."""

from __future__ import annotations

import pulumi
import pulumi_vault as vault
from pulumi_vault import kubernetes as vault_kubernetes

from components.base import Args, Component, Manifest
from components.names import (
    CERT_MANAGER,
    EXTERNAL_SECRETS,
    ISSUER_ACCOUNT,
    READ_ANCHORS_POLICY,
    STORE_ACCOUNT,
    signing_policy,
)
from components.trust_anchor import read_policy

ISSUER_ROLE = "linkerd-identity-issuer"
STORE_ROLE = "external-secrets"


class VaultAuthArgs(Args):
    """The cluster as Vault sees it.

    `token_ttl` is in seconds. `audience` is what a role demands; `readable` are paths below the KV
    mount that the store may read besides the anchors.
    """

    cluster: str
    auth_mount: str
    create_auth_mount: bool
    kubernetes_host: str
    kubernetes_ca_pem: str
    audience: str
    token_ttl: int
    kv_mount: str
    signing: str
    readable: tuple[str, ...] = ()


class VaultAuth(Component, area="trust"):
    """Auth mount, one role per operator, and the service accounts that the roles are bound to.

    Vault reviews a token with that same token, so no long-lived reviewer token is kept in Vault or
    in the state; the accounts may have tokens reviewed and nothing else.
    Follows https://developer.hashicorp.com/vault/docs/auth/kubernetes
    """

    issuer_login: list[pulumi.Resource]
    store_login: list[pulumi.Resource]

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
        policies = [READ_ANCHORS_POLICY]
        store_policy: list[pulumi.Resource] = []
        if args.readable:
            policies.append(f"linkerd-read-{args.cluster}")
            store_policy.append(
                vault.Policy(
                    f"{name}-read",
                    name=policies[-1],
                    policy=read_policy(*(f"{args.kv_mount}/data/{p}" for p in args.readable)),
                    opts=self.child(),
                )
            )
        self.issuer_login = [
            *self._account(CERT_MANAGER, ISSUER_ACCOUNT),
            self._role(
                args, ISSUER_ROLE, CERT_MANAGER, ISSUER_ACCOUNT, [signing_policy(args.signing)],
                config,
            ),
        ]  # fmt: skip
        self.store_login = [
            *self._account(EXTERNAL_SECRETS, STORE_ACCOUNT),
            self._role(
                args, STORE_ROLE, EXTERNAL_SECRETS, STORE_ACCOUNT, policies, config, *store_policy
            ),
        ]
        self.done(mount=args.auth_mount, roles=[ISSUER_ROLE, STORE_ROLE])

    def _account(self, namespace: str, account: str) -> list[pulumi.Resource]:
        return [
            self.apply(service_account(account, namespace), name=f"{account}-{namespace}"),
            self.apply(auth_delegator(account, namespace), name=f"{account}-{namespace}-reviews"),
        ]

    def _role(
        self,
        args: VaultAuthArgs,
        role: str,
        namespace: str,
        account: str,
        policies: list[str],
        *after: pulumi.Resource,
    ) -> pulumi.Resource:
        return vault_kubernetes.AuthBackendRole(
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
        )


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
