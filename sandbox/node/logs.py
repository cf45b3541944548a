"""What a kubelet answers to `kubectl logs`, over TLS: the output of a pod's container."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sandbox.node.linux import NodeNetwork

HOST, PORT = "127.0.0.1", 10250
# Namespace, pod, container; None where there is no such pod.
LogReader = Callable[[str, str, str], "str | None"]


def serve(network: NodeNetwork, certificate: tuple[Path, Path], read: LogReader) -> LogServer:
    """A server in a network; `server_close` ends it. certificate: its file, and that of its key."""
    server = LogServer(network, certificate, read)
    threading.Thread(target=server.serve_forever, daemon=True, name="logs").start()
    return server


class LogServer(ThreadingHTTPServer):
    """The server; see `serve`."""

    daemon_threads = True

    def __init__(
        self, network: NodeNetwork, certificate: tuple[Path, Path], read: LogReader
    ) -> None:
        super().__init__((HOST, PORT), _Logs, bind_and_activate=False)
        self.socket.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.socket = context.wrap_socket(
            # Who says nothing holds up its own thread alone.
            network.listen(HOST, PORT),
            server_side=True,
            do_handshake_on_connect=False,
        )
        self.read = read

    def handle_error(self, *_: object) -> None:
        """Say nothing: who does not wait for the end has gone."""


class _Logs(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer `/containerLogs/<namespace>/<pod>/<container>`, as a kubelet's server does."""
        asked = urlsplit(self.path)
        assert isinstance(self.server, LogServer)  # noqa: S101
        text = None
        match asked.path.strip("/").split("/"):
            case ["containerLogs", namespace, pod, container]:
                text = self.server.read(namespace, pod, container)
        body = last_lines(text or "", parse_qs(asked.query).get("tailLines", [""])[0]).encode()
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def last_lines(text: str, number: str) -> str:
    """The last so many lines; all of them where that is no number."""
    if not number.isdigit():
        return text
    lines = text.splitlines(keepends=True)
    return "".join(lines[len(lines) - min(int(number), len(lines)) :])
