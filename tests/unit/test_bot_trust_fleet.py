"""Stacks that share an anchor must not contradict each other."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cli.dispatch import main
from bot.exit_codes import BAD_INPUT, BadInputError, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust.fleet import fleet_of, guard, mismatches, same_anchors, target_of
from components.trust import Generation
from stack import fleet, load
from stack.config import StackConfig
from stack.fleet_differences import differences
from tests.unit import bot_project
from tests.unit.bot_trust_samples import kept, root, seen

PROJECT = Path(__file__).resolve().parents[2]
_NUMBERS = itertools.count(1)


def config(
    *names: str, signing: str, retired: tuple[str, ...] = (), role: str = "staging"
) -> StackConfig:
    """The project's own stack file with other generations."""
    own = load.from_file(PROJECT / f"Pulumi.{role}.yaml")
    generations = tuple(Generation(name=n, retired=n in retired) for n in names)
    trust = own.trust.model_copy(update={"generations": generations, "signing": signing})
    # Each has an auth mount of its own, by its name.
    named = own.cluster and own.cluster.model_copy(update={"name": f"c{next(_NUMBERS)}"})
    return own.model_copy(update={"trust": trust, "cluster": named})


def unsafe(configs: dict[str, StackConfig], owner: str | None = None) -> list[str]:
    return [each.message for each in differences(configs, owner) if each.unsafe]


def test_the_project_s_own_fleet_agrees() -> None:
    """The tracked files are the example that everybody copies."""
    found = fleet.read(PROJECT)
    assert found
    configs = {name: load.from_file(PROJECT / f"Pulumi.{name}.yaml") for name in found.stacks}
    assert differences(configs, found.owner) == []


@pytest.mark.parametrize(
    ("one", "two", "safe"),
    [
        (config("a", signing="a"), config("a", signing="a"), True),
        (config("a", "b", signing="a"), config("a", signing="a"), True),
        (config("a", "b", signing="b"), config("a", "b", signing="a"), True),
        (config("a", "b", signing="b"), config("a", signing="a"), False),
        (config("a", "b", signing="b", retired=("a",)), config("a", "b", signing="a"), False),
        (config("a", "b", signing="b", retired=("a",)), config("a", "b", signing="b"), True),
        (config("b", signing="b"), config("a", signing="a"), False),
    ],
)
def test_unsafe_is_who_signs_with_what_another_does_not_trust(
    one: StackConfig, two: StackConfig, safe: bool
) -> None:
    """A rotation goes through clusters one by one: not every difference is a fault."""
    for configs in ({"one": one, "two": two}, {"two": two, "one": one}):
        assert (unsafe(configs) == []) is safe


def test_a_difference_names_both_stacks_and_the_generation() -> None:
    """Whoever reads it must know which file to open."""
    found = differences({"x": config("a", "b", signing="b"), "y": config("a", signing="a")})
    (first,) = found
    assert first.unsafe
    assert first.stacks == ("x", "y")
    assert first.generation == "b"
    assert first.message.startswith("x signs with b, which y does not trust: add it to")


def test_a_generation_that_only_one_trusts_yet_is_told_and_safe() -> None:
    """So that nobody forgets the other half of a rotation."""
    found = differences({"x": config("a", "b", signing="a"), "y": config("a", signing="a")})
    assert [(each.message, each.unsafe) for each in found] == [("x trusts b, y does not", False)]


def test_the_owner_must_list_what_a_cluster_trusts() -> None:
    """It would wait for an anchor that nobody makes."""
    owner = config("a", signing="a", role="trust")
    told = unsafe({"trust": owner, "x": config("a", "b", signing="a")}, "trust")
    assert told == ["x trusts b, which trust does not list: add it there first"]
    assert unsafe({"trust": owner, "x": config("a", signing="a")}, "trust") == []
    retired = config("a", "b", signing="b", retired=("a",), role="trust")
    assert unsafe({"trust": retired, "x": config("a", "b", signing="b")}, "trust") == []


def test_custody_and_mounts_must_be_the_owner_s() -> None:
    """A cluster would look for a key where none is."""
    owner, cluster = config("a", signing="a", role="trust"), config("a", signing="a")
    moved = cluster.vault.model_copy(update={"kv_mount": "other/kv"})
    (told,) = unsafe({"trust": owner, "x": cluster.model_copy(update={"vault": moved})}, "trust")
    assert "x looks for a at other/kv" in told
    kept_apart = cluster.trust.model_copy(
        update={"generations": (Generation(name="a", custody="cluster"),)}
    )
    (told,) = unsafe(
        {"trust": owner, "x": cluster.model_copy(update={"trust": kept_apart})}, "trust"
    )
    assert "in custody vault for trust and in custody cluster for x" in told


def test_two_trust_domains_cannot_share_an_anchor_unnoticed() -> None:
    """Each would take the other's identities for its own."""
    one = config("a", signing="a")
    domain = one.trust.model_copy(update={"domain": "other.local"})
    (told,) = unsafe({"x": one, "y": config("a", signing="a").model_copy(update={"trust": domain})})
    assert "cluster.local and other.local" in told


def test_without_a_fleet_file_a_stack_stands_alone(tmp_path: Path) -> None:
    """A project with one cluster needs none."""
    assert fleet.read(tmp_path) is None
    assert fleet_of("sandbox", PROJECT) is None
    found = fleet_of("staging", PROJECT)
    assert found
    assert found.stacks == ("trust", "staging", "production")


def files(**changed: Any) -> dict[str, Any]:
    """The project's stack files of the fleet; `staging` with other trust."""
    made: dict[str, Any] = {
        name: bot_project.stack_file(name) for name in ("trust", "staging", "production")
    }
    for name, trust in changed.items():
        made[name]["config"]["linkerd-platform:trust"] = trust
    return made


SWITCHED = {"generations": [{"name": "anchor-2026"}, {"name": "b"}], "signing": "b"}


def test_up_and_preview_refuse_a_stack_that_another_cannot_live_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the engine touches anything: exit code 2, one line, both stacks."""
    folder = bot_project.project(tmp_path / "p", **files(staging=SWITCHED, trust=SWITCHED))
    (folder / fleet.FILE).write_text((PROJECT / fleet.FILE).read_text(), encoding="utf-8")
    target = target_of("staging", folder)
    with pytest.raises(BadInputError, match="staging signs with b, which production does not"):
        guard(target)
    for command in (["preview"], ["up", "--yes"]):
        module = __import__(f"bot.deploy.{command[0]}", fromlist=["engine_target"])
        monkeypatch.setattr(module.engine_target, "of", lambda _stack: target)
        monkeypatch.setattr(module.engine.FoundMeanwhile, "engine", lambda _self: None)
        assert main([*command, "--stack", "staging"]) == BAD_INPUT
        assert "staging signs with b, which production" in capsys.readouterr().err


def test_a_stack_that_has_no_part_in_a_contradiction_can_be_deployed(tmp_path: Path) -> None:
    """And one outside the fleet is not looked at."""
    folder = bot_project.project(tmp_path / "p", **files())
    (folder / fleet.FILE).write_text((PROJECT / fleet.FILE).read_text(), encoding="utf-8")
    for name in ("trust", "staging", "production"):
        guard(target_of(name, folder))
    (folder / fleet.FILE).unlink()
    guard(target_of("staging", folder))
    with pytest.raises(BadInputError, match=r"there is no fleet\.yaml"):
        trust_fleet.the_fleet(folder)


def test_up_refuses_while_a_generation_is_two_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clusters that trust different roots under one name cannot talk, and nobody sees why."""
    folder = bot_project.project(tmp_path / "p", **files())
    (folder / fleet.FILE).write_text((PROJECT / fleet.FILE).read_text(), encoding="utf-8")
    target = target_of("staging", folder)
    found = trust_fleet.Gathered({}, "trust", unread={"production": "no context production"})
    monkeypatch.setattr(trust_fleet, "gather", lambda _target: found)
    assert same_anchors(target) == ["anchors of production not compared: no context production"]
    other = replace(found, mismatches=("anchor-2026 is not one certificate: x has 1, y has 2",))
    monkeypatch.setattr(trust_fleet, "gather", lambda _target: other)
    with pytest.raises(RefusedError, match=r"fleet\.yaml: anchor-2026 is not one certificate"):
        same_anchors(target)
    (folder / fleet.FILE).unlink()
    assert same_anchors(target) == []


def test_one_name_with_two_certificates_is_found_wherever_it_is() -> None:
    """Two Vaults, or a root that somebody made again under the old name."""
    good = [seen("a", stack="x"), seen("a", stack="y")]
    assert mismatches(good, [kept("a")], "trust") == []
    other = replace(good[1], anchors={"a": root("z").certificate})
    (told,) = mismatches([good[0], other], [kept("a")], "trust")
    assert told.startswith("a is not one certificate: trust (published) has ")
    assert ", y has " in told
    (told,) = mismatches([good[0], other], [], "trust")
    assert "x has" in told
    assert "y has" in told
    (told,) = mismatches([], [kept("a", other="z")], "trust")
    assert "trust (PKI) has" in told
