"""Requests to GitHub's REST API, with the patience that it asks for.

Follows https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from bot.comments.forge import MovedError
from bot.exit_codes import BadInputError, BotError
from bot.text.hidden_values import SECRET
from bot.text.markdown import one_line

_ATTEMPTS = 4
_MOST_WAIT_SECONDS = 180.0  # in all, for one request
_LIMITED_SECONDS = 60.0  # where the server says only that it was too much
_BETWEEN_WRITES_SECONDS = 1.0
_MOST_BYTES = 32 * 1024 * 1024
_BUSY = frozenset({500, 502, 503, 504})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")


@dataclass(frozen=True)
class Reply:
    """Status, headers in lower case, and the decoded body of one answer."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def ok(self) -> bool:
        """True when the server did what was asked."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """What the server says, on one line."""
        said = self.body.get("message") if isinstance(self.body, dict) else None
        return one_line(str(said or ""), 200)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Api:
    """One API with one token, which is in no error and no `repr`.

    base: https; http for loopback alone. timeout: seconds for one answer as a whole. sleep, now:
    of the clock. Raises BadInputError for another address or a token that is none.
    """

    base: str
    token: str = field(repr=False)
    timeout: float = 20.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        checked_address(self.base, "GITHUB_API_URL")
        if not _TOKEN.fullmatch(self.token):
            raise BadInputError("GITHUB_TOKEN: no token: it is empty or has spaces in it")

    def call(self, method: str, path: str, body: object = None) -> Reply:
        """Ask, and ask again while the server is busy or sets a limit.

        path: below the base, or a whole address on the same server. Raises BotError when it stays
        so, MovedError when a POST may have been carried out all the same.
        """
        url = path if path.startswith(("https://", "http://")) else f"{self.base}{path}"
        what = f"{method} {urlsplit(url).path}"
        waited = 0.0
        for attempt in range(_ATTEMPTS):
            try:
                reply = self._once(method, url, body)
            except (OSError, HTTPException, ValueError) as error:
                state, pause = f"no answer ({self._clean(str(error))})", 2.0**attempt
                sure = False
            else:
                limit = _limited(reply, self.now())
                if limit is None and reply.status not in _BUSY:
                    return reply
                state = f"status {reply.status}"
                if reply.message:
                    state += f": {self._clean(reply.message)}"
                sure, pause = limit is not None, 2.0**attempt if limit is None else limit
            if method == "POST" and not sure:
                # Repeated, it could be there twice: the caller looks first.
                self.sleep(pause)
                raise MovedError(f"GitHub: {what}: {state}")
            waited += pause
            if attempt == _ATTEMPTS - 1 or waited > _MOST_WAIT_SECONDS:
                break
            self.sleep(pause)
        raise BotError(f"GitHub: {what}: {state}; run it again later")

    def write(self, method: str, path: str, body: object = None) -> Reply:
        """Ask for a change; a pause follows, as GitHub wants between two."""
        reply = self.call(method, path, body)
        self.sleep(_BETWEEN_WRITES_SECONDS)
        return reply

    def refused(self, what: str, reply: Reply) -> BotError:
        """The error for an answer that is no success, with what to do."""
        hints = {
            301: "the repository was renamed: give the new name with --repository",
            401: "GITHUB_TOKEN is not valid: it may have expired",
            403: "the token may not do this: the job needs `pull-requests: write`; for a pull "
            "request from a fork it has no right to write",
            404: "the pull request does not exist, or the token may not read it",
        }
        hints[302] = hints[307] = hints[308] = hints[301]
        said = f": {self._clean(reply.message)}" if reply.message else ""
        hint = f"; {hints[reply.status]}" if reply.status in hints else ""
        return BotError(f"GitHub: {what}: status {reply.status}{said}{hint}")

    def next_page(self, reply: Reply) -> str | None:
        """The address of the page after this one. Raises BotError when it is on another server."""
        found = re.search(r'<([^<>]+)>\s*;[^,]*rel="?next"?', reply.headers.get("link", ""))
        if found is None:
            return None
        if _origin(found[1]) != _origin(self.base):
            raise BotError("GitHub: the next page of comments is on another server")
        return found[1]

    def _once(self, method: str, url: str, body: object) -> Reply:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "User-Agent": "linkerd-platform",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data=data, method=method, headers=headers)  # noqa: S310
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if urlsplit(url).hostname in _LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        opener = urllib.request.build_opener(*handlers)
        deadline = time.monotonic() + self.timeout
        try:
            with opener.open(request, timeout=self.timeout) as answer:
                return _reply(answer.status, answer.headers, answer, deadline)
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, error.headers, error, deadline)

    def _clean(self, text: str) -> str:
        return one_line(text.replace(self.token, SECRET), 200)


def checked_address(address: str, name: str) -> str:
    """An address that a token may be sent to; raises BadInputError with the setting's name."""
    try:
        parts = urlsplit(address)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        plain = bool(parts.hostname) and not (parts.username or parts.query or parts.fragment)
    except ValueError:
        safe = plain = False
    if not (safe and plain):
        raise BadInputError(f"{name}: {one_line(address, 80)!r} is not an https address")
    return address


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def _reply(status: int, headers: Message[str, str], answer: Any, deadline: float) -> Reply:
    # A time-out of the socket is for one packet: a server that sends drop by drop has none.
    raw = b""
    while chunk := answer.read1(65536):
        raw += chunk
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
        if len(raw) > _MOST_BYTES:
            raise ValueError("the answer is too long")
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        return Reply(status, lowered, json.loads(raw) if raw else None)
    except (ValueError, RecursionError):
        if 200 <= status < 300:
            raise ValueError("the answer is not JSON") from None
        return Reply(status, lowered, None)


def _limited(reply: Reply, now: float) -> float | None:
    """Seconds to wait when the answer is that a rate limit is reached; None when it is not."""
    if reply.status not in (403, 429):
        return None
    after = reply.headers.get("retry-after", "")
    if after.isdecimal():
        return max(1.0, float(after[:6]))
    if reply.headers.get("x-ratelimit-remaining") == "0":
        reset = reply.headers.get("x-ratelimit-reset", "")
        return max(1.0, float(reset[:12]) - now) if reset.isdecimal() else _LIMITED_SECONDS
    if reply.status == 429 or "rate limit" in reply.message.lower():
        return _LIMITED_SECONDS
    return None
