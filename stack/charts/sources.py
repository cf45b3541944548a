"""Where chart archives come from: their own repositories, a mirror, an OCI registry or a folder.

A Helm repository is an `index.yaml` beside archives: https://helm.sh/docs/topics/chart_repository/
"""

from __future__ import annotations

import functools
import http.client
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schema import safe_yaml
from schema.input_file import MOST_ARCHIVE, read_bytes, size
from schema.values import printable, shown

TIMEOUT_SECONDS = 60
PULL_SECONDS = 300
# Of the largest public repository it has 25 MB.
_MOST_INDEX = 64 << 20


@dataclass(frozen=True)
class Wanted:
    """A chart or manifest of charts.yaml; exactly one of `repository` and `url` is its address."""

    name: str
    version: str
    file_name: str
    repository: str | None
    url: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class SourceError(Exception):
    """An archive could not be had; `str()` gives the address, what happened and what to do."""


class HelmMissingError(SourceError):
    """An OCI registry needs the program helm."""


class LocationError(Exception):
    """CHARTS_LOCATION cannot be read as one of the three kinds."""


Source = Callable[[Wanted], bytes]


def source(location: str | None) -> Source:
    """How to get an archive; `location` is CHARTS_LOCATION, None for each chart's own repository.

    It is the address of a mirror (an HTTP Helm repository, or just files called as in the cache),
    `oci://registry/path`, or a folder. Raises LocationError.
    """
    if not location:
        return _upstream
    try:
        scheme = urllib.parse.urlsplit(location).scheme
    except ValueError:
        raise LocationError(f"CHARTS_LOCATION: {shown(location)} is no address") from None
    if scheme in ("http", "https"):
        return functools.partial(_from_mirror, location.rstrip("/"))
    if scheme == "oci":
        return functools.partial(_from_registry, location.rstrip("/"))
    folder = Path(os.path.expanduser(location))  # noqa: PTH111 (raises for no user)
    if scheme or not folder.is_dir():
        raise LocationError(
            f"CHARTS_LOCATION: {location!r} is no folder and no http(s):// or oci:// address"
        )
    return functools.partial(_from_folder, folder)


def _upstream(wanted: Wanted) -> bytes:
    if wanted.url is not None:
        return get(wanted.url)
    if wanted.repository is None:
        raise SourceError("charts.yaml gives it neither `repository` nor `url`: add one")
    return get(_address_in(wanted, wanted.repository.rstrip("/")))


def _from_mirror(base: str, wanted: Wanted) -> bytes:
    if wanted.url is None:
        try:
            return get(_address_in(wanted, base))
        except _NotFoundError:
            pass  # a plain file server has no index
    return get(f"{base}/{wanted.file_name}")


def _from_registry(base: str, wanted: Wanted) -> bytes:
    if wanted.url is not None:
        return get(wanted.url)  # a manifest is no chart: registries of charts do not hold it
    address = f"{base}/{wanted.name}"
    helm = shutil.which("helm")
    if helm is None:
        raise HelmMissingError(
            f"{address}: an OCI registry needs helm, which is not on PATH: "
            "https://helm.sh/docs/intro/install/"
        )
    with tempfile.TemporaryDirectory() as folder:
        command = [helm, "pull", address, "--version", wanted.version, "--destination", folder]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PULL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise SourceError(f"{address}: no answer in {PULL_SECONDS} s; {_ELSEWHERE}") from None
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode != 0 or len(archives) != 1:
            reason = " ".join(done.stderr.split()) or "helm pull brought no archive"
            raise SourceError(f"{address}: {reason}; log in with `helm registry login` if needed")
        return read_bytes(archives[0])


def _from_folder(folder: Path, wanted: Wanted) -> bytes:
    file = folder / wanted.file_name
    try:
        return read_bytes(file)
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}; put the file there") from None


def _address_in(wanted: Wanted, repository: str) -> str:
    entries = _index(f"{repository}/index.yaml").get("entries")
    listed = entries.get(wanted.name) if isinstance(entries, dict) else None
    versions = [each for each in _list(listed) if isinstance(each, dict)]
    for release in versions:
        urls = _list(release.get("urls"))
        if str(release.get("version")) == wanted.version and urls:
            # An address in an index may be relative to it.
            return _joined(f"{repository}/", str(urls[0]))
    newest = ", ".join(printable(release.get("version")) for release in versions[:3])
    raise SourceError(
        f"{repository}/index.yaml: has no {wanted}"
        + (f"; its first versions are {newest}" if newest else "; it has no chart of that name")
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(base: str, address: str) -> str:
    try:
        return urllib.parse.urljoin(base, address)
    except ValueError:
        raise SourceError(f"{base}index.yaml: {shown(address)} is no address") from None


@functools.cache
def _index(address: str) -> dict[str, Any]:
    try:
        document = safe_yaml.load(get(address), _MOST_INDEX)
    except safe_yaml.YamlError:
        raise SourceError(f"{address}: is no YAML; is this a Helm repository?") from None
    if not isinstance(document, dict):
        raise SourceError(f"{address}: is no index of a Helm repository")
    return document


class _NotFoundError(SourceError):
    pass


def get(address: str) -> bytes:
    """The whole body at an HTTP address; raises SourceError, also for a body cut short."""
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise SourceError(f"{address}: is no http:// or https:// address")
    request = urllib.request.Request(address, headers={"User-Agent": "linkerd-platform"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            body: bytes = response.read(MOST_ARCHIVE + 1)
            missing = response.length
    except urllib.error.HTTPError as error:
        kind = _NotFoundError if error.code == 404 else SourceError
        raise kind(f"{address}: {error.code} {error.reason}; {_ELSEWHERE}") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(f"{address}: {reason}; {_ELSEWHERE}") from None
    if len(body) > MOST_ARCHIVE:
        raise SourceError(f"{address}: sends over {size(MOST_ARCHIVE)}, which is the limit")
    if missing:
        raise SourceError(
            f"{address}: ended early, {missing} bytes missing; run `make charts` again"
        )
    return body


_ELSEWHERE = "check it, or set CHARTS_LOCATION to a mirror, an oci:// registry or a folder"
