"""What answers the API server in place of pods."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bot.clients.https import Answer
from sandbox import pki, pod_network
from sandbox.settings import Settings
from tests.local_server import Handler, serving

NAME = "localhost"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.create(folder)
    return folder


class Api:
    """An API server that knows the Secrets of one namespace."""

    def __init__(self, *certificates: tuple[Path, Path]) -> None:
        self.asked: list[str] = []
        self.items = [
            {
                "data": {
                    "tls.crt": base64.b64encode(certificate.read_bytes()).decode(),
                    "tls.key": base64.b64encode(key.read_bytes()).decode(),
                }
            }
            for certificate, key in certificates
        ]

    def request(self, _method: str, path: str, **_options: object) -> Answer:
        self.asked.append(path)
        return Answer(200, {"items": self.items})


def pair(keys, name):
    return (keys / f"{name}.crt", keys / f"{name}.key")


@pytest.fixture
def tunnel(keys, tmp_path):
    """Open a tunnel through a proxy that knows Vault's certificate under one name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair(keys, "vault"))
    contexts = {NAME: context}
    nameless = tuple(map(str, pair(keys, "components")))
    path = tmp_path / "socket"
    with pod_network.Server(path, nameless, contexts.get, tmp_path / "routes") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def connect(address: str = "10.96.0.9:443") -> socket.socket:
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(5)
            stream.connect(str(path))
            stream.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            assert stream.recv(100).startswith(b"HTTP/1.1 200")
            return stream

        yield connect
        server.shutdown()


def ask(stream: socket.socket, path: str) -> tuple[int, bytes]:
    client = HTTPConnection(NAME)
    client.sock = stream
    client.request("GET", path)
    answer = client.getresponse()
    return answer.status, answer.read()


def test_a_named_service_answers_with_its_own_certificate(keys, tunnel):
    """That is what makes the API server's check of the caBundle a real one."""
    trusting = ssl.create_default_context(cafile=keys / "vault-ca.crt")
    with trusting.wrap_socket(tunnel(), server_hostname=NAME) as stream:
        status, body = ask(stream, "/apis/tap.linkerd.io/v1alpha1?timeout=32s")
        assert (status, b'"groupVersion": "tap.linkerd.io/v1alpha1"' in body) == (200, True)
        assert ask(stream, "/openapi/v2")[0] == 404


def test_a_wrong_authority_is_refused_by_the_client(keys, tunnel):
    other = ssl.create_default_context(cafile=keys / "ca.crt")
    with pytest.raises(ssl.SSLCertVerificationError):
        other.wrap_socket(tunnel(), server_hostname=NAME)


def test_a_service_without_a_certificate_gets_none(keys, tunnel):
    trusting = ssl.create_default_context(cafile=keys / "vault-ca.crt")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        trusting.wrap_socket(tunnel(), server_hostname="other.svc")


def test_the_availability_check_names_no_service(tunnel):
    """The API server asks by address and verifies nothing, but it needs an answer."""
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    with blind.wrap_socket(tunnel()) as stream:
        assert ask(stream, "/apis/tap.linkerd.io/v1alpha1")[0] == 200


def test_the_certificate_is_looked_for_in_the_namespace_of_the_service(keys):
    """kube-apiserver's certificate stands in: it names a service the way Kubernetes does."""
    api = Api(pair(keys, "vault"), pair(keys, "kube-apiserver"))
    assert pod_network.context_from_cluster(api, "kubernetes.default.svc") is not None
    assert api.asked == [
        "/api/v1/namespaces/default/secrets?fieldSelector=type%3Dkubernetes.io/tls"
    ]
    assert pod_network.context_from_cluster(api, "tap.default.svc") is None


class Program(Handler):
    """A program on this machine that stands for one in a pod."""

    def get(self) -> None:
        self.answer(f"issuer_cert_ttl_seconds 42 at {self.path}\n".encode(), "text/plain")


@pytest.fixture
def program():
    with serving(Program) as address:
        yield int(address.rpartition(":")[2])


def test_a_pod_whose_program_runs_here_is_reached_by_its_address(tunnel, tmp_path, program):
    """The API server's `pods/<name>/proxy` then reads its real metrics."""
    (tmp_path / "routes").write_text(json.dumps({"10.244.0.7:9990": program}))
    assert ask(tunnel("10.244.0.7:9990"), "/metrics") == (
        200,
        b"issuer_cert_ttl_seconds 42 at /metrics\n",
    )


@pytest.mark.parametrize("routes", ["", "{", '{"10.244.0.8:9990": 1}', '{"10.244.0.7:9990": "x"}'])
def test_no_other_address_is_passed_on(tunnel, tmp_path, routes):
    """A file that is half written, or names another pod, opens nothing."""
    (tmp_path / "routes").write_text(routes)
    stream = tunnel("10.244.0.7:9990")
    # What comes is a TLS alert, or the end of the connection.
    with contextlib.suppress(ConnectionError):
        stream.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert not stream.recv(100).startswith(b"HTTP/1.1 2")


def test_only_names_of_services_are_looked_up():
    api = Api()
    assert pod_network.context_from_cluster(api, "example.com") is None
    assert api.asked == []


def test_a_secret_without_a_certificate_names_nothing():
    assert pod_network.names_of(b"") == []


def test_the_socket_path_stays_short_in_a_deep_folder(tmp_path):
    """A longer one cannot be bound: the limit of the system is about a hundred bytes."""
    shallow = Settings(Path("/srv/s"))
    assert shallow.pod_network_socket == Path("/srv/s/pod-network.sock")
    deep = Settings(tmp_path / ("d" * 90))
    assert len(str(deep.pod_network_socket)) < 100
    assert deep.pod_network_socket != Settings(tmp_path / ("e" * 90)).pod_network_socket
