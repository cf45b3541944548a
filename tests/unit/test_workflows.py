"""The workflows: no secret where strangers' code runs, nothing applied that nobody approved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from bot.deploy.protected import Action
from stack import fleet
from tests.unit.workflow_files import (
    ACTIONS,
    PROJECT,
    VALUES,
    WORKFLOWS,
    fault,
    jobs,
    load,
    step_of,
    steps,
    workflow,
)

FILES = [*WORKFLOWS, *ACTIONS]
READ = {"contents": "read"}
OIDC = {**READ, "id-token": "write"}
# Who approved the run is asked of GitHub; a workflow that calls that job needs the right as well.
APPROVE = {**OIDC, "actions": "read"}
# What the token of each job may do, beyond which nothing is needed.
PERMISSIONS: Mapping[str, Mapping[str, str]] = {
    "ci/test": READ,
    "plan/plan": READ,
    "plan-comment/comment": {**READ, "actions": "read", "pull-requests": "write"},
    "preview/preview": OIDC,
    "preview/comment": {**READ, "pull-requests": "write"},
    "stack/preview": OIDC,
    "stack/approve": APPROVE,
    "stack/up": OIDC,
    "deploy/canary": APPROVE,
    "deploy/production": APPROVE,
    "deploy/one": APPROVE,
    "drift/drift": OIDC,
}
FLEET = fleet.read(PROJECT)
assert FLEET is not None
STACKS = list(FLEET.stacks)
RUNS = [(where, step["run"], known) for where, step, known in steps() if "run" in step]


@pytest.mark.parametrize(("where", "line", "known"), RUNS)
def test_a_line_is_a_target_or_a_command_that_is_there(
    where: str, line: str, known: Mapping[str, Any]
) -> None:
    """What only CI can run is what nobody can try; the real parser takes each."""
    assert fault(line) is None, where
    used = set(re.findall(r"\$(\w+)", line))
    assert used <= {*known, "RUNNER_TEMP"}, where


@pytest.mark.parametrize(
    "line",
    [
        "make",
        "make sandbocks",
        "make venv sandbocks",
        "pip install x",
        "python -m bot plan --all",
        ".venv/bin/python -m bot plan",
        ".venv/bin/python -m bot plan --all --force",
        ".venv/bin/python -m bot plan --stack $STACK",
        '.venv/bin/python -m bot plan --stack "$SECRET"',
        ".venv/bin/python -m bot plan --all | tee log",
        ".venv/bin/python -m bot plan --all; true",
        "make venv && make charts",
    ],
)
def test_a_line_that_is_neither_is_found(line: str) -> None:
    """The check itself must bite."""
    assert fault(line) is not None


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_no_expression_is_part_of_a_script(file: Any) -> None:
    """A branch called `$(...)` would run: what comes from outside comes by the environment."""
    text = file.read_text()
    assert "pull_request_target" not in text
    assert not re.search(r"\bsecrets\.", text)
    for _, step, _ in steps():
        assert "${{" not in step.get("run", "")


def test_every_job_may_do_what_it_needs_and_no_more() -> None:
    """A job that is new has to be thought about."""
    found = {}
    for name, job, content in jobs():
        whole = workflow(name)["permissions"]
        assert whole in (READ, {}), name
        found[f"{name}/{job}"] = content.get("permissions", whole)
    assert found == PERMISSIONS


@pytest.mark.parametrize(("where", "step"), [(w, s) for w, s, _ in steps()])
def test_a_checkout_leaves_no_token_behind(where: str, step: Mapping[str, Any]) -> None:
    """Else everything that runs after it can push."""
    if step.get("uses", "").startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False, where


def test_every_job_ends() -> None:
    """The default is six hours."""
    for name, job, content in jobs():
        if "uses" not in content:
            assert 0 < content["timeout-minutes"] <= 120, f"{name}/{job}"


def test_a_strangers_code_sees_no_credentials() -> None:
    """`plan` runs for every pull request, a fork's too."""
    content = workflow("plan")
    assert list(content["on"]) == ["pull_request"]
    (job,) = content["jobs"].values()
    assert "environment" not in job
    assert "actions/credentials" not in str(job["steps"])
    assert "vars." not in str(job)


def test_what_writes_comments_runs_no_code_of_a_pull_request() -> None:
    """Its token writes; so it takes the code of the base, no cache, and the plan as data."""
    base = "${{ github.event.pull_request.base.sha }}"
    for name, ref in (("plan-comment", None), ("preview", base)):
        job = workflow(name)["jobs"]["comment"]
        text = str(job["steps"])
        assert "actions/cache" not in text
        assert "./.github" not in text
        assert "id-token" not in str(job["permissions"])
        assert step_of(name, "comment", "actions/checkout")["with"].get("ref") == ref
        unpacked = step_of(name, "comment", "actions/download-artifact")["with"]["path"]
        assert unpacked.startswith("${{ runner.temp }}/")


def test_the_comment_of_a_plan_goes_by_what_the_forge_says() -> None:
    """The number of the pull request in an archive of a stranger's would be anybody's choice."""
    content = workflow("plan-comment")
    assert content["on"] == {"workflow_run": {"workflows": ["plan"], "types": ["completed"]}}
    assert content["permissions"] == {}
    line = step_of("plan-comment", "comment", "bot comment")["run"]
    assert "--pull-request" not in line
    assert "github.event.workflow_run.event == 'pull_request'" in content["jobs"]["comment"]["if"]


def test_a_fork_is_not_offered_credentials() -> None:
    """It would get no OIDC token, and the reviewer would have approved for nothing."""
    job = workflow("preview")["jobs"]["preview"]
    assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert job["environment"] == "preview"


@pytest.mark.parametrize("part", ["plan/plan", "plan-comment/comment", "preview/comment"])
def test_every_stack_of_the_fleet_has_its_comment(part: str) -> None:
    """A stack that is new would be applied without having been shown."""
    name, _, job = part.partition("/")
    line = step_of(name, job, "bot comment")["run"]
    shown = re.findall(r"(\w+)\.changes\.json", line)
    assert shown == STACKS
    assert workflow("preview")["jobs"]["preview"]["strategy"]["matrix"]["stack"] == STACKS


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("plan/plan", "plan"),
        ("plan-comment/comment", "plan"),
        ("preview/comment", "preview"),
        ("stack/preview", "preview"),
        ("drift/drift", "drift"),
    ],
)
def test_a_job_that_ended_early_has_its_comment_too(part: str, source: str) -> None:
    """A login that fails leaves no file; the comment of an earlier commit would stay."""
    name, _, job = part.partition("/")
    assert f" --missing {source} " in step_of(name, job, "bot comment")["run"]
    for each, place, step in ((n, j, s) for n, j, c in jobs() for s in c.get("steps", ())):
        if "continue-on-error" in step and each != "ci":
            assert (each, place) == ("plan-comment", "comment")
            assert "download-artifact" in step["uses"]


def test_drift_shows_every_stack_and_fails_by_the_bots_word() -> None:
    """Exit code 5 fails the job; what was found is in its summary all the same."""
    line = step_of("drift", "drift", "bot comment")["run"]
    assert re.findall(r"(\w+)\.changes\.json", line) == STACKS
    for part in ("bot comment", "upload-artifact"):
        assert step_of("drift", "drift", part)["if"] == "${{ !cancelled() }}"
    assert "continue-on-error" not in str(workflow("drift"))


def test_the_waves_are_those_of_the_fleet_file() -> None:
    """In its order; the next begins when each stack of the one before is applied and proven."""
    found = workflow("deploy")["jobs"]
    assert FLEET is not None
    waves = [name for name in found if name != "one"]
    assert waves == [wave.name for wave in FLEET.waves]
    for before, wave in zip([None, *FLEET.waves], FLEET.waves, strict=False):
        job = found[wave.name]
        assert job["strategy"]["matrix"]["stack"] == list(wave.stacks)
        assert job["strategy"]["fail-fast"] is False  # it would end an `up` that runs
        assert job.get("needs") == (before.name if before else None)
        assert job["uses"] == "./.github/workflows/stack.yml"
    assert found[waves[0]]["if"] == "github.event_name == 'push'"


def test_one_stack_by_hand_is_of_main_and_takes_what_the_bot_takes() -> None:
    """A protected action is asked for by its name."""
    content = workflow("deploy")
    assert content["on"]["push"] == {"branches": ["main"]}
    inputs = content["on"]["workflow_dispatch"]["inputs"]
    assert inputs["stack"]["options"] == STACKS
    assert inputs["allow"]["options"] == ["none", *Action]
    assert "github.ref == 'refs/heads/main'" in content["jobs"]["one"]["if"]
    taken = workflow("stack")["on"]["workflow_call"]["inputs"]
    assert sorted(content["jobs"]["one"]["with"]) == sorted(taken) == sorted(inputs)


def test_nothing_that_a_stranger_writes_is_in_an_expression_of_a_step() -> None:
    """Titles, texts and names of branches are written by whoever opens a pull request."""
    for where, step, _ in steps():
        found = re.findall(r"\$\{\{(.*?)\}\}", str(step))
        for each in found:
            assert not re.search(r"head_ref|title|body|\.ref\b|label|message|head_branch", each), (
                where
            )


def test_no_workflow_but_the_one_for_a_stack_applies_anything() -> None:
    """And that one is only called."""
    for where, line, _ in RUNS:
        words = line.split()
        if {"up", "destroy", "rollback", "import"} & set(words):
            assert where == "stack/up", line
    assert list(workflow("stack")["on"]) == ["workflow_call"]


def test_credentials_come_from_vault_by_the_jobs_own_identity() -> None:
    """Nothing long-lived lies in the forge."""
    action = load(PROJECT / ".github/actions/credentials/action.yml")
    login, _ = action["runs"]["steps"]
    assert login["with"]["method"] == "jwt"
    for where, step, _ in steps():
        if step.get("uses") == "./.github/actions/credentials":
            name, _, job = where.partition("/")
            content = workflow(name)["jobs"][job]
            assert content["permissions"]["id-token"] == "write"
            assert content["environment"]


def test_every_value_above_is_used() -> None:
    """A variable that no line has any more needs no sample."""
    used = {name for _, line, _ in RUNS for name in re.findall(r"\$(\w+)", line)}
    assert used == VALUES.keys()
