"""What changes between two plans: by URN, property by property, and what a plan cannot see."""

from __future__ import annotations

from typing import Any

import pytest

from bot.changes.lists import aligned
from bot.changes.model import Absent, ChangeSet, ChartMove, FieldChange, Op
from bot.changes.paths import differences, parts
from bot.changes.replacements import knows, replaces
from bot.changes.risk import assess
from bot.changes.rules import Level
from bot.plan.as_changes import changes_between
from bot.text.hidden_values import SECRET
from tests.unit.plan_samples import CHART, chart, configmap, manifest, planned, provider, snapshot

ROOT_CERT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def _ops(changes: ChangeSet) -> dict[str, Op]:
    return {change.name: change.op for change in changes.changes}


def _fields(changes: ChangeSet) -> list[tuple[str, Any, Any]]:
    return [(f.path, f.before, f.after) for change in changes.changes for f in change.fields]


def test_the_same_plan_is_no_change() -> None:
    side = snapshot(provider(), configmap("a"), charts=(chart("1.0.0", configmap("b", "x")),))
    found = changes_between(side, side)
    assert found.changes == ()
    assert found.complete
    assert found.unchanged == 3


def test_each_resource_that_differs_is_one_change_of_its_component() -> None:
    base = snapshot(configmap("a", "stays"), configmap("a", "changes"), configmap("a", "goes"))
    head = snapshot(configmap("a", "stays"), configmap("b", "changes"), configmap("a", "comes"))
    found = changes_between(base, head)
    assert _ops(found) == {"changes": Op.UPDATE, "comes": Op.CREATE, "goes": Op.DELETE}
    assert {change.component for change in found.changes} == {"linkerd"}
    assert _fields(found) == [("data.v", "a", "b")]
    assert found.unchanged == 1
    sides = {c.name: (c.before is None, c.after is None) for c in found.changes}
    assert sides == {"changes": (False, False), "comes": (True, False), "goes": (False, True)}


def test_the_objects_of_a_chart_are_resources_and_the_chart_is_a_move() -> None:
    base = snapshot(charts=(chart("1.0.0", configmap("a"), configmap("a", "same")),))
    head = snapshot(charts=(chart("1.1.0", configmap("b"), configmap("a", "same")),))
    found = changes_between(base, head)
    assert _ops(found) == {"linkerd-config": Op.UPDATE}
    assert found.moves == (ChartMove(chart="linkerd-control-plane", before="1.0.0", after="1.1.0"),)
    assert found.complete


def test_a_chart_that_was_not_rendered_is_compared_by_its_values_and_is_a_doubt() -> None:
    """All of its objects would look created otherwise."""
    base = snapshot(charts=(chart("1.0.0", rendered=False),))
    head = snapshot(charts=(chart("1.1.0", configmap("b")),))
    found = changes_between(base, head)
    assert [change.urn for change in found.changes] == [CHART]
    assert ("values.logLevel", "1.0.0", "1.1.0") in _fields(found)
    (doubt,) = found.doubts
    assert doubt.startswith(
        "chart linkerd-control-plane: not rendered in base, so only its values and"
    )


def test_a_chart_that_nobody_renders_and_that_stays_is_no_doubt() -> None:
    """The same archive with the same values renders the same objects."""
    side = snapshot(charts=(chart("1.0.0", rendered=False),))
    found = changes_between(side, side)
    assert (found.changes, found.doubts) == ((), ())
    assert any("not rendered" in text for text in found.warnings)


@pytest.mark.parametrize("gone", [True, False])
def test_a_chart_on_one_side_that_was_not_rendered_is_a_doubt(gone: bool) -> None:
    has, lacks = snapshot(charts=(chart("1.0.0", rendered=False),)), snapshot()
    found = changes_between(has, lacks) if gone else changes_between(lacks, has)
    word = "goes" if gone else "is new"
    assert found.doubts == (
        f"chart linkerd-control-plane {word}: not rendered, so its objects are not listed",
    )


def test_a_new_and_a_removed_stack_are_said_to_be() -> None:
    side = snapshot(configmap("a", "one"), configmap("b", "two"))
    created, removed = changes_between(None, side), changes_between(side, None)
    assert set(_ops(created).values()) == {Op.CREATE}
    assert set(_ops(removed).values()) == {Op.DELETE}
    assert "the stack is new" in created.warnings[0]
    assert "the stack's file is removed" in removed.warnings[0]
    with pytest.raises(ValueError, match="one stack"):
        changes_between(None, None)
    with pytest.raises(ValueError, match="one stack"):
        changes_between(side, side.model_copy(update={"stack": "other"}))


def test_what_the_engine_acts_by_is_the_older_protection() -> None:
    """With `protect` gone from the program a deletion is still refused by the state."""
    old = configmap("a", protected=True, retained=True)
    removed = changes_between(snapshot(old), snapshot()).changes[0]
    assert (removed.protected, removed.retained) == (True, True)
    loosened = changes_between(snapshot(old), snapshot(configmap("a"))).changes[0]
    assert loosened.protected
    assert [(f.path, f.before, f.after) for f in loosened.fields] == [
        ("protect", True, False),
        ("retainOnDelete", True, False),
    ]


def test_a_provider_of_another_cluster_makes_everything_anew() -> None:
    """With `clusterIdentifier` the provider is replaced, and what it made with it."""
    base = snapshot(provider(clusterIdentifier="a"), configmap("a"), configmap("a", "x"))
    head = snapshot(provider(clusterIdentifier="b"), configmap("a"), configmap("a", "x"))
    anew = dict.fromkeys(("cluster", "linkerd-config", "x"), Op.REPLACE)
    assert _ops(changes_between(base, head)) == anew
    other = snapshot(
        provider(clusterIdentifier="a", context="c"), configmap("a"), configmap("a", "x")
    )
    assert _ops(changes_between(base, other)) == {"cluster": Op.UPDATE}


def test_a_secret_that_may_be_another_one_is_no_equal_one() -> None:
    """Both sides are masked: that a chart was given something else is all that is known."""
    secret = planned(
        "kubernetes:core/v1:Secret", "s", manifest("Secret", "s", data={"key": SECRET})
    )
    base, head = (snapshot(charts=(chart(v, secret),)) for v in ("1.0.0", "1.1.0"))
    assert _fields(changes_between(base, head)) == [("data.key", SECRET, SECRET)]
    assert changes_between(base, base).changes == ()


def test_secrets_are_compared_before_they_are_masked() -> None:
    """Two passwords look the same once they are `[secret]`."""
    base = snapshot(planned("a:b:C", "x", {"password": "one", "note": "hvs.AAAAAAAAAAAA1"}))
    head = snapshot(planned("a:b:C", "x", {"password": "two", "note": "hvs.AAAAAAAAAAAA2"}))
    found = changes_between(base, head)
    assert _fields(found) == [("password", SECRET, SECRET), ("note", SECRET, SECRET)]
    assert "AAAA" not in found.model_dump_json()
    assert "two" not in found.model_dump_json()


def test_another_ciphertext_is_a_doubt() -> None:
    """A plan has no key: what changes behind it is for a preview."""
    base = snapshot(ciphertexts={"config.a": "1", "config.b": "1"})
    head = snapshot(ciphertexts={"config.a": "2", "config.b": "1"})
    (doubt,) = changes_between(base, head).doubts
    assert doubt.startswith("config.a: ")


def test_what_takes_its_values_from_something_made_anew_is_a_doubt() -> None:
    """Both sides say `[known after apply]`, and it will not be the same."""
    root = planned(ROOT_CERT, "root", {"commonName": "a"})
    user = planned("a:b:C", "user", {"issuer": "[known after apply]"}, dependencies=(root.urn,))
    other = planned("a:b:C", "other", {"issuer": "fixed"}, dependencies=(root.urn,))
    head = planned(ROOT_CERT, "root", {"commonName": "b"})
    found = changes_between(snapshot(root, user, other), snapshot(head, user, other))
    assert _ops(found) == {"root": Op.REPLACE}
    assert found.doubts == ("user: takes values from root, which is replaced",)


def test_an_object_under_another_name_is_told() -> None:
    """The engine creates it, which finds it there, and then deletes it."""
    base = snapshot(configmap("a"))
    head = snapshot(configmap("a", urn=f"{configmap('a').urn}-2"))
    (found,) = (f for f in assess(changes_between(base, head)) if "without an alias" in f.reason)
    assert (found.level, found.rule) == (Level.CRITICAL, "renamed-without-alias")


def test_a_component_with_another_name_and_an_alias_is_low() -> None:
    """What is there stays as it is: only the state has another name for it."""
    old, new = f"{configmap('a').urn}-old", configmap("a").urn
    base, head = snapshot(configmap("a", urn=old)), snapshot(configmap("a", aliases=(old,)))
    found = changes_between(base, head)
    assert _ops(found) == {"linkerd-config": Op.UPDATE}
    assert _fields(found) == [("urn", old, new)]
    assert [(f.level, f.rule) for f in assess(found)] == [(Level.LOW, "renamed")]
    other = configmap("b", aliases=(old,), urn=new)
    changed = changes_between(base, snapshot(other))
    assert assess(changed)[0].level > Level.LOW


def test_the_objects_of_a_release_are_told_beside_it() -> None:
    """The engine sees the release alone; a CRD that goes takes its custom resources along."""
    release = {"form": "Release", "name": "crds"}
    base = snapshot(charts=(chart("1.0.0", configmap("a"), configmap("a", "b"), **release),))
    head = snapshot(charts=(chart("1.1.0", configmap("z"), configmap("a", "c"), **release),))
    found = changes_between(base, head)
    assert found.changes == ()
    assert found.warnings == (
        "release crds: comes: ConfigMap c",
        "release crds: changes: ConfigMap linkerd-config",
        "release crds: goes: ConfigMap b",
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # An insertion is one difference, wherever it is.
        ([{"name": "a"}, {"name": "b"}], [{"name": "x"}, {"name": "a"}, {"name": "b"}], ["[0]"]),
        ([{"name": "a"}, {"name": "b", "v": 1}], [{"name": "b", "v": 2}], ["[0].v", "[1]"]),
        ([{"mountPath": "/a"}], [{"mountPath": "/b"}, {"mountPath": "/a"}], ["[0]"]),
        # Within an item that moved, too.
        (
            [{"name": "a", "env": [{"name": "e"}]}],
            [{"name": "x"}, {"name": "a", "env": [{"name": "d"}, {"name": "e"}]}],
            ["[0]", "[1].env[0]"],
        ),
        # Order is a difference; a name in place of another is a change of the name.
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], ["[0].name", "[1].name"]),
        ([{"name": "a"}, {"name": "b"}], [{"name": "a"}, {"name": "c"}], ["[1].name"]),
        # Without names, or with one twice, by index.
        ([1, 2], [2], ["[0]", "[1]"]),
        (
            [{"name": "a", "v": 1}, {"name": "a", "v": 2}],
            [{"name": "b"}, {"name": "a", "v": 1}, {"name": "a", "v": 2}],
            ["[0].name", "[0].v", "[1].v", "[2]"],
        ),
        # A value that changes its form.
        ([{"name": "a"}], {"name": "a"}, [""]),
        ({"a": None}, {}, ["a"]),
        ({"a": True}, {"a": 1}, ["a"]),
    ],
)
def test_lists_of_named_things_are_compared_by_name(
    before: Any, after: Any, expected: list[str]
) -> None:
    """So that a sidecar in front does not look like every container being another one."""
    found = differences(*aligned(before, after))
    assert [field.path for field in found] == expected
    assert all(isinstance(field, FieldChange) for field in found)


def test_an_item_that_goes_is_absent_after() -> None:
    found = differences(*aligned([{"name": "a"}, {"name": "b"}], [{"name": "b"}]))
    assert [(f.before, f.after) for f in found] == [({"name": "a"}, Absent.ABSENT.value)]


@pytest.mark.parametrize(
    ("type_", "path", "expected"),
    [
        (DEPLOYMENT, "spec.selector.matchLabels.app", True),
        (DEPLOYMENT, "spec", True),
        (DEPLOYMENT, "spec.template.spec.containers[0].image", False),
        (DEPLOYMENT, "metadata.name", True),
        (DEPLOYMENT, "metadata.namespace", True),
        (DEPLOYMENT, "metadata.namespaces", False),
        (DEPLOYMENT, "metadata.labels.app", False),
        ("kubernetes:batch/v1:Job", "spec.template.spec.restartPolicy", True),
        ("kubernetes:batch/v1:CronJob", "spec.jobTemplate.spec.template", False),
        ("kubernetes:core/v1:PersistentVolumeClaim", "spec.resources.requests.storage", True),
        ("kubernetes:core/v1:ConfigMap", "data.values", False),
        ("kubernetes:core/v1:Secret", "type", True),
        ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "roleRef.name", True),
        ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "subjects[0].name", False),
        ("kubernetes:helm.sh/v3:Release", "values.a", False),
        ("kubernetes:helm.sh/v3:Release", "namespace", True),
        (ROOT_CERT, "commonName", True),
        (ROOT_CERT, "ttl", False),
        ("vault:index/mount:Mount", "type", True),
        ("vault:index/mount:Mount", "maxLeaseTtlSeconds", False),
        ("random:index/randomString:RandomString", "keepers.generation", True),
        ("pulumi:providers:kubernetes", "clusterIdentifier", True),
        ("pulumi:providers:kubernetes", "context", False),
        ("pulumi:providers:vault", "address", False),
    ],
)
def test_what_a_provider_cannot_change_in_place_replaces(
    type_: str, path: str, expected: bool
) -> None:
    assert replaces(type_, parts(path)) is expected


def test_a_type_that_nobody_has_looked_up_is_a_doubt() -> None:
    """It might be replaced, and be said to be updated."""
    assert not knows("aws:s3:Bucket")
    base, head = (snapshot(planned("aws:s3:Bucket", "b", {"a": v})) for v in (1, 2))
    assert changes_between(base, head).doubts


def test_every_type_of_the_program_has_been_looked_up(whole_types: set[str]) -> None:
    assert whole_types
    assert not {type_ for type_ in whole_types if not knows(type_)}


@pytest.fixture(scope="module")
def whole_types() -> set[str]:
    """The types of every resource in the project's own stack files."""
    from bot import stacks
    from bot.plan.mock.engine import evaluate

    found = [evaluate(stacks.file_of(name), stacks.PROJECT_DIR) for name in stacks.names()]
    return {r.type for evaluation in found for r in evaluation.resources if r.custom}
