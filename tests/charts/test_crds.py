"""The charts with only CRDs, which we cut from upstream's, hold exactly upstream's CRDs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from stack.charts import Charts
from stack.charts.crds import chart_of_manifest, crds_of_chart
from tests.charts import helm
from tests.charts.program import PROJECT, STACKS, evaluate

CUT = ("cert-manager", "trust-manager", "external-secrets")
CRD = "CustomResourceDefinition"
KEEP = "helm.sh/resource-policy"


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", CUT)
def test_a_cut_chart_renders_to_the_crds_of_the_whole(stack: str, name: str) -> None:
    """A CRD lost or altered on the way would show as a controller that cannot start."""
    use = evaluate(stack).charts[f"{name}-crds"]
    cut = helm.objects(helm.text_of(use, helm.archive(use)))
    whole_use = evaluate(stack).charts[name]
    whole = dataclasses.replace(use, release=name, path=whole_use.path)
    rendered = helm.objects(helm.text_of(whole, helm.archive(whole_use)))
    assert cut
    # Helm's own labels name the release.
    assert {k: _unlabelled(m) for k, m in cut.items()} == {
        key: _unlabelled(m) for key, m in rendered.items() if key[0] == CRD
    }


def _unlabelled(manifest: helm.Manifest) -> helm.Manifest:
    labels = dict(manifest["metadata"].get("labels") or {})
    labels.pop("app.kubernetes.io/instance", None)
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", CUT)
def test_the_chart_beside_it_has_no_crds(stack: str, name: str) -> None:
    """Each CRD has one owner: two would fight over its fields, or delete it twice."""
    use = evaluate(stack).charts[name]
    assert not [key for key in helm.objects(helm.text_of(use, helm.archive(use))) if key[0] == CRD]


@pytest.mark.parametrize("stack", STACKS)
def test_the_gateway_api_chart_renders_to_the_manifest(stack: str) -> None:
    """Wrapping a manifest into a chart must not touch it, braces in descriptions included."""
    use = evaluate(stack).charts["gateway-api-crds"]
    rendered = helm.objects(helm.text_of(use, helm.archive(use)))
    source = Charts(PROJECT).source("gateway-api").read_text(encoding="utf-8")
    upstream = helm.objects(source)
    for manifest in upstream.values():
        manifest["metadata"].setdefault("annotations", {})[KEEP] = "keep"
    assert rendered == {key: m for key, m in upstream.items() if key[0] == CRD}


@pytest.mark.parametrize("stack", STACKS)
def test_the_crds_survive_an_uninstall(stack: str) -> None:
    """With a CRD go all its objects, in every namespace."""
    for name in ("gateway-api-crds", "cert-manager-crds", "trust-manager-crds"):
        use = evaluate(stack).charts[name]
        for key, manifest in helm.objects(helm.text_of(use, helm.archive(use))).items():
            assert manifest["metadata"]["annotations"][KEEP] == "keep", key


@pytest.mark.parametrize("stack", STACKS)
def test_linkerds_crds_leave_the_gateway_api_alone(stack: str) -> None:
    """Its CRDs are ours or somebody else's, and never Linkerd's too."""
    use = evaluate(stack).charts["linkerd-crds"]
    rendered = helm.objects(helm.text_of(use, helm.archive(use)))
    groups = {manifest["spec"]["group"] for manifest in rendered.values()}
    assert {key[0] for key in rendered} == {CRD}
    assert "gateway.networking.k8s.io" not in groups
    assert {"policy.linkerd.io", "linkerd.io", "workload.linkerd.io"} <= groups


@pytest.mark.parametrize("name", CUT)
def test_cutting_is_repeatable(name: str) -> None:
    """The archive's bytes end in the state: other bytes would be a diff."""
    content = helm.archive(evaluate("production").charts[name]).read_bytes()
    assert crds_of_chart(content) == crds_of_chart(content)


def test_a_description_with_braces_stays_text(tmp_path: Path) -> None:
    """Helm would take `{{ .Values }}` in a description for a template."""
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": CRD,
        "metadata": {"name": "things.example.com"},
        "spec": {"description": "write {{ .Values.x }} or {{- end }}"},
    }
    chart = tmp_path / "things-crds-1.0.0.tgz"
    chart.write_bytes(chart_of_manifest("things-crds", "1.0.0", yaml.safe_dump(crd).encode()))
    rendered = helm.objects(helm.render_now("things-crds", "default", chart, "{}"))
    assert rendered[CRD, "", "things.example.com"]["spec"] == crd["spec"]
