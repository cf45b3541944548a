"""The cluster's DNS for process pods: A and SRV records of Services, and given hosts (RFC 1035).

    python dns.py <address> <file>

A process of its own in the node's network: in the node's, which asks every pod's probes, an answer
would come late on a busy machine, and a resolver waits five seconds before it asks again. What it
answers is in the file, which the node writes anew at each change; see `document`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DOMAIN = "svc.cluster.local"
A, SRV = 1, 33
PORT = 53
_NXDOMAIN, _TTL = 3, 2


@dataclass(frozen=True)
class DnsService:
    """What DNS knows of a Service. address: its ClusterIP, empty for a headless one.

    pods: addresses of its ready pods; ports: by name, and each pod's own.
    """

    address: str
    pods: tuple[str, ...] = ()
    ports: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Question:
    """One question: the name in small letters without its last dot, the type, and its bytes."""

    id: int
    flags: int
    name: str
    kind: int
    raw: bytes


def question(data: bytes) -> Question:
    """Read a query; raises ValueError for what is none."""
    try:
        number, flags, count = struct.unpack_from("!HHH", data)
        labels, at = [], 12
        while length := data[at]:
            labels.append(data[at + 1 : at + 1 + length].decode("ascii").lower())
            at += 1 + length
        (kind,) = struct.unpack_from("!H", data, at + 1)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"no query: {error}") from None
    if count != 1:
        raise ValueError(f"{count} questions")
    return Question(number, flags, ".".join(labels), kind, data[12 : at + 5])


def answer(
    data: bytes,
    services: Mapping[tuple[str, str], DnsService],
    hosts: Mapping[str, str] | None = None,
    *,
    translated: bool,
) -> bytes:
    """The response to a query.

    services: by namespace and name. hosts: addresses of names outside the cluster. translated:
    whether something on the way turns a ClusterIP into a pod's address, as a proxy does; who has no
    proxy is given the addresses of pods.
    """
    asked = question(data)
    if asked.name in (hosts or {}):
        address = (hosts or {})[asked.name]
        found: Sequence[bytes] | None = [socket.inet_aton(address)] if asked.kind == A else []
    else:
        found = _records(asked, services, translated)
    code = _NXDOMAIN if found is None else 0
    records = found or ()
    # A response with authority; recursion as it was asked for.
    flags = 0x8480 | (asked.flags & 0x0100) | code
    head = struct.pack("!HHHHHH", asked.id, flags, 1, len(records), 0, 0)
    body = b"".join(
        # The name is that of the question, at byte 12.
        struct.pack("!HHHIH", 0xC00C, asked.kind, 1, _TTL, len(record)) + record
        for record in records
    )
    return head + asked.raw + body


def _records(
    asked: Question, services: Mapping[tuple[str, str], DnsService], translated: bool
) -> Sequence[bytes] | None:
    """The data of the records; None where there is no such name."""
    if asked.name == "localhost":
        return [socket.inet_aton("127.0.0.1")] if asked.kind == A else []
    labels = asked.name.removesuffix(f".{DOMAIN}").split(".")
    if not asked.name.endswith(f".{DOMAIN}") or len(labels) not in (2, 3):
        return None
    service = services.get((labels[-1], labels[-2]))
    if service is None:
        return None
    if len(labels) == 3:  # One pod of a headless Service, as the SRV records name it.
        address = labels[0].replace("-", ".")
        if address not in service.pods:
            return None
        return [socket.inet_aton(address)] if asked.kind == A else []
    if asked.kind == A:
        own = [service.address] if service.address and translated else service.pods
        return [socket.inet_aton(each) for each in own]
    if asked.kind == SRV and not service.address:
        return [
            struct.pack("!HHH", 0, 10, port) + _name(f"{pod.replace('.', '-')}.{asked.name}")
            for port in (service.ports or {}).values()
            for pod in service.pods
        ]
    return []


def _name(text: str) -> bytes:
    parts = (each.encode("ascii") for each in text.split("."))
    return b"".join(bytes([len(each)]) + each for each in parts) + b"\0"


def document(
    services: Mapping[tuple[str, str], DnsService],
    plain: Collection[str],
    hosts: Mapping[str, str] | None = None,
) -> str:
    """What the process answers, as JSON. plain: addresses of the pods that have no proxy."""
    found = {f"{namespace}/{name}": vars(each) for (namespace, name), each in services.items()}
    whole = {"services": found, "plain": sorted(plain), "hosts": dict(hosts or {})}
    return json.dumps(whole, sort_keys=True)


def read(
    text: str,
) -> tuple[dict[tuple[str, str], DnsService], frozenset[str], dict[str, str]]:
    """The services of a document, the addresses of pods without a proxy, and the hosts outside."""
    found = json.loads(text)
    services = {}
    for key, each in found["services"].items():
        namespace, _, name = key.partition("/")
        services[namespace, name] = DnsService(each["address"], tuple(each["pods"]), each["ports"])
    return services, frozenset(found["plain"]), dict(found["hosts"])


class NamesFile:
    """A document that is put in place anew at each change, read when it is another."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = (-1, -1)
        self.services: dict[tuple[str, str], DnsService] = {}
        self.plain: frozenset[str] = frozenset()
        self.hosts: dict[str, str] = {}

    def refresh(self) -> None:
        """Read it, if it has changed."""
        found = self._file.stat()
        # The inode of a file that is gone is given out again: only with its time it says which.
        if (now := (found.st_ino, found.st_mtime_ns)) != self._read:
            self.services, self.plain, self.hosts = read(self._file.read_text())
            self._read = now


def main(address: str, file: Path) -> None:
    """Answer until stopped."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind((address, PORT))
    names = NamesFile(file)
    while True:
        data, (host, port) = listening.recvfrom(4096)
        names.refresh()
        with contextlib.suppress(ValueError, OSError):
            proxied = host not in names.plain
            reply = answer(data, names.services, names.hosts, translated=proxied)
            listening.sendto(reply, (host, port))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
