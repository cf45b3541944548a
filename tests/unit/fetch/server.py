"""A Helm repository on loopback, and what lies in it."""

from __future__ import annotations

import http.server
import io
import tarfile
from pathlib import Path

import yaml

MANIFEST = b"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"


def chart(name: str, version: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        content = yaml.safe_dump({"name": name, "version": version}).encode()
        info = tarfile.TarInfo(f"{name}/Chart.yaml")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        filler = tarfile.TarInfo(f"{name}/templates/filler.yaml")
        filler.size = 40_000
        tar.addfile(filler, io.BytesIO(bytes(range(250)) * 160))
    return packed.getvalue()


MESH, CERTS = chart("mesh", "1.2.3"), chart("certs", "v4.5.6")


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; counts requests; cuts the bodies named in `cut` short.

    login: what Authorization must be; moved: where a path is instead.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        self.login: str | None = None
        self.sent: list[str | None] = []
        self.moved: dict[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.sent.append(self.headers["Authorization"])
        if self.server.login not in (None, self.headers["Authorization"]):
            self.send_error(401)
            return
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.end_headers()
            return
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:100] if self.path in self.server.cut else body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def cached(project: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (project / "cache").glob("*")}


ALL = {"mesh-1.2.3.tgz": MESH, "certs-v4.5.6.tgz": CERTS, "gateway-1.0.0.yaml": MANIFEST}
