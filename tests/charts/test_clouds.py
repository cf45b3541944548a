"""The stack files of docs/clouds load, and what they render is not refused on that cloud."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.charts import helm
from tests.charts.program import Evaluation, evaluate_file
from tests.charts.test_placement import pods
from tests.unit.stack_files import certificate
from tests.unit.whole_program import project

PAGES = sorted((Path(__file__).parents[2] / "docs" / "clouds").glob("*.md"))
CLOUDS = [page.stem for page in PAGES]
AUTOPILOT = "gke-autopilot"
# What OpenShift's page grants `nonroot-v2` to, so that a fixed user may be there.
ANY_USER = ("linkerd", "linkerd-viz")


def page(cloud: str) -> str:
    return (Path(__file__).parents[2] / "docs" / "clouds" / f"{cloud}.md").read_text("utf-8")


@functools.cache
def stack(cloud: str) -> Evaluation:
    """The stack file of a page, evaluated as it stands."""
    (text,) = re.findall(r"```yaml\n(config:\n.*?)```", page(cloud), re.DOTALL)
    (project() / "production-ca.pem").write_text(certificate())
    file = project() / "Pulumi.cloud.yaml"
    file.write_text(text, encoding="utf-8")
    return evaluate_file(file)


def objects(cloud: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each object of the stack, with the namespace that it is in."""
    made = stack(cloud)
    for use in made.charts.values():
        if use.release.endswith("-crds"):
            # CRDs are in no namespace, and Helm's record of them is where the release is.
            yield use.namespace, {"kind": "Secret", "metadata": {"name": f"Helm, {use.release}"}}
            continue
        for each in helm.objects(helm.text_of(use, helm.archive(use))).values():
            yield each["metadata"].get("namespace") or use.namespace, each
    for each in made.objects:
        yield (each.get("metadata") or {}).get("namespace", ""), each


def containers(cloud: str) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Namespace, name, pod and container of all that runs."""
    for namespace, each in objects(cloud):
        for pod in pods(each):
            for container in (*pod.get("initContainers", ()), *pod["containers"]):
                yield namespace, each["metadata"]["name"], pod, container


def test_each_cloud_has_a_page() -> None:
    """A name that is misspelt would test nothing."""
    assert CLOUDS == ["aks", "eks", "gke-autopilot", "openshift"]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_public_reports_30_the_stack_file_of_a_page_takes_every_image_from_its_mirror(
    cloud: str,
) -> None:
    """A file that is copied from a page works as it stands."""
    (mirror,) = re.findall(r"    registry: (\S+)", page(cloud))
    images = [container["image"] for *_, container in containers(cloud)]
    assert len(images) > 10
    assert all(image.startswith(f"{mirror}/") for image in images)


def test_public_reports_27_autopilot_refuses_nothing_that_is_rendered() -> None:
    """GKE Warden: no folder of a node, no privileged container, nothing in kube-system."""
    for namespace, each in objects(AUTOPILOT):
        assert namespace != "kube-system", (each["kind"], each["metadata"]["name"])
    for _, name, pod, container in containers(AUTOPILOT):
        assert not any("hostPath" in volume for volume in pod.get("volumes", ())), name
        assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), name
        context = container.get("securityContext") or {}
        assert not context.get("privileged"), name
        added = (context.get("capabilities") or {}).get("add", [])
        if container["name"] == "linkerd-init":
            # What `--workload-policies=allow-net-admin` of the page is for; NET_RAW is allowed.
            assert set(added) <= {"NET_ADMIN", "NET_RAW"}
        else:
            assert not added, (name, container["name"])
    assert "--workload-policies=allow-net-admin" in page(AUTOPILOT)


def test_public_reports_30_openshift_sees_a_fixed_user_only_where_the_page_allows_it() -> None:
    """linkerd2#8553: 2102 must be in the ranges; #11479: the plugin may not write on the node."""
    text = page("openshift")
    for namespace, name, pod, container in containers("openshift"):
        context = {**(pod.get("securityContext") or {}), **(container.get("securityContext") or {})}
        if namespace == "linkerd-cni":
            assert "add-scc-to-user privileged -z linkerd-cni -n linkerd-cni" in text
            continue
        if "runAsUser" in context or "fsGroup" in context:
            assert namespace in ANY_USER, (namespace, name, context)
            assert f"add-scc-to-group nonroot-v2 system:serviceaccounts:{namespace}\n" in text
            assert context.get("runAsUser") != 0, name
        added = (context.get("capabilities") or {}).get("add", [])
        assert not added, (name, container["name"])


@pytest.mark.parametrize("cloud", ["aks", "eks", "openshift"])
def test_public_reports_30_the_platform_runs_where_the_cloud_lets_it(cloud: str) -> None:
    """Azure/AKS#3882: with a taint on every pool nothing can be installed."""
    for namespace, name, pod, _ in containers(cloud):
        if namespace != "linkerd-cni":
            assert pod.get("tolerations"), name
            assert len(pod["nodeSelector"]) > 1, name
