"""The section about dashboards: where they are put, and how Grafana finds and reads them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from components.alerts.section import MetricLabel
from schema.section import Section
from schema.values import Name, ValueKind, plain_text, shown
from schema.words import LabelKey, LabelValue

_UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


def datasource_uid(text: str) -> str:
    """The uid of a data source of Grafana; raises ValueError otherwise.

    https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
    """
    if _UID.fullmatch(text):
        return text
    raise ValueError(
        f"{shown(text)} is no uid of a data source: write the last part of its address in "
        "Grafana, such as prometheus (letters, digits, '-' and '_', at most 40)"
    )


def folder_title(text: str) -> str:
    """The title of a folder of Grafana; raises ValueError otherwise.

    The sidecar makes a folder of files of it: a path would lead out of its own.
    """
    if plain_text(text) and "/" not in text and not text.startswith("."):
        return text
    raise ValueError(f"{shown(text)} is no title of a folder: write it like Linkerd, without '/'")


DatasourceUid = Annotated[str, AfterValidator(datasource_uid), ValueKind("uid")]
Folder = Annotated[str, AfterValidator(folder_title), ValueKind("title")]


class DashboardsSection(Section):
    """Grafana dashboards, in ConfigMaps for the sidecar of Grafana's charts."""

    enabled: bool = Field(
        False,
        description="Makes them. They read what the rules record: `alerts.form` must not be `off`.",
    )
    namespace: Name = Field(
        "linkerd",
        description="Namespace of the ConfigMaps, which must be there: one in which the sidecar "
        "looks.",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {"grafana_dashboard": "1"}, description="Labels by which the sidecar finds them."
    )
    folder: Folder | None = Field(
        None, description="Folder in Grafana; without it the sidecar's own, mostly General."
    )
    folder_annotation: LabelKey = Field(
        "grafana_folder",
        description="Annotation that tells the folder: `sidecar.dashboards.folderAnnotation` of "
        "Grafana's chart.",
    )
    datasource: DatasourceUid | None = Field(
        None,
        description="Uid of the Prometheus in Grafana; without it the dashboards have a choice.",
    )
    cluster_label: MetricLabel | None = Field(
        None,
        description="Label that tells apart the clusters of one Prometheus, such as `cluster`; "
        "without it every series is taken to be of this cluster.",
    )
