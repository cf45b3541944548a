"""A small JSON client over TLS for the servers that are asked: an API server and Vault.

Connections are kept: a status asks 60 questions, and most of a short one's time is the handshake.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPException, HTTPResponse, HTTPSConnection, RemoteDisconnected
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from bot.clients.proxies import dial
from bot.exit_codes import BotError

_TOO_MANY = 429
_MOVED = (307, 308)
_PAUSE_SECONDS = 0.5
# All pods of 2,000 nodes, as JSON, have less.
_MOST_BYTES = 256 << 20
_KEPT = 16  # connections to a server that wait for the next request


class ReadError(ValueError):
    """A server did not give what is needed, or cannot be reached as its file says."""


class Unreadable(BotError):  # noqa: N818  (a state of a server, told in one line)
    """A server does not answer, or refuses; says which and what it said.

    status: of its answer, 0 where there is none.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class MissingError(ReadError):
    """What a server is reached with is not there; the text says what to install or set."""


@dataclass(frozen=True)
class Answer:
    """Status and decoded body of one request; status 0 means that no server answered.

    warnings: what an API server says beside its answer, as the headers `Warning` have it. reason:
    why no server answered.
    """

    status: int
    body: Any = None
    warnings: tuple[str, ...] = ()
    reason: str = field(default="", compare=False)

    @property
    def ok(self) -> bool:
        """Tell whether the server accepted the request."""
        return 200 <= self.status < 300

    @property
    def why(self) -> str:
        """Why it is of no use: its status, or why there is none."""
        if self.status:
            return f"status {self.status}"
        return f"no answer ({self.reason})" if self.reason else "no answer"


@dataclass(frozen=True)
class Client:
    """Requests to one server. Proxy settings of the environment are not used: it may be loopback.

    ca_file: None for the authorities of the machine. client_pair: certificate and key file for
    mutual TLS; headers: sent with every request, one with several values once for each.
    server_name: whom the server's certificate must name (default: the address's host).
    proxy: address of an http, https or socks5 proxy (default: none). follows: whether an answer
    that another server is the one to ask (307) is followed, once.
    """

    base: str
    ca_file: Path | None
    client_pair: tuple[Path, Path] | None = None
    headers: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    server_name: str | None = None
    proxy: str | None = None
    follows: bool = False

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        seconds: float = 10.0,
    ) -> Answer:
        """Send one request; never raises for a refused connection or an HTTP error.

        A server that says `too many requests` is asked again until `seconds` are over: the API
        server says so while it sets up the storage of a new kind.
        """
        deadline = time.monotonic() + seconds
        while True:
            answer = self._once(method, path, body, content_type, seconds)
            if answer.status != _TOO_MANY or time.monotonic() + _PAUSE_SECONDS > deadline:
                return answer
            time.sleep(_PAUSE_SECONDS)

    def _once(
        self, method: str, path: str, body: object, content_type: str, seconds: float
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type, "Accept": "application/json", **self.headers}
        try:
            address = (self.base, self.ca_file, self.client_pair, self.server_name, self.proxy)
            response, raw = _server(*address).ask(method, path, data, headers, seconds)
        except ssl.SSLCertVerificationError as error:
            return Answer(0, reason=f"its certificate: {error.verify_message}")
        except (OSError, HTTPException, ValueError) as error:  # of the address and headers, too
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return Answer(0, reason=reason)
        if self.follows and response.status in _MOVED:
            other = urlsplit(response.headers.get("Location") or "")
            if other.scheme == "https":
                moved = replace(self, base=f"https://{other.netloc}", follows=False)
                return moved._once(method, path, body, content_type, seconds)
        warnings = tuple(response.headers.get_all("Warning") or ())
        return Answer(response.status, _decode(raw), warnings)


class _Connection(HTTPSConnection):
    """One that may go through a proxy, and expect a certificate for another name."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, name: str | None, proxy: str | None
    ) -> None:
        super().__init__(host, port, context=context)
        self.tls, self.name, self.proxy = context, name, proxy

    def connect(self) -> None:
        seconds = float(self.timeout or 0)
        name = self.name or ""
        plain = dial(self.host, self.port, self.proxy, seconds, self.tls, name)
        try:
            self.sock = self.tls.wrap_socket(plain, server_hostname=name or self.host)
        except BaseException:
            plain.close()
            raise


class _Server:
    """A server and the connections to it that are open."""

    def __init__(
        self, base: str, context: ssl.SSLContext, name: str | None, proxy: str | None
    ) -> None:
        parts = urlsplit(base)
        self.host, self.port = parts.hostname or "", parts.port or 443
        self.path = parts.path.rstrip("/")
        self.context, self.name, self.proxy = context, name, proxy
        self.idle: deque[_Connection] = deque(maxlen=_KEPT)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str | tuple[str, ...]],
        seconds: float,
    ) -> tuple[HTTPResponse, bytes]:
        """The answer and its body; raises OSError, HTTPException and ValueError."""
        while True:
            known = self._open() if method == "GET" else None
            connection = known or _Connection(
                self.host, self.port, self.context, self.name, self.proxy
            )
            connection.timeout = seconds
            if connection.sock:
                connection.sock.settimeout(seconds)
            try:
                response = self._send(connection, method, path, body, headers)
                raw = _body(response)
            except (RemoteDisconnected, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                connection.close()
                # The server had closed it in the meantime: nothing was asked yet.
                if known is None:
                    raise
                continue
            except BaseException:
                connection.close()
                raise
            if response.will_close:
                connection.close()
            else:
                self.idle.append(connection)
            return response, raw

    def _open(self) -> _Connection | None:
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def _send(
        self,
        connection: _Connection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str | tuple[str, ...]],
    ) -> HTTPResponse:
        connection.putrequest(method, f"{self.path}{path}")
        for key, values in headers.items():
            for value in (values,) if isinstance(values, str) else values:
                connection.putheader(key, value)
        if body is not None or method != "GET":
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        return connection.getresponse()


def trusts_anybody() -> bool:
    """Whether this machine has authorities of its own, for a server whose file names none."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or paths.capath or ssl.create_default_context().get_ca_certs())


@functools.cache
def _server(
    base: str,
    ca_file: Path | None,
    client_pair: tuple[Path, Path] | None,
    server_name: str | None,
    proxy: str | None,
) -> _Server:
    # Kept: loading the certificates costs more than the request, and keepers ask all the time.
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    if client_pair:
        # Without a password OpenSSL would ask the terminal for one.
        certificate, key = map(str, client_pair)
        context.load_cert_chain(certificate, key, password="")
    return _Server(base, context, server_name, proxy)


def _body(response: IO[bytes]) -> bytes:
    """The whole body; OSError for one that would fill the memory."""
    raw = response.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return raw


def _decode(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")
