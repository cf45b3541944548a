"""Who approved is a person, as GitHub keeps it; an environment approves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bot.comments import reviewers
from bot.comments.github_api import Reply
from bot.exit_codes import BadInputError, BotError, RefusedError

ENVIRON = {"GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7", "GITHUB_ACTOR": "starter"}


class Answers:
    """The one question that is asked, and its answer."""

    def __init__(self, body: Any, status: int = 200) -> None:
        self.reply, self.asked = Reply(status, {}, body), []

    def call(self, method: str, path: str) -> Reply:
        self.asked.append((method, path))
        return self.reply

    def refused(self, what: str, reply: Reply) -> BotError:
        return BotError(f"{what}: {reply.status}")


def review(login: Any, state: str = "approved", environment: str = "approve-s", **user: Any) -> Any:
    return {
        "state": state,
        "environments": [{"name": "other"}, {"name": environment}],
        "user": {"login": login, "type": "User", **user},
    }


def said(*reviews: Any, required: bool = True, **environ: str) -> str:
    api: Any = Answers(list(reviews))
    return reviewers.approved_by(api, {**ENVIRON, **environ}, "approve-s", required=required)


def test_it_is_the_reviewers_of_the_environment_by_name() -> None:
    """`environment production` told nobody who is to be asked about it."""
    api: Any = Answers([review("ann"), review("bob_corp"), review("ann")])
    found = reviewers.approved_by(api, ENVIRON, "approve-s", required=True)
    assert found == "ann, bob_corp (environment approve-s, run 7)"
    assert api.asked == [("GET", "/repos/o/r/actions/runs/7/approvals")]


@pytest.mark.parametrize(
    "other",
    [
        review("x", state="rejected"),
        review("x", state="pending"),
        review("x", environment="approve-s2"),
        review("x", environment="s"),
        review("x[bot]", type="Bot"),
        review("x", type="Bot"),
        review("x\nPATH=/tmp"),
        review("x y"),
        review(""),
        review(None),
        {"state": "approved", "environments": None, "user": None},
        {"state": "approved"},
        "approved",
        None,
    ],
)
def test_any_other_answer_approves_nothing(other: Any) -> None:
    """A rejection, another stack's, an App's; and a name that would write a variable of its own."""
    with pytest.raises(RefusedError, match="no reviewer has approved run 7 for the environment"):
        said(other)
    assert said(other, review("ann")).startswith("ann (")


def test_where_nobody_is_asked_it_is_who_started_the_run() -> None:
    """A wave without approval has an author all the same."""
    assert said(required=False) == "starter (started run 7, without a review)"
    again = said(required=False, GITHUB_TRIGGERING_ACTOR="ann")
    assert again.startswith("ann (")
    with pytest.raises(BadInputError, match="GITHUB_ACTOR"):
        said(required=False, GITHUB_ACTOR="a\nb")


def test_many_reviewers_fit_into_what_an_approval_takes() -> None:
    """100 characters; how many more there were is said."""
    found = said(*(review(f"reviewer-number-{n}") for n in range(20)))
    assert len(found) <= 100
    assert "more (environment approve-s, run 7)" in found


@pytest.mark.parametrize(
    ("body", "status", "environ", "error"),
    [
        ({}, 200, {}, "not a list"),
        ([], 403, {}, "read who approved the run: 403"),
        ([], 200, {"GITHUB_RUN_ID": ""}, "GITHUB_RUN_ID"),
        ([], 200, {"GITHUB_RUN_ID": "../7"}, "GITHUB_RUN_ID"),
        ([], 200, {"GITHUB_REPOSITORY": "o/r/x"}, "GITHUB_REPOSITORY"),
    ],
)
def test_an_answer_that_is_none_is_no_approval(
    body: Any, status: int, environ: dict[str, str], error: str
) -> None:
    """Whatever went wrong, nobody is named."""
    api: Any = Answers(body, status)
    with pytest.raises(BotError, match=error):
        reviewers.approved_by(api, {**ENVIRON, **environ}, "approve-s", required=False)


def test_the_name_becomes_a_variable_of_the_job(tmp_path: Any, monkeypatch: Any) -> None:
    """Of the file that GitHub reads, below what is in it already."""
    file = tmp_path / "env"
    file.write_text("A=b\n")
    for name, value in {**ENVIRON, "GITHUB_ENV": str(file), "STACK": "staging"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_TRIGGERING_ACTOR", raising=False)
    monkeypatch.setattr("bot.comments.github_api.Api", lambda *_: Answers([]))
    assert reviewers.main() == 0
    assert file.read_text() == "A=b\nAPPROVED_BY=starter (started run 7, without a review)\n"
    monkeypatch.setenv("STACK", "production")
    assert reviewers.main() == 4
    monkeypatch.setenv("STACK", "../x")
    assert reviewers.main() == 2
    assert file.read_text().count("APPROVED_BY") == 1
