"""Lines of a proxy's standard error, as a container runtime keeps them, and the page's collector.

linkerd2-proxy linkerd/http/access-log/src/lib.rs has the fields: a request that was broken off has
none of those that its response brings. `JsonFields` sorts them by name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

QUERY = "page=only-in-the-query"
# By path, what the server answered; None where the request was broken off.
ANSWERED: dict[str, int | None] = {
    "/ok": 200,
    "/empty": 204,
    "/moved": 301,
    "/denied": 403,
    "/limited": 429,
    "/broken": 500,
    "/slow": 504,
    "/gone": None,
}
# Of the proxy itself, in both of its formats; the second has a client's address as well.
OTHERS = (
    "[   12.000301s]  INFO ThreadId(01) linkerd2_proxy: release 2.359.0 (8da700c)",
    '{"level":"INFO","fields":{"message":"rejected"},"spans":[{"client.addr":"10.1.0.7:4"}]}',
)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "access-logs.md"


def documented() -> dict[str, Any]:
    """The configuration of the page."""
    (text,) = re.findall(r"```yaml\n(receivers:.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    made: dict[str, Any] = yaml.safe_load(text)
    return made


def access(path: str, status: int | None) -> str:
    """The line of a request in format `json`."""
    fields: dict[str, str | int] = {
        "client.addr": "10.1.0.7:40112",
        "client.id": "web.shop.serviceaccount.identity.linkerd.cluster.local",
        "host": "cart.shop.svc.cluster.local:8080",
        "method": "GET",
        "request_bytes": "",
        "timestamp": "2026-11-29T09:41:20.104518Z",
        "trace_id": "",
        "uri": f"http://cart.shop.svc.cluster.local:8080{path}?{QUERY}",
        "user_agent": "curl/8.5.0",
        "version": "HTTP/1.1",
    }
    if status is not None:
        fields |= {"processing_ns": "61024", "response_bytes": "2", "total_ns": "201934"}
        fields["status"] = status
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def logged() -> str:
    """The file of a container, in the form of containerd."""
    lines = [*OTHERS, *(access(path, status) for path, status in ANSWERED.items())]
    return "".join(f"2026-11-29T09:41:20.104600321Z stderr F {line}\n" for line in lines)
