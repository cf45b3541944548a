"""A container registry and file server on loopback, and small programs in images and archives."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import io
import json
import re
import tarfile
import time
import zipfile
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def program(text: str, size: int = 0) -> bytes:
    """A program that prints `text`; padded, so that it takes several reads to come."""
    body = f"#!/bin/sh\necho '{text}'\nexit 0\n".encode()
    # Noise that gzip cannot shrink, or a cut at some byte would be past the end.
    noise = b"".join(
        hashlib.sha256(str(n).encode()).hexdigest().encode() for n in range(size // 64)
    )
    return body + noise


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(files: Mapping[str, bytes | str | None]) -> bytes:
    """A layer: bytes are a file's content, text is where a link points, None is a whiteout."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            elif content:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return gzip.compress(packed.getvalue(), 1, mtime=0)


def zipped(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path and blobs and manifests by repository, with what goes wrong.

    cut: bytes after which the next answers for a path end; slow: seconds before each answer;
    login: user and password, asked for as `scheme` says; public: a token for nobody is enough;
    expires_with: a path whose rest needs the second token; blobs_at, moved_to: where blobs, or all
    requests, are redirected to.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.cut: dict[str, list[int]] = {}
        self.busy: dict[str, int] = {}
        self.ranges = True
        self.slow = 0.0
        self.pause = 0.0
        self.login: tuple[str, str] | None = None
        self.scheme = "Bearer"
        self.public = False
        self.tokens = 0
        self.expires_with = ""
        self.realm = f"{self.address}/token"
        self.blobs_at: str | None = None
        self.moved_to: str | None = None
        self.redirects: dict[str, str] = {}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def address(self) -> str:
        return f"http://{self.host}"

    def paths(self) -> list[str]:
        return [path for path, _headers in self.asked if path != "/"]

    def push(
        self,
        repository: str,
        tag: str,
        layers: list[bytes],
        *,
        platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64"),
        prefix: str = "/v2",
        index: bool = True,
    ) -> str:
        """Put an image there and return the digest of its manifest."""
        base = f"{prefix}/{repository}"
        described = []
        for layer in layers:
            self.files[f"{base}/blobs/{digest(layer)}"] = layer
            described.append({"mediaType": LAYER, "digest": digest(layer), "size": len(layer)})
        body = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": described}).encode()
        self._manifest(f"{base}/manifests/{digest(body)}", body, MANIFEST)
        if index:
            listed = [
                {"digest": digest(body), "platform": {"os": each.split("/")[0],
                 "architecture": each.split("/")[1]}} for each in platforms
            ]  # fmt: skip
            list_body = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
            self._manifest(f"{base}/manifests/{tag}", list_body, INDEX)
        else:
            self._manifest(f"{base}/manifests/{tag}", body, MANIFEST)
        return digest(body)

    def _manifest(self, path: str, body: bytes, kind: str) -> None:
        self.files[path], self.types[path] = body, kind


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        time.sleep(self.server.slow)
        self._answer(200, b"")

    def do_GET(self) -> None:
        server = self.server
        parts = urlsplit(self.path)
        server.asked.append((self.path, dict(self.headers)))
        time.sleep(server.slow)
        if parts.path == "/token":
            self._token(parse_qs(parts.query))
        elif server.moved_to:
            self._answer(307, b"", {"Location": f"{server.moved_to}{self.path}"})
        elif self.path in server.redirects:
            self._answer(302, b"", {"Location": server.redirects[self.path]})
        elif server.busy.get(self.path, 0) > 0:
            server.busy[self.path] -= 1
            self._answer(503, b"")
        elif not self._may():
            self._challenge()
        elif server.blobs_at and "/blobs/" in self.path:
            self._answer(307, b"", {"Location": f"{server.blobs_at}{self.path}"})
        elif self.path not in server.files:
            self._answer(404, b"")
        else:
            self._content(server.files[self.path])

    def _content(self, body: bytes) -> None:
        server = self.server
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(found[1]) if found and server.ranges else 0
        cuts = server.cut.get(self.path)
        last = cuts.pop(0) if cuts else len(body)
        headers = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if first else {}
        self.send_response(206 if first else 200)
        self.send_header("Content-Type", server.types.get(self.path, "application/octet-stream"))
        self.send_header("Content-Length", str(len(body) - first))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for start in range(first, last, 1 << 14):
                self.wfile.write(body[start : min(last, start + (1 << 14))])
                time.sleep(server.pause)
        except OSError:
            self.close_connection = True
        if last < len(body):
            self.close_connection = True

    def _answer(self, code: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _basic(self) -> str:
        return (
            "Basic " + base64.b64encode(":".join(self.server.login or ("", "")).encode()).decode()
        )

    def _may(self) -> bool:
        if self.server.login is None:
            return True
        given = self.headers.get("Authorization", "")
        if self.server.public and given == "Bearer anonymous":
            return True
        if self.server.scheme == "Basic":
            return given == self._basic()
        if self.path == self.server.expires_with and "Range" in self.headers:
            return given == "Bearer granted-2"
        return given.startswith("Bearer granted-")

    def _challenge(self) -> None:
        realm = 'Basic realm="x"'
        if self.server.scheme == "Bearer":
            repository = self.path.removeprefix("/v2/").split("/manifests/")[0].split("/blobs/")[0]
            realm = (
                f'Bearer realm="{self.server.realm}",service="loopback",'
                f'scope="repository:{repository}:pull"'
            )
        self._answer(401, b"", {"WWW-Authenticate": realm})

    def _token(self, query: Mapping[str, list[str]]) -> None:
        self.server.tokens += 1
        assert query["service"] == ["loopback"]
        assert query["scope"][0].startswith("repository:")
        if self.headers.get("Authorization") == self._basic():
            self._answer(200, json.dumps({"token": f"granted-{self.server.tokens}"}).encode())
        elif "Authorization" in self.headers:
            self._answer(401, b"")
        else:
            # As real ones do: a token for nobody, which opens nothing here.
            self._answer(200, json.dumps({"access_token": "anonymous"}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
