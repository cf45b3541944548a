"""`python -m bot comment`, from files to a forge on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import ChangeSet
from bot.cli.dispatch import main
from bot.comments import files, pull_request
from bot.exit_codes import BAD_INPUT, DONE, FAILED, MISSING_TOOL
from tests.unit import comment_samples as samples
from tests.unit import fake_github as fake

VARIABLES = ("TOKEN", "API_URL", "GRAPHQL_URL", "REPOSITORY", "EVENT_PATH", "STEP_SUMMARY",
             "SERVER_URL", "RUN_ID")  # fmt: skip


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[fake.Hub]:
    """A forge, and the environment of a job for a pull request there."""
    for name in VARIABLES:
        monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.comments.github_api._BETWEEN_WRITES_SECONDS", 0.0)
    event = tmp_path / "event.json"
    with fake.serving() as made:
        event.write_text(
            json.dumps({"pull_request": {"number": fake.NUMBER, "head": {"sha": made.head}}})
        )
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
        monkeypatch.setenv("GITHUB_TOKEN", fake.TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", made.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", fake.REPOSITORY)
        yield made


def written(stack: str = "production", count: int = 1, **values: Any) -> str:
    """The file of a change set."""
    changes = samples.many(count).model_copy(update={"stack": stack, **values})
    file = Path(f"{stack}.changes.json")
    file.write_text(changes.model_dump_json())
    return str(file)


def test_files_are_the_default_and_need_no_forge(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["comment", "--changes", written(), "--changes", written("staging")]) == DONE
    assert capsys.readouterr().out == (
        "production: .local/comments/production.1.md\nstaging: .local/comments/staging.1.md\n"
    )
    text = Path(".local/comments/staging.1.md").read_text()
    assert re.search(r"^### staging: [A-Z]+ risk, 1 change$", text, re.MULTILINE)
    assert f"commit={hub.head} " in text
    assert not hub.requests


def test_a_set_per_stack_is_posted_and_rewritten(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["comment", "--forge", "github"]
    both = ["--changes", written(), "--changes", written("staging", unchanged=0, changes=())]
    assert main([*arguments, *both]) == DONE
    assert (
        capsys.readouterr().out == "production: comments 1 written\nstaging: comments 1 written\n"
    )
    assert main([*arguments, "--changes", written("staging")]) == DONE
    assert [body.splitlines()[0] for body in hub.bodies()] == [
        "<!-- linkerd-platform:production:1 -->",
        "<!-- linkerd-platform:staging:1 -->",
    ]
    assert "no changes" not in hub.bodies()[1]
    assert not Path(".local").exists()


def test_a_job_of_an_older_commit_leaves_it_and_says_so(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["comment", "--forge", "github", "--changes", written()]
    assert main(arguments) == DONE
    before = hub.bodies()
    assert main([*arguments, "--commit", "a" * 40]) == DONE
    assert "left as it is: commit aaaaaaaaaaaa is not the newest" in capsys.readouterr().out
    assert hub.bodies() == before


def test_without_a_token_the_comments_are_in_files(
    hub: fake.Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a job for a pull request from a fork."""
    monkeypatch.delenv("GITHUB_TOKEN")
    arguments = ["comment", "--forge", "github", "--changes", written()]
    assert main(arguments) == MISSING_TOOL
    assert "GITHUB_TOKEN is not set" in capsys.readouterr().err
    assert Path(".local/comments/production.1.md").is_file()
    assert main([*arguments, "--out", "mine"]) == MISSING_TOOL
    assert Path("mine/production.1.md").is_file()
    assert not hub.requests


def test_what_cannot_be_posted_is_in_files(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.faults.append(fake.Fault("POST", "/comments$", 403, {}, "Resource not accessible"))
    assert main(["comment", "--forge", "github", "--changes", written()]) == FAILED
    told = capsys.readouterr().err
    assert "pull-requests: write" in told
    assert "the comments are in .local/comments" in told
    assert fake.TOKEN not in told
    assert Path(".local/comments/production.1.md").is_file()


def test_the_summary_of_a_step_gets_all_parts(
    hub: fake.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path("summary.md")
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert main(["comment", "--changes", written(count=900), "--summary"]) == DONE
    parts = sorted(Path(".local/comments").iterdir())
    assert len(parts) > 1
    assert page.read_text() == "before\n" + "".join(f"{p.read_text()}\n" for p in parts)
    assert not hub.requests


def test_a_summary_has_an_end(tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    assert files.add_to_summary(page, ["x" * 400_000] * 5) == 2
    assert page.stat().st_size < 1024 * 1024
    assert page.read_text().endswith("\n3 more parts do not fit on this page.\n")


def test_parts_of_an_earlier_run_go_and_other_files_stay(tmp_path: Path) -> None:
    for name in ("prod.1.md", "prod.2.md", "prod.x.md", "prod.a.1.md", "production.2.md"):
        (tmp_path / name).write_text("old")
    assert files.write(tmp_path, "prod", ["new"]) == [tmp_path / "prod.1.md"]
    assert (tmp_path / "prod.1.md").read_text() == "new"
    assert {p.name for p in tmp_path.iterdir()} == {
        "prod.1.md", "prod.x.md", "prod.a.1.md", "production.2.md",
    }  # fmt: skip


def bad(name: str, content: str) -> list[str]:
    Path(name).write_text(content)
    return ["comment", "--changes", name]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "bad.json: document: Invalid JSON"),
        ("[]", "bad.json: document: Input should be an object"),
        ('{"stack": "s", "source": "preview", "extra": 1}', "bad.json: extra: Extra inputs"),
        ('{"stack": "s", "source": "guess"}', "bad.json: source: Input should be"),
        ('{"stack": "s", "source": "plan", "format": 1}', "bad.json: has another format"),
        ('{"stack": "s", "source": "plan", "seconds": 1e999}', "bad.json: seconds: Input should"),
        ('{"stack": "s", "source": "plan", "unchanged": -1}', "bad.json: unchanged: Input should"),
        ('{"stack": "a/../b", "source": "plan"}', "bad.json: stack 'a/../b'"),
        ('{"stack": ".hidden", "source": "plan"}', "bad.json: stack '.hidden'"),
        ('{"stack": "x -->", "source": "plan"}', "bad.json: stack 'x -->'"),
    ],
)
def test_a_bad_file_is_told_by_name_and_key(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str], content: str, told: str
) -> None:
    assert main([*bad("bad.json", content), "--changes", written()]) == BAD_INPUT
    error = capsys.readouterr().err
    assert error.startswith(told)
    assert len(error.splitlines()) == 1
    assert not Path(".local").exists()
    assert not hub.requests


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--changes", "nowhere.json"], "nowhere.json: No such file"),
        (["--changes", "again.json"], "again.json: stack production is in"),
        (["--summary"], "--summary: GITHUB_STEP_SUMMARY names no file"),
        (["--commit", "HEAD"], "commit 'HEAD': must be the hash"),
        (["--run-url", "javascript:alert(1)"], "run URL"),
        (["--run-url", "https://ci.example/) [x](https://evil.example"], "run URL"),
        (["--forge", "github", "--pull-request", "0"], "--pull-request: give its number"),
        (["--forge", "github", "--repository", "a/../b"], "--repository 'a/../b'"),
        (["--out", "production.changes.json"], "--out production.changes.json: "),
    ],
)
def test_a_bad_argument_is_told_before_anything_is_written(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    first = written()
    Path("again.json").write_text(Path(first).read_text())
    assert main(["comment", "--changes", first, *arguments]) == BAD_INPUT
    assert capsys.readouterr().err.startswith(told)
    assert not Path(".local").exists()
    assert not hub.requests


def test_a_token_goes_to_no_server_in_clear(
    hub: fake.Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://github.example")
    told = ["comment", "--forge", "github", "--out", "here", "--changes", written()]
    assert main(told) == BAD_INPUT
    assert "GITHUB_API_URL" in capsys.readouterr().err
    assert not Path("here").exists()
    assert not hub.requests


def test_an_event_that_is_none_of_githubs_is_bad_input(
    hub: fake.Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another runner, or somebody's file: it may hold anything."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"workflow_run": {"head_sha": 5, "html_url": ["a"]}}))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    assert main(["comment", "--changes", written()]) == BAD_INPUT
    assert not hub.requests


def followed(hub: fake.Hub) -> None:
    """The event of a job that runs after the workflow of a fork's pull request."""
    ended = {
        "head_sha": hub.head, "head_branch": "fix/one",
        "head_repository": {"full_name": "stranger/platform"},
        "html_url": "https://github.com/example/platform/actions/runs/5",
    }  # fmt: skip
    Path("event.json").write_text(json.dumps({"workflow_run": ended}))


def test_a_job_after_a_forks_workflow_finds_the_pull_request(hub: fake.Hub) -> None:
    """By where it is from, which GitHub says; the event of a fork's workflow has no number."""
    followed(hub)
    hub.pull(fake.NUMBER + 9, "stranger/other", "fix/one")
    hub.pull(fake.NUMBER, "stranger/platform", "fix/one")
    hub.pull(fake.NUMBER + 10, "stranger/platform", "fix/two")
    assert main(["comment", "--forge", "github", "--changes", written()]) == DONE
    (body,) = hub.bodies()
    assert f"commit={hub.head} " in body
    assert "[Log of the run](https://github.com/example/platform/actions/runs/5)" in body


def test_a_pull_request_that_was_closed_meanwhile_gets_nothing(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    followed(hub)
    hub.pull(fake.NUMBER + 9, "stranger/other", "fix/one")
    assert main(["comment", "--forge", "github", "--changes", written()]) == DONE
    assert "no pull request from that branch is open" in capsys.readouterr().out
    assert not hub.writes()


def test_the_log_of_the_job_is_linked() -> None:
    environ = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b"}
    assert pull_request.run_url(environ) is None
    url = pull_request.run_url({**environ, "GITHUB_RUN_ID": "12"})
    assert url == "https://github.com/a/b/actions/runs/12"


def test_what_is_written_can_be_read_again() -> None:
    changes, _, _ = samples.upgrade()
    assert ChangeSet.model_validate_json(changes.model_dump_json()) == changes


@pytest.mark.parametrize("source", ["preview", "plan", "drift"])
def test_a_file_that_no_job_wrote_is_told_as_a_failure(hub: fake.Hub, source: str) -> None:
    """The job ended at its login: what stands there of an earlier commit is not about this one."""
    main(["comment", "--changes", written("staging"), "--forge", "github"])
    Path("staging.changes.json").unlink()
    files_ = ["--changes", "staging.changes.json", "--changes", written("production")]
    assert main(["comment", *files_, "--forge", "github"]) == BAD_INPUT
    assert main(["comment", *files_, "--forge", "github", "--missing", source]) == DONE
    staging, production = hub.bodies()
    noun = "drift report" if source == "drift" else source
    assert f"### staging: {noun} FAILED, CRITICAL risk, 0 changes" in staging
    assert "ended before it wrote its changes" in staging
    assert "### production: MEDIUM risk, 1 change" in production


def test_only_the_file_of_a_stack_may_be_missing(
    hub: fake.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip of the pen is no stack."""
    assert main(["comment", "--changes", "staging.json", "--missing", "plan"]) == BAD_INPUT
    assert "staging.json" in capsys.readouterr().err
    assert hub.requests == []
