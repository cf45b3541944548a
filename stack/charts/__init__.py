"""Chart archives: which ones there are (charts.yaml), where they lie, and their CRDs as a chart.

The archives come from a folder outside the project, `CHARTS_DIR` or the user's cache, that
`make charts` fills. They are linked into `.local/` so that the path in the state file of a
`helm.v3.Release` is the same on every machine.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from components.chart import ChartRef
from schema import logins
from schema.errors import InputError
from schema.input_file import read_bytes, read_text
from schema.values import printable, shown
from schema.yaml_file import parse
from stack.charts.crds import chart_of_manifest, crds_of_chart

LOCAL = ".local"
# Charts of the sandbox that were made of Go modules (sandbox/module_charts.py).
MADE = ".sandbox/charts"
_NAMED = 3
# Both become a part of a file's name.
_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
_Version = Annotated[str, Field(pattern=r"^v?[0-9]+\.[0-9]+\.[0-9]+([-+][A-Za-z0-9.+-]+)?$")]


def _without_login(address: str) -> str:
    if logins.split(address)[1]:
        raise ValueError(
            f"has a login: write {logins.shown(address)}, and put the login into ~/.netrc"
        )
    return address


_Address = Annotated[str, AfterValidator(_without_login)]
# A stable release of Linkerd, in quotes: 2.20 is a number otherwise, and the same one as 2.2.
_Release = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: _Version
    repository: _Address | None = None
    url: _Address | None = None
    digest: str | None = None
    held: str | None = None


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    charts: dict[_Name, _Entry]
    manifests: dict[_Name, _Entry]
    releases: dict[_Release, _Version] = Field(default_factory=dict)


class ChartError(InputError):
    """charts.yaml is faulty, or an archive is not there; `str()` says how to mend it."""


def cache_dir() -> Path:
    """Folder of the downloaded archives: `CHARTS_DIR`, else the user's cache."""
    if folder := os.environ.get("CHARTS_DIR"):
        return Path(os.path.expanduser(folder))  # noqa: PTH111 (raises for a user who is not there)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base), "linkerd-platform", "charts")  # noqa: PTH111


class Charts:
    """The charts of one project; raises ChartError when charts.yaml is faulty."""

    def __init__(self, project_dir: Path) -> None:
        document = _read(project_dir / "charts.yaml")
        self._project_dir = project_dir
        self.entries = {**document.charts, **document.manifests}
        self._manifests = frozenset(document.manifests)

    def chart(self, name: str) -> ChartRef:
        """The chart called `name`, for a Chart or a Release."""
        version = self._entry(name).version
        return ChartRef(name=name, version=version, path=f"./{LOCAL}/{name}-{version}.tgz")

    def crds(self, name: str) -> ChartRef:
        """A chart with just the CRDs of the chart or manifest called `name`."""
        version = self._entry(name).version
        path = f"./{LOCAL}/{name}-crds-{version}.tgz"
        return ChartRef(name=f"{name}-crds", version=version, path=path)

    def made(self, name: str, version: str) -> ChartRef:
        """A chart that the sandbox has made of a Go module; charts.yaml does not vouch for it."""
        return ChartRef(name=name, version=version, path=f"./{MADE}/{name}-{version}.tgz")

    def _entry(self, name: str) -> _Entry:
        if name not in self.entries:
            near = difflib.get_close_matches(name, self.entries, n=1, cutoff=0.8)
            hint = f", and {near[0]!r} is there: is it misspelt?" if near else ": restore its entry"
            raise ChartError(f"charts.yaml: has no {name}, which the stack needs{hint}")
        return self.entries[name]

    def source(self, name: str) -> Path:
        """Where the archive or manifest lies in the cache."""
        ending = "yaml" if name in self._manifests else "tgz"
        return cache_dir() / f"{name}-{self.entries[name].version}.{ending}"

    def missing(self) -> list[str]:
        """Names whose archive is not in the cache."""
        return [name for name in self.entries if not self.source(name).is_file()]

    def source_of(self, chart: ChartRef) -> Path:
        """Where that archive, or what it is cut from, must lie."""
        if _is_made(chart):
            return self._project_dir / chart.path
        whole = chart.name in self.entries
        return self.source(chart.name if whole else chart.name.removesuffix("-crds"))

    def link(self, *charts: ChartRef) -> None:
        """Put these archives into `.local/`; raises ChartError for those that are missing."""
        try:
            absent = [c for c in charts if not self._link(c)]
        except OSError as error:
            raise ChartError(
                f"{error.filename or LOCAL}: {error.strerror}: {LOCAL} must be a folder that can "
                "be written to, with room for the chart archives"
            ) from None
        if absent:
            names = ", ".join(f"{c.name} {c.version}" for c in absent)
            raise ChartError(
                f"chart archives missing: {names}. Run `make charts`, "
                f"or set CHARTS_DIR to a folder that has them (now {cache_dir()})"
            )

    def _link(self, chart: ChartRef) -> bool:
        if _is_made(chart):
            return self.source_of(chart).is_file()
        name = re.sub(r"-crds$", "", chart.name)
        only_crds = chart.name not in self.entries
        source = self.source(name if only_crds else chart.name)
        target = self._project_dir / chart.path
        if not source.is_file():
            return self._by_hand(chart, target, name if only_crds else None)
        wanted = self._content(chart, source, name if only_crds else None)
        if _content_of(target) == wanted:
            return True
        target.parent.mkdir(exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(wanted)
            Path(part).replace(target)  # another run may be reading it
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
        return True

    def _by_hand(self, chart: ChartRef, target: Path, crds_of: str | None) -> bool:
        """An archive put there by hand serves; an old link does not vanish with the cache.

        With a digest in charts.yaml only where it can be held against it.
        """
        content = _content_of(target)
        digest = self.entries[crds_of or chart.name].digest
        if content is None or digest is None:
            return content is not None
        if crds_of is not None:
            raise ChartError(
                f"{chart.path}: cannot be held against the digest that charts.yaml has of what it "
                f"is cut from, {crds_of}: run `make charts`"
            )
        self._refuse_other(target, content, digest)
        return True

    def _refuse_other(self, file: Path, content: bytes, digest: str) -> None:
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if digest != found:
            raise ChartError(f"{file}: its digest is {found}, charts.yaml has {digest}")

    def _content(self, chart: ChartRef, source: Path, crds_of: str | None) -> bytes:
        """The archive, or the CRDs of `crds_of` that are cut from it.

        Each time by its content: an age can be given to any file.
        """
        try:
            content = read_bytes(source)
        except OSError as error:
            raise ChartError(f"{source}: {error.strerror}: run `make charts`") from None
        digest = self.entries[crds_of or chart.name].digest
        if digest is not None:
            self._refuse_other(source, content, digest)
        if crds_of is not None:
            key = (chart, crds_of in self._manifests, hashlib.sha256(content).hexdigest())
            if key not in _CUT:
                _CUT[key] = self._crds(chart, source, crds_of, content)
            return _CUT[key]
        return content

    def _crds(self, chart: ChartRef, source: Path, crds_of: str, content: bytes) -> bytes:
        try:
            if crds_of in self._manifests:
                return chart_of_manifest(chart.name, chart.version, content)
            return crds_of_chart(content)
        except ValueError as error:
            raise ChartError(
                f"{source}: {' '.join(str(error).split())}: delete it and run `make charts`"
            ) from None


def unchecked(project_dir: Path) -> str | None:
    """One line that names what has no digest in charts.yaml, and what to run; None for none.

    Of a list that cannot be read its own error tells.
    """
    try:
        entries = Charts(project_dir).entries
    except ChartError:
        return None
    open_ = [name for name, entry in entries.items() if entry.digest is None]
    if not open_:
        return None
    named = ", ".join(open_[:_NAMED]) + (", ..." if len(open_) > _NAMED else "")
    return (
        f"charts.yaml: {len(open_)} of {len(entries)} have no digest ({named}), so another archive "
        "of the same version is not noticed: run `make charts charts-lock`, and commit charts.yaml"
    )


def _is_made(chart: ChartRef) -> bool:
    return chart.path.startswith(f"./{MADE}/")


def _content_of(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


# What was cut from an archive of this content; a command links the same ones several times.
_CUT: dict[tuple[ChartRef, bool, str], bytes] = {}


def _read(file: Path) -> _Document:
    try:
        document = parse(read_text(file))
        for path, line, message in document.faults:
            raise ChartError(f"{file.name}:{line}: {'.'.join(map(printable, path))}: {message}")
        listed = _Document.model_validate(document.value)
    except OSError as error:
        raise ChartError(f"{file.name}: {error.strerror}") from None
    except ValidationError as error:
        lines = []
        for item in error.errors(include_url=False):
            place = item["loc"][:-1] if item["loc"][-1:] == ("[key]",) else item["loc"]
            line = document.lines.get(place) or document.lines.get(place[:-1], 0)
            where = f"{file.name}:{line}" if line else file.name
            lines.append(
                f"{where}: {'.'.join(map(printable, place))}: {_message(item['type'], item)}"
            )
        raise ChartError("\n".join(lines)) from None
    except ValueError as error:
        raise ChartError(f"{file.name}: {error}") from None
    for name in listed.charts.keys() & listed.manifests.keys():
        raise ChartError(f"{file.name}: {name}: is a chart and a manifest: give one another name")
    return listed


def _message(kind: str, item: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        keys = list(_Entry.model_fields if len(item["loc"]) > 1 else _Document.model_fields)
        near = difflib.get_close_matches(str(item["loc"][-1]), keys, n=1)
        return (
            f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; {keys} are known"
        )
    if kind == "string_pattern_mismatch":
        return f"{shown(item['input'])} is no version like 1.2.3, or no name like linkerd-crds"
    text = item["msg"].removeprefix("Value error, ")
    return f"{text[0].lower()}{text[1:]}"
