"""A public authority of a test: Let's Encrypt's Pebble, and a cert-manager that asks it.

Pebble looks for each host at an address of its own, from where a forward leads to port 80 of the
gateway. cert-manager is asked for by the name `cert-manager-acme`: that of the sandbox leaves ACME
out, for its providers of DNS are most of what there is to build.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import controllers
from sandbox.node import forward
from sandbox.processes import Supervisor
from tests.certificates import Authority
from tests.e2e.ingress_gateway import HTTP_PORT, Gateway

PROGRAMS = ("pebble", "cert-manager-acme", "acmesolver")
_HOST, _NAME = "127.0.0.1", "localhost"


@dataclass(frozen=True)
class Pebble:
    """The running authority."""

    directory: str
    management: int
    context: ssl.SSLContext

    def root(self) -> str:
        """PEM of the root that it signs by, which it makes anew at each start."""
        client = http.client.HTTPSConnection(_NAME, self.management, context=self.context)
        with closing(client):
            client.request("GET", "/roots/0")
            return client.getresponse().read().decode()

    def up(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self.root())
        except OSError:
            return False


@contextmanager
def running(gateway: Gateway, folder: Path) -> Iterator[Pebble]:
    """Pebble, and cert-manager with ACME in the place of the sandbox's, until the block ends."""
    public = Authority.root("acme")
    certificate, key = public.issue(_NAME, ca=False, hosts=(_NAME,))
    files = {"acme.crt": certificate, "acme.key": key, "acme-ca.crt": public.pem.encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    directory, management = _free_port(), _free_port()
    settings = gateway.copy.settings
    supervisor = Supervisor(settings.run_dir, settings.log_dir)
    with closing(socket.create_server((_HOST, 0))) as outside, _names() as dns:
        # Whoever is outside of the pods' network reaches port 80 of the gateway here.
        forward.serve(
            outside,
            lambda _: gateway.node.network.connect(gateway.pods[0].address, HTTP_PORT, 5),
        )
        port = outside.getsockname()[1]
        config = {
            "listenAddress": f"{_HOST}:{directory}",
            "managementListenAddress": f"{_HOST}:{management}",
            "certificate": str(folder / "acme.crt"),
            "privateKey": str(folder / "acme.key"),
            "httpPort": port,
            "tlsPort": port,
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
        pebble = [_program("pebble"), "-config", str(folder / "pebble.json")]
        try:
            supervisor.start(
                "pebble",
                [*pebble, "-dnsserver", f"{_HOST}:{dns}"],
                env={"PEBBLE_VA_NOSLEEP": "1"},
            )
            controllers.stop(settings, "cert-manager")
            tools = {"cert-manager": Path(_program("cert-manager-acme"))}
            supervisor.start(
                "cert-manager",
                controllers.command(settings, tools, "cert-manager"),
                # It asks for each answer itself first, as an authority would.
                env={
                    "SSL_CERT_FILE": str(folder / "acme-ca.crt"),
                    "HTTP_PROXY": f"http://{_HOST}:{port}",
                },
            )
            yield Pebble(
                f"https://{_NAME}:{directory}/dir",
                management,
                ssl.create_default_context(cadata=public.pem),
            )
        finally:
            supervisor.stop("cert-manager")
            supervisor.stop("pebble")
            controllers.start(settings, "cert-manager")


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"])
    assert found
    return found


def _free_port() -> int:
    with closing(socket.create_server((_HOST, 0))) as server:
        return int(server.getsockname()[1])


@contextmanager
def _names() -> Iterator[int]:
    """DNS in which every host is this machine; its port."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind((_HOST, 0))

        def answer() -> None:
            while True:
                try:
                    query, client = server.recvfrom(4096)
                    server.sendto(_answer(query), client)
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def _answer(query: bytes) -> bytes:
    """One address to a question for one (A), and none to any other."""
    end = query.index(b"\0", 12) + 5
    found = query[end - 4 : end - 2] == b"\0\1"
    head = query[:2] + b"\x81\x80" + b"\0\1" + (b"\0\1" if found else b"\0\0") + bytes(4)
    address = b"\xc0\x0c" + b"\0\1\0\1" + bytes(3) + b"\1" + b"\0\4" + socket.inet_aton(_HOST)
    return head + query[12:end] + (address if found else b"")
