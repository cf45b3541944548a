"""The versions that charts.yaml pins, as the programs themselves name them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stack.charts import Charts


@dataclass(frozen=True)
class Pinned:
    """Versions without a leading `v`; linkerd: as in `edge-26.6.3`."""

    linkerd: str
    cert_manager: str
    trust_manager: str
    external_secrets: str
    buoyant: str
    gateway_api: str


def pinned(project_dir: Path) -> Pinned:
    """The versions of a project's charts.yaml; raises ChartError for a faulty one."""
    charts = Charts(project_dir)

    def version(name: str) -> str:
        return charts.entries[name].version.removeprefix("v")

    return Pinned(
        linkerd=release(version("linkerd-control-plane")),
        cert_manager=version("cert-manager"),
        trust_manager=version("trust-manager"),
        external_secrets=version("external-secrets"),
        buoyant=version("linkerd-buoyant"),
        gateway_api=version("gateway-api"),
    )


def release(chart: str) -> str:
    """The release of a chart of Linkerd's: `edge-26.6.3` of 2026.6.3.

    Follows linkerd2 bin/helm-build. A version that is no year's, of a vendor's chart, stays.
    """
    match = re.fullmatch(r"20(\d\d)\.(\d+)\.(\d+)", chart)
    return f"edge-{match[1]}.{match[2]}.{match[3]}" if match else chart
