"""Partners outside the cluster: one TLS server of many names, which keeps what it was asked.

It is at an address of TEST-NET-3 (RFC 5737), which no cluster has, in the node's network. At port
80 it listens as well: what comes there came in the clear, past the gateway.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509

from sandbox.node.node import ProcessNode
from tests.certificates import Authority

ADDRESS = "203.0.113.7"


@dataclass(frozen=True)
class Seen:
    """One request. host: its SNI, empty for one in the clear; serial: of the certificate shown."""

    host: str
    path: str
    headers: tuple[tuple[str, str], ...]
    subject: str = ""
    serial: int = 0

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]


@dataclass
class Partners:
    """The server. authorities: who signs each host's certificate, for the name that it has.

    clients: the authority whose certificates it takes; a host of `asks` answers 401 without one.
    """

    authorities: Mapping[str, Authority]
    clients: Authority
    asks: frozenset[str]
    # What hosts answer with that do not answer with 200, and how long one takes.
    statuses: dict[str, int] = field(default_factory=dict)
    slow: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    # Hosts with another certificate for a while.
    others: dict[str, ssl.SSLContext] = field(default_factory=dict)
    open: set[Any] = field(default_factory=set)
    # Names that a client asked for in a handshake, also in one that failed.
    asked: list[str] = field(default_factory=list)

    def of(self, host: str) -> list[Seen]:
        """The requests to one host."""
        return [each for each in list(self.seen) if each.host == host]

    def at(self, path: str) -> list[Seen]:
        """The requests of a path, which is that of one test."""
        return [each for each in list(self.seen) if each.path == path]

    def last(self, path: str) -> Seen:
        """The newest of them."""
        return self.at(path)[-1]

    @contextmanager
    def running(self, node: ProcessNode) -> Iterator[None]:
        """It answers in the node's network."""
        node.network.ip("addr", "add", f"{ADDRESS}/32", "dev", "pods")
        with ExitStack() as stack:
            for port in (443, 80):
                server = _Server((ADDRESS, port), self._handler(), bind_and_activate=False)
                server.socket.close()
                server.socket = node.network.listen(ADDRESS, port)
                if port == 443:
                    server.socket = self._context().wrap_socket(
                        server.socket, server_side=True, do_handshake_on_connect=False
                    )
                stack.callback(server.server_close)
                threading.Thread(target=server.serve_forever, daemon=True).start()
                stack.callback(server.shutdown)
            yield

    @contextmanager
    def showing(self, host: str, authority: Authority, name: str) -> Iterator[None]:
        """A host with another certificate, also to those that are connected."""
        self.others[host] = self._own(authority, name)
        self.hang_up()
        try:
            yield
        finally:
            del self.others[host]
            self.hang_up()

    def hang_up(self) -> None:
        """Close all connections."""
        for each in list(self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _context(self) -> ssl.SSLContext:
        """The certificate of the host that the client names; another name ends the handshake."""
        contexts = {host: self._own(each, host) for host, each in self.authorities.items()}
        first = next(iter(contexts.values()))

        def choose(sock: Any, name: str | None, _context: ssl.SSLContext) -> int | None:
            self.asked.append(name or "")
            if name not in contexts:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            sock.context, sock.called = self.others.get(name, contexts[name]), name
            return None

        first.sni_callback = choose
        return first

    def _own(self, authority: Authority, name: str) -> ssl.SSLContext:
        certificate, key = authority.issue(name, ca=False, hosts=(name,))
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + key)
            file.flush()
            made.load_cert_chain(file.name)
        # A session that goes on is one whose certificate was looked at before.
        made.num_tickets = 0
        made.options |= ssl.OP_NO_TICKET
        made.verify_mode = ssl.CERT_OPTIONAL
        made.load_verify_locations(cadata=self.clients.pem)
        return made

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        partners = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                partners.open.add(self.connection)

            def finish(self) -> None:
                partners.open.discard(self.connection)
                super().finish()

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                seen = partners.keep(self.connection, self.path, self.headers.items())
                time.sleep(partners.slow)
                status = partners.statuses.get(seen.host, 200)
                if seen.host in partners.asks and not seen.serial:
                    status = 401
                body = b"partner"
                self.send_response(status)
                self.send_header("x-partner", seen.host)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_OPTIONS = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        return Handler

    def keep(self, connection: Any, path: str, headers: Sequence[tuple[str, str]]) -> Seen:
        """Keep a request, and return what is known of it."""
        subject, serial = "", 0
        shown = None
        if isinstance(connection, ssl.SSLSocket):
            shown = connection.getpeercert(binary_form=True)
        if shown:
            certificate = x509.load_der_x509_certificate(shown)
            subject, serial = certificate.subject.rfc4514_string(), certificate.serial_number
        named = tuple((key.lower(), value) for key, value in headers)
        made = Seen(getattr(connection, "called", ""), path, named, subject, serial)
        self.seen.append(made)
        return made


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing: handshakes that fail are what tests are about."""
