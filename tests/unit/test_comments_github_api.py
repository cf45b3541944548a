"""Patience with GitHub: limits, errors, redirects, a slow server; and what is never told."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bot.comments.forge import MovedError, publish
from bot.comments.github_api import Api
from bot.exit_codes import BotError
from tests.unit import fake_github as fake
from tests.unit.fake_github import Fault
from tests.unit.test_comments_github import RUN, github, parts

LIST = f"/repos/{fake.REPOSITORY}/issues/{fake.NUMBER}/comments"


@pytest.fixture
def hub() -> Iterator[fake.Hub]:
    with fake.serving() as made:
        yield made


def api(hub: fake.Hub, slept: list[float], **options: object) -> Api:
    return Api(hub.url, fake.TOKEN, sleep=slept.append, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        (Fault("GET", LIST, 403, {"Retry-After": "17"}, "secondary rate limit"), 17.0),
        (Fault("GET", LIST, 429, {"Retry-After": "5"}), 5.0),
        (
            Fault("GET", LIST, 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1040"}),
            40.0,
        ),
        (Fault("GET", LIST, 403, message="You have exceeded a secondary rate limit"), 60.0),
        (Fault("GET", LIST, 502), 1.0),
        (Fault("GET", LIST, 500), 1.0),
    ],
)
def test_a_busy_or_limiting_server_is_asked_again(
    hub: fake.Hub, fault: Fault, pause: float
) -> None:
    """As long as it says, or a minute where it says nothing."""
    hub.faults.append(fault)
    slept: list[float] = []
    assert api(hub, slept, now=lambda: 1000.0).call("GET", LIST).ok
    assert slept == [pause]


def test_a_limit_on_writing_is_waited_for_without_writing_twice(hub: fake.Hub) -> None:
    hub.faults.append(Fault("POST", LIST, 403, {"Retry-After": "3"}, "secondary rate limit"))
    slept: list[float] = []
    publish(github(hub, slept), "production", parts("one"), RUN)
    assert hub.bodies() == parts("one")
    assert slept == [3.0, 1.0]


@pytest.mark.parametrize(
    ("fault", "requests", "waited"),
    [
        (Fault("GET", LIST, 503, times=99), 4, 7.0),
        (Fault("GET", LIST, 429, {"Retry-After": "3600"}, times=99), 1, 0.0),
        (Fault("GET", LIST, 429, {"Retry-After": "80"}, times=99), 3, 160.0),
    ],
)
def test_patience_has_an_end(hub: fake.Hub, fault: Fault, requests: int, waited: float) -> None:
    """A job that waits for an hour holds up everybody's."""
    hub.faults.append(fault)
    slept: list[float] = []
    with pytest.raises(BotError, match=f"status {fault.status}.*run it again later"):
        api(hub, slept).call("GET", LIST)
    assert (len(hub.requests), sum(slept)) == (requests, waited)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "GITHUB_TOKEN is not valid"),
        (403, "pull-requests: write.*fork"),
        (404, "pull request does not exist"),
        (301, "was renamed"),
        (422, "status 422: body is wrong$"),
    ],
)
def test_a_refusal_is_one_line_with_what_to_do(hub: fake.Hub, status: int, hint: str) -> None:
    """It is asked once: no other answer will come."""
    message = f"body\nis \x1b[31mwrong{fake.TOKEN if status == 403 else ''}"
    hub.faults.append(Fault("GET", "", status, {"Location": "http://127.0.0.1:1/"}, message))
    with pytest.raises(BotError, match=hint) as caught:
        publish(github(hub), "production", parts("one"), RUN)
    assert "\n" not in str(caught.value)
    assert fake.TOKEN not in str(caught.value)
    assert len([path for _, path in hub.requests if path != "/graphql"]) == 1


def test_a_wrong_token_is_not_told(hub: fake.Hub) -> None:
    wrong = "token-that-nobody-knows"
    with pytest.raises(BotError) as caught:
        raise Api(hub.url, wrong).refused("x", Api(hub.url, wrong).call("GET", LIST))
    assert "Bad credentials" in str(caught.value)
    assert wrong not in str(caught.value)


def test_a_redirect_does_not_get_the_token(hub: fake.Hub) -> None:
    """The server it leads to could be anybody's."""
    with fake.serving() as elsewhere:
        hub.faults.append(Fault("GET", LIST, 302, {"Location": f"{elsewhere.url}{LIST}"}))
        assert api(hub, []).call("GET", LIST).status == 302
        assert not elsewhere.requests


def test_the_next_page_is_on_the_same_server(hub: fake.Hub) -> None:
    def answer(handler: object) -> None:
        link = {"Link": '<https://evil.example/comments?page=2>; rel="next"'}
        handler.answer(200, [], link)  # type: ignore[attr-defined]

    hub.faults.append(Fault("GET", LIST, action=answer))
    with pytest.raises(BotError, match="another server"):
        publish(github(hub), "production", parts("one"), RUN)


def test_pages_without_end_have_one(hub: fake.Hub) -> None:
    def answer(handler: object) -> None:
        link = {"Link": f'<{hub.url}{LIST}?page=2>; rel="next"'}
        handler.answer(200, [], link)  # type: ignore[attr-defined]

    hub.faults.append(Fault("GET", LIST, action=answer, times=1000))
    with pytest.raises(BotError, match="more than 100 pages"):
        publish(github(hub), "production", parts("one"), RUN)


def test_a_server_that_sends_drop_by_drop_is_given_up(
    hub: fake.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drop alone comes in time."""

    def drip(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        try:
            for _ in range(100):
                handler.wfile.write(b" ")  # type: ignore[attr-defined]
                time.sleep(0.01)
        except OSError:
            return

    hub.faults.append(Fault("GET", LIST, action=drip))
    monkeypatch.setattr("bot.comments.github_api._ATTEMPTS", 1)
    with pytest.raises(BotError, match=r"no answer.*takes too long"):
        api(hub, [], timeout=0.3).call("GET", LIST)


def test_no_answer_at_all_is_told(hub: fake.Hub) -> None:
    hub.faults.append(Fault("GET", LIST, action=lambda _: time.sleep(0.2), times=4))
    with pytest.raises(BotError, match=r"GET /repos/.*no answer \(timed out\)"):
        api(hub, [], timeout=0.05).call("GET", LIST)
    with pytest.raises(BotError, match="refused"):
        Api("http://127.0.0.1:9", fake.TOKEN, sleep=lambda _: None).call("GET", LIST)


def test_an_answer_that_is_no_json_is_no_answer(hub: fake.Hub) -> None:
    """A proxy's page of its own, with status 200."""

    def page(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("Content-Length", "6")  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        handler.wfile.write(b"<html>")  # type: ignore[attr-defined]

    hub.faults.append(Fault("GET", LIST, action=page, times=4))
    with pytest.raises(BotError, match="not JSON"):
        api(hub, []).call("GET", LIST)
    hub.faults.append(Fault("POST", LIST, action=page))
    with pytest.raises(MovedError):
        api(hub, []).call("POST", LIST, {"body": "x"})
