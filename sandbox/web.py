"""HTTP as downloads need it: logins where they are asked for, and transfers taken up again.

A login is sent to the host that asked for it alone, never along a redirect, and never in clear
except to this machine. Proxies and certificates are those of the environment (HTTPS_PROXY,
NO_PROXY, SSL_CERT_FILE).
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import Request

from sandbox import logins
from sandbox.hosts import OPENER, HostError, Hosts, origin_of, private, reason_of

STALL_SECONDS = 15.0
DOCUMENT_BYTES = 4 << 20
_CHUNK = 1 << 16
_HOPS = 8
_TRIES = 4
_PAUSE = 0.2
_DOCUMENT_SECONDS = 30.0
_PROGRESS_BYTES = 1 << 20
_BUSY = (429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_CHALLENGE = re.compile(
    r"(Bearer|Basic)\b((?:\s*,?\s*[\w-]+\s*=\s*(?:\"[^\"]*\"|[^\s,\"]+))*)", re.I
)
_PARAMETER = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s,\"]+))")
_REPOSITORY = re.compile(r"(https?://[^/]+/(?:.*/)?v2/.+)/(?:manifests|blobs)/")


class DownloadStopped(Exception):  # noqa: N818  (nobody's error: the user interrupted)
    """The whole download is being stopped."""


class Web:
    """One run's requests, from any thread. stopped: ends them all."""

    def __init__(
        self,
        hosts: Hosts,
        stopped: threading.Event | None = None,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._hosts = hosts
        self._stopped = stopped or threading.Event()
        self._stall_seconds = stall_seconds
        self._lock = threading.Lock()
        self._authorizations: dict[str, str] = {}

    def read(self, url: str, accept: str = "*/*") -> bytes:
        """Return a small document; raises SourceError."""
        for attempt in range(1, _TRIES + 1):
            try:
                with self._open(url, {"Accept": accept}) as response:
                    content = self._whole(response)
                    left = response.length  # what was announced and did not come
                    if not left and len(content) <= DOCUMENT_BYTES:
                        return content
                    if len(content) > DOCUMENT_BYTES:
                        raise HostError(f"{shown(url)}: larger than {DOCUMENT_BYTES >> 20} MiB")
                    reason = f"cut after {len(content)} bytes"
            except (OSError, http.client.HTTPException) as error:
                reason = reason_of(error)
            self._pause(attempt, url, reason)
        raise AssertionError("unreachable")

    def _whole(self, response: http.client.HTTPResponse) -> bytes:
        """Read a document, or the part of it that shows that it is too large."""
        deadline, content = time.monotonic() + _DOCUMENT_SECONDS, b""
        while len(content) <= DOCUMENT_BYTES and (chunk := response.read1(_CHUNK)):
            content += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(f"not there after {_DOCUMENT_SECONDS:.0f} s")
            if self._stopped.is_set():
                raise DownloadStopped
        return content

    def stream(
        self, url: str, size: int | None = None, sized: Callable[[int], None] = lambda _size: None
    ) -> Iterator[bytes]:
        """Yield the content of `url`, taken up where it was cut; raises SourceError.

        size: bytes to come, where known before; sized: told once when the server says so.
        """
        got, since, attempt = 0, 0, 0
        while True:
            attempt = attempt + 1 if got - since < _PROGRESS_BYTES else 1
            since = got
            try:
                headers = {"Range": f"bytes={got}-"} if got else {}
                with self._open(url, headers) as response:
                    skip = _skip(response, got, url)
                    if size is None and response.length is not None:
                        size = response.length + got - skip
                        sized(size)
                    while chunk := response.read(_CHUNK):
                        if self._stopped.is_set():
                            raise DownloadStopped
                        new, skip = chunk[skip:], max(0, skip - len(chunk))
                        got += len(new)
                        if size is not None and got > size:
                            raise HostError(f"{shown(url)}: longer than the {size} bytes announced")
                        if new:
                            yield new
                if size is None or got == size:
                    return
                reason = f"cut after {_megabytes(got)} of {_megabytes(size)}"
            except (OSError, http.client.HTTPException) as error:
                whole = f" of {_megabytes(size)}" if size else ""
                reason = f"cut after {_megabytes(got)}{whole} ({reason_of(error)})"
            self._pause(attempt, url, reason)

    def _pause(self, attempt: int, url: str, reason: str) -> None:
        """Wait before the next try; raises SourceError after the last one."""
        if attempt >= _TRIES:
            raise HostError(f"{shown(url)}: {reason}, {_TRIES} tries")
        if self._stopped.wait(_PAUSE * 3 ** (attempt - 1)):
            raise DownloadStopped

    @contextmanager
    def _open(self, url: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """Open `url`, following redirects and logging in where asked to."""
        asked_for: set[str] = set()
        for _ in range(_HOPS):
            self._hosts.reach(url)
            if self._stopped.is_set():
                raise DownloadStopped
            request = Request(url, headers={**headers, "User-Agent": "linkerd-platform-sandbox"})  # noqa: S310 https, or http where the address says so
            with self._lock:
                known = self._authorizations.get(_realm_of(url))
            if known:
                request.add_unredirected_header("Authorization", known)
            try:
                response = OPENER.open(request, timeout=self._stall_seconds)
            except HTTPError as error:
                error.close()
                if error.code in _REDIRECTS and error.headers.get("Location"):
                    url = _redirected(url, error.headers["Location"])
                elif error.code == 401 and _realm_of(url) not in asked_for:
                    asked_for.add(_realm_of(url))
                    granted = self._granted(url, error.headers.get_all("WWW-Authenticate") or [])
                    with self._lock:
                        self._authorizations[_realm_of(url)] = granted
                elif error.code in _BUSY:
                    raise OSError(f"HTTP status {error.code}") from None
                else:
                    raise HostError(_refusal(url, error.code)) from None
                continue
            with response:
                yield response
                return
        raise HostError(f"{shown(url)}: more than {_HOPS} redirects")

    def _granted(self, url: str, challenges: list[str]) -> str:
        """Return the Authorization header that answers a server's challenge."""
        asked = {
            scheme.lower(): {
                name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)
            }
            for scheme, rest in _CHALLENGE.findall(", ".join(challenges))
        }
        login = _login(url)
        if "bearer" in asked and "realm" in asked["bearer"]:
            return f"Bearer {self._token(url, asked['bearer'], login)}"
        if "basic" in asked and login:
            return login
        raise HostError(_needs_login(url))

    def _token(self, url: str, asked: dict[str, str], login: str | None) -> str:
        realm = asked["realm"]
        if _scheme(realm) is None:
            raise HostError(f"{urlsplit(url).netloc}: names {realm!r} for logins, no address")
        if not private(url, realm):
            # Whoever sits on the line could name another realm, and be sent the login.
            login = None
        query = {name: asked[name] for name in ("service", "scope") if asked.get(name)}
        address = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(query)}"
        self._hosts.reach(address)
        request = Request(address)  # noqa: S310 as above
        if login:
            request.add_unredirected_header("Authorization", login)
        try:
            with OPENER.open(request, timeout=self._stall_seconds) as response:
                answer = json.loads(response.read(DOCUMENT_BYTES))
        except HTTPError as error:
            if error.code in _BUSY:
                raise OSError(f"{shown(realm)}: HTTP status {error.code}") from None
            raise HostError(_needs_login(url)) from None
        except ValueError:
            answer = None
        token = isinstance(answer, dict) and (answer.get("token") or answer.get("access_token"))
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise HostError(f"{shown(realm)}: no token in its answer")
        return token


def _login(url: str) -> str | None:
    try:
        login = logins.authorization(url)
    except ValueError as error:
        raise HostError(str(error)) from None
    if login and not private(url):
        raise HostError(f"{urlsplit(url).netloc}: needs a login, which is not sent over http")
    return login


def _needs_login(url: str) -> str:
    host = urlsplit(url).netloc
    if _login(url):
        return f"{host}: refuses the login that is there for it: {logins.advice(url)}"
    return f"{host}: needs a login: {logins.advice(url)}"


def _refusal(url: str, code: int) -> str:
    if code in (401, 403):
        return _needs_login(url)
    return f"{shown(url)}: " + ("not there" if code in (404, 410) else f"HTTP status {code}")


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
    except ValueError:
        target = ""
    scheme = _scheme(target)
    if scheme is None or (urlsplit(url).scheme, scheme) == ("https", "http"):
        raise HostError(f"{shown(url)}: redirects to {scheme or 'no address'}, not followed")
    return target


def _scheme(url: str) -> str | None:
    """Return http or https; None for what is no such address, whoever sent it."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return None
    return parts.scheme if parts.scheme in ("http", "https") and host else None


def _skip(response: http.client.HTTPResponse, got: int, url: str) -> int:
    """Return how much of this answer is known already; raises SourceError for another part."""
    if response.status != 206:
        return got  # The server knows no ranges: it begins anew.
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) > got:
        raise HostError(f"{shown(url)}: answers with another part than was asked for")
    return got - int(found[1])


def shown(url: str) -> str:
    """Return an address as it may be printed: a query may be a signature that opens it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _realm_of(url: str) -> str:
    # A registry's token is for one repository.
    found = _REPOSITORY.match(url)
    return found[1] if found else origin_of(url)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
