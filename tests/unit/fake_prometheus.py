"""A Prometheus on loopback that answers instant queries as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.local_server import Handler, serving


def vector(*series: tuple[str, str], label: str = "namespace") -> dict[str, Any]:
    """An answer with one label per series."""
    result = [{"metric": {label: name}, "value": [0, value]} for name, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@contextmanager
def fake_prometheus(
    answer: Callable[[str], Any],
    status: int = 200,
    pages: Mapping[str, Any] | None = None,
    heard: list[Mapping[str, str]] | None = None,
) -> Iterator[str]:
    """Its address, for as long as the block runs.

    answer: from the query to the body. pages: the bodies of other paths. heard: gets the headers of
    each request.
    """
    others = pages or {}

    class Answers(Handler):
        def get(self) -> None:
            if heard is not None:
                heard.append(dict(self.headers.items()))
            parts = urlsplit(self.path)
            query = parts.path == "/api/v1/query"
            found = answer(parse_qs(parts.query)["query"][0]) if query else others.get(parts.path)
            known, body = query or parts.path in others, json.dumps(found or {}).encode()
            self.answer(body, status=status if known else 404)

    with serving(Answers) as address:
        yield address
