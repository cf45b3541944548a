"""The part of GitHub's API that comments need, on loopback, with faults on request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests import local_server
from tests.local_server import Handler

TOKEN = "token-of-the-tests"  # noqa: S105
ME = "github-actions[bot]"
REPOSITORY = "example/platform"
NUMBER = 7
PAGE = 30  # as many as GitHub gives to whoever does not ask for more


@dataclass
class Fault:
    """What happens to the next request that fits, instead of an answer or (`after`) besides it.

    action: gets the handler; None for a plain answer with status, headers and message.
    """

    method: str
    path: str
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    after: bool = False
    action: Callable[[Any], None] | None = None
    times: int = 1


@dataclass
class Hub:
    """The state of the server, which a test may read and change."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    head: str = "1f0c6a2b9d3e4f5061728394a5b6c7d8e9f00112"
    merge: str | None = None
    viewer: Any = ME
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    _next: int = 100

    def add(self, body: str, login: str = ME) -> int:
        """A comment; gives its id."""
        self._next += 1
        self.comments.append({"id": self._next, "body": body, "user": {"login": login}})
        return self._next

    def pull(self, number: int, repository: str, branch: str) -> None:
        """An open pull request."""
        label = f"{repository.split('/')[0]}:{branch}"
        origin = {"label": label, "ref": branch, "repo": {"full_name": repository}}
        self.pulls.append({"number": number, "head": origin})

    def bodies(self, login: str = ME) -> list[str]:
        """The comments of a user, in the order of the page."""
        return [each["body"] for each in self.comments if each["user"]["login"] == login]

    def writes(self) -> list[str]:
        """Methods of the requests that change something, GraphQL's questions left out."""
        return [m for m, path in self.requests if m != "GET" and path != "/graphql"]

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault for this request, used up by it."""
        for each in self.faults:
            if each.times and each.method == method and re.search(each.path, path):
                each.times -= 1
                return each
        return None


@contextmanager
def serving() -> Iterator[Hub]:
    """The server, for as long as the test takes."""
    hub = Hub()
    with local_server.serving(type("Bound", (_Handler,), {"hub": hub})) as hub.url:
        yield hub


class _Handler(Handler):
    hub: Hub
    timeout = 10

    def _handle(self) -> None:
        self.hub.requests.append((self.command, self.path))
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        fault = self.hub.fault(self.command, self.path)
        if fault is not None and not fault.after:
            self._fail(fault)
            return
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.answer(401, {"message": "Bad credentials"})
            return
        status, content, headers = self._route(body)
        if fault is not None:
            self._fail(fault)
            return
        self.answer(status, content, headers)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _fail(self, fault: Fault) -> None:
        if fault.action is not None:
            fault.action(self)
            return
        self.answer(fault.status, {"message": fault.message}, fault.headers)

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        raw = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _route(self, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        hub, place = self.hub, f"/repos/{REPOSITORY}"
        url = urlsplit(self.path)
        one = re.fullmatch(rf"{place}/issues/comments/(\d+)", url.path)
        if url.path == "/graphql":
            return 200, {"data": {"viewer": {"login": hub.viewer}}}, {}
        if url.path == f"{place}/pulls" and self.command == "GET":
            label = parse_qs(url.query)["head"][0]
            return 200, [pull for pull in hub.pulls if pull["head"]["label"] == label], {}
        if url.path == f"{place}/pulls/{NUMBER}" and self.command == "GET":
            return 200, {"head": {"sha": hub.head}, "merge_commit_sha": hub.merge}, {}
        if url.path == f"{place}/issues/{NUMBER}/comments":
            return self._list(url.query) if self.command == "GET" else self._create(body)
        found = [each for each in hub.comments if one and each["id"] == int(one[1])]
        if not found:
            return 404, {"message": "Not Found"}, {}
        if found[0]["user"]["login"].lower() != str(hub.viewer).lower():
            return 403, {"message": "Resource not accessible by integration"}, {}
        if self.command == "DELETE":
            hub.comments.remove(found[0])
            return 204, None, {}
        if len(body["body"]) > 65_536:
            return 422, {"message": "body is too long"}, {}
        found[0]["body"] = body["body"]
        return 200, found[0], {}

    def _list(self, query: str) -> tuple[int, Any, dict[str, str]]:
        asked = parse_qs(query)
        page = int(asked.get("page", ["1"])[0])
        chosen = self.hub.comments[(page - 1) * PAGE : page * PAGE]
        more = len(self.hub.comments) > page * PAGE
        link = f'<{self.hub.url}{self.path.split("&page=")[0]}&page={page + 1}>; rel="next"'
        return 200, chosen, {"Link": f'{link}, <{self.hub.url}/x>; rel="last"'} if more else {}

    def _create(self, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if len(body["body"]) > 65_536:
            return 422, {"message": "body is too long"}, {}
        number = self.hub.add(body["body"], self.hub.viewer)
        return 201, {"id": number}, {}
