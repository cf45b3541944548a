"""An approval holds for exactly what it was given for: each part of that must be able to differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.changes.model import ChangeSet, Op
from bot.changes.snapshot import differences
from bot.deploy import digests, snapshot
from bot.deploy.digests import signatures
from bot.text.hidden_values import UNKNOWN
from tests.unit.delivery_samples import OTHER, PROJECT_FILES, change, change_set, fields, target
from tests.unit.delivery_samples import snapshot as bindings

_SET = change_set(change(fields=fields("spec.a")))


def test_bindings_that_are_the_same_differ_in_nothing() -> None:
    """The baseline of the following."""
    assert differences(bindings(_SET), bindings(_SET)) == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"commit": OTHER}, "commit: was aaaaaaaaaaaa, is bbbbbbbbbbbb"),
        ({"files": {"charts.yaml": "sha256:12"}}, "file charts.yaml: was not there, is 12"),
        ({"archives": {"linkerd-1": "sha256:34"}}, "chart archive linkerd-1: was not there, is 34"),
        ({"state": "sha256:56"}, "version of the state: was "),
    ],
)
def test_each_binding_is_compared_and_named(more: dict[str, object], told: str) -> None:
    """A refusal that does not say what is stale is answered with a new approval at a glance."""
    found = differences(bindings(_SET), bindings(_SET, **more))
    assert len(found) == 1
    assert found[0].startswith(told)


def test_state_counts_only_where_asked() -> None:
    """The state of an approval's own unfinished run is another one."""
    assert differences(bindings(_SET), bindings(_SET, state="x"), frozenset({"state"})) == []


def test_files_are_the_projects_and_those_that_the_stack_file_names(tmp_path: Path) -> None:
    """A CA file decides whom the engine trusts: it is no part of the stack file's own digest."""
    where = target(tmp_path)
    ca = tmp_path / "ca.crt"
    ca.write_text("one")
    vault = where.config.vault.model_copy(update={"ca_file": "ca.crt"})
    object.__setattr__(where, "config", where.config.model_copy(update={"vault": vault}))
    before = snapshot.files(where)
    others = {"Pulumi.staging.yaml", "Pulumi.production.yaml"}
    assert set(before) == {*PROJECT_FILES, "ca.crt"} - others
    ca.write_text("two")
    (tmp_path / "fleet.yaml").write_text("owner: trust")
    after = snapshot.files(where)
    assert {name for name in after if after[name] != before.get(name)} == {"ca.crt", "fleet.yaml"}


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("config:\n  a:b: [1, 2]\n\nencryptionsalt: v1:x\n", True),
        ("config:\n    a:b:\n    - 1\n    - 2 # why\n", True),
        ("config:\n  a:b:\n    - 1\n    - '2'\n", False),
        ("config:\n  a:b:\n    - 1\n    - 2\nsecretsprovider: passphrase\n", False),
    ],
)
def test_a_stack_file_is_bound_by_what_it_says(tmp_path: Path, written: str, same: bool) -> None:
    """The engine rewrites the file of a new stack, and the first `up` must not refuse that."""
    where = target(tmp_path)
    file = where.config_file or tmp_path / f"Pulumi.{where.stack}.yaml"
    file.write_text("config:\n  a:b:\n  - 1\n  - 2\n")
    before = snapshot.files(where)
    file.write_text(written)
    assert (snapshot.files(where) == before) is same


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("PULUMI_API", True),
        ("PULUMI_CREDENTIALS_PATH", True),  # another login, so another state
        ("PULUMI_IGNORE_AMBIENT_PLUGINS", True),
        ("PULUMI_HOME", False),
        ("VAULT_TOKEN", False),
    ],
)
def test_a_variable_that_decides_is_bound_by_its_value(
    tmp_path: Path, name: str, decides: bool
) -> None:
    """The others say where something lies or who asks, which differs between machines."""
    where = target(tmp_path)
    object.__setattr__(where, "environment", {**where.environment, name: "one"})
    assert bool(snapshot._environment(where)[name]) is decides


def test_a_rollout_plan_in_a_file_of_its_own_is_bound(tmp_path: Path) -> None:
    """Else a wave could be turned on between the approval and the deployment."""
    where = target(tmp_path)
    plan = tmp_path / "rollout" / "all.yaml"
    plan.parent.mkdir()
    plan.write_text("waves: []")
    rollout = where.config.rollout.model_copy(update={"file": "rollout/all.yaml"})
    object.__setattr__(where, "config", where.config.model_copy(update={"rollout": rollout}))
    before = snapshot.files(where)
    plan.write_text("waves: [{name: a, rest: true}]")
    after = snapshot.files(where)
    assert {name for name in after if after[name] != before[name]} == {"rollout/all.yaml"}
    was = bindings(_SET, files=before)
    (told,) = differences(was, bindings(_SET, files=after))
    assert told.startswith("file rollout/all.yaml: was ")


@pytest.mark.parametrize(
    "other",
    [
        change_set(change(fields=fields("spec.a", "spec.b"))),
        change_set(change(Op.REPLACE, fields=fields("spec.a"))),
        change_set(change(name="other", fields=fields("spec.a"))),
        change_set(change(fields=fields("spec.a")), change(Op.DELETE, "more")),
        change_set(),
    ],
)
def test_changes_that_are_not_those_approved_are_found(other: object) -> None:
    """Same files and state, and a cluster that answers otherwise: the changes tell."""
    assert digests.unlike(signatures(_SET), signatures(_SET)) == []
    assert len(digests.unlike(signatures(_SET), signatures(other))) >= 1  # type: ignore[arg-type]
    assert digests.of_changes(signatures(other)) != bindings(_SET).changes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("was", "left", "fits"),
    [
        (Op.CREATE, Op.CREATE, True),
        (Op.CREATE, Op.UPDATE, True),
        (Op.CREATE, Op.DELETE, False),
        (Op.CREATE, Op.REPLACE, False),
        (Op.REPLACE, Op.DELETE, True),
        (Op.REPLACE, Op.CREATE, True),
        (Op.UPDATE, Op.REPLACE, False),
        (Op.UPDATE, Op.DELETE, False),
        (Op.DELETE, Op.DELETE, True),
        (Op.DELETE, Op.UPDATE, False),
    ],
)
def test_rest_of_a_run_is_part_of_what_was_approved(was: Op, left: Op, fits: bool) -> None:
    """What a killed run left over may go on; nothing may come with it."""
    found = digests.beyond(signatures(change_set(change(was))), change_set(change(left)))
    assert (found == []) == fits


def test_rest_of_an_update_has_no_new_field_and_no_new_resource() -> None:
    """A field that is new since was approved by nobody."""
    less, more = change_set(change(fields=())), change_set(change(fields=fields("spec.b")))
    assert digests.beyond(signatures(_SET), less) == []
    assert digests.beyond(signatures(_SET), change_set()) == []
    assert "spec.b" in digests.beyond(signatures(_SET), more)[0]
    assert digests.beyond(signatures(_SET), change_set(change(name="new"))) != []


def _values(after: object, op: Op = Op.UPDATE) -> ChangeSet:
    return change_set(change(op, before={"a": 1}, after={"spec": after}, fields=fields("spec")))


def test_value_that_is_another_is_another_change() -> None:
    """`replicas` is a field of both 3 and 9."""
    was, now = signatures(_values(3)), signatures(_values(9))
    (told,) = digests.unlike(was, now)
    assert told.endswith("was update of spec, is update of spec with different values")
    assert digests.of_changes(was) != digests.of_changes(now)


def test_values_are_the_same_after_a_way_through_a_file() -> None:
    """One job writes them, another compares."""
    made = _values({"list": [1, {"b": None}], "t": (1, 2), "é": 1.5})
    read = ChangeSet.model_validate_json(made.model_dump_json())
    assert signatures(read) == signatures(made)


def test_rest_of_a_run_comes_to_what_was_approved() -> None:
    """Half of it is there, and a program that now wants something else is not the approved one."""
    approved = signatures(_values(3, Op.CREATE))
    assert digests.beyond(approved, _values(3)) == []
    assert digests.beyond(approved, _values(9)) != []


def test_what_only_the_update_knew_is_no_difference_to_its_rest() -> None:
    """A certificate that was not there yet is, after half of the run."""
    approved = signatures(_values({"ca": UNKNOWN, "n": 1}, Op.CREATE))
    assert digests.beyond(approved, _values({"ca": "made by now", "n": 1})) == []
    assert digests.beyond(approved, _values({"ca": "made by now", "n": 2})) != []
    assert digests.unlike(approved, signatures(_values({"ca": "known", "n": 1}, Op.CREATE))) != []
