"""What a node of process pods answers in place of a cluster's DNS and its kubelets."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import struct
from pathlib import Path

import pytest

from sandbox import pki
from sandbox.node import dns, logs

_SERVICES = {
    ("shop", "cart"): dns.DnsService("10.96.1.1", ("10.245.0.1", "10.245.0.2"), {"http": 8080}),
    ("linkerd", "dst"): dns.DnsService("", ("10.245.0.3",), {"grpc": 8086}),
}
_HOSTS = {"bank.example.com": "203.0.113.7"}


def _query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return (
        struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
    )


@pytest.mark.parametrize(
    ("name", "kind", "translated", "code", "count", "within"),
    [
        ("cart.shop.svc.cluster.local", dns.A, True, 0, 1, bytes([10, 96, 1, 1])),
        ("CART.shop.svc.cluster.local", dns.A, False, 0, 2, bytes([10, 245, 0, 2])),
        ("dst.linkerd.svc.cluster.local", dns.A, True, 0, 1, bytes([10, 245, 0, 3])),
        ("dst.linkerd.svc.cluster.local", dns.SRV, True, 0, 1, b"10-245-0-3"),
        ("10-245-0-3.dst.linkerd.svc.cluster.local", dns.A, True, 0, 1, bytes([10, 245, 0, 3])),
        ("cart.shop.svc.cluster.local", 28, True, 0, 0, b""),
        ("none.shop.svc.cluster.local", dns.A, True, 3, 0, b""),
        ("example.org", dns.A, True, 3, 0, b""),
        ("Bank.example.com", dns.A, True, 0, 1, bytes([203, 0, 113, 7])),
        ("bank.example.com", dns.A, False, 0, 1, bytes([203, 0, 113, 7])),
        ("bank.example.com", 28, True, 0, 0, b""),
        ("www.bank.example.com", dns.A, True, 3, 0, b""),
    ],
)
def test_dns_knows_services_and_given_hosts_and_nothing_else(
    name: str, kind: int, translated: bool, code: int, count: int, within: bytes
) -> None:
    """Nothing of a node reaches a network; only a proxy makes a pod's address of a ClusterIP."""
    found = dns.answer(_query(name, kind), _SERVICES, _HOSTS, translated=translated)
    number, flags, _asked, answers = struct.unpack_from("!HHHH", found)
    assert (number, flags & 15, answers) == (7, code, count)
    assert within in found


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 11, struct.pack("!HHHHHH", 1, 0, 2, 0, 0, 0) + b"\0" * 5]
)
def test_what_is_no_query_has_no_answer(data: bytes) -> None:
    """One bad packet must not end the node's DNS."""
    with pytest.raises(ValueError, match=r"query|questions"):
        dns.answer(data, {}, translated=True)


def test_the_process_that_answers_reads_what_the_node_wrote(tmp_path: Path) -> None:
    """It is another process, so that a busy node delays no answer."""
    file = tmp_path / "names.json"
    names = dns.NamesFile(file)
    file.write_text(dns.document(_SERVICES, ["10.245.0.9"], _HOSTS))
    names.refresh()
    assert (names.services, names.plain) == (_SERVICES, frozenset(["10.245.0.9"]))
    assert names.hosts == _HOSTS
    # Two changes between two queries: the second file may have the inode of the first.
    file.write_text(dns.document({}, []))
    os.utime(file, ns=(0, 1))
    names.refresh()
    assert (names.services, names.plain, names.hosts) == ({}, frozenset(), {})


class _Loopback:
    """A network that is this machine's."""

    def listen(self, host: str, _port: int) -> socket.socket:
        made = socket.socket()
        made.bind((host, 0))
        made.listen(8)
        return made


def test_logs_of_a_pod_are_what_kubectl_asks_a_kubelet_for(tmp_path: Path) -> None:
    """`kubectl logs` and `bot latency` read them through the API server, as in a cluster."""
    pki.create(tmp_path / "pki")
    pair = (tmp_path / "pki/components.crt", tmp_path / "pki/components.key")

    def read(namespace: str, pod: str, container: str) -> str | None:
        return "one\ntwo\nthree\n" if (namespace, pod, container) == ("a", "b", "c") else None

    server = logs.serve(_Loopback(), pair, read)  # type: ignore[arg-type]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        found = {}
        for path in ("a/b/c", "a/b/c?tailLines=2", "a/b/c?tailLines=9", "a/b/d", ""):
            client = http.client.HTTPSConnection(
                *server.socket.getsockname(), timeout=5, context=context
            )
            client.request("GET", f"/containerLogs/{path}")
            answer = client.getresponse()
            found[path] = (answer.status, answer.read().decode())
            client.close()
    finally:
        server.shutdown()
        server.server_close()
    assert found == {
        "a/b/c": (200, "one\ntwo\nthree\n"),
        "a/b/c?tailLines=2": (200, "two\nthree\n"),
        "a/b/c?tailLines=9": (200, "one\ntwo\nthree\n"),
        "a/b/d": (404, ""),
        "": (404, ""),
    }
