"""The life of a set of comments on GitHub, against a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.comments.forge import MovedError, Outcome, publish
from bot.comments.github import GitHub
from bot.comments.github_api import Api
from bot.comments.marker import CommentRun, Marker
from bot.exit_codes import BadInputError, BotError
from tests.unit import comment_samples as samples
from tests.unit import fake_github as fake

LATER = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
RUN = CommentRun(samples.COMMIT, LATER)
OLD = "a" * 40


@pytest.fixture
def hub() -> Iterator[fake.Hub]:
    with fake.serving() as made:
        yield made


def github(hub: fake.Hub, slept: list[float] | None = None, **options: object) -> GitHub:
    pauses = [] if slept is None else slept
    api = Api(hub.url, fake.TOKEN, sleep=pauses.append, **options)  # type: ignore[arg-type]
    return GitHub(api, f"{hub.url}/graphql", fake.REPOSITORY, fake.NUMBER)


def parts(*texts: str, run: CommentRun = RUN, stack: str = "production") -> list[str]:
    return [f"{Marker(stack, n, run.commit, run.time)}{t}\n" for n, t in enumerate(texts, 1)]


def test_the_first_run_writes_and_the_next_rewrites_in_place(hub: fake.Hub) -> None:
    hub.add("a review")
    assert publish(github(hub), "production", parts("one", "two"), RUN) == Outcome(created=2)
    ids = [each["id"] for each in hub.comments]
    new = parts("changed", "two")
    assert publish(github(hub), "production", new, RUN) == Outcome(edited=1)
    assert [each["id"] for each in hub.comments] == ids
    assert hub.bodies() == ["a review", *new]


def test_a_set_grows_at_its_end_and_shrinks(hub: fake.Hub) -> None:
    """The order on the page is that of the parts, whatever was there before."""
    for texts in (("a",), ("b", "c", "d"), ("e", "f"), ("g", "h", "i", "j")):
        publish(github(hub), "production", parts(*texts), RUN)
        assert hub.bodies() == parts(*texts)


def test_stacks_do_not_touch_each_other(hub: fake.Hub) -> None:
    """`prod` is the beginning of `production`, and no more than that."""
    for stack in ("production", "prod", "staging"):
        publish(github(hub), stack, parts("one", "two", stack=stack), RUN)
    publish(github(hub), "prod", parts("short", stack="prod"), RUN)
    assert hub.bodies() == [
        *parts("one", "two"),
        *parts("short", stack="prod"),
        *parts("one", "two", stack="staging"),
    ]


def test_a_comment_beyond_the_first_page_is_found(hub: fake.Hub) -> None:
    """One that is not found is written again at each push."""
    for number in range(fake.PAGE * 2 + 5):
        hub.add(f"talk {number}", "somebody")
    publish(github(hub), "production", parts("one"), RUN)
    assert publish(github(hub), "production", parts("two"), RUN) == Outcome(edited=1)
    assert hub.bodies() == parts("two")


def test_somebody_elses_comment_with_our_marker_is_left_alone(hub: fake.Hub) -> None:
    """Anybody can type the marker."""
    forged = parts("no changes", run=replace(RUN, time=LATER + timedelta(days=900)))
    hub.add(forged[0], "mallory")
    assert publish(github(hub), "production", parts("one"), RUN) == Outcome(created=1)
    assert hub.bodies("mallory") == forged
    publish(github(hub), "production", parts("one"), RUN)
    assert hub.bodies() == parts("one")


def test_a_marker_further_down_is_none(hub: fake.Hub) -> None:
    """A value that is shown may hold one."""
    quoted = f"something else\n{parts('x')[0]}"
    hub.add(quoted)
    publish(github(hub), "production", parts("one"), RUN)
    assert hub.bodies() == [quoted, *parts("one")]


def test_what_a_broken_run_left_is_mended_by_the_next(hub: fake.Hub) -> None:
    publish(github(hub), "production", parts("old 1", "old 2"), RUN)
    hub.faults.append(fake.Fault("PATCH", str(hub.comments[1]["id"]), 422))
    with pytest.raises(BotError, match="status 422"):
        publish(github(hub), "production", parts("new 1", "new 2", "new 3"), RUN)
    assert hub.bodies() == [*parts("new 1"), parts("", "old 2")[1]]
    publish(github(hub), "production", parts("new 1", "new 2", "new 3"), RUN)
    assert hub.bodies() == parts("new 1", "new 2", "new 3")


def test_duplicates_of_two_runs_at_once_are_cleared_away(hub: fake.Hub) -> None:
    for body in [*parts("one", "two"), *parts("one", "two")]:
        hub.add(body)
    outcome = publish(github(hub), "production", parts("1", "2"), RUN)
    assert outcome == Outcome(edited=2, deleted=2)
    assert hub.bodies() == parts("1", "2")


def test_a_comment_whose_writing_was_not_confirmed_is_not_written_twice(hub: fake.Hub) -> None:
    """The answer to a POST can be lost after the comment is there."""
    hub.faults.append(fake.Fault("POST", "/comments$", 502, after=True))
    publish(github(hub), "production", parts("one", "two"), RUN)
    assert hub.bodies() == parts("one", "two")


def test_a_comment_that_was_deleted_meanwhile_is_written_anew(hub: fake.Hub) -> None:
    publish(github(hub), "production", parts("one"), RUN)
    gone = hub.comments[0]

    def delete_first(handler: object) -> None:
        hub.comments.remove(gone)
        handler.answer(404, {"message": "Not Found"})  # type: ignore[attr-defined]

    hub.faults.append(fake.Fault("PATCH", "/comments/", action=delete_first))
    publish(github(hub), "production", parts("two"), RUN)
    assert hub.bodies() == parts("two")


def test_comments_that_never_hold_still_end_in_an_error(hub: fake.Hub) -> None:
    hub.faults.append(fake.Fault("POST", "/comments$", 502, times=99))
    with pytest.raises(MovedError, match="status 502"):
        publish(github(hub), "production", parts("one"), RUN)
    assert hub.writes() == ["POST"] * 3


@pytest.mark.parametrize("seen", [samples.COMMIT, "b" * 40, None])
def test_an_older_commit_does_not_write_over_another(hub: fake.Hub, seen: str | None) -> None:
    """Its job was slow, or was run again; what it says is no longer so."""
    before = parts("what the newest commit does", run=CommentRun(seen, LATER - timedelta(days=1)))
    hub.add(before[0])
    outcome = publish(
        github(hub), "production", parts("x", run=CommentRun(OLD, LATER)), CommentRun(OLD, LATER)
    )
    assert outcome.skipped
    assert "aaaaaaaaaaaa is not the newest" in outcome.skipped
    assert hub.bodies() == before
    assert not hub.writes()


@pytest.mark.parametrize("commit", [samples.COMMIT, "c" * 40])
def test_the_newest_commit_or_its_merge_writes_over_any(hub: fake.Hub, commit: str) -> None:
    """Also after a push that took commits back: the clock tells nothing about that."""
    hub.merge = "c" * 40
    hub.add(parts("x", run=CommentRun(OLD, LATER + timedelta(days=1)))[0])
    run = CommentRun(commit, LATER)
    assert publish(github(hub), "production", parts("y", run=run), run) == Outcome(edited=1)


def test_an_older_commit_writes_where_nothing_is(hub: fake.Hub) -> None:
    run = CommentRun(OLD, LATER)
    assert publish(github(hub), "production", parts("x", run=run), run) == Outcome(created=1)


def test_an_earlier_run_of_the_same_commit_does_not_write_over_a_later(hub: fake.Hub) -> None:
    publish(github(hub), "production", parts("one"), RUN)
    early = replace(RUN, time=LATER - timedelta(minutes=5))
    outcome = publish(github(hub), "production", parts("two", run=early), early)
    assert outcome.skipped
    assert hub.bodies() == parts("one")


def test_the_identity_is_asked_for_once_and_case_does_not_count(hub: fake.Hub) -> None:
    hub.viewer = "Deploy-Bot"
    forge = github(hub)
    publish(forge, "production", parts("one"), RUN)
    publish(forge, "production", parts("two"), RUN)
    assert hub.bodies("Deploy-Bot") == parts("two")
    assert sum(path == "/graphql" for _, path in hub.requests) == 1


def test_an_identity_that_is_not_told_is_an_error(hub: fake.Hub) -> None:
    hub.viewer = None
    hub.faults.append(
        fake.Fault("POST", "graphql", action=lambda h: h.answer(200, {"errors": [{}]}))
    )
    with pytest.raises(BotError, match="--identity"):
        publish(github(hub), "production", parts("one"), RUN)
    assert not hub.writes()


def test_bad_addresses_and_tokens_are_refused() -> None:
    """A token in clear on the network is no secret any more."""
    for base in ("http://github.example", "ftp://127.0.0.1", "https://a:b@github.example", "x"):
        with pytest.raises(BadInputError, match="GITHUB_API_URL"):
            Api(base, fake.TOKEN)
    for token in ("", "two words", "line\nfeed"):
        with pytest.raises(BadInputError, match="GITHUB_TOKEN") as caught:
            Api("https://api.github.com", token)
        assert not token or token not in str(caught.value)
    assert fake.TOKEN not in repr(Api("https://api.github.com", fake.TOKEN))


def test_writes_are_a_second_apart(hub: fake.Hub) -> None:
    """GitHub asks for it, and limits whoever does not."""
    slept: list[float] = []
    publish(github(hub, slept), "production", parts("one", "two"), RUN)
    assert slept == [1.0, 1.0]


def test_two_runs_at_the_same_moment_leave_one_set(hub: fake.Hub) -> None:
    """Both find no comment and both write; nobody comes after them to delete the second set."""
    other = parts("one", "two")
    hub.faults.append(
        fake.Fault(
            "POST", "/issues/7/comments$", after=True,
            action=lambda handler: [
                *(hub.add(each) for each in other), handler.answer(201, {"id": 1})
            ],
        )
    )  # fmt: skip
    done = publish(github(hub), "production", parts("one", "two"), RUN)
    assert hub.bodies() == other
    assert done.deleted == 2


@pytest.mark.parametrize(
    "comment",
    [7, None, [], {}, {"user": 3}, {"user": {"login": None}}, {"user": {"login": fake.ME}}],
)
def test_an_answer_of_another_form_is_one_line(hub: fake.Hub, comment: object) -> None:
    """A proxy or an enterprise server may answer anything."""
    hub.comments.append(comment)  # type: ignore[arg-type]
    if comment == {"user": {"login": fake.ME}}:
        with pytest.raises(BotError, match="no id where it is expected"):
            github(hub).comments()
    else:
        assert github(hub).comments() == []
