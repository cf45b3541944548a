"""Where chart archives come from: their own repositories, a mirror, an OCI registry or a folder.

A Helm repository is an `index.yaml` beside archives: https://helm.sh/docs/topics/chart_repository/
A login is sent to the host that it is for, never along a redirect and never in clear, and is in no
message (schema/logins.py).
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schema import archive, logins, safe_yaml
from schema.input_file import MOST_ARCHIVE, read_bytes, size
from schema.masking import masked
from schema.values import printable, shown
from stack.charts.crds import archive_of

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


@dataclass(frozen=True)
class Place:
    """An address without its login, and that login."""

    address: str
    login: logins.Pair | None = None


_NOBODY = Place("")


def source(location: str | None, environment: Mapping[str, str] = os.environ) -> Source:
    """How to get an archive; `location` is CHARTS_LOCATION, None for each chart's own repository.

    It is the address of a mirror (an HTTP Helm repository, or just files called as in the cache),
    `oci://registry/path`, or a folder. Raises LocationError.
    """
    if not location:
        return _upstream
    if place := _place(location, environment):
        registry = place.address.startswith("oci://")
        return functools.partial(_from_registry if registry else _from_mirror, place)
    folder = Path(os.path.expanduser(location))  # noqa: PTH111 (raises for no user)
    if "://" in location or not folder.is_dir():
        raise LocationError(
            f"CHARTS_LOCATION: {logins.shown(location)!r} is no folder and no http(s):// or "
            "oci:// address"
        )
    return functools.partial(_from_folder, folder)


def target(
    location: str, environment: Mapping[str, str] = os.environ
) -> Callable[[Wanted, bytes], None]:
    """How to put an archive into the registry `location`; raises LocationError for another place.

    A manifest becomes a chart that holds it, which is where `source` looks for it.
    """
    place = _place(location, environment)
    if place is None or not place.address.startswith("oci://"):
        raise LocationError(
            f"--push: {logins.shown(location)!r} is no oci:// address: copy the files of the cache "
            "to a mirror or a folder"
        )
    return functools.partial(_to_registry, place)


def _place(location: str, environment: Mapping[str, str]) -> Place | None:
    """A mirror or a registry, and the login for it: in the address, or in two variables."""
    address, login = logins.split(location.rstrip("/"))
    try:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https", "oci"):
            return None
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise LocationError(f"CHARTS_LOCATION: {shown(logins.shown(location))} is no address")
    user, password = (environment.get(f"CHARTS_{each}", "") for each in ("USERNAME", "PASSWORD"))
    if bool(user) != bool(password):
        missing = "CHARTS_PASSWORD" if user else "CHARTS_USERNAME"
        raise LocationError(f"{missing}: not set: set CHARTS_USERNAME and CHARTS_PASSWORD, or none")
    login = login or ((user, password) if user else None)
    if login and not logins.private(address):
        raise LocationError(
            f"CHARTS_LOCATION: {logins.shown(address)}: a login is not sent over http: use https"
        )
    return Place(address, login)


def _upstream(wanted: Wanted) -> bytes:
    if wanted.url is not None:
        return get(wanted.url)
    if wanted.repository is None:
        raise SourceError("charts.yaml gives it neither `repository` nor `url`: add one")
    if wanted.repository.startswith("oci://"):
        return _from_registry(Place(wanted.repository.rstrip("/")), wanted)
    return get(_address_in(wanted, Place(wanted.repository.rstrip("/"))))


def _from_mirror(place: Place, wanted: Wanted) -> bytes:
    if wanted.url is None:
        try:
            return get(_address_in(wanted, place), place)
        except _NotFoundError:
            pass  # a plain file server has no index
    return get(f"{place.address}/{wanted.file_name}", place)


def _from_registry(place: Place, wanted: Wanted) -> bytes:
    address = f"{place.address}/{wanted.name}"
    with tempfile.TemporaryDirectory() as folder:
        pull = ["pull", address, "--version", wanted.version, "--destination", folder]
        _helm(place, address, pull)
        archives = list(Path(folder).glob("*.tgz"))
        if len(archives) != 1:
            raise SourceError(f"{address}: helm pull brought no archive")
        content = read_bytes(archives[0])
    if wanted.url is None:
        return content
    try:
        return archive.files(content, _manifest_in(wanted).__eq__)[_manifest_in(wanted)]
    except (archive.ArchiveError, KeyError):
        raise SourceError(
            f"{address}: is no chart with the file {_manifest_in(wanted)}: put it there with "
            "`python -m bot.cli.fetch_charts --push`"
        ) from None


def _to_registry(place: Place, wanted: Wanted, content: bytes) -> None:
    if wanted.url is not None:
        chart = json.dumps({"apiVersion": "v2", "name": wanted.name, "version": wanted.version})
        content = archive_of(
            {f"{wanted.name}/Chart.yaml": chart.encode(), _manifest_in(wanted): content}
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{wanted.name}-{wanted.version}.tgz")
        file.write_bytes(content)
        _helm(place, place.address, ["push", str(file), place.address])


def _manifest_in(wanted: Wanted) -> str:
    # No template: Helm renders it nowhere, and its digest stays that of charts.yaml.
    return f"{wanted.name}/manifest.yaml"


def _helm(place: Place, address: str, arguments: list[str]) -> None:
    """Run helm with the login of a registry; raises SourceError."""
    helm = shutil.which("helm")
    if helm is None:
        raise HelmMissingError(
            f"{address}: an OCI registry needs helm, which is not on PATH: "
            "https://helm.sh/docs/intro/install/"
        )
    with _registry_options(place) as options:
        try:
            done = subprocess.run(
                [helm, *arguments, *options],
                capture_output=True, text=True, timeout=PULL_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise SourceError(f"{address}: no answer in {PULL_SECONDS} s; {_ELSEWHERE}") from None
    if done.returncode != 0:
        reason = masked(" ".join(done.stderr.split())) or f"helm {arguments[0]} failed"
        raise SourceError(f"{address}: {reason}; log in with `helm registry login` if needed")


@contextmanager
def _registry_options(place: Place) -> Iterator[list[str]]:
    """What helm is told of a registry: not what it has itself, and no password as an argument."""
    parts = urllib.parse.urlsplit(place.address)
    options = ["--plain-http"] if logins.loopback(parts.hostname) else []
    try:
        kept = place.login is None and logins.kept_by_helm(place.address)
        login = place.login or (None if kept else logins.from_netrc(place.address))
    except ValueError as error:
        raise SourceError(str(error)) from None
    if login is None:
        yield options
        return
    with tempfile.TemporaryDirectory() as folder:  # for us alone, mode 0700
        file = Path(folder, "config.json")
        auth = logins.basic(login).partition(" ")[2]
        file.write_text(json.dumps({"auths": {parts.netloc: {"auth": auth}}}), encoding="utf-8")
        yield [*options, "--registry-config", str(file)]


def _from_folder(folder: Path, wanted: Wanted) -> bytes:
    file = folder / wanted.file_name
    try:
        return read_bytes(file)
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}; put the file there") from None


def _address_in(wanted: Wanted, place: Place) -> str:
    repository = place.address
    entries = _index(f"{repository}/index.yaml", place).get("entries")
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
def _index(address: str, place: Place) -> dict[str, Any]:
    try:
        document = safe_yaml.load(get(address, place), _MOST_INDEX)
    except safe_yaml.YamlError:
        raise SourceError(f"{address}: is no YAML; is this a Helm repository?") from None
    if not isinstance(document, dict):
        raise SourceError(f"{address}: is no index of a Helm repository")
    return document


class _NotFoundError(SourceError):
    pass


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects with the login of the new host, not with that of the old one."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        schemes = (urllib.parse.urlsplit(each).scheme for each in (req.full_url, newurl))
        if tuple(schemes) not in (("http", "http"), ("http", "https"), ("https", "https")):
            shown_address = logins.shown(req.full_url)
            raise SourceError(f"{shown_address}: redirects to what is no https, not followed")
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        return _with_login(made, self._place) if made else None


def _with_login(request: urllib.request.Request, place: Place) -> urllib.request.Request:
    """Add the login of the host, if there is one that nobody on the line would read."""
    address = request.full_url
    try:
        own = place.login and _origin(address) == _origin(place.address)
        known = logins.basic(place.login) if own and place.login else logins.authorization(address)
    except ValueError as error:
        raise SourceError(str(error)) from None
    if known and logins.private(address):
        request.add_unredirected_header("Authorization", known)
    return request


def _origin(address: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(address)
    return parts.scheme, parts.netloc.lower()


def get(address: str, place: Place = _NOBODY) -> bytes:
    """The whole body at an HTTP address; raises SourceError, also for a body cut short.

    place: where it was found, whose login is for its host alone.
    """
    plain, login = logins.split(address)
    if login:
        # An index may have its addresses with the login of who made it.
        place = Place(plain, login)
    address = logins.shown(plain)
    if urllib.parse.urlsplit(plain).scheme not in ("http", "https"):
        raise SourceError(f"{address}: is no http:// or https:// address")
    try:
        request = urllib.request.Request(plain, headers={"User-Agent": "linkerd-platform"})  # noqa: S310
        opener = urllib.request.build_opener(_Redirects(place))
        with opener.open(_with_login(request, place), timeout=TIMEOUT_SECONDS) as response:
            body: bytes = response.read(MOST_ARCHIVE + 1)
            missing = response.length
    except urllib.error.HTTPError as error:
        kind = _NotFoundError if error.code == 404 else SourceError
        hint = _ELSEWHERE
        if error.code in (401, 403):
            hint = _LOGIN if logins.private(plain) else "a login is not sent over http: use https"
        raise kind(f"{address}: {error.code} {error.reason}; {hint}") from None
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
_LOGIN = (
    "give a login for its host in netrc, with `helm registry login`, or for CHARTS_LOCATION in "
    "CHARTS_USERNAME and CHARTS_PASSWORD"
)
