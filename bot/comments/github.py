"""Comments of a pull request on GitHub.

Follows https://docs.github.com/en/rest/issues/comments: a pull request's comments are those of the
issue with its number.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from bot.comments.forge import Comment, MovedError
from bot.comments.github_api import Api, Reply
from bot.comments.pull_request import SourceBranch
from bot.exit_codes import BotError

_PAGES = 100
_GONE = (404, 410)


class GitHub:
    """One pull request, seen with one token.

    api: the REST API. graphql: address of the GraphQL API, which alone tells the token of a job or
    an App who it is. identity: login under which the token writes, None to ask.
    """

    def __init__(
        self, api: Api, graphql: str, repository: str, number: int, identity: str | None = None
    ) -> None:
        self._api = api
        self._graphql = graphql
        self._repository = f"/repos/{repository}"
        self._number = number
        self._identity = identity

    def heads(self) -> frozenset[str]:
        """The newest commit, and the merge that a job of the pull request may have checked out."""
        pull = self._read(f"{self._repository}/pulls/{self._number}").body
        head = pull.get("head") if isinstance(pull, dict) else None
        if not isinstance(head, dict) or not head.get("sha"):
            raise BotError("GitHub: the answer about the pull request names no commit")
        return frozenset(str(c) for c in (head["sha"], pull.get("merge_commit_sha")) if c)

    def comments(self) -> list[Comment]:
        """All comments of this identity, over all pages."""
        identity = self._who()
        found: list[Comment] = []
        path: str | None = f"{self._repository}/issues/{self._number}/comments?per_page=100"
        for _ in range(_PAGES):
            if path is None:
                return found
            reply = self._read(path)
            if not isinstance(reply.body, list):
                raise BotError("GitHub: the answer is not a list of comments")
            found += [_comment(each) for each in reply.body if _login(each) == identity]
            path = self._api.next_page(reply)
        raise BotError(f"GitHub: the pull request has more than {_PAGES} pages of comments")

    def create(self, body: str) -> None:
        """Write a new comment."""
        path = f"{self._repository}/issues/{self._number}/comments"
        self._done("create a comment", self._api.write("POST", path, {"body": body}))

    def edit(self, comment: Comment, body: str) -> None:
        """Rewrite a comment; raises MovedError when somebody has deleted it."""
        path = f"{self._repository}/issues/comments/{comment.id}"
        reply = self._api.write("PATCH", path, {"body": body})
        if reply.status in _GONE:
            raise MovedError(f"GitHub: comment {comment.id} is gone")
        self._done("edit a comment", reply)

    def delete(self, comment: Comment) -> None:
        """Delete a comment."""
        reply = self._api.write("DELETE", f"{self._repository}/issues/comments/{comment.id}")
        if reply.status not in _GONE:
            self._done("delete a comment", reply)

    def _who(self) -> str:
        if self._identity is None:
            # REST has no such question for the token of a job: GET /user answers 403.
            reply = self._api.call("POST", self._graphql, {"query": "query { viewer { login } }"})
            self._done("read the owner of the token", reply)
            try:
                self._identity = str(reply.body["data"]["viewer"]["login"])
            except (KeyError, TypeError):
                raise BotError(
                    "GitHub: the owner of the token is unknown: give it with --identity"
                ) from None
        return self._identity.lower()

    def _read(self, path: str) -> Reply:
        reply = self._api.call("GET", path)
        self._done("read the pull request", reply)
        return reply

    def _done(self, what: str, reply: Reply) -> None:
        if not reply.ok:
            raise self._api.refused(what, reply)


def number_of(api: Api, repository: str, source: SourceBranch) -> int | None:
    """The open pull request from a branch, the newest of several; None when there is none."""
    query = urlencode({"state": "open", "head": source.label, "per_page": 100})
    reply = api.call("GET", f"/repos/{repository}/pulls?{query}")
    if not reply.ok:
        raise api.refused("find the pull request", reply)
    numbers = []
    for pull in reply.body if isinstance(reply.body, list) else ():
        head = _section(pull, "head")
        origin = str(_section(head, "repo").get("full_name") or "")
        # An owner can have several forks, with a branch of that name in each.
        if origin.lower() == source.repository.lower() and head.get("ref") == source.branch:
            numbers.append(_number(pull, "number"))
    return max(numbers, default=None)


def _login(comment: Any) -> str:
    return str(_section(comment, "user").get("login") or "").lower()


def _comment(comment: dict[str, Any]) -> Comment:
    return Comment(_number(comment, "id"), str(comment.get("body") or ""))


def _section(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _number(value: dict[str, Any], name: str) -> int:
    found = value.get(name)
    if not isinstance(found, int):
        raise BotError(f"GitHub: the answer has no {name} where it is expected")
    return found
