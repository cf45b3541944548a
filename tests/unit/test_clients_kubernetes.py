"""The one reader of an API server: pages, what is absent, and what a refusal says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.clients.https import Answer, Client, Unreadable
from bot.clients.kubernetes import get_object, list_objects

PODS, BUNDLES = "/api/v1/pods", "/apis/trust.cert-manager.io/v1alpha1/bundles"
ISSUER = "/api/v1/namespaces/linkerd/secrets/issuer"


@dataclass(frozen=True)
class Api(Client):
    """Gives its answers in order."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        self.asked.append(f"{method} {path}")
        return self.answers.pop(0)


def api(*answers: Answer) -> Api:
    return Api("https://k:6443", Path(), answers=list(answers))


def page(*names: str, more: str = "") -> Answer:
    return Answer(200, {"items": list(names), "metadata": {"continue": more}})


def test_a_list_is_read_to_its_end() -> None:
    """The page that is left out has the pod that matters."""
    server = api(page("a", more="n/2"), page("b"))
    assert list_objects(server, PODS, label="a=b") == ["a", "b"]
    assert server.asked[1] == f"GET {PODS}?limit=500&labelSelector=a%3Db&continue=n%2F2"


def test_a_list_that_took_too_long_begins_again() -> None:
    """The server forgets where it was (410) after some minutes."""
    server = api(page("a", more="x"), Answer(410), page("a", more="y"), page("b"))
    assert list_objects(server, PODS) == ["a", "b"]
    with pytest.raises(Unreadable, match="status 410"):
        list_objects(api(*[Answer(410)] * 3), PODS)


def test_only_kinds_that_may_be_absent_are_empty_without_an_answer() -> None:
    """A gateway that knows no path at all would be an empty cluster, and every step safe."""
    assert list_objects(api(Answer(404)), BUNDLES) == []
    assert get_object(api(Answer(404)), ISSUER) is None
    for path in (PODS, "/apis/apps/v1/deployments", "/apis/batch/v1/namespaces/a/jobs"):
        with pytest.raises(Unreadable, match="status 404"):
            list_objects(api(Answer(404)), path)


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        (PODS, Answer(403), "pods: not allowed (403): this account needs the right to `list` pods"),
        (
            "/apis/apps/v1/namespaces/shop/deployments",
            Answer(403),
            (
                "deployments.apps in namespace shop: not allowed (403): this account needs the "
                "right to `list` deployments.apps in namespace shop"
            ),
        ),
        (PODS, Answer(401), "pods: not logged in (401): the credentials of the kubeconfig are not"),
        (PODS, Answer(0, reason="Connection refused"), "pods: no answer (Connection refused)"),
        (PODS, Answer(503, {"message": "etcd"}), "pods: status 503 etcd"),
    ],
)
def test_a_refusal_names_kind_namespace_and_the_right(path: str, answer: Answer, said: str) -> None:
    """Who runs it asks somebody else for rights, and has to say for which."""
    with pytest.raises(Unreadable) as caught:
        list_objects(api(answer), path)
    assert str(caught.value).startswith(f"https://k:6443: {said}")
    assert caught.value.status == answer.status


def test_a_single_object_has_its_name_in_the_refusal() -> None:
    """`get` of one Secret is another right than `list`."""
    with pytest.raises(Unreadable, match=r"secrets issuer in namespace linkerd: .*`get` secrets"):
        get_object(api(Answer(403)), ISSUER)


def test_what_is_no_list_of_metadata_is_not_taken_for_one() -> None:
    """A proxy that drops the header would hand us every Secret."""
    for answer in (Answer(200, "<html>"), Answer(200, {"kind": "SecretList", "items": []})):
        with pytest.raises(Unreadable, match="something else than a list"):
            list_objects(api(answer), PODS, metadata=True)
