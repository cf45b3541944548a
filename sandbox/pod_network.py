"""Answer in place of the pods that the API server would call: no pod runs, so nobody else can.

    python -m sandbox.pod_network '{"socket": ..., "base": ..., "ca": ..., "cert": ..., ...}'

The API server sends all calls to services of the cluster here (HTTP CONNECT, see
kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity). An aggregated API gets an answer to
the question what it serves: nothing. Without one it would count as unavailable, and then no
namespace can be deleted. The answer comes over TLS with the certificate that the cluster holds for
that service in a Secret, so a request through the API server fails unless the caBundle really fits.

A pod that is simulated, but whose program runs on this machine all the same, has a line in the file
`routes`: a JSON object from `<pod's address>:<port>` to a port of 127.0.0.1. A call to it, as by
`pods/<name>/proxy`, goes there. No other address can be named. A node (`sandbox.node`) that runs
pods in networks of their own gives the path of its socket instead, for all ports where none is
named; it is told the address in a line.
"""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import socket
import socketserver
import ssl
import sys
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from cryptography import x509

from bot.clients.https import Client
from sandbox.node import forward
from sandbox.settings import HOST

NAME = "pod-network"
SECONDS = 10.0
_TLS_SECRETS = "/secrets?fieldSelector=type%3Dkubernetes.io/tls"


class Discovery(BaseHTTPRequestHandler):
    """The one question that is answered: what is served under /apis/<group>/<version>."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def do_GET(self) -> None:
        """Answer a discovery request, anything else with 404."""
        parts = self.path.partition("?")[0].strip("/").split("/")
        known = len(parts) == 3 and parts[0] == "apis"
        body = json.dumps(discovery("/".join(parts[1:])) if known else {}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the API server asks every few seconds."""


def discovery(group_version: str) -> dict[str, object]:
    """Return the list of resources of an API that has none."""
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": [],
    }


class Tunnel(socketserver.StreamRequestHandler):
    """One CONNECT, then TLS as the service that the API server names, then discovery."""

    rbufsize = 0  # What follows the request's head is TLS and must stay in the socket.
    timeout = SECONDS

    def handle(self) -> None:
        """Serve one connection; whatever goes wrong closes it."""
        head = self.rfile.readline().split()
        if len(head) < 2 or head[0] != b"CONNECT":
            return
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        assert isinstance(self.server, Server)  # noqa: S101
        address = head[1].decode(errors="replace")
        route = self.server.route_of(address)
        if route is not None:
            with contextlib.suppress(OSError), _program(route, address) as program:
                forward.carry(self.connection, program)
            return
        # The API server's own check for availability gives no name and accepts any certificate.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.server.nameless)
        context.sni_callback = self._choose
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(self.connection, server_side=True) as stream,
        ):
            # The address of a Unix socket's client is empty; the library wants a pair.
            Discovery(stream, ("", 0), self.server)

    def _choose(
        self, stream: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        assert isinstance(self.server, Server)  # noqa: S101
        if name is None:
            return None
        found = self.server.context_for(name)
        if found is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        stream.context = found
        return None


def _program(route: int | str, address: str) -> socket.socket:
    """A connection to the program of a pod; raises OSError."""
    if isinstance(route, int):
        return socket.create_connection((HOST, route), timeout=SECONDS)
    node = socket.socket(socket.AF_UNIX)
    try:
        node.settimeout(SECONDS)
        node.connect(route)
        node.sendall(f"{address}\n".encode())
    except OSError:
        node.close()
        raise
    return node


class Server(socketserver.ThreadingUnixStreamServer):
    """The proxy on the Unix socket `path`.

    nameless: certificate and key file for a client that names no service.
    context_for: the TLS context of a service's name, None where there is none. routes: the file of
    pods whose program runs here; it may come and go.
    """

    daemon_threads = True

    def __init__(
        self,
        path: Path,
        nameless: tuple[str, str],
        context_for: Callable[[str], ssl.SSLContext | None],
        routes: Path | None = None,
    ) -> None:
        self.routes = routes
        self.nameless = nameless
        self.context_for = context_for
        path.unlink(missing_ok=True)  # What a killed one left.
        super().__init__(str(path), Tunnel)
        path.chmod(0o600)

    def route_of(self, address: str) -> int | str | None:
        """What stands for a pod's address: a port of this machine, or a node's socket."""
        try:
            known = json.loads(self.routes.read_text()) if self.routes else {}
        except (OSError, ValueError):
            return None
        found = known.get(address, known.get(address.rpartition(":")[0]))
        return found if isinstance(found, (int, str)) else None


def context_from_cluster(api: Client, name: str) -> ssl.SSLContext | None:
    """Return the TLS context of the service `<service>.<namespace>.svc` from its Secret."""
    labels = name.split(".")
    if len(labels) < 3 or labels[2] != "svc":
        return None
    answer = api.request("GET", f"/api/v1/namespaces/{labels[1]}{_TLS_SECRETS}", seconds=SECONDS)
    for secret in answer.body["items"] if answer.ok else ():
        data = {
            key: base64.b64decode(secret["data"].get(key, "")) for key in ("tls.crt", "tls.key")
        }
        if name in names_of(data["tls.crt"]):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.TemporaryDirectory() as folder:  # The library reads files alone; 0700.
                for key, content in data.items():
                    (Path(folder) / key).write_bytes(content)
                context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
            return context
    return None


def names_of(certificate: bytes) -> list[str]:
    """Return the DNS names of a PEM certificate; none for one that cannot be read."""
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return []
    return names.get_values_for_type(x509.DNSName)


def main(argument: str) -> None:
    """Serve until stopped."""
    task = json.loads(argument)
    api = Client(task["base"], Path(task["ca"]), (Path(task["cert"]), Path(task["key"])))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nameless = (task["nameless_cert"], task["nameless_key"])
    with Server(
        Path(task["socket"]),
        nameless,
        lambda name: context_from_cluster(api, name),
        Path(task["routes"]),
    ) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
