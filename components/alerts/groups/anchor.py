"""Rules about the end of the trust anchors, which no metric of Linkerd's tells.

The end of each is in its certificate, which the program reads when it runs; the recording rule
carries it into Prometheus.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from components.alerts.groups.model import PREFIX, Alert, Group, RecordingRule, Setting
from components.names import LINKERD

EXPIRY = f"{PREFIX}:trust_anchor:expiry_timestamp_seconds"


def ends(known: Mapping[str, str]) -> Group:
    """One series per trusted generation; `known` is the end of each in ISO 8601."""
    return Group(
        "linkerd-platform-trust-anchor-ends",
        [
            RecordingRule(EXPIRY, f"vector({seconds(end)})", {"generation": generation})
            for generation, end in known.items()
        ],
    )


def anchors(setting: Setting) -> Group:
    """The alerts on these series."""
    limits = setting.thresholds
    left = f"{EXPIRY} - time()"
    summary = "The trust anchor {{ $labels.generation }} ends in {{ $value | humanizeDuration }}"
    return Group(
        "linkerd-platform-trust-anchor",
        [
            Alert(
                "LinkerdTrustAnchorExpiring",
                f"{left} < {limits.anchor_warning} and {left} >= {limits.anchor_critical}",
                "warning",
                summary,
                "A rotation takes three reviewed changes and weeks in between: begin now.",
                "certificates",
                namespace=LINKERD,
            ),
            Alert(
                "LinkerdTrustAnchorEnding",
                f"{left} < {limits.anchor_critical} and {left} > 0",
                "critical",
                summary,
                "When it ends every mTLS connection in the mesh fails at once.",
                "certificates",
                namespace=LINKERD,
            ),
            Alert(
                "LinkerdTrustAnchorExpired",
                f"{left} <= 0",
                "critical",
                "The trust anchor {{ $labels.generation }} has ended",
                "Nothing that it signed is trusted any more. Where it is the one that signs, no "
                "mTLS connection comes about; routing mutes the alerts that follow from it.",
                "certificates",
                namespace=LINKERD,
            ),
        ],
    )


def seconds(end: str) -> int:
    """Unix time of a time in ISO 8601 with its zone."""
    return int(datetime.datetime.fromisoformat(end).timestamp())
