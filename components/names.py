"""Names that several components must agree on."""

from __future__ import annotations

CERT_MANAGER = "cert-manager"
EXTERNAL_SECRETS = "external-secrets"
LINKERD = "linkerd"
LINKERD_VIZ = "linkerd-viz"
LINKERD_BUOYANT = "linkerd-buoyant"
LINKERD_EGRESS = "linkerd-egress"
LINKERD_TRACING = "linkerd-tracing"

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
