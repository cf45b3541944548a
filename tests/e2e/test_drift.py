"""Drift on a real cluster and a real Vault: found, told with who made it, and set right by `up`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import vault
from tests.e2e.project import Copy

pytestmark = pytest.mark.e2e

DRIFT = ("bot", "drift", "--stack", "sandbox")
HIDDEN = "only-in-the-secret"
LINKERD = "/api/v1/namespaces/linkerd"
DEPLOYMENTS = "/apis/apps/v1/namespaces/linkerd/deployments"
BUDGET = "/apis/policy/v1/namespaces/linkerd/poddisruptionbudgets/linkerd-identity"
POLICIES = "/apis/policy.linkerd.io/v1alpha1/namespaces/linkerd/authorizationpolicies"
SIGN = "/v1/sys/policies/acl/linkerd-sign-sandbox-1"
CRD = "externalworkloads.workload.linkerd.io"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POD: dict[str, Any] = {
    "metadata": {"labels": {"by": "hand"}},
    "spec": {"containers": [{"name": "a", "image": "pause:1"}]},
}
MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "Secret linkerd/hand": (
        f"{LINKERD}/secrets",
        {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": HIDDEN}},
    ),
    "AuthorizationPolicy.policy.linkerd.io linkerd/hand": (
        POLICIES,
        {
            "apiVersion": "policy.linkerd.io/v1alpha1",
            "kind": "AuthorizationPolicy",
            "spec": {
                "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "x"},
                "requiredAuthenticationRefs": [],
            },
        },
    ),
    "Deployment.apps linkerd/hand": (
        DEPLOYMENTS,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {"replicas": 1, "selector": {"matchLabels": {"by": "hand"}}, "template": POD},
        },
    ),
}


@pytest.fixture
def copy(mesh: tuple[Copy, str]) -> Iterator[Copy]:
    """The mesh, which other tests look at too: what a test has made by hand goes afterwards."""
    made = mesh[0]
    yield made
    for path, _ in MADE.values():
        made.api.request("DELETE", f"{path}/hand")
    seen = made.run("bot", "preview", "--stack", "sandbox", "--refresh", "--expect-no-changes")
    if seen.returncode != 0:
        made.run("bot", "up", "--stack", "sandbox", "--refresh", "--yes")


def drift(copy: Copy) -> tuple[int, dict[str, Any]]:
    """Exit code, and the stack in the report; the report never holds a secret."""
    done = copy.run(*DRIFT, "--json")
    assert HIDDEN not in done.stdout + done.stderr
    [stack] = json.loads(done.stdout)["stacks"]
    return done.returncode, stack


def tracked(stack: dict[str, Any]) -> dict[str, tuple[str, list[tuple[str, Any]]]]:
    """Operation and fields with what is there, by name."""
    return {
        each["name"]: (each["op"], [(field["path"], field["after"]) for field in each["fields"]])
        for each in stack["tracked"]["changes"]
    }


def undeclared(stack: dict[str, Any]) -> set[str]:
    return {each["subject"] for each in stack["undeclared"]}


def patch(copy: Copy, path: str, body: dict[str, Any]) -> None:
    answer = copy.api.request(
        "PATCH",
        f"{path}?fieldManager=kubectl-edit",
        body,
        content_type="application/merge-patch+json",
    )
    assert answer.ok, answer


def state_files(copy: Copy) -> dict[str, bytes]:
    """The state as it lies there; locks and backups too."""
    folder = copy.folder / ".sandbox" / "state" / ".pulumi"
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for part in ("stacks", "locks", "history")
        for file in (folder / part).rglob("*")
        if file.is_file()
    }


def test_an_untouched_mesh_has_none_and_looking_writes_nothing(mesh: tuple[Copy, str]) -> None:
    """Not one line about what controllers write; and no lock in the way of a deployment."""
    before = state_files(mesh[0])
    code, stack = drift(mesh[0])
    assert code == 0, stack
    assert stack["outcome"] == "none"
    assert stack["tracked"]["unchanged"] > 150
    assert state_files(mesh[0]) == before


def by_hand(copy: Copy) -> None:
    """What people do at night."""
    patch(copy, f"{DEPLOYMENTS}/linkerd-destination", {"spec": {"replicas": 1}})
    patch(copy, f"{LINKERD}/configmaps/linkerd-config", {"data": {"values": "edited"}})
    label = {"config.linkerd.io/admission-webhooks": "enabled"}
    patch(copy, LINKERD, {"metadata": {"labels": label}})
    extra = {"spec": {"template": {"metadata": {"annotations": {"by": "hand"}}}}}
    patch(copy, f"{DEPLOYMENTS}/linkerd-identity", extra)
    assert copy.api.request("DELETE", BUDGET).ok
    widened = 'path "linkerd/*" { capabilities = ["read", "update"] }'
    vault.request(copy.settings, "PUT", SIGN, {"policy": widened})
    for subject, (path, body) in MADE.items():
        body = {"metadata": {"name": "hand"}, **body}
        answer = copy.api.request("POST", f"{path}?fieldManager=kubectl-create", body)
        assert answer.ok, f"{subject}: {answer}"


def test_what_was_done_by_hand_is_found_and_set_right_by_up(copy: Copy) -> None:
    """Edited, deleted, added, in the cluster and in Vault; what is undeclared is never removed."""
    by_hand(copy)
    code, stack = drift(copy)
    assert (code, stack["outcome"]) == (5, "drift")
    found = tracked(stack)
    assert found["linkerd-control-plane:linkerd/linkerd-destination"] == (
        "update",
        [("spec.replicas", 1)],
    )
    assert found["linkerd-control-plane:linkerd/linkerd-config"] == (
        "update",
        [("data.values", "edited")],
    )
    assert found["namespaces-linkerd"][1] == [
        ('metadata.labels["config.linkerd.io/admission-webhooks"]', "enabled")
    ]
    assert found["linkerd-control-plane:linkerd/linkerd-identity"] == ("delete", [])
    assert found["trust-anchor-sandbox-1-sign"][1][0][0] == "policy"
    assert len(found) == 5
    assert any("kubectl-edit" in who for who in stack["writers"].values())
    [added] = stack["added"]
    assert (added["name"], added["paths"]) == (
        "linkerd-identity",
        ["spec.template.metadata.annotations.by"],
    )
    assert undeclared(stack) == set(MADE)
    made = {each["subject"]: each for each in stack["undeclared"]}["Deployment.apps linkerd/hand"]
    assert made["managers"] == ["kubectl-create"]
    assert made["children"] == {"ReplicaSet.apps": 1, "Pod": 1}

    # It would be one of the control plane's Deployments that is not on three nodes.
    copy.api.request("DELETE", f"{DEPLOYMENTS}/hand")
    done = copy.run("bot", "up", "--stack", "sandbox", "--refresh", "--yes")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    code, stack = drift(copy)
    assert (code, tracked(stack)) == (5, {})
    assert undeclared(stack) == set(MADE) - {"Deployment.apps linkerd/hand"}
    undo = {"spec": {"template": {"metadata": {"annotations": {"by": None}}}}}
    patch(copy, f"{DEPLOYMENTS}/linkerd-identity", undo)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not on PATH")
@pytest.mark.skipif(not shutil.which("helm"), reason="helm is not on PATH")
def test_a_crd_that_is_gone_from_a_release_is_put_back_as_the_report_says(copy: Copy) -> None:
    """The engine does not see it, and `up` would not mend it: the release itself is unchanged."""
    assert copy.api.request("DELETE", f"{CRDS}/{CRD}").ok
    done = copy.run(*DRIFT)
    assert done.returncode == 5, done.stdout
    assert re.search(rf"critical +gone +CustomResourceDefinition {CRD}", done.stdout)
    [command] = re.findall(r"next: put back what Helm made: (helm .*)", done.stdout)
    environment = {**copy.environment(), "KUBECONFIG": str(copy.folder / ".sandbox/kubeconfig")}
    subprocess.run(["sh", "-c", command], env=environment, check=True, timeout=60)
    code, stack = drift(copy)
    assert (code, stack["tracked"]["changes"], stack["added"]) == (0, [], [])


def test_a_sealed_vault_is_told_and_the_cluster_is_looked_at_all_the_same(copy: Copy) -> None:
    """Exit code 1: nobody knows what was done to Vault meanwhile."""
    path, body = MADE["Secret linkerd/hand"]
    assert copy.api.request("POST", path, {"metadata": {"name": "hand"}, **body}).ok
    vault.seal(copy.settings)
    try:
        code, stack = drift(copy)
    finally:
        vault.unseal(copy.settings)
    assert (code, stack["outcome"]) == (1, "undetermined")
    assert [each.partition(":")[0] for each in stack["tracked"]["errors"]] == ["Vault is sealed"]
    assert undeclared(stack) == {"Secret linkerd/hand"}
