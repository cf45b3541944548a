"""Which alerts mute which: one cause is one call, not a dozen.

Follows https://prometheus.io/docs/alerting/latest/configuration/#inhibit_rule
"""

from __future__ import annotations

from dataclasses import dataclass

from components.alert_routing.routes.model import OURS, Matcher
from components.alerts.groups.model import either
from components.alerts.groups.sources import CLUSTER_DOWN, WATCHDOG

ANCHOR_EXPIRED = "LinkerdTrustAnchorExpired"
# What an anchor that has ended takes with it: nothing it signed is trusted any more.
BELOW_THE_ANCHOR = (
    "LinkerdIssuerExpiring",
    "LinkerdIssuerNotReloaded",
    "LinkerdLeafExpiring",
    "LinkerdLeafRefreshFailing",
    "LinkerdNoReadyEndpoint",
    "LinkerdSuccessBurnFast",
    "LinkerdSuccessBurnSteady",
    "LinkerdGatewayDown",
)


@dataclass(frozen=True)
class Inhibition:
    """While an alert of `source` fires, those of `target` with the same `equal` are muted."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


# The worse of two that are about the same thing, the other, and the labels that say so.
PAIRS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("LinkerdCertificateNotReady", ("LinkerdCertificateRenewalOverdue",), ("namespace", "name")),
    ("LinkerdLeafExpiring", ("LinkerdLeafRefreshFailing",), ("namespace",)),
    ("ClusterSecretStoreNotReady", ("ExternalSecretNotReady", "ExternalSecretSyncErrors"), ()),
    (
        "SecretStoreNotReady",
        ("ExternalSecretNotReady", "ExternalSecretSyncErrors", "PushSecretNotReady"),
        ("namespace",),
    ),
    ("CertificateIssuerNotReady", ("CertManagerSyncErrors",), ()),
    ("LinkerdSuccessBurnFast", ("LinkerdSuccessBurnSteady",), ("namespace", "workload")),
    ("LinkerdLatencyBurnFast", ("LinkerdLatencyBurnSteady",), ("namespace", "workload")),
)


def inhibitions(signing: str) -> list[Inhibition]:
    """Every rule; `signing` is the generation of the trust anchor that signs."""
    spared = Matcher("alertname", either((CLUSTER_DOWN, WATCHDOG)), "!~")
    anchor = (OURS, _alert(ANCHOR_EXPIRED), Matcher("generation", signing))
    return [
        Inhibition((OURS, _alert(CLUSTER_DOWN)), (OURS, spared), ("cluster",)),
        Inhibition(anchor, (OURS, _alerts(BELOW_THE_ANCHOR)), ("cluster",)),
        *(
            Inhibition((OURS, _alert(worse)), (OURS, _alerts(other)), ("cluster", *equal))
            for worse, other, equal in PAIRS
        ),
    ]


def _alert(name: str) -> Matcher:
    return Matcher("alertname", name)


def _alerts(names: tuple[str, ...]) -> Matcher:
    return _alert(names[0]) if len(names) == 1 else Matcher("alertname", either(names), "=~")
