"""The client of the sandbox's servers."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.clients import https
from bot.clients.https import Answer, Client
from tests.certificates import certified, named


def _client(monkeypatch: pytest.MonkeyPatch, answers: Iterator[Answer]) -> Client:
    monkeypatch.setattr(https, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Client, "_once", lambda *_args: next(answers))
    return Client("https://127.0.0.1:1", Path("ca.crt"))


def test_a_server_that_is_setting_up_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server answers 429 for a kind whose storage it has not set up yet."""
    answers = iter([Answer(429), Answer(429), Answer(200, {})])
    assert _client(monkeypatch, answers).request("GET", "/").ok


def test_asking_again_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never recovers is told as it is, within the time given."""
    client = _client(monkeypatch, iter(lambda: Answer(429), None))
    assert client.request("GET", "/", seconds=0.1).status == 429


def test_other_refusals_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forbidden stays forbidden."""
    answers = iter([Answer(403), Answer(200)])
    assert _client(monkeypatch, answers).request("POST", "/").status == 403


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"hello": true}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server on loopback that shows a certificate for `kube.example.com`; its authority."""
    folder = tmp_path_factory.mktemp("tls")
    name, started = "kube.example.com", datetime.now(UTC) - timedelta(hours=1)
    made = certified(name, named(name), starts=started, lifetime=timedelta(hours=2))
    authority = folder / "ca.pem"
    authority.write_text(made.pem)
    pair = folder / "pair.pem"
    pair.write_text(made.key_pem + made.pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hello)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(pair))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", authority
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("server_name", "status"), [("kube.example.com", 200), ("other.example.com", 0), (None, 0)]
)
def test_a_certificate_must_name_whom_the_kubeconfig_expects(
    server_name: str | None, status: int, served: tuple[str, Path]
) -> None:
    """Behind a tunnel the address is another's, and nobody else must pass for the API server."""
    base, authority = served
    client = Client(base, authority, server_name=server_name)
    assert client.request("GET", "/").status == status


def test_a_proxy_is_asked_for_the_tunnel_and_nothing_else(served: tuple[str, Path]) -> None:
    """What goes through it is encrypted; without one the environment's is not used."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def proxy() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.0 403 Forbidden\r\n\r\n")

    thread = threading.Thread(target=proxy, daemon=True)
    thread.start()
    _, authority = served
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = Client("https://kube.example.com:6443", authority, proxy=address)
    assert client.request("GET", "/secret").status == 0
    thread.join(timeout=30)
    listener.close()
    (words,) = asked
    assert words.startswith(b"CONNECT kube.example.com:6443 ")
    assert b"secret" not in words
