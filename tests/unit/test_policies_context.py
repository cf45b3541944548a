"""What the policies know of a stack: the same for the bot and for the engine's pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import stacks
from bot.plan import policy
from policies import context
from policies.context import PROJECT, context_of, environment, read
from stack.config import StackConfig
from stack.load import from_file
from tests.unit.stack_files import STACKS, certificate


@pytest.mark.parametrize("stack", STACKS)
def test_bot_and_pack_know_the_same(stack: str) -> None:
    """The pack reads the files as they stand, without the program's models."""
    config = from_file(stacks.file_of(stack), lambda _: certificate())
    assert read(stack) == policy.context(stack, config)


def test_the_default_is_the_one_of_the_config() -> None:
    """Two defaults would judge one stack file in two ways."""
    linkerd = StackConfig.model_fields["linkerd"].default
    assert linkerd.webhook_failure_policy == context.FAILURE_POLICY


def test_the_stacks_of_the_samples() -> None:
    """Staging is no production, and only the sandbox is worth nothing."""
    known = {stack: read(stack) for stack in STACKS}
    assert {stack for stack, each in known.items() if each.production} == {"production", "trust"}
    assert {stack for stack, each in known.items() if each.expendable} == {"sandbox"}


@pytest.mark.parametrize(
    ("role", "protect", "environment_", "production", "expendable"),
    [
        ("cluster", True, "production", True, False),
        ("cluster", False, "production", True, False),
        ("cluster", False, "staging", False, False),
        ("cluster", True, None, True, False),
        ("owner", False, None, True, False),
        ("standalone", False, None, False, True),
        ("standalone", True, None, False, False),
        ("standalone", False, "production", True, False),
        ("standalone", False, "development", False, True),
        ("cluster", False, "development", False, False),
        *(
            (role, False, name, True, False)
            for role in ("cluster", "standalone")
            for name in (
                "prod",
                "Production",
                "PRODUCTION",
                "production ",
                "stagin",
                "Staging",
                "",
                "None",
                "test",
                "live",
                "dev",
            )
        ),
        ("", False, None, True, False),
    ],
)
def test_what_nobody_says_is_held_to_production(
    role: str, protect: bool, environment_: str | None, production: bool, expendable: bool
) -> None:
    """A cluster that is missing in the fleet file must not be the one without rules."""
    made = context_of(
        "s", role=role, protect=protect, failure_policy="Fail", environment=environment_
    )
    assert (made.production, made.expendable) == (production, expendable)


@pytest.mark.parametrize("text", [None, "", "- a", "config: 1", "config: [", "waves: 1"])
def test_a_file_that_cannot_be_read_makes_it_strict(tmp_path: Path, text: str | None) -> None:
    """Its faults are told by the program; the pack must not be the way around them."""
    if text is not None:
        (tmp_path / "Pulumi.s.yaml").write_text(text)
        (tmp_path / "fleet.yaml").write_text(text)
    made = read("s", tmp_path)
    assert made.production
    assert not made.expendable
    assert made.failure_policy == "Fail"


def test_the_environment_is_that_of_the_fleet_file(tmp_path: Path) -> None:
    """In whichever wave the stack is; where it is listed twice, the stricter counts."""
    (tmp_path / "fleet.yaml").write_text(
        "waves:\n- clusters:\n- 1\n- clusters: [{stack: a, environment: x}, 2]\n"
        "- clusters: [{stack: b, environment: staging}, {stack: c, environment: staging}]\n"
        "- clusters: [{stack: c, environment: prod}, {stack: d}]\n"
    )
    found = [environment(stack, tmp_path) for stack in ("a", "b", "c", "d", "e")]
    assert found == ["x", "staging", "prod", "None", None]
    assert read("d", tmp_path).production


@pytest.mark.parametrize("fleet", ["staging", None])
@pytest.mark.parametrize("own", ["staging", "prod", None])
def test_the_stricter_of_the_stack_file_and_the_fleet_file_counts(
    tmp_path: Path, fleet: str | None, own: str | None
) -> None:
    """Neither is the way around the other."""
    (tmp_path / "Pulumi.s.yaml").write_text(
        "config:\n  linkerd-platform:role: cluster\n"
        + (f"  linkerd-platform:environment: {own}\n" if own else "")
    )
    if fleet:
        text = f"waves: [{{clusters: [{{stack: s, environment: {fleet}}}]}}]\n"
        (tmp_path / "fleet.yaml").write_text(text)
    assert read("s", tmp_path).production is ("prod" in (fleet, own) or {fleet, own} == {None})


@pytest.mark.parametrize("text", ["[", "- a", "", "a: [" * 5_000])
def test_a_fleet_file_that_cannot_be_read_makes_a_sandbox_strict_too(
    tmp_path: Path, text: str
) -> None:
    """It may have named this very stack as production."""
    (tmp_path / "Pulumi.s.yaml").write_text(
        "config:\n  linkerd-platform:role: standalone\n"
        "  linkerd-platform:protection: {protect: false}\n"
    )
    assert read("s", tmp_path).expendable
    (tmp_path / "fleet.yaml").write_text(text)
    made = read("s", tmp_path)
    assert made.production
    assert not made.expendable


def test_the_pack_runs_on_the_sdk_of_the_program() -> None:
    """Two versions of it could read one resource in two ways."""
    own, programs = (
        dict(line.split("==") for line in file.read_text().splitlines() if "==" in line)
        for file in (PROJECT / "policies/requirements.txt", PROJECT / "requirements.txt")
    )
    assert set(own) == {"pulumi-policy", "pulumi", "pyyaml"}
    for name in ("pulumi", "pyyaml"):
        assert own[name] == programs[name]
