"""Names that several components must agree on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

CERT_MANAGER = "cert-manager"
EXTERNAL_SECRETS = "external-secrets"
LINKERD = "linkerd"
LINKERD_VIZ = "linkerd-viz"
LINKERD_BUOYANT = "linkerd-buoyant"
LINKERD_EGRESS = "linkerd-egress"
LINKERD_TRACING = "linkerd-tracing"
LINKERD_INGRESS = "linkerd-ingress"
LINKERD_EGRESS_GATEWAY = "linkerd-egress-gateway"
# Where Envoy Gateway itself runs, as upstream has it; the proxies are where their Gateway is.
ENVOY_GATEWAY = "envoy-gateway-system"
# The ingress gateway's pods, and the service account that policies let in; of egress as well.
INGRESS = "ingress"
EGRESS_GATEWAY = "egress-gateway"

# The Helm release of the Gateway API's CRDs, and the bundle of stacks with gateways; from it on an
# older one is refused (docs/runbooks).
GATEWAY_API_CRDS = "gateway-api-crds"
WITH_GATEWAYS = (1, 5)

# The pods of the operators, ours and anybody's, by their label `app.kubernetes.io/name`.
CERT_MANAGER_PODS = ("cert-manager", "cainjector", "webhook")
TRUST_MANAGER_PODS = ("trust-manager",)
EXTERNAL_SECRETS_PODS = (
    *("external-secrets", "external-secrets-webhook"),
    "external-secrets-cert-controller",
)


@dataclass(frozen=True)
class Operators:
    """Where the operators run, ours or somebody else's, and where they read.

    cert_manager, trust_manager, external_secrets: their namespaces. account: cert-manager's service
    account. issuer_secrets: where it reads the Secrets of a ClusterIssuer, and the account that one
    logs in with. trust: where trust-manager reads the sources of a Bundle. theirs: those that are
    somebody else's.
    """

    cert_manager: str = CERT_MANAGER
    trust_manager: str = CERT_MANAGER
    external_secrets: str = EXTERNAL_SECRETS
    account: str = CERT_MANAGER
    issuer_secrets: str = CERT_MANAGER
    trust: str = CERT_MANAGER
    theirs: frozenset[str] = frozenset()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that they run in and read from, each once."""
        found = (self.cert_manager, self.external_secrets, self.trust_manager)
        return tuple(dict.fromkeys((*found, self.issuer_secrets, self.trust)))

    @property
    def ours(self) -> tuple[str, ...]:
        """The namespaces in which we have installed one, each once."""
        runs = {
            CERT_MANAGER: self.cert_manager,
            EXTERNAL_SECRETS: self.external_secrets,
            "trust-manager": self.trust_manager,
        }
        return tuple(dict.fromkeys(ns for name, ns in runs.items() if name not in self.theirs))


# Linkerd reads these two by their names: https://linkerd.io/2/tasks/
TRUST_ROOTS_CONFIG_MAP = "linkerd-identity-trust-roots"
IDENTITY_ISSUER = "linkerd-identity-issuer"
CONTROL_PLANE_LABEL = "linkerd.io/is-control-plane"

# Who hears of an alert.
ALERT_ROUTING = "linkerd-platform-routing"

SECRET_STORE = "linkerd-platform-vault"  # noqa: S105
# Accounts that log in to Vault; they do nothing else, so that a role in Vault binds little.
ISSUER_ACCOUNT = "linkerd-identity-issuer-vault"
STORE_ACCOUNT = "linkerd-platform-vault"

# The roles that they log in to.
ISSUER_ROLE = "linkerd-identity-issuer"
STORE_ROLE = "external-secrets"
ANCHOR_ROLE = "linkerd-trust-anchor"
KEY_ROLE = "linkerd-trust-anchor-key"


def login_role(role: str, cluster: str, *, own_mount: bool) -> str:
    """A role on the auth mount: on one of others it carries the cluster, as its own mount does.

    `external-secrets` is what many an installation calls its role.
    """
    return role if own_mount else f"{role}.{cluster}"


# Policies are one list for all of a Vault namespace, so that their names carry the mount they are
# about. At its default place a mount is that of one fleet alone, and they do without.
DEFAULT_PKI_MOUNT = "linkerd/pki"
DEFAULT_KV_MOUNT = "linkerd/kv"
READ_ANCHORS_POLICY = "linkerd-read-anchors"
PolicyNames = Literal["mount", "short", "both"]


def policy_names(short: str, mount: str, style: PolicyNames = "mount") -> Mapping[str, str]:
    """Names in Vault of the policy `short` on a mount, by what follows in its resource's name.

    `short` is what earlier versions called it, whatever the mount; `both` is for the way from one
    to the other. Two resources, since Vault's provider deletes a policy before it makes one of
    another name in its place.
    """
    long = short
    if mount not in (DEFAULT_PKI_MOUNT, DEFAULT_KV_MOUNT):
        long = f"{short}.{_dotted(mount)}"
    named = {"": short, "-of-mount": long}
    if style == "short" or long == short:
        del named["-of-mount"]
    elif style == "mount":
        del named[""]
    return named


def _dotted(mount: str) -> str:
    """A mount as part of a policy's name, which Vault turns into small letters."""
    made = mount.replace("/", ".")
    if made == made.lower():
        return made
    return f"{made.lower()}.{hashlib.sha256(mount.encode()).hexdigest()[:8]}"


def signing_policy(generation: str) -> str:
    """Vault policy that lets its holder have an intermediate signed by this generation."""
    return f"linkerd-sign-{generation}"


# Signs approvals, in the transit mount.
APPROVAL_KEY = "approvals"


def approver_policy(mount: str) -> str:
    """Vault policy of who may sign approvals with the key of this mount."""
    return f"linkerd-approver-{mount.replace('/', '.')}"


def deployer_policy(mount: str) -> str:
    """Vault policy of who may verify approvals with the key of this mount."""
    return f"linkerd-deployer-{mount.replace('/', '.')}"


# Writes anchors made in the owner's cluster to Vault.
ANCHOR_ACCOUNT = "linkerd-trust-anchor-vault"
# Reads the key of the signing generation, in custody `cluster`.
KEY_ACCOUNT = "linkerd-trust-anchor-key-vault"


def anchor_key_path(generation: str) -> str:
    """Path below the KV mount of certificate and key of a generation in custody `cluster`."""
    return f"anchor-keys/{generation}"


def anchor_path(generation: str) -> str:
    """Path below the KV mount at which the public certificate of a generation lies."""
    return f"anchors/{generation}"
