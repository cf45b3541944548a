"""An API server and three kinds of proxies on loopback, which note who asked and by which way."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import socket
import ssl
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any

from cryptography import x509

from tests.certificates import Authority, Extension, certified
from tests.programs import ran
from tests.unit.kubeconfig_cases import HOST, REFUSED, Case
from tests.unit.kubeconfig_users import PROGRAM

_KEPT = ("authorization", "impersonate-")


class World:
    """An API server and three proxies on loopback, which all lead to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[tuple[str, ...]] = []
        self.ways: list[str] = []
        self._stop: list[Any] = []
        self._carried: list[socket.socket] = []
        is_ca = (x509.BasicConstraints(ca=True, path_length=None), True)
        ca, other = (_certified(each, is_ca) for each in ("ca", "other"))
        names = [x509.DNSName(HOST), x509.DNSName("proxy.example.com")]
        self._certificate("server", ca, names)
        self._certificate("someone", ca, [], "cert.pem", "key.pem")
        (folder / "ca.pem").write_bytes(ca.pem.encode())
        (folder / "token").write_text("fresh\n")
        (folder / "one").mkdir()
        (folder / "one" / "token").write_text("in-folder\n")
        (folder / "authorities").mkdir()
        for name in ("ca.pem", f"{_subject_hash(folder / 'ca.pem')}.0"):
            (folder / "authorities" / name).write_bytes(ca.pem.encode())
        (folder / "bin").mkdir()
        (folder / "bin" / "login").write_text(f"#!/bin/sh\n{PROGRAM}\n")
        (folder / "bin" / "login").chmod(0o755)
        self.port = self._serve()
        proxies = {kind: self._proxy(kind) for kind in ("http", "https", "socks5")}

        def data(content: bytes) -> str:
            return base64.b64encode(content).decode()

        self.names = {
            "SERVER": f"https://127.0.0.1:{self.port}",
            "PORT": str(self.port),
            "DIR": str(folder),
            "CA_DATA": data((folder / "ca.pem").read_bytes()),
            "CA_LINES": "\\n".join(textwrap.wrap(data((folder / "ca.pem").read_bytes()), 64)),
            "CA_TEXT": data(b"subject=x\n" + (folder / "ca.pem").read_bytes() + b"as it is\n"),
            "OTHER_DATA": data(other.pem.encode()),
            "CERT_DATA": data((folder / "cert.pem").read_bytes()),
            "KEY_DATA": data((folder / "key.pem").read_bytes()),
            "PROXY": f"http://127.0.0.1:{proxies['http']}",
            "PROXY_HOST": f"127.0.0.1:{proxies['http']}",
            "TLS_PROXY": f"https://127.0.0.1:{proxies['https']}",
            "SOCKS": f"socks5://127.0.0.1:{proxies['socks5']}",
            "SOCKS_HOST": f"127.0.0.1:{proxies['socks5']}",
        }

    def expected(self, case: Case) -> tuple[str, ...]:
        """What the server is to see."""
        return tuple(Template(each).substitute(self.names) for each in case.expected)

    def outcome(self) -> tuple[str, ...]:
        """What the server has seen since this was asked last."""
        seen, self.seen = self.seen, []
        self.ways = []
        return seen[-1] if seen else REFUSED

    def drop(self) -> None:
        """End every connection that a proxy carries, as a server does with one that is idle."""
        for each in self._carried:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._carried.clear()

    def close(self) -> None:
        """Stop everything."""
        for each in self._stop:
            each()

    def _certificate(
        self,
        name: str,
        ca: Authority,
        names: list[x509.GeneralName],
        certificate: str = "server.pem",
        private: str = "server-key.pem",
    ) -> None:
        alternative = [*names, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = _certified(name, (x509.SubjectAlternativeName(alternative), False), by=ca)
        (self.folder / certificate).write_text(made.pem)
        (self.folder / private).write_text(made.key_pem)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server-key.pem")
        return context

    def _serve(self) -> int:
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = [
                    f"{name.title()}: {value}"
                    for name, value in self.headers.items()
                    if name.lower().startswith(_KEPT)
                ]
                peer = self.connection.getpeercert()  # type: ignore[attr-defined]
                if peer:
                    found.append(f"certificate: {peer['subject'][0][0][1]}")
                path = self.path.partition("?")[0].rstrip("/")
                if path != "/version":
                    found.append(f"path: {path}")
                found += world.ways[-1:]
                world.seen.append(tuple(sorted(found)))
                body = b'{"major": "1", "gitVersion": "v1.32.0"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        server = Server(("127.0.0.1", 0), Handler)
        context = self._context()
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(self.folder / "ca.pem")
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._stop += [server.shutdown, server.server_close]
        return int(server.server_port)

    def _proxy(self, kind: str) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        # Else the thread that waits for connections would go on to wait.
        self._stop += [lambda: listener.shutdown(socket.SHUT_RDWR), listener.close]

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self._carry, args=(kind, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    def _carry(self, kind: str, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            connection.settimeout(10)
            if kind == "https":
                connection = self._context().wrap_socket(connection, server_side=True)
            where = (_socks if kind == "socks5" else _connect)(connection)
            if where is None:
                return
            self.ways.append(f"via {kind} {where}")
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as server:
                self._carried.append(server)
                _pump(connection, server)


def _connect(connection: socket.socket) -> str | None:
    head = b""
    while b"\r\n\r\n" not in head:
        got = connection.recv(4096)
        if not got:
            return None
        head += got
    first, *lines = head.decode().split("\r\n")
    method, where, _ = first.split(" ", 2)
    if method != "CONNECT" or where.startswith("refused"):
        connection.sendall(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        )
        return None
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for line in lines:
        name, _, value = line.partition(": ")
        if name.lower() == "proxy-authorization":
            where += f" as {base64.b64decode(value.removeprefix('Basic ')).decode()}"
    return where


def _socks(connection: socket.socket) -> str | None:
    def read(count: int) -> bytes:
        data = b""
        while len(data) < count:
            got = connection.recv(count - len(data))
            if not got:
                raise OSError
            data += got
        return data

    _, count = read(2)
    login = ""
    if 2 in read(count):
        connection.sendall(b"\5\2")
        read(1)
        user = read(read(1)[0]).decode()
        login = f" as {user}:{read(read(1)[0]).decode()}"
        connection.sendall(b"\1\0")
    else:
        connection.sendall(b"\5\0")
    kind = read(4)[3]
    if kind == 3:
        host = read(read(1)[0]).decode()
    else:
        host = str(ipaddress.ip_address(read({1: 4, 4: 16}[kind])))
    port = int.from_bytes(read(2), "big")
    refused = host.startswith("refused")
    connection.sendall(b"\5" + (b"\5" if refused else b"\0") + b"\0\1\0\0\0\0\0\0")
    return None if refused else f"{f'[{host}]' if ':' in host else host}:{port}{login}"


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes in both ways until one side ends."""

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join(10)


def _certified(name: str, *extensions: Extension, by: Authority | None = None) -> Authority:
    starts = datetime.now(UTC) - timedelta(hours=1)
    return certified(name, *extensions, by=by, starts=starts, lifetime=timedelta(hours=2))


def _subject_hash(certificate: Path) -> str:
    """The name by which OpenSSL looks for an authority in a folder."""
    command = ("openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate))
    return ran(command, check=True).stdout.strip()


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """The servers, for as long as they are needed."""
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
