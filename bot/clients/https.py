"""A small JSON client over TLS for the two servers that are asked: an API server and Vault."""

from __future__ import annotations

import errno
import functools
import ipaddress
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from socket import socket
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

_TOO_MANY = 429
_PAUSE_SECONDS = 0.5
# All pods of 2,000 nodes, as JSON, have less.
_MOST_BYTES = 256 << 20


class ReadError(ValueError):
    """A server did not give what is needed, or cannot be reached as its file says."""


class MissingError(ReadError):
    """What a server is reached with is not there; the text says what to install or set."""


@dataclass(frozen=True)
class Answer:
    """Status and decoded body of one request; status 0 means that no server answered.

    warnings: what an API server says beside its answer, as the headers `Warning` have it.
    """

    status: int
    body: Any = None
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether the server accepted the request."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Client:
    """Requests to one server. Proxy settings of the environment are not used: it may be loopback.

    client_pair: certificate and key file for mutual TLS; headers: sent with every request.
    server_name: whom the server's certificate must name (default: the address's host).
    proxy: address of an HTTP proxy (default: none).
    """

    base: str
    ca_file: Path
    client_pair: tuple[Path, Path] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    server_name: str | None = None
    proxy: str | None = None

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
        request = urllib.request.Request(  # noqa: S310  (always https, see base)
            f"{self.base}{path}", data=data, method=method, headers=headers
        )
        try:
            opener = _opener(self.ca_file, self.client_pair, self.server_name, self.proxy)
            with opener.open(request, timeout=seconds) as response:
                said = tuple(response.headers.get_all("Warning") or ())
                return Answer(response.status, _decode(_body(response)), said)
        except urllib.error.HTTPError as error:
            try:
                with error:
                    return Answer(error.code, _decode(_body(error)))
            except (OSError, HTTPException):
                return Answer(error.code)
        except (OSError, HTTPException, ValueError):  # of the address and the headers, too
            return Answer(0)


def proxy_for(server: str, environment: Mapping[str, str]) -> str | None:
    """The proxy that the environment has for an https address; none for this very machine.

    `HTTPS_PROXY` and `NO_PROXY`, as the engine's providers read them.
    """
    try:
        host = urlsplit(server).hostname or ""
    except ValueError:
        host = ""
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if _loopback(host) or proxy_bypass_environment(host, {"no": exempt}):
        return None
    return environment.get("HTTPS_PROXY") or environment.get("https_proxy") or None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Named(ssl.SSLContext):
    """Expects a certificate for another name than the address's; `http.client` cannot be told."""

    name: str

    def wrap_socket(self, sock: socket, *_: Any, **__: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, server_hostname=self.name)


@functools.cache
def _opener(
    ca_file: Path, client_pair: tuple[Path, Path] | None, server_name: str | None, proxy: str | None
) -> urllib.request.OpenerDirector:
    # Kept: loading the certificates costs more than the request, and keepers ask all the time.
    context = ssl.create_default_context(cafile=str(ca_file))
    if server_name:
        context = _Named(ssl.PROTOCOL_TLS_CLIENT)
        context.name = server_name
        context.load_verify_locations(str(ca_file))
    if client_pair:
        # Without a password OpenSSL would ask the terminal for one.
        certificate, key = map(str, client_pair)
        context.load_cert_chain(certificate, key, password="")
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": proxy} if proxy else {}),
        urllib.request.HTTPSHandler(context=context),
    )


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
