"""The section `vault` of a stack file: the Vault that keeps the trust anchor.

No component: `VaultAuth` makes a cluster's login to it, `TrustAnchor` the mounts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

from pydantic import Field

from components.base import Args, Manifest
from components.cluster import ClusterSection, authority
from components.names import DEFAULT_KV_MOUNT, DEFAULT_PKI_MOUNT, PolicyNames, login_role
from schema.faults import Fault
from schema.section import Section
from schema.values import AuthMount, Duration, HttpsUrl, Text, VaultNamespace, VaultPath
from schema.yaml_file import Path_

# Vault cuts the tokens of an auth mount to this, without an error, unless the mount says more.
MAX_TOKEN_TTL = Duration(768 * 3600)
# Vault keeps these for itself.
_RESERVED = frozenset({"auth", "cubbyhole", "identity", "sys"})
# What `authNamespace` calls the namespace above all, which has no name; Vault gives it to no other.
_ROOT = "root"
# Who may read what is below these paths of the KV mount.
_ANCHORS = {"anchors": "every cluster", "anchor-keys": "a signing cluster"}


class VaultSection(Section):
    """The Vault that keeps the trust anchor."""

    address: HttpsUrl = Field(description="Address of Vault, as the cluster and we reach it.")
    ca_pem: str | None = Field(None, description="CA certificate of Vault, as PEM.")
    ca_file: Text | None = Field(
        None, description="File with that CA certificate, relative to the project."
    )
    namespace: VaultNamespace | None = Field(
        None,
        description="Vault Enterprise namespace. `VAULT_NAMESPACE` never decides: where it is set, "
        "this must be, too.",
    )
    auth_namespace: VaultNamespace | None = Field(
        None,
        description="Vault Enterprise namespace in which clusters log in, where that is above "
        "`namespace`: auth mounts, roles and policies are there. `root` is the one above all.",
    )
    pki_mount: VaultPath = Field(DEFAULT_PKI_MOUNT, description="Mount of the PKI engine.")
    kv_mount: VaultPath = Field(DEFAULT_KV_MOUNT, description="Mount of the KV version 2 engine.")
    create_kv_mount: bool = Field(
        True, description="The owner stack makes the KV mount; false where it is there already."
    )
    transit_mount: VaultPath = Field(
        "linkerd/transit", description="Mount of the transit engine that signs approvals."
    )
    create_transit_mount: bool = Field(
        True,
        description="The owner stack makes the transit mount; false where it is there already.",
    )
    auth_mount: AuthMount | None = Field(
        None, description="Mount of the cluster's kubernetes auth; default `kubernetes/<cluster>`."
    )
    create_auth_mount: bool = Field(
        True,
        description="The cluster stack makes the auth mount and its config. False where both are "
        "there already: they are left alone, and roles of ours are made, called after the cluster.",
    )
    policy_names: PolicyNames = Field(
        "mount",
        description="What policies are called: after the mount that they are about (`mount`; at "
        "the default mounts without it), or as by earlier versions, without it (`short`). `both` "
        "makes either, on the way from `short` to `mount`.",
    )
    audience: Text = Field(
        "vault", description="Audience that the service account tokens for Vault must carry."
    )
    token_ttl: Duration = Field(
        Duration(600), description="Lifetime of the Vault tokens that the operators log in for."
    )
    skip_child_token: bool = Field(
        False, description="True where our own Vault token may not create child tokens."
    )

    def auth_mount_of(self, cluster: ClusterSection) -> str:
        """The auth mount through which this cluster logs in."""
        return self.auth_mount or f"kubernetes/{cluster.name}"

    def role(self, role: str, cluster: ClusterSection) -> str:
        """What one of the cluster's roles is called there."""
        return login_role(role, cluster.name, own_mount=self.create_auth_mount)

    @property
    def login_namespace(self) -> str | None:
        """The namespace of auth mounts, roles and policies; None is the root namespace."""
        if self.auth_namespace == _ROOT:
            return None
        return self.auth_namespace or self.namespace

    @property
    def engines(self) -> str | None:
        """The namespace of the engines as seen from `login_namespace`; None where it is that."""
        whole, login = (_outer(each) for each in (self.namespace, self.login_namespace))
        return whole.removeprefix(login).strip("/") or None

    def from_login(self, mount: str) -> str:
        """A mount as seen from `login_namespace`, where policies and the operators' tokens are.

        https://developer.hashicorp.com/vault/docs/enterprise/namespaces#architecture
        """
        return f"{self.engines}/{mount}" if self.engines else mount


def _outer(namespace: str | None) -> str:
    return (namespace or "").strip("/")


class HasVault(Protocol):
    """A config with the section `vault`."""

    @property
    def vault(self) -> VaultSection: ...  # noqa: D102


class VaultStoreArgs(Args):
    """The Vault that a store reaches, by the auth mount of `VaultAuth`.

    `audiences` are those of the tokens it logs in with, and must hold that of its role.
    """

    vault_address: str
    vault_ca_pem: str | None = None
    vault_namespace: str | None = None
    kv_mount: str = "linkerd/kv"
    auth_mount: str
    audiences: tuple[str, ...] = (
        "vault",
        "https://kubernetes.default.svc.cluster.local",
    )


def store(config: HasVault, cluster: ClusterSection) -> VaultStoreArgs:
    """How a store of this cluster reaches Vault."""
    return VaultStoreArgs(
        vault_address=config.vault.address,
        vault_ca_pem=config.vault.ca_pem,
        vault_namespace=config.vault.login_namespace,
        kv_mount=config.vault.from_login(config.vault.kv_mount),
        auth_mount=config.vault.auth_mount_of(cluster),
        # With the API server's own audience too, Vault can have a token reviewed with itself.
        audiences=(config.vault.audience, cluster.api_audience),
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
    """The right to have tokens reviewed: Vault has each reviewed with that same token."""
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


def check(config: HasVault) -> Iterator[Fault]:
    """All faults of `vault`.

    - `vault.pkiMount`, `vault.kvMount` and `vault.transitMount` do not lie one in the other, nor in
      what Vault keeps for itself.
    - `vault.tokenTtl` is at most 768h where the auth mount is made here.
    - `vault.authNamespace` is `vault.namespace`, one above it, or `root`.
    """
    vault = config.vault
    mounts = {
        "pkiMount": vault.pki_mount,
        "kvMount": vault.kv_mount,
        "transitMount": vault.transit_mount,
    }
    for key, mount in mounts.items():
        if mount.split("/")[0] in _RESERVED:
            yield Fault(("vault", key), f"{mount!r} is Vault's own: take another path")
    for (first, one), (second, other) in itertools.combinations(mounts.items(), 2):
        if f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/"):
            yield Fault(
                ("vault", second),
                f"{other!r} and {first} {one!r} are one in the other: give each a path of its own",
                looks_at=(("vault", first),),
            )
            break
    if vault.create_auth_mount and vault.token_ttl > MAX_TOKEN_TTL:
        yield Fault(
            ("vault", "tokenTtl"),
            f"{vault.token_ttl} is more than Vault gives at this mount: "
            f"write at most {MAX_TOKEN_TTL}",
            looks_at=(("vault", "createAuthMount"),),
        )
    yield from authority("vault", vault.ca_pem, vault.ca_file)
    whole, login = _outer(vault.namespace), _outer(vault.login_namespace)
    if vault.auth_namespace and not (f"{whole}/".startswith(f"{login}/") or not login):
        yield Fault(
            ("vault", "authNamespace"),
            f"{vault.auth_namespace!r} is not above vault.namespace {whole!r}, and a token reaches "
            "only what is below its own: log in at one above it, or leave this out",
            looks_at=(("vault", "namespace"),),
        )


def apart_from_anchors(path: Path_, entry: str) -> Iterator[Fault]:
    """Faults of an entry with a credential that would lie where the anchors are."""
    for kind, whose in _ANCHORS.items():
        if f"{entry}/".startswith(f"{kind}/"):
            yield Fault(path, f"{whose} may read what is below {kind}/: take another path")
