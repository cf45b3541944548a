"""What is in the platform's namespaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.clients.https import Answer, Unreadable
from bot.mesh.drift import inventory
from bot.mesh.drift.inventory import take
from tests.unit.drift_samples import KINDS, api, group, metadata

CONFIG_MAP, SECRET, NAMESPACE, DEPLOYMENT = KINDS
GROUPS = [group("", CONFIG_MAP, SECRET, NAMESPACE), group("apps", DEPLOYMENT)]
SECRETS = "/api/v1/namespaces/linkerd/secrets"


def test_only_metadata_is_asked_for() -> None:
    """The content of a Secret must not even come here."""
    server = api(GROUPS, {})
    take(server, ["linkerd"])
    lists = [accept for path, accept in server.shared.asked if "limit=" in path]
    assert len(lists) == 4
    assert all(each.startswith("application/json;as=PartialObjectMetadataList") for each in lists)


def test_a_server_that_sends_whole_objects_is_not_listened_to() -> None:
    """A proxy that drops the header would hand us every Secret."""
    whole = Answer(200, {"kind": "SecretList", "items": [{"data": {"key": "aGk="}}]})
    found = take(api(GROUPS, {SECRETS: whole}), ["linkerd"])
    assert found.unlisted == {
        "Secret in linkerd": "the API server sent something else than metadata"
    }
    assert not found.items


def test_only_our_namespaces_are_read() -> None:
    """Those of the workloads are none of our business, and there may be thousands."""
    server = api(GROUPS, {SECRETS: [metadata("found", "linkerd")]})
    assert [each.place for each in take(server, ["linkerd"]).items] == ["linkerd/found"]
    paths = {path.partition("?")[0] for path, _ in server.shared.asked}
    assert "/api/v1/secrets" not in paths
    assert "/api/v1/namespaces" in paths


def test_a_label_of_ours_is_looked_for_everywhere() -> None:
    """The server selects: no list of everything crosses the network."""
    server = api(GROUPS, {"/api/v1/secrets": [metadata("stray", "shop")]})
    found = take(server, ["linkerd"], label="owner=us")
    assert [each.place for each in found.items] == ["shop/stray"]
    assert any("labelSelector=owner%3Dus" in path for path, _ in server.shared.asked)


def pages(*answers: Answer | list[Any]) -> Callable[[dict[str, list[str]]], Any]:
    """A list in pages: each answer names the next."""
    left = list(answers)

    def page(query: dict[str, list[str]]) -> Any:
        found = left.pop(0)
        if isinstance(found, Answer):
            return found
        more = {"continue": "next"} if left else {}
        assert ("continue" in query) == page.more  # type: ignore[attr-defined]
        page.more = bool(left)  # type: ignore[attr-defined]
        body = {"kind": "PartialObjectMetadataList", "metadata": more, "items": found}
        return Answer(200, body)

    page.more = False  # type: ignore[attr-defined]
    return page


def test_a_long_list_is_read_page_by_page() -> None:
    """500 objects at a time; what is on the second page was made by somebody too."""
    lists = {SECRETS: pages([metadata("a", "linkerd")], [metadata("b", "linkerd")])}
    assert [each.name for each in take(api(GROUPS, lists), ["linkerd"]).items] == ["a", "b"]


def test_a_list_that_took_too_long_begins_again() -> None:
    """The server forgets where it was after five minutes, and says 410."""
    answers = iter([Answer(410), [metadata("a", "linkerd")]])
    found = take(api(GROUPS, {SECRETS: lambda _query: next(answers)}), ["linkerd"])
    assert [each.name for each in found.items] == ["a"]
    always = take(api(GROUPS, {SECRETS: Answer(410)}), ["linkerd"])
    assert always.unlisted == {"Secret in linkerd": "status 410"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(403), {"Secret in linkerd": "forbidden to this account"}),
        (Answer(500), {"Secret in linkerd": "status 500"}),
        (Answer(404), {}),
    ],
)
def test_a_kind_that_cannot_be_read_is_told_and_the_others_are_read(
    answer: Answer, told: dict[str, str]
) -> None:
    """Silence would read as `nothing there`; a kind that is gone since has no objects."""
    lists = {SECRETS: answer, "/api/v1/namespaces/linkerd/configmaps": [metadata("a", "linkerd")]}
    found = take(api(GROUPS, lists), ["linkerd"])
    assert found.unlisted == told
    whole = ("", "Secret") in found.scopes
    assert whole != bool(told), "of a kind that was not read nothing can be said to be gone"
    assert [each.name for each in found.items] == ["a"]


@pytest.mark.parametrize("status", [0, 401])
def test_a_server_that_answers_nobody_ends_it(status: int) -> None:
    """A hundred kinds that could not be read would hide the one reason."""
    with pytest.raises(Unreadable):
        take(api(GROUPS, {SECRETS: Answer(status)}), ["linkerd"])


def test_who_made_an_object_is_read_from_its_field_managers() -> None:
    """A controller that only reports on it did not make it."""
    entries = [
        {"manager": "kubectl-create", "time": "t", "fieldsV1": {"f:data": {}}},
        {"manager": "kubelet", "time": "u", "subresource": "status", "fieldsV1": {}},
    ]
    owners = [{"uid": "other"}, {"uid": "one", "controller": True}]
    found = inventory.item(
        SECRET, metadata("a", "l", managedFields=entries, ownerReferences=owners)["metadata"]
    )
    assert found.managers == ("kubectl-create",)
    assert found.owner == "one"
    assert inventory.subject(found.key) == "Secret l/a"
