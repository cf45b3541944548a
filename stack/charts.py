"""Chart archives: which ones there are (charts.yaml), where they lie, and their CRDs as a chart.

The archives come from a folder outside the project, `CHARTS_DIR` or the user's cache, that
`make charts` fills. They are linked into `.local/` so that the path in the state file of a
`helm.v3.Release` is the same on every machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from components.chart import ChartRef
from stack.crd_charts import chart_of_manifest, crds_of_chart

LOCAL = ".local"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: str
    repository: str | None = None
    url: str | None = None
    digest: str | None = None
    held: str | None = None


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    charts: dict[str, _Entry]
    manifests: dict[str, _Entry]


class ChartError(Exception):
    """charts.yaml is faulty, or an archive is not there; `str()` says how to mend it."""


def cache_dir() -> Path:
    """Folder of the downloaded archives: `CHARTS_DIR`, else the user's cache."""
    if folder := os.environ.get("CHARTS_DIR"):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "linkerd-platform" / "charts"


class Charts:
    """The charts of one project; raises ChartError when charts.yaml is faulty."""

    def __init__(self, project_dir: Path) -> None:
        file = project_dir / "charts.yaml"
        try:
            document = _Document.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise ChartError(f"{file.name}: {' '.join(str(error).split())}") from None
        self._project_dir = project_dir
        self.entries = {**document.charts, **document.manifests}
        self._manifests = frozenset(document.manifests)

    def chart(self, name: str) -> ChartRef:
        """The chart called `name`, for a Chart or a Release."""
        version = self.entries[name].version
        return ChartRef(name=name, version=version, path=f"./{LOCAL}/{name}-{version}.tgz")

    def crds(self, name: str) -> ChartRef:
        """A chart with just the CRDs of the chart or manifest called `name`."""
        version = self.entries[name].version
        path = f"./{LOCAL}/{name}-crds-{version}.tgz"
        return ChartRef(name=f"{name}-crds", version=version, path=path)

    def source(self, name: str) -> Path:
        """Where the archive or manifest lies in the cache."""
        ending = "yaml" if name in self._manifests else "tgz"
        return cache_dir() / f"{name}-{self.entries[name].version}.{ending}"

    def missing(self) -> list[str]:
        """Names whose archive is not in the cache."""
        return [name for name in self.entries if not self.source(name).is_file()]

    def link(self, *charts: ChartRef) -> None:
        """Put these archives into `.local/`; raises ChartError for those that are missing."""
        absent = [c for c in charts if not self._link(c)]
        if absent:
            names = ", ".join(f"{c.name} {c.version}" for c in absent)
            raise ChartError(
                f"chart archives missing: {names}. Run `make charts`, "
                f"or set CHARTS_DIR to a folder that has them (now {cache_dir()})"
            )

    def _link(self, chart: ChartRef) -> bool:
        name = re.sub(r"-crds$", "", chart.name)
        only_crds = chart.name not in self.entries
        source = self.source(name if only_crds else chart.name)
        target = self._project_dir / chart.path
        if not source.is_file():
            # An archive put there by hand serves; an old link does not vanish with the cache.
            return target.is_file()
        if target.is_file() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            return True
        content = source.read_bytes()
        if only_crds and name in self._manifests:
            content = chart_of_manifest(chart.name, chart.version, content)
        elif only_crds:
            content = crds_of_chart(content)
        target.parent.mkdir(exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(content)
        part.replace(target)  # another run may be reading it
        return True
