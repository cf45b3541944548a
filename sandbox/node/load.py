"""Requests at a fixed rate, each with a time-out, and what became of them.

    python load.py '{"url": "http://cart.shop:8080/", "rps": 50, "seconds": 4}'

It runs in a pod, prints a report as JSON, and begins no further request once its standard input
ends. Nothing of the project is imported: the pod's user may be unable to read it.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

# Bodies and headers of so many answers are kept, the first of all.
_KEPT = 200


@dataclass(frozen=True)
class HttpReply:
    """One answer; status 0, and the reason in `body`, where there was none in time."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True)
class LoadPlan:
    """What is to be sent. seconds: how long requests begin, 0 for one request alone.

    timeout: of one request, in seconds. connections: how many requests may be under way; one that
    is due while all are is sent late, and counted as such.
    """

    url: str
    rps: float
    seconds: float
    method: str = "GET"
    headers: Mapping[str, str] | None = None
    body: str = ""
    timeout: float = 5.0
    connections: int = 8

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """What became of the requests.

    statuses: how many of each status, 0 for those without an answer. latencies: milliseconds of
    each, in the order in which they ended. late: sent 100 ms or more after their time. replies: the
    first 200. by: answers by the name that the shop's server gave (`x-served-by`). failures: when,
    in seconds since the start, and why the first 20 failed.
    """

    statuses: Mapping[int, int]
    latencies: tuple[float, ...]
    late: int
    replies: tuple[HttpReply, ...]
    by: Mapping[str, int]
    failures: tuple[str, ...]

    @property
    def sent(self) -> int:
        """How many requests there were."""
        return sum(self.statuses.values())

    @property
    def good(self) -> int:
        """How many were answered with 2xx."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def failed(self) -> int:
        """How many were not."""
        return self.sent - self.good

    def ms(self, percent: float) -> float:
        """The latency in milliseconds that so many percent were not above; 0 without requests."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def text(self) -> str:
        """In one line."""
        codes = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.good} of {self.sent} good ({codes}), p50 {self.ms(50):.1f} ms, "
            f"p99 {self.ms(99):.1f} ms{', ' + self.failures[0] if self.failures else ''}"
        )

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Report:
        """The report of a document that the program has printed."""
        return cls(
            {int(status): count for status, count in document["statuses"].items()},
            tuple(document["latencies"]),
            document["late"],
            tuple(HttpReply(*each) for each in document["replies"]),
            dict(document["by"]),
            tuple(document["failures"]),
        )


class Sender:
    """The requests of one load, from several threads."""

    def __init__(self, load: LoadPlan) -> None:
        self.load = load
        self.parts = urlsplit(load.url)
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._started = time.monotonic()
        self.late = 0
        self.statuses: Counter[int] = Counter()
        self.by: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.replies: list[HttpReply] = []
        self.failures: list[str] = []

    def run(self) -> dict[str, Any]:
        """Send them all; returns the report as a document."""
        threads = [threading.Thread(target=self._work) for _ in range(self.load.connections)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return {
            "statuses": dict(self.statuses),
            "latencies": [round(each, 3) for each in self.latencies],
            "late": self.late,
            "replies": [(each.status, dict(each.headers), each.body) for each in self.replies],
            "by": dict(self.by),
            "failures": self.failures,
        }

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while (due := self._due()) is not None:
            # A wait that ends with the load, so that nobody sends after it.
            if self.stop.wait(max(0.0, due - time.monotonic())):
                break
            begun = time.monotonic()
            connection, reply = self._send(connection)
            self._note(reply, begun, begun - due)
        if connection:
            connection.close()

    def _due(self) -> float | None:
        with self._lock:
            at = self._next / self.load.rps
            if self.stop.is_set() or (self._next and at >= self.load.seconds):
                return None
            self._next += 1
            return self._started + at

    def _send(
        self, connection: http.client.HTTPConnection | None
    ) -> tuple[http.client.HTTPConnection | None, HttpReply]:
        load = self.load
        path = (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
        fresh = connection is None
        if connection is None:
            port = self.parts.port or 80
            connection = http.client.HTTPConnection(
                self.parts.hostname or "", port, timeout=load.timeout
            )
        try:
            connection.request(
                load.method, path, load.body.encode() or None, dict(load.headers or {})
            )
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            # An idle connection that the other side has closed meanwhile has carried nothing.
            closed = isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError))
            if closed and not fresh and load.method in ("GET", "HEAD"):
                return self._send(None)
            return None, HttpReply(0, {}, f"{type(error).__name__}: {error}")
        headers = {key.lower(): value for key, value in answer.getheaders()}
        if answer.will_close:
            connection.close()
            return None, HttpReply(answer.status, headers, body)
        return connection, HttpReply(answer.status, headers, body)

    def _note(self, reply: HttpReply, begun: float, behind: float) -> None:
        spent = time.monotonic() - begun
        with self._lock:
            self.statuses[reply.status] += 1
            self.latencies.append(1000 * spent)
            self.late += behind >= 0.1
            if served := reply.headers.get("x-served-by"):
                self.by[served] += 1
            if len(self.replies) < _KEPT:
                self.replies.append(reply)
            if not 200 <= reply.status < 300 and len(self.failures) < 20:
                at = begun - self._started
                error = reply.headers.get("l5d-proxy-error") or reply.body[:200]
                self.failures.append(f"at {at:.1f} s: {reply.status} {error}".strip())


def main(argument: str) -> None:
    """Send what the argument says, and print the report."""
    sender = Sender(LoadPlan(**json.loads(argument)))

    def watch() -> None:
        sys.stdin.read()
        sender.stop.set()

    threading.Thread(target=watch, daemon=True).start()
    json.dump(sender.run(), sys.stdout)
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
