"""An identity provider: keys over TLS for whoever asks, and tokens signed by the newest one."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.node.node import ProcessNode
from tests.certificates import Authority

_NAMESPACE, _NAME = "idp", "idp"
HOST = f"{_NAME}.{_NAMESPACE}.svc.cluster.local"
# On the node's bridge, where no pod is.
_ADDRESS = "10.245.255.10"


class IdentityProvider:
    """Keys and tokens. public: the authority that the gateway's machine trusts.

    It is in the cluster, or at a host and address outside, which DNS must know.
    """

    def __init__(self, public: Authority, host: str = HOST, address: str = _ADDRESS) -> None:
        self.public, self.host, self.address = public, host, address
        self.issuer, self.jwks = f"https://{host}/", f"https://{host}/jwks"
        self.keys = [_Key("first")]
        # How often the keys were asked for.
        self.asked = 0

    def token(self, *, key: str = "", seconds: float = 600, **claims: Any) -> str:
        """A token that is good for the shop, but for what is said."""
        signing = next(each for each in reversed(self.keys) if key in ("", each.name))
        whole = {
            "iss": self.issuer,
            "aud": "shop",
            "sub": "anna",
            "exp": int(time.time() + seconds),
            "scope": "cart.read cart.write",
            **claims,
        }
        return signing.signed({each: value for each, value in whole.items() if value is not None})

    def publish(self, name: str) -> None:
        """Publish one more key."""
        self.keys.append(_Key(name))

    @contextmanager
    def running(self, node: ProcessNode) -> Iterator[None]:
        """It answers in the node's network, and has a Service."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                body = json.dumps({"keys": [each.public for each in provider.keys]}).encode()
                self.send_response(200 if self.path == "/jwks" else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        node.network.ip("addr", "add", f"{self.address}/32", "dev", "pods")
        server = ThreadingHTTPServer((self.address, 443), Handler, bind_and_activate=False)
        server.socket.close()
        certificate, key = self.public.issue(self.host, ca=False, hosts=(self.host,))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + key)
            file.flush()
            context.load_cert_chain(file.name)
        listening = node.network.listen(self.address, 443)
        server.socket = context.wrap_socket(
            listening, server_side=True, do_handshake_on_connect=False
        )
        if self.host == HOST:
            node.apply(*_service())
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with closing(server.socket):
            try:
                yield
            finally:
                server.shutdown()


class _Key:
    def __init__(self, name: str) -> None:
        self.name = name
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def public(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.name,
            "n": _text(numbers.n.to_bytes(256, "big")),
            "e": _text(numbers.e.to_bytes(3, "big")),
        }

    def signed(self, claims: dict[str, Any]) -> str:
        head = {"alg": "RS256", "typ": "JWT", "kid": self.name}
        parts = ".".join(_text(json.dumps(each).encode()) for each in (head, claims))
        signature = self._key.sign(parts.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{parts}.{_text(signature)}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _service() -> list[dict[str, Any]]:
    metadata = {"namespace": _NAMESPACE, "name": _NAME}
    port = {"name": "https", "port": 443}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"ports": [port | {"targetPort": 443}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": {"kubernetes.io/service-name": _NAME}},
            "addressType": "IPv4",
            "ports": [port],
            "endpoints": [{"addresses": [_ADDRESS], "conditions": {"ready": True}}],
        },
    ]
