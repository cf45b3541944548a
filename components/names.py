"""Names that several components must agree on."""

from __future__ import annotations

from dataclasses import dataclass

CERT_MANAGER = "cert-manager"
EXTERNAL_SECRETS = "external-secrets"
LINKERD = "linkerd"
LINKERD_VIZ = "linkerd-viz"
LINKERD_BUOYANT = "linkerd-buoyant"
LINKERD_EGRESS = "linkerd-egress"
LINKERD_TRACING = "linkerd-tracing"

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


def signing_policy(generation: str) -> str:
    """Vault policy that lets its holder have an intermediate signed by this generation."""
    return f"linkerd-sign-{generation}"


READ_ANCHORS_POLICY = "linkerd-read-anchors"


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
