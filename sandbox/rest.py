"""A small JSON client over TLS for the two servers that the sandbox itself talks to."""

from __future__ import annotations

import functools
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

_TOO_MANY = 429
_PAUSE_SECONDS = 0.5


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
    """Requests to one server. Proxy settings of the environment are not used: it is loopback.

    client_pair: certificate and key file for mutual TLS; headers: sent with every request.
    """

    base: str
    ca_file: Path
    client_pair: tuple[Path, Path] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

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
            with _opener(self.ca_file, self.client_pair).open(request, timeout=seconds) as response:
                said = tuple(response.headers.get_all("Warning") or ())
                return Answer(response.status, _decode(response.read()), said)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _decode(error.read()))
        except (OSError, HTTPException):
            return Answer(0)


@functools.cache
def _opener(ca_file: Path, client_pair: tuple[Path, Path] | None) -> urllib.request.OpenerDirector:
    # Kept: loading the certificates costs more than the request, and keepers ask all the time.
    context = ssl.create_default_context(cafile=str(ca_file))
    if client_pair:
        context.load_cert_chain(*map(str, client_pair))
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )


def _decode(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")
