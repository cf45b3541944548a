"""A server of the shop, and its knobs.

    PORT=8080 NEXT=http://cart.shop:8080/ python shop.py

`GET` or `POST` of any path answers with JSON: `pod`, `service`, `client` (the identity that the
proxy has seen, `l5d-client-id`), `headers`, `count`, `bytes` (of the body), and `next`, the answer
of NEXT where there is one. A NEXT that fails is a 502. The header `x-served-by` is the pod.

Knobs are set by `POST /knobs` with a JSON object, which also sets the counts to nothing:
`fail_every` (each nth request; 1 for all), `fail_status` (503), `slow` (seconds), `size` (of the
answer, in bytes), `unready` (its probe fails). `GET /counts` has `total`, `failed`, `statuses`, and
`ids`: how often each value of the header `x-request-key` came. Knobs and counts are asked for from
within the pod alone.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 10.0
_KNOBS = {"fail_every": 0, "fail_status": 503, "slow": 0.0, "size": 0, "unready": False}
_OWN = ("127.0.0.1", "::1")


class ShopState:
    """Knobs and counts of one server."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.set({})

    def set(self, knobs: dict[str, Any]) -> None:
        """Set knobs, all others to their default; raises ValueError for one that is none."""
        unknown = sorted(set(knobs) - set(_KNOBS))
        if unknown:
            raise ValueError(f"{unknown[0]} is no knob; there are {', '.join(_KNOBS)}")
        with self.lock:
            self.knobs: dict[str, Any] = {**_KNOBS, **knobs}
            self.total = self.failed = 0
            self.statuses: Counter[int] = Counter()
            self.ids: Counter[str] = Counter()

    def begin(self, key: str | None) -> tuple[int, bool]:
        """Count a request; its number, and whether it is to fail."""
        with self.lock:
            self.total += 1
            if key:
                self.ids[key] += 1
            every = self.knobs["fail_every"]
            fails = bool(every) and self.total % every == 0
            self.failed += fails
            return self.total, fails

    def counts(self) -> dict[str, Any]:
        """What was counted."""
        with self.lock:
            statuses = {str(key): value for key, value in self.statuses.items()}
            return {
                "total": self.total,
                "failed": self.failed,
                "statuses": statuses,
                "ids": dict(self.ids),
            }


class Handler(BaseHTTPRequestHandler):
    """Answers as the module's docstring says."""

    protocol_version = "HTTP/1.1"
    # Headers and body are two packets: without this the second waits 40 ms for an answer.
    disable_nagle_algorithm = True
    state: ShopState
    pod, service, next = "", "", ""

    def do_GET(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in ("/knobs", "/counts", "/ready"):
            self._own(body)
            return
        number, fails = self.state.begin(self.headers.get("x-request-key"))
        time.sleep(self.state.knobs["slow"])
        document = {
            "pod": self.pod,
            "service": self.service,
            "client": self.headers.get("l5d-client-id", ""),
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "count": number,
            "bytes": len(body),
        }
        status = self.state.knobs["fail_status"] if fails else 200
        if self.next and not fails:
            code, document["next"] = self._ask_next()
            status = status if code == 200 else 502
        document["filling"] = "x" * int(self.state.knobs["size"])
        self._answer(status, document)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _own(self, body: bytes) -> None:
        if self.path == "/ready":
            self._send(503 if self.state.knobs["unready"] else 200, {})
        elif self.client_address[0] not in _OWN or "l5d-client-id" in self.headers:
            self._send(403, {"error": "only from within the pod"})
        elif self.path == "/counts":
            self._send(200, self.state.counts())
        else:
            try:
                self.state.set(json.loads(body))
            except ValueError as error:
                self._send(400, {"error": str(error)})
            else:
                self._send(200, {})

    def _ask_next(self) -> tuple[int, Any]:
        parts = urlsplit(self.next)
        client = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=_SECONDS
        )
        try:
            client.request("GET", parts.path or "/")
            answer = client.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            client.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        with self.state.lock:
            self.state.statuses[status] += 1
        self._send(status, document)

    def _send(self, status: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-served-by", self.pod)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing: the proxy has an access log."""


class ShopServer(ThreadingHTTPServer):
    """A server with room for a burst of connections."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that did not wait for its answer is what tests are about."""


def server(
    host: str, port: int, pod: str = "", service: str = "", following: str = ""
) -> ShopServer:
    """A server that listens; `serve_forever` begins it."""
    handler = type(
        "Shop",
        (Handler,),
        {"state": ShopState(), "pod": pod, "service": service, "next": following},
    )
    return ShopServer((host, port), handler)


def main() -> None:
    """Serve until stopped."""
    value = os.environ.get
    port = int(value("PORT", "8080"))
    made = server(
        "0.0.0.0",  # noqa: S104
        port,
        value("HOSTNAME", ""),
        value("SERVICE", ""),
        value("NEXT", ""),
    )

    def leave(_number: int, _frame: object) -> None:
        threading.Thread(target=made.shutdown).start()

    signal.signal(signal.SIGTERM, leave)
    made.serve_forever(0.1)
    # What is under way is answered; a connection that is idle has nothing to lose.
    time.sleep(0.3)
    sys.exit(0)


if __name__ == "__main__":
    main()
