"""The section about what a Prometheus of prometheus-operator scrapes."""

from __future__ import annotations

from pydantic import Field

from schema.section import Section
from schema.values import Duration
from schema.words import LabelKey, LabelValue


class MonitorsSection(Section):
    """PodMonitors for prometheus-operator, whose CRDs must be there."""

    enabled: bool = Field(
        False,
        description="Makes them, for control plane, proxies, cert-manager, trust-manager and "
        "External Secrets.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels by which a Prometheus selects them."
    )
    interval: Duration = Field(Duration(30), description="Interval of the scrapes, from 10s to 2m.")
