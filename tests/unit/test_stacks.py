"""Names of stacks: those there are, and what cannot be one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from bot import stacks
from bot.cli import dispatch
from bot.clients import environment
from bot.clients.target import Target
from bot.engine import target as engine_target
from bot.exit_codes import BadInputError
from schema.values import stack_name
from stack import load
from tests.unit.stack_files import REPO


@pytest.mark.parametrize("name", ["a", "_a", "eu-west.1", "0", "A" * 100])
def test_names_that_the_engine_takes(name: str) -> None:
    assert stacks.checked(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "-x", "a b", "a\n", "\u0661", "A" * 101, "\udcff", "a\x1b[31m"]
)
def test_what_no_stack_can_be_called_is_one_short_line(name: str) -> None:
    """It may stand in a file's name, an option of the engine and a comment's marker."""
    for told in ("", "file.json"):
        with pytest.raises(
            BadInputError, match=f"^{told}.*stack '.*: a stack's name has"
        ) as caught:
            stacks.checked(name, told)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 250


def test_file_of_an_unknown_stack_names_the_nearest(tmp_path: Path) -> None:
    for name in ("staging", "production"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    with pytest.raises(BadInputError, match=r"did you mean 'staging'.*known: production, staging"):
        stacks.file_of("stagin", tmp_path)
    with pytest.raises(BadInputError, match="a stack's name has"):
        stacks.file_of("../staging", tmp_path)


@pytest.mark.parametrize("stack", ["\udcff", "../x", "a\nb"])
@pytest.mark.parametrize("command", [["preview", "--out", "x"], ["plan"], ["history"]])
def test_commands_refuse_such_a_name(
    stack: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dispatch.main([*command, "--stack", stack]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "-1", "soon", ""])
@pytest.mark.parametrize("option", ["--timeout", "--wait"])
def test_no_time_that_a_wait_cannot_have(option: str, seconds: str) -> None:
    """To `nan <= 0` the answer is no, and the clock of a wait overflows above some centuries."""
    with pytest.raises(SystemExit) as caught:
        dispatch.main(["up", "--stack", "trust", option, seconds])
    assert caught.value.code == 2


def test_a_time_out_of_nothing_is_none() -> None:
    with pytest.raises(SystemExit) as caught:
        dispatch.main(["preview", "--stack", "trust", "--timeout", "0"])
    assert caught.value.code == 2


NO_LABELS = ["prod_", "prod.", "prod-", "_prod", "a" * 64, "eu-west.1_", "A" * 100]
LABELS = ["a", "0", "Prod", "eu-west.1", "prod_1", "a" * 63]


@pytest.mark.parametrize("name", NO_LABELS)
def test_public_reports_a_name_that_is_no_label_is_refused_before_anything_is_made(
    name: str,
) -> None:
    """pulumi#6685, pulumi-kubernetes-operator#899: objects were refused, after Vault was written.

    The engine takes such a name, the API server takes it for no label.
    """
    assert stacks.checked(name) == name
    with pytest.raises(BadInputError, match=f"^Pulumi.{name}.yaml: .* at most 63 .*rename"):
        stacks.deployable(name)
    with pytest.raises(ValueError, match="is no name of a stack"):
        stack_name(name)


@pytest.mark.parametrize("name", LABELS)
def test_public_reports_the_file_of_the_fleet_takes_the_same_names(name: str) -> None:
    """`Pulumi.Prod.yaml` could be deployed by itself, and in no fleet."""
    assert stacks.deployable(name) == stack_name(name) == name


@pytest.mark.parametrize("command", [["plan"], ["preview"], ["up", "--yes"]])
def test_public_reports_every_command_refuses_a_name_that_is_no_label(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copyfile(REPO / "Pulumi.staging.yaml", tmp_path / "Pulumi.prod_.yaml")
    monkeypatch.setattr(stacks, "PROJECT_DIR", tmp_path)
    assert dispatch.main([*command, "--stack", "prod_"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Pulumi.prod_.yaml: stack 'prod_': its name is a label of every object" in line


@pytest.fixture
def no_organization(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command keeps of its own is taken back afterwards."""
    monkeypatch.setenv(stacks.ORGANIZATION, "")


@pytest.mark.usefixtures("no_organization")
@pytest.mark.parametrize(
    ("given", "stack", "engine"),
    [
        ("staging", "staging", "staging"),
        ("acme/staging", "staging", "acme/staging"),
        ("acme/linkerd-platform/staging", "staging", "acme/staging"),
        ("Acme-2/eu.1", "eu.1", "Acme-2/eu.1"),
    ],
)
def test_public_reports_a_stack_of_an_organization_has_its_own_file(
    given: str, stack: str, engine: str
) -> None:
    """pulumi/actions#692, pulumi#9018: the deployer's default organization is his own."""
    assert stacks.chosen(given) == stack
    assert stacks.qualified(stack) == engine
    target = Target(stack, REPO, load.from_file(REPO / "Pulumi.staging.yaml"), None, {})
    assert target.engine_name == engine
    # What a command starts sees it too, and a state of our own is in no organization.
    own = Target(stack, REPO, target.config, None, {"PULUMI_BACKEND_URL": "file:///x"})
    assert own.engine_name == stack
    assert stacks.ORGANIZATION not in environment.of({}).dropped


@pytest.mark.usefixtures("no_organization")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("acme/other/staging", "the project is 'linkerd-platform': write acme/staging"),
        ("a/linkerd-platform/b/c", "write STACK or ORGANIZATION/STACK"),
        ("/staging", "write STACK or ORGANIZATION/STACK"),
        ("acme/", "a stack's name has"),
        ("a b/staging", "write STACK or ORGANIZATION/STACK"),
        ("../staging", "write STACK or ORGANIZATION/STACK"),
    ],
)
def test_public_reports_what_is_no_stack_of_an_organization_is_refused(
    given: str, said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        stacks.chosen(given)


def test_public_reports_one_command_is_in_one_organization(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is for waves and for CI; a flag that contradicts it would deploy elsewhere."""
    monkeypatch.setenv(stacks.ORGANIZATION, "acme")
    assert stacks.qualified("staging") == "acme/staging"
    assert stacks.chosen("acme/staging") == "staging"
    with pytest.raises(BadInputError, match=r"PULUMI_ORGANIZATION is 'acme': unset it, or write"):
        stacks.chosen("other/staging")
    monkeypatch.setenv(stacks.ORGANIZATION, "no such; thing")
    with pytest.raises(BadInputError, match="is no organization's name"):
        stacks.qualified("staging")


@pytest.mark.usefixtures("no_organization")
def test_public_reports_the_command_line_takes_a_stack_of_an_organization(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert dispatch.main(["plan", "--stack", "acme/trust", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stack"] == "trust"
    assert os.environ[stacks.ORGANIZATION] == "acme"
    assert engine_target.of("trust").engine_name == "acme/trust"
