"""A registry on loopback that wants a login: as much of the OCI distribution protocol as Helm uses.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit


class Registry(http.server.ThreadingHTTPServer):
    """login: what Authorization must be; stored: manifests and blobs, by their path."""

    def __init__(self, login: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.login = login
        self.stored: dict[str, tuple[str, bytes]] = {}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def registry(login: str) -> Iterator[Registry]:
    with Registry(login) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join(5)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _refused(self) -> bool:
        if self.headers["Authorization"] == self.server.login:
            return False
        self._body()
        self._answer(401, WWW_Authenticate='Basic realm="charts"')
        return True

    def do_GET(self) -> None:
        if self._refused():
            return
        kind, body = self.server.stored.get(self.path, ("", b""))
        if not kind:
            self._answer(404 if self.path != "/v2/" else 200)
            return
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        self._answer(200, body, Content_Type=kind, Docker_Content_Digest=digest)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        if not self._refused():
            self._body()
            self._answer(202, Location=f"{urlsplit(self.path).path.rstrip('/')}/1")

    def do_PUT(self) -> None:
        if self._refused():
            return
        body, parts = self._body(), urlsplit(self.path)
        kind = self.headers["Content-Type"] or "application/octet-stream"
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if "/blobs/" in parts.path:
            assert parse_qs(parts.query)["digest"] == [digest]
            places = [f"{parts.path.partition('/blobs/')[0]}/blobs/{digest}"]
        else:
            places = [parts.path, f"{parts.path.rpartition('/')[0]}/{digest}"]
        for place in places:
            self.server.stored[place] = (kind, body)
        self._answer(201, Location=places[0], Docker_Content_Digest=digest)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
