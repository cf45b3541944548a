"""What the rules of a rollout say of the API server's admission, asked of the API server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.clients.kubernetes import dry_run
from bot.mesh.rollout import admission, quotas
from bot.mesh.rollout.model import RolloutState, Surroundings
from tests.e2e.sandbox_cluster import CORE, Cluster, running_sandbox
from tests.unit.admission_samples import WAVE, deployment
from tests.unit.rollout_samples import config, namespace
from tests.unit.test_rollout_quotas import QUOTAS

pytestmark = pytest.mark.e2e
# An app that fits every quota and range of the table by itself.
_OWN = {"cpu": "200m", "memory": "20Mi"}
_PLURALS = ("resourcequotas", "limitranges")
_PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
# What the pods of a whole wave take is no matter of one pod.
_OF_ONE_POD = [name for name, (*_, wanted) in QUOTAS.items() if "not enough" not in str(wanted)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_sandbox(tmp_path_factory.mktemp("quotas")) as made:
        made.apply(_PRIORITIES, {
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": "high"}, "value": 1000,
        })  # fmt: skip
        yield made


def _made(running: Cluster, name: str, lists: dict[str, Any]) -> Surroundings:
    """A namespace with these objects, as the API server has them once they count."""
    running.apply(CORE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    running.wait(f"{CORE}/{name}/serviceaccounts/default", bool)
    for plural, kind in zip(_PLURALS, ("ResourceQuota", "LimitRange"), strict=True):
        for each in lists.get(plural, ()):
            made = {"apiVersion": "v1", "kind": kind, "spec": each["spec"]}
            metadata = {"name": each["metadata"]["name"], "namespace": name}
            running.apply(f"{CORE}/{name}/{plural}", {**made, "metadata": metadata})
            if kind == "ResourceQuota":
                path = f"{CORE}/{name}/{plural}/{metadata['name']}"
                running.wait(path, lambda it: bool(it.get("status", {}).get("used")))
    found = [(running.get(f"{CORE}/{name}/{plural}") or {})["items"] for plural in _PLURALS]
    return Surroundings(quotas=tuple(found[0]), limits=tuple(found[1]))


@pytest.mark.parametrize("row", _OF_ONE_POD)
def test_public_reports_the_api_server_refuses_what_the_rules_refuse(
    running: Cluster, row: str
) -> None:
    """A rule that says more or less than admission stops a wave, or lets it stop itself."""
    lists, spec, wanted = QUOTAS[row]
    name = f"q-{_OF_ONE_POD.index(row)}"
    around = _made(running, name, lists)
    container = {"name": "a", "image": "example.invalid/a:1"}
    resources = {"requests": _OWN, "limits": _OWN}
    given = spec.get("containers", [{}])[0].get("resources")
    if given:
        resources = {"requests": {**_OWN, **given["limits"]}, "limits": {**_OWN, **given["limits"]}}
    manifest = deployment(**{**spec, "containers": [{**container, "resources": resources}]})
    manifest["metadata"]["namespace"] = name
    template = admission.template("deployment", manifest)
    made = config(WAVE)
    plain = dry_run(running.api, "pods", name, admission.pod(made, template, injector=None))
    assert plain.ok, plain
    meshed = dry_run(running.api, "pods", name, admission.pod(made, template, injector=False))
    nothing = RolloutState(datetime.now(UTC), {}, ())
    told = [each.what for each in quotas.find(made, nothing, around, name, [template])]
    assert told == wanted
    assert meshed.ok is (not told), (told, meshed)


# An app that the level `restricted` takes.
_MODEST = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.mark.parametrize("cni", [False, True])
@pytest.mark.parametrize("version", ["latest", "v1.25"])
@pytest.mark.parametrize("level", ["privileged", "baseline", "restricted"])
def test_public_reports_pod_security_refuses_what_the_rules_refuse(
    running: Cluster, level: str, version: str, cni: bool
) -> None:
    """linkerd2#10232: the level decides, whatever version it is of, and the CNI plugin helps."""
    name = f"{level}-{version.replace('.', '-')}-{cni}".lower()
    labels = {admission.LEVEL: level, f"{admission.LEVEL}-version": version}
    metadata = {"name": name, "labels": labels}
    running.apply(CORE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    running.wait(f"{CORE}/{name}/serviceaccounts/default", bool)
    container = {"name": "a", "image": "example.invalid/a:1", "securityContext": _MODEST}
    manifest = deployment(containers=[container])
    manifest["metadata"]["namespace"] = name
    template = admission.template("deployment", manifest)
    made = config(WAVE, more={("cniPlugin", "enabled"): cni})
    plain = dry_run(running.api, "pods", name, admission.pod(made, template, injector=None))
    assert plain.ok, plain
    meshed = dry_run(running.api, "pods", name, admission.pod(made, template, injector=False))
    there = {name: replace(namespace(name), labels=labels)}
    seen = RolloutState(datetime.now(UTC), there, ())
    told = admission.judge(made, seen, Surroundings((template,)), {name}).refusals
    assert meshed.ok is (not told), (told, meshed)
    assert bool(told) is (level != "privileged" and not cni)
