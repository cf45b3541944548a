"""A change: what it tells of its inputs is worked out once, and is never that of another."""

from __future__ import annotations

import pytest

from bot.changes.conditions_policy import default_denies, default_loosens
from bot.changes.model import Change
from tests.unit.changes_samples import settings, thing


def test_a_copy_with_other_inputs_tells_of_these() -> None:
    """What was worked out for the inputs of the first would call a Secret a ConfigMap."""
    first = thing("ConfigMap", "linkerd/a", None, {"data": {}})
    assert (first.kind, first.place, first.metadata["name"]) == ("ConfigMap", "linkerd/a", "a")
    other = {"kind": "Secret", "metadata": {"name": "b", "namespace": "web"}}
    copied = first.model_copy(update={"after": other})
    assert (copied.kind, copied.place, copied.metadata["name"]) == ("Secret", "web/b", "b")
    assert (first.kind, first.place) == ("ConfigMap", "linkerd/a")


def test_changes_that_are_equal_have_one_hash_and_others_are_told_apart() -> None:
    """Rules remember the last change: one of the same URN in another set is another."""
    one, same = (thing("ConfigMap", "a", None, {"data": {}}) for _ in range(2))
    assert one.kind  # what is worked out is no part of it
    assert one == same
    assert hash(one) == hash(same)
    assert one.model_dump() == same.model_dump()
    other = thing("ConfigMap", "a", None, {"data": {"x": "y"}})
    assert (other != one, hash(other) == hash(one)) == (True, True)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["denies first", "loosens first"])
def test_a_rule_answers_for_the_change_that_it_is_asked_of(order: tuple[int, int]) -> None:
    """Both have the same URN and operation, as in the sets of two stacks."""
    sides = (
        "proxy: {defaultInboundPolicy: all-authenticated}",
        "proxy: {defaultInboundPolicy: deny}",
    )
    changes: list[Change] = [settings(*sides), settings(*sides[::-1])]
    answers = [(bool(default_denies(each)), bool(default_loosens(each))) for each in changes]
    assert answers == [(True, False), (False, True)]
    assert [bool(default_denies(changes[at])) for at in order] == [at == 0 for at in order]
