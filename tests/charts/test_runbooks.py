"""What the runbooks of the alerts name is there: queries, workloads, containers, certificates."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts import helm
from tests.charts.program import evaluate
from tests.charts.test_alert_rules import run
from tests.unit.runbook_pages import kubectl, promql

STACK = "staging"
# A namespace of the operator's own, one of an extension that is not installed here, and that of the
# monitoring, whose names are what its usual chart calls them.
_ELSEWHERE = {
    *("shop", "linkerd-multicluster", "monitoring"),
    # Of a stack with gateways; tests/e2e/ingress and tests/e2e/egress have one.
    *("linkerd-ingress", "linkerd-egress-gateway", "envoy-gateway-system"),
}
# Kinds that every API server has.
_BUILT_IN = {
    *("nodes", "pods", "deployments", "statefulset", "events", "namespaces"),
    *("services", "ingresses"),
}
_VERBS = {"get", "describe", "logs", "delete", "wait", "rollout", "restart", "status"}
_FROM_ELSEWHERE = {"links.multicluster.linkerd.io", "podmonitors.monitoring.coreos.com"}


@functools.cache
def objects() -> dict[helm.Key, helm.Manifest]:
    """All that a cluster's stack makes, by kind, namespace and name."""
    evaluation = evaluate(STACK)
    made = {
        (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o
        for o in evaluation.objects
    }
    for use in evaluation.charts.values():
        if use.release == "linkerd-buoyant":
            continue
        for (kind, namespace, name), manifest in helm.objects(
            helm.text_of(use, helm.archive(use))
        ).items():
            made[(kind, namespace or use.namespace, name)] = manifest
    return made


@functools.cache
def plurals() -> dict[str, str]:
    """The kind of each plural and singular that a CRD defines."""
    made = {}
    for (kind, _, _), crd in objects().items():
        if kind == "CustomResourceDefinition":
            names = crd["spec"]["names"]
            made |= {names["plural"]: names["kind"], names["singular"]: names["kind"]}
    return made


def option(words: list[str], name: str) -> str:
    """The value of an option in either form; empty without it."""
    for index, word in enumerate(words):
        if word == name:
            return words[index + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def containers(manifest: helm.Manifest) -> set[str]:
    spec = helm.pod_spec(manifest)
    return {c["name"] for part in ("initContainers", "containers") for c in spec.get(part, [])}


def workloads(namespace: str, selector: str) -> list[helm.Manifest]:
    """The Deployments whose pods have a label."""
    key, _, value = selector.partition("=")
    return [
        manifest
        for (kind, place, _), manifest in objects().items()
        if (kind, place) == ("Deployment", namespace)
        and manifest["spec"]["template"]["metadata"]["labels"].get(key) == value
    ]


def named(words: list[str]) -> list[tuple[str, str]]:
    """Kinds and names in a command, whatever the form; the name is empty for all of a kind."""
    if "--selector" in words:
        return []  # Of pods, by their labels.
    skipped = {"-n", option(words, "-n")}
    rest = [word for word in words[1:] if word not in skipped and not word.startswith("-")]
    things = [word for word in rest if word not in _VERBS]
    if things and "/" in things[0]:
        kind, _, name = things[0].partition("/")
        return [(kind, name)]
    name = things[1] if len(things) > 1 else ""
    return [(kind, name) for kind in things[0].split(",")] if things else []


@pytest.mark.parametrize(("page", "words"), kubectl())
def test_what_a_command_of_a_runbook_names_is_there(page: str, words: list[str]) -> None:
    """A name that a chart has changed costs the minutes that count."""
    namespace = option(words, "-n")
    if namespace not in {"", *_ELSEWHERE}:
        assert ("Namespace", "", namespace) in objects(), page
    for kind, name in named(words):
        if kind == "deployment":
            found = objects()[("Deployment", namespace, name)]
            container = option(words, "--container")
            assert not container or container in containers(found)
        elif kind == "secret":
            # A Certificate of ours makes it.
            assert any(
                key[:2] == ("Certificate", namespace) and manifest["spec"]["secretName"] == name
                for key, manifest in objects().items()
            )
        elif kind not in _BUILT_IN and kind not in {e.partition(".")[0] for e in _FROM_ELSEWHERE}:
            assert kind in plurals(), page
            assert not name or (plurals()[kind], namespace, name) in objects()
    selector = option(words, "--selector")
    if selector and namespace not in _ELSEWHERE:
        (found,) = workloads(namespace, selector)
        assert option(words, "--container") in containers(found)


@pytest.mark.parametrize(
    "line",
    [
        "kubectl -n linkerd logs deployment/linkerd-identities",
        "kubectl -n linkerd logs deployment/linkerd-identity --container=id",
        "kubectl -n linkerd describe certificate linkerd-identity",
        "kubectl -n linkerds get pods",
        "kubectl get clusterissuerz",
        "kubectl -n linkerd logs --selector=linkerd.io/control-plane-component=id --container=x",
        "kubectl -n linkerd delete secret linkerd-identity",
    ],
)
def test_a_wrong_name_is_found(line: str) -> None:
    """The check itself must bite."""
    with pytest.raises((AssertionError, KeyError, ValueError)):
        test_what_a_command_of_a_runbook_names_is_there("page", line.split())


def test_promtool_parses_every_query(tmp_path: Path) -> None:
    """It is pasted as it stands."""
    rules: list[dict[str, Any]] = [
        {"record": f"runbook:query:{number}", "expr": query}
        for number, (_, query) in enumerate(promql())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = run("check", "rules", str(file))
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout
