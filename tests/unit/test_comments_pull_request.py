"""Where the comments go, by the environment of a job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.comments import pull_request
from bot.exit_codes import BadInputError


@pytest.mark.parametrize(
    ("environ", "rest", "graphql"),
    [
        ({}, "https://api.github.com", "https://api.github.com/graphql"),
        ({"GITHUB_API_URL": "https://g.example/api/v3/"}, "https://g.example/api/v3",
         "https://g.example/api/graphql"),
        ({"GITHUB_GRAPHQL_URL": "https://q.example/x"}, "https://api.github.com",
         "https://q.example/x"),
    ],
)  # fmt: skip
def test_both_addresses_are_of_one_server(environ: dict[str, str], rest: str, graphql: str) -> None:
    assert pull_request.addresses(environ) == (rest, graphql)


def test_the_head_of_the_event_belongs_to_its_own_pull_request(tmp_path: Path) -> None:
    """`--pull-request` may name another one."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": "abc"}}}))
    environ = {"GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "a/b"}
    assert pull_request.of(None, None, environ) == pull_request.PullRequest("a/b", 7, "abc")
    assert pull_request.of("c/d", 8, environ) == pull_request.PullRequest("c/d", 8, None)
    event.write_text("{")
    with pytest.raises(BadInputError, match=r"event\.json"):
        pull_request.of("c/d", 8, environ)
