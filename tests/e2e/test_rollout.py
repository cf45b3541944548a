"""Waves on a real API server by the real engine: patches, guards, restarts, and the way back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from bot.clients.https import Answer
from bot.engine import sandbox_stack
from components.rollout.component import FIELD_MANAGER, INJECT, MAY_OPT_OUT, STATE_LABEL
from stack.transforms import OWNER_LABEL
from tests.e2e.project import Copy

pytestmark = pytest.mark.e2e

PREFIX = "linkerd-platform:"
SANDBOX = ("--stack", "sandbox")
NAMESPACES = "/api/v1/namespaces"
TEAM = {"team": "web"}
SHOP: dict[str, Any] = {"name": "shop", "workloads": {"optOut": ["deploy/legacy"]}}
SETTLE_SECONDS = 60


def plan(*states: str) -> dict[str, Any]:
    """The sections of a plan with two waves in these states."""
    first, second = states
    return {
        "rollout": {
            "waves": [
                {"name": "first", "state": first, "soak": "1s", "namespaces": [SHOP]},
                {"name": "rest", "state": second, "labels": TEAM, "namespaces": ["pay"]},
            ],
            "never": ["scratch"],
        },
        "workloads": {"namespaces": {"shop": {"accessLog": "json"}}},
        "guards": {"optOut": "enforce", "ownServiceAccount": "audit"},
    }


class Stack:
    """The sandbox stack, with sections that a test adds to its file."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.file = copy.folder / sandbox_stack.TRACKED
        self.tracked = self.file.read_text(encoding="utf-8")

    def write(self, sections: dict[str, Any]) -> None:
        document = yaml.safe_load(self.tracked)
        document["config"] |= {f"{PREFIX}{name}": value for name, value in sections.items()}
        self.file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def up(self) -> None:
        done = self.copy.run("bot", "up", *SANDBOX, "--yes")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def rollout(self, *words: str, code: int = 0) -> str:
        what, *more = words
        done = self.copy.run("bot", "rollout", what, *SANDBOX, *more)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def metadata(self, name: str) -> dict[str, Any]:
        answer = self.copy.api.request("GET", f"{NAMESPACES}/{name}")
        assert answer.ok, answer
        return dict(answer.body["metadata"])

    def create_namespace(self, name: str) -> None:
        """Make it as soon as one of that name, of another module, is gone."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not (answer := self.create(NAMESPACES, namespace(name, **TEAM))).ok:
            assert answer.status == 409, answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.5)

    def create(self, path: str, document: dict[str, Any], *, dry: bool = False) -> Answer:
        query = "?dryRun=All" if dry else ""
        return self.copy.api.request("POST", f"{path}{query}", document, seconds=30)


def namespace(name: str, **labels: str) -> dict[str, Any]:
    """A namespace of another tool."""
    metadata = {"name": name, "labels": labels, "annotations": {"owner": "team-web"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def deployment(name: str, inject: str = "", account: str = "") -> dict[str, Any]:
    """A Deployment of one pod."""
    template: dict[str, Any] = {
        "metadata": {"labels": {"app": name}, "annotations": {INJECT: inject} if inject else {}},
        "spec": {"containers": [{"name": "app", "image": "example.invalid/app:1"}]},
    }
    if account:
        template["spec"]["serviceAccountName"] = account
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


def pod(name: str, inject: str = "", owner: str = "") -> dict[str, Any]:
    """A pod, bare or of a ReplicaSet."""
    metadata: dict[str, Any] = {"name": name, "annotations": {INJECT: inject} if inject else {}}
    if owner:
        reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "1"}
        metadata["ownerReferences"] = [{**reference, "controller": True}]
    containers = [{"name": "app", "image": "example.invalid/app:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers},
    }


DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
PODS = f"{NAMESPACES}/shop/pods"


@pytest.fixture(scope="module")
def stack(mesh: tuple[Copy, str]) -> Iterator[Stack]:
    """The mesh with the first wave on; afterwards as it was."""
    made = Stack(mesh[0])
    for name in ("shop", "pay", "web", "scratch"):
        made.create_namespace(name)
    try:
        answer = made.create(DEPLOYMENTS, deployment("web"))
        assert answer.ok, answer
        made.write(plan("on", "off"))
        made.up()
        yield made
    finally:
        made.file.write_text(made.tracked, encoding="utf-8")
        made.copy.run("bot", "up", *SANDBOX, "--yes")
        for name in ("shop", "pay", "web", "scratch"):
            made.copy.api.request("DELETE", f"{NAMESPACES}/{name}")


def test_a_namespace_of_another_tool_has_our_keys_and_keeps_its_own(stack: Stack) -> None:
    """Taken over, it would go with our stack, and the other tool would fight for it."""
    found = stack.metadata("shop")
    annotations = found["annotations"]
    assert annotations[INJECT] == "enabled"
    assert annotations[MAY_OPT_OUT] == "Deployment/legacy"
    assert annotations["config.linkerd.io/access-log"] == "json"
    assert annotations["owner"] == "team-web"
    assert found["labels"] | TEAM == found["labels"]
    assert found["labels"][STATE_LABEL] == "on"
    assert OWNER_LABEL not in found["labels"]
    ours = [each for each in found["managedFields"] if each["manager"] == FIELD_MANAGER]
    assert [each["operation"] for each in ours] == ["Apply"]
    assert STATE_LABEL not in stack.metadata("pay")["labels"]


def test_an_unchanged_plan_previews_as_no_change_and_as_no_drift(stack: Stack) -> None:
    """Also when the other tool has written to the namespace meanwhile."""
    body = {"metadata": {"labels": {"tier": "gold"}}}
    answer = stack.copy.api.request(
        "PATCH", f"{NAMESPACES}/shop", body, content_type="application/merge-patch+json"
    )
    assert answer.ok, answer
    done = stack.copy.run("bot", "preview", *SANDBOX, "--refresh", "--expect-no-changes")
    assert done.returncode == 0, done.stdout + done.stderr
    done = stack.copy.run("bot", "drift", *SANDBOX)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "document", "refused"),
    [
        (PODS, pod("a"), False),
        (PODS, pod("a", "disabled"), True),
        (PODS, pod("a", "disabled", owner="web-5d4f"), True),
        (PODS, pod("a", "disabled", owner="legacy-5d4f"), False),
        (PODS, pod("a", "disabled", owner="legacy-other-5d4f"), True),
        (DEPLOYMENTS, deployment("legacy", "disabled"), False),
        (DEPLOYMENTS, deployment("other", "disabled"), True),
        (DEPLOYMENTS, deployment("other", "enabled", account="other"), False),
        (PODS.replace("shop", "pay"), pod("a", "disabled"), False),
    ],
)
def test_the_api_server_refuses_who_opts_out_without_the_plan(
    stack: Stack, path: str, document: dict[str, Any], refused: bool
) -> None:
    """The expressions are evaluated by Kubernetes itself; a policy takes a moment to be seen."""
    deadline = time.monotonic() + SETTLE_SECONDS
    answer = stack.create(path, document, dry=True)
    while refused and answer.ok and time.monotonic() < deadline:
        time.sleep(0.5)
        answer = stack.create(path, document, dry=True)
    assert answer.ok != refused, answer
    if refused:
        assert "takes this workload out of the mesh" in answer.body["message"]


def test_no_expression_of_a_guard_has_a_warning_of_the_type_checker(stack: Stack) -> None:
    """A warning is an expression that fails at run time for some kind, and then refuses it."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        answer = stack.copy.api.request("GET", path)
        own = [e for e in answer.body["items"] if e["metadata"]["name"].startswith("linkerd-plat")]
        if all("typeChecking" in each.get("status", {}) for each in own):
            break
        assert time.monotonic() < deadline, own
        time.sleep(0.5)
    assert len(own) == 2
    assert [each["status"]["typeChecking"] for each in own] == [{}, {}]


def test_what_exists_already_can_be_scaled_under_a_guard(stack: Stack) -> None:
    """Its template runs as `default`, which the audit tells and must not refuse."""
    path = f"{DEPLOYMENTS}/web"
    body = {"spec": {"replicas": 2}}
    answer = stack.copy.api.request(
        "PATCH", path, body, content_type="application/merge-patch+json"
    )
    assert answer.ok, answer


def test_status_next_and_check_on_a_real_cluster(stack: Stack) -> None:
    """The simulated cluster injects nothing, so a restart is what is missing everywhere."""
    document = json.loads(stack.rollout("status", "--json"))
    found = {each["name"]: each for each in document["namespaces"]}
    assert document["controlPlane"]
    assert (found["shop"]["wave"], found["shop"]["mesh"]) == ("first", "not meshed")
    assert {each["workload"] for each in found["shop"]["restarts"]} == {"shop/deployment/web"}
    assert found["web"]["wave"] == "rest"
    assert "scratch" not in found
    step = json.loads(stack.rollout("next", "--json"))
    assert step["wave"]["namespaces"] == ["pay", "web"]
    verdict = json.loads(stack.rollout("check", "--json", code=4))
    assert len(verdict["against"]) == 1
    assert verdict["against"][0].startswith("shop: ")


def test_a_restart_replaces_the_pods_and_waits_for_them(stack: Stack) -> None:
    """Without --yes nothing happens."""

    def pods() -> set[str]:
        answer = stack.copy.api.request("GET", PODS)
        running = [p for p in answer.body["items"] if "deletionTimestamp" not in p["metadata"]]
        return {each["metadata"]["uid"] for each in running}

    before = pods()
    assert "would restart" in stack.rollout("restart", "--namespace", "shop")
    assert pods() == before
    said = stack.rollout("restart", "--namespace", "shop", "--yes", "--timeout", "120")
    assert said.splitlines() == ["shop/deployment/web: restarting", "shop/deployment/web: is up"]
    assert not pods() & before


def test_a_wave_goes_back_with_what_next_prints_and_leaves_nothing(stack: Stack) -> None:
    """As easy as forward: the edit, a preview, an update; the namespace and its pods stay."""
    step = json.loads(stack.rollout("next", "--back", "--json"))
    assert json.loads(stack.rollout("check", "--back", "--json"))["safe"] is True
    sections = plan("on", "off")
    sections["rollout"]["waves"][0] = step["wave"]
    stack.write(sections)
    stack.up()
    found = stack.metadata("shop")
    assert found["annotations"] == {"owner": "team-web"}
    assert found["labels"] | TEAM == found["labels"]
    assert STATE_LABEL not in found["labels"]
    assert stack.copy.api.request("GET", f"{DEPLOYMENTS}/web").ok
    done = stack.copy.run("bot", "preview", *SANDBOX, "--refresh", "--expect-no-changes")
    assert done.returncode == 0, done.stdout + done.stderr
