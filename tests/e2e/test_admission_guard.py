"""The guards in a real API server, at `audit` and at `enforce`: who is warned, who is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from bot.clients.https import Answer
from components import admission_guard
from components.rollout.component import MeshedNamespace, namespace_patch
from tests.e2e.mesh_objects import Manifest, Objects
from tests.e2e.sandbox_cluster import Cluster, running_sandbox
from tests.e2e.test_rollout import deployment, pod

pytestmark = pytest.mark.e2e
SETTLE_SECONDS = 60
OUT, SHARED = "takes this workload out of the mesh", "runs as the service account 'default'"
GUARDS = (admission_guard.opt_out, admission_guard.own_service_account)
_numbers = count()


class Guarded:
    """A cluster with namespaces of each state, and the guards at a mode."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.objects = cluster, Objects(cluster.api)
        for state in ("on", "opt-in", "opt-out"):
            meshed = MeshedNamespace(name=state, state=state, may_opt_out=("Deployment/legacy",))
            self.objects.apply(namespace_patch(meshed))
        self.objects.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "unplanned"}}
        )

    def at(self, mode: str) -> None:
        """Set the guards to a mode, and wait until the API server holds to it."""
        self.objects.apply(*(each for guard in GUARDS for each in guard(mode)))
        for document, said in ((deployment("probe", "disabled", "own"), OUT),
                               (deployment("probe"), SHARED)):  # fmt: skip
            deadline = time.monotonic() + SETTLE_SECONDS
            while not self._holds(mode, self.create(document), said):
                assert time.monotonic() < deadline, (mode, said)
                time.sleep(0.3)

    @staticmethod
    def _holds(mode: str, answer: Answer, said: str) -> bool:
        if mode == "enforce":
            return not answer.ok and said in answer.body["message"]
        return answer.ok and any(said in each for each in answer.warnings)

    def create(self, document: Manifest, inside: str = "on") -> Answer:
        """What the API server says to a new object; it keeps none."""
        metadata = {**document["metadata"], "namespace": inside}
        path = self.objects.path({**document, "metadata": metadata})
        return self.cluster.api.request("POST", f"{path}?dryRun=All", document, seconds=30)

    def replace(self, document: Manifest) -> Answer:
        """What it says to a change of one that is there."""
        path = self.objects.path(document, document["metadata"]["name"])
        return self.cluster.api.request("PUT", path, document, seconds=30)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with running_sandbox(tmp_path_factory.mktemp("guards")) as cluster:
        yield Guarded(cluster)


def job(account: str = "") -> Manifest:
    """A Job and its CronJob's form share the template."""
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [{"name": "app", "image": "example.invalid/app:1"}],
    }
    if account:
        spec["serviceAccountName"] = account
    metadata = {"name": f"job-{next(_numbers)}"}
    made = {"spec": {"template": {"spec": spec}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, **made}


def cron_job(account: str = "", inject: str = "") -> Manifest:
    made = job(account)
    template: dict[str, Any] = made["spec"]["template"]
    if inject:
        template["metadata"] = {"annotations": {"linkerd.io/inject": inject}}
    spec = {"schedule": "@daily", "jobTemplate": {"spec": made["spec"]}}
    return {**made, "kind": "CronJob", "spec": spec}


# What each rule says to an object in a namespace; nothing is said where it says nothing.
CASES: list[tuple[str, Manifest, str]] = [
    ("on", deployment("a", account="own"), ""),
    ("on", deployment("a"), SHARED),
    ("on", deployment("a", account="default"), SHARED),
    ("on", deployment("a", "disabled", "own"), OUT),
    ("on", deployment("legacy", "disabled", "own"), ""),
    ("on", job("own"), ""),
    ("on", job(), SHARED),
    ("on", cron_job("own", "disabled"), OUT),
    ("on", cron_job(), SHARED),
    ("on", pod("a", "disabled"), OUT),
    ("on", pod("a", "disabled", owner="legacy-5d4f"), ""),
    ("on", pod("a"), ""),
    ("opt-in", deployment("a", "disabled", "own"), ""),
    ("opt-in", deployment("a"), SHARED),
    ("opt-out", deployment("a", "disabled"), ""),
    ("unplanned", deployment("a", "disabled"), ""),
]


def test_audit_warns_whoever_applies_and_refuses_nobody(guarded: Guarded) -> None:
    """A rule is watched before it may stop a deployment."""
    guarded.at("audit")
    for inside, document, said in CASES:
        answer = guarded.create(document, inside)
        assert answer.ok, (inside, document, answer)
        about = [each for each in answer.warnings if OUT in each or SHARED in each]
        assert [said in each for each in about] == ([True] if said else []), (inside, document)


def test_enforce_refuses_with_what_to_do_and_lets_the_rest_pass(guarded: Guarded) -> None:
    guarded.at("enforce")
    for inside, document, said in CASES:
        answer = guarded.create(document, inside)
        assert answer.ok != bool(said), (inside, document, answer)
        if said:
            assert said in answer.body["message"]
            assert answer.status == 403


def test_what_broke_a_rule_before_can_be_scaled_and_not_changed(guarded: Guarded) -> None:
    """Somebody who stops a workload in a bad night must not be told about its account."""
    guarded.at("audit")
    for name, document in (("shared", deployment("shared")),
                           ("outside", deployment("outside", "disabled", "own"))):  # fmt: skip
        document["metadata"]["namespace"] = "on"
        guarded.objects.create(document)
        guarded.at("enforce")
        document["spec"]["replicas"] = 0
        assert guarded.replace(document).ok, name
        document["spec"]["template"]["spec"]["containers"][0]["image"] = "example.invalid/app:2"
        answer = guarded.replace(document)
        assert not answer.ok, name
        assert answer.status == 403
        guarded.at("audit")


def test_no_expression_has_a_warning_of_the_type_checker(guarded: Guarded) -> None:
    """A warning is an expression that fails at run time for some kind, and then refuses it."""
    guarded.at("enforce")
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    for name in (admission_guard.OPT_OUT_POLICY, admission_guard.ACCOUNT_POLICY):
        found = guarded.cluster.wait(
            f"{path}/{name}", lambda each: "typeChecking" in each.get("status", {}), SETTLE_SECONDS
        )
        assert found["status"]["typeChecking"] == {}


def test_a_guard_that_is_taken_away_holds_nobody_up(guarded: Guarded) -> None:
    """The way back is a change of the stack file, which deletes binding and policy."""
    guarded.at("enforce")
    for guard in GUARDS:
        guarded.objects.delete(*reversed(guard("enforce")))
    deadline = time.monotonic() + SETTLE_SECONDS
    while not (answer := guarded.create(deployment("a", "disabled"))).ok:
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
