"""How bad it is that an object is there which nobody declared: one table, the first row counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.changes.rules import Level
from bot.mesh.drift.declared import Declared
from bot.mesh.drift.fields import AddedFields
from bot.mesh.drift.inventory import Item
from bot.mesh.drift.known import data_managers
from components.names import LINKERD

_POLICY_GROUP = "policy.linkerd.io"
_RBAC_GROUP = "rbac.authorization.k8s.io"
_ADMISSION_GROUP = "admissionregistration.k8s.io"
_CERTIFICATES = ("Certificate", "CertificateRequest", "Issuer", "ClusterIssuer", "Bundle")
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob")
_TRAFFIC = (
    *("Service", "Endpoints", "EndpointSlice", "APIService", "HTTPRoute", "TLSRoute", "TCPRoute"),
    *("NetworkPolicy", "CiliumNetworkPolicy"),
)


@dataclass(frozen=True)
class SeverityRule:
    """Which objects, how bad, and why in words for who is on call."""

    level: Level
    reason: str
    applies: Callable[[Item, Declared], bool]


ROWS: tuple[SeverityRule, ...] = (
    SeverityRule(
        Level.CRITICAL,
        "a Secret of a certificate of ours that cert-manager did not fill alone: whoever wrote it "
        "has its key",
        lambda item, declared: (
            item.kind.title == "Secret" and (item.namespace, item.name) in declared.certificates
        ),
    ),
    SeverityRule(
        Level.CRITICAL,
        "makes certificates beside ours: it can issue identities, or be a second owner of a Secret",
        lambda item, declared: (
            item.kind.kind in _CERTIFICATES
            and item.kind.group.endswith("cert-manager.io")
            and item.namespace in (None, LINKERD, *_issued_from(declared))
        ),
    ),
    SeverityRule(
        Level.CRITICAL,
        "an admission webhook or policy that sees, changes or refuses what is applied",
        lambda item, _declared: item.kind.group == _ADMISSION_GROUP,
    ),
    SeverityRule(
        Level.HIGH,
        "a policy that can open or close traffic of the platform",
        lambda item, _declared: item.kind.group == _POLICY_GROUP,
    ),
    SeverityRule(
        Level.HIGH,
        "rights that nobody reviewed",
        lambda item, _declared: (
            item.kind.group == _RBAC_GROUP or item.kind.title == "ServiceAccount"
        ),
    ),
    SeverityRule(
        Level.HIGH,
        "keys or credentials that nobody rotates",
        lambda item, _declared: item.kind.title == "Secret",
    ),
    SeverityRule(
        Level.HIGH,
        "certificates or secrets from elsewhere",
        lambda item, _declared: (
            item.kind.group.endswith("cert-manager.io")
            or item.kind.group.endswith("external-secrets.io")
        ),
    ),
    SeverityRule(
        Level.HIGH,
        "runs among the platform's own pods, where accounts and Secrets of ours are in reach",
        lambda item, _declared: item.kind.kind in _WORKLOADS,
    ),
    SeverityRule(
        Level.HIGH,
        "changes where traffic of the platform goes",
        lambda item, _declared: item.kind.kind in _TRAFFIC,
    ),
    SeverityRule(
        Level.HIGH,
        "a CRD or namespace of the mesh that is not in the program: nothing upgrades it",
        lambda item, _declared: item.kind.kind in ("CustomResourceDefinition", "Namespace"),
    ),
    SeverityRule(
        Level.MEDIUM,
        "nothing upgrades or removes it",
        lambda _item, _declared: True,
    ),
)


def _issued_from(declared: Declared) -> tuple[str, ...]:
    """Where the operators read what certificates and anchors are made from."""
    where = declared.operators
    return where.cert_manager, where.issuer_secrets, where.trust


def severity(item: Item, declared: Declared) -> tuple[Level, str]:
    """Level and reason for an object that nobody declared."""
    row = next(row for row in ROWS if row.applies(item, declared))
    return row.level, row.reason


def of_fields(added: AddedFields) -> Level:
    """Level of fields that somebody added: those of a ConfigMap are often read by nobody."""
    return Level.MEDIUM if added.item.kind.title == "ConfigMap" else Level.HIGH


def makers(item: Item) -> tuple[str, ...]:
    """Who made it, as far as field managers tell: those of its data first."""
    return tuple(dict.fromkeys([*data_managers(item), *item.managers])) or ("unknown",)
