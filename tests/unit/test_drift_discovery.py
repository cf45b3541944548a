"""Which kinds a server has."""

from __future__ import annotations

import pytest

from bot.clients.https import Answer, Unreadable
from bot.mesh.drift.discovery import ListedKind, kinds
from tests.unit.drift_samples import KINDS, api, group, refusing

CONFIG_MAP, SECRET, NAMESPACE, DEPLOYMENT = KINDS


def test_every_kind_that_can_be_listed_is_found_in_two_requests() -> None:
    """One request per group and version would be 40 of them."""
    server = api([group("", CONFIG_MAP, NAMESPACE), group("apps", DEPLOYMENT)], {})
    found = kinds(server)
    assert set(found.found) == {CONFIG_MAP, NAMESPACE, DEPLOYMENT}
    assert [path for path, _ in server.shared.asked] == ["/api", "/apis"]
    assert all("APIGroupDiscoveryList" in accept for _, accept in server.shared.asked)


def test_a_kind_is_asked_for_at_the_version_that_the_server_prefers() -> None:
    """Servers name it first; the same object would be found twice otherwise."""
    both = group("apps", DEPLOYMENT)
    old = group("apps", ListedKind("apps", "Deployment", "v1beta1", "deployments", True))
    both["versions"] += old["versions"]
    assert kinds(api([both], {})).found == (DEPLOYMENT,)


def test_what_cannot_be_listed_is_no_kind_of_ours() -> None:
    """A TokenReview is only ever created."""
    review = group(
        "authentication.k8s.io", ListedKind("", "TokenReview", "v1", "tokenreviews", False)
    )
    review["versions"][0]["resources"][0]["verbs"] = ["create"]
    assert kinds(api([review], {})).found == ()


def test_a_group_whose_server_is_away_is_told() -> None:
    """Its objects may be in our namespaces, and nobody could look."""
    found = kinds(api([group("stores.example.com", freshness="Stale")], {}))
    assert list(found.absent) == ["stores.example.com/v1"]


def test_a_group_without_objects_of_its_own_may_be_away() -> None:
    """tap answers only while viz runs, and holds nothing."""
    found = kinds(api([group("tap.linkerd.io", freshness="Stale")], {}))
    assert not found.absent


@pytest.mark.parametrize(
    ("kind", "namespace", "path"),
    [
        (SECRET, "linkerd", "/api/v1/namespaces/linkerd/secrets"),
        (DEPLOYMENT, None, "/apis/apps/v1/deployments"),
        (NAMESPACE, None, "/api/v1/namespaces"),
    ],
)
def test_a_kind_knows_where_it_is_listed(
    kind: ListedKind, namespace: str | None, path: str
) -> None:
    """The core group has another root than all others."""
    assert kind.path(namespace) == path


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(0), "no answer"),
        (Answer(401, {"message": "Unauthorized"}), "not logged in.*log in again"),
        (Answer(403, {"message": "cannot get path"}), "right to `get` /api"),
        (Answer(503, {"message": "etcd"}), "status 503 etcd"),
        (Answer(200, {"kind": "APIGroupList"}), "1.27 or newer"),
    ],
)
def test_a_server_that_does_not_tell_is_named_with_what_to_do(answer: Answer, said: str) -> None:
    """An empty answer would read as `no kinds`, hence `no drift`."""
    with pytest.raises(Unreadable, match=f"https://k.*{said}"):
        kinds(refusing(answer))
