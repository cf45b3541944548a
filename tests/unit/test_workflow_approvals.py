"""A deployment has three logins: who previews, who approves and who applies."""

from __future__ import annotations

from tests.unit.workflow_files import PROJECT, jobs, step_of, workflow


def test_nothing_is_applied_but_what_was_previewed_and_approved() -> None:
    """Reviewers are asked by an environment of their own; the bot binds their answer."""
    approve, up = workflow("stack")["jobs"]["approve"], workflow("stack")["jobs"]["up"]
    assert (approve["needs"], up["needs"]) == ("preview", "approve")
    assert "if" not in approve
    assert "if" not in up  # it would begin although nobody has approved
    assert approve["environment"] == "approve-${{ inputs.stack }}"
    assert up["environment"] == "${{ inputs.stack }}"
    group = {"group": "stack-${{ inputs.stack }}", "cancel-in-progress": False}
    assert up["concurrency"] == group
    lines = [step["run"] for step in [*approve["steps"], *up["steps"]] if "run" in step]
    assert lines[0] == "make reviewers"
    assert [line.split()[3] for line in lines[1:]] == ["approve", "approve", "up"]
    assert "--approved" in lines[-1]
    assert not any("--yes" in line or "--no-verify" in line for line in lines)
    conditions = [step["if"] for step in approve["steps"] if "bot approve" in step.get("run", "")]
    assert conditions == ["inputs.allow == 'none'", "inputs.allow != 'none'"]


def test_who_approves_and_who_applies_have_a_login_each() -> None:
    """One that may do both could approve for itself; nobody signs before the reviewers answer."""
    names = {}
    for job in ("preview", "approve", "up"):
        (login,) = [step for step in workflow("stack")["jobs"][job]["steps"]
                    if step.get("uses") == "./.github/actions/credentials"]  # fmt: skip
        names[job] = login["with"]["name"]
    assert names == {
        "preview": "preview",
        "approve": "approve-${{ inputs.stack }}",
        "up": "${{ inputs.stack }}",
    }
    steps_ = [step.get("run", step.get("uses", "")) for step in
              workflow("stack")["jobs"]["approve"]["steps"]]  # fmt: skip
    who, login = steps_.index("make reviewers"), steps_.index("./.github/actions/credentials")
    signs = min(n for n, each in enumerate(steps_) if "bot approve" in each)
    assert who < login < signs


def test_who_approved_is_a_person_and_no_environment() -> None:
    """The record says whom to ask; GitHub is asked, and nothing that the run has written."""
    text = (PROJECT / ".github/workflows/stack.yml").read_text()
    assert "APPROVED_BY:" not in text
    step = step_of("stack", "approve", "make reviewers")
    assert step["env"] == {"GITHUB_TOKEN": "${{ github.token }}"}
    for name, _, content in jobs():
        for each in content.get("steps", ()):
            if "github.token" in str(each) and name == "stack":
                assert each == step
