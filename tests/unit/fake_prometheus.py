"""A Prometheus on loopback that answers instant queries as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


def vector(*series: tuple[str, str], label: str = "namespace") -> dict[str, Any]:
    """An answer with one label per series."""
    result = [{"metric": {label: name}, "value": [0, value]} for name, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@contextmanager
def fake_prometheus(
    answer: Callable[[str], Any], status: int = 200, pages: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Its address, for as long as the block runs.

    answer: from the query to the body. pages: the bodies of other paths.
    """
    others = pages or {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parts.path == "/api/v1/query"
            found = answer(parse_qs(parts.query)["query"][0]) if query else others.get(parts.path)
            known, body = query or parts.path in others, json.dumps(found or {}).encode()
            self.send_response(status if known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
