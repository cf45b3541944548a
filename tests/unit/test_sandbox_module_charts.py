"""Charts out of Go modules: what a release fills in is filled in, and only what is pinned is used.

tests/charts/test_module_charts.py compares them with the published ones.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import yaml

from sandbox import module_charts
from sandbox.module_charts import NoModuleError, make
from stack.charts import Charts
from tests.unit.stack_files import REPO

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec: {description: 'braces {{ .Values.x }}'}
"""
CHART = {
    "Chart.yaml": "name: x\nversion: v0.0.0\nappVersion: v0.0.0\ndependencies: [{name: other}]\n",
    "Chart.lock": "dependencies: []",
    "values.yaml": "crds: {}\n",
    "README.md": "# x\n",
    ".helmignore": "ci/\n",
    "ci/values.yaml": "{}",
    "tests/one.yaml": "{}",
    "templates/_helpers.tpl": "{{- define }}",
    "templates/deployment.yaml": "kind: Deployment",
    "templates/crd-things.yaml": CRD,
}


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A go that gives each module as a folder of `modules`, with the checksum that is pinned."""
    modules, program = tmp_path / "modules", tmp_path / "bin" / "go"
    program.parent.mkdir()
    for name in module_charts.NAMES:
        pinned = module_charts._modules()[name]()
        folder = modules / f"{pinned.path}@{pinned.version}"
        for path, text in CHART.items():
            for charts in ("deploy/charts", "charts"):
                file = folder / charts / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        (folder / "charts" / name / "values.tmpl.yaml").write_text("image: ${GatewayImage}\n")
        for place in (
            *("deploy/crds/bundle.yaml", "config/crd/experimental/gateway.things.yaml"),
            "charts/gateway-helm/charts/crds/crds/generated/things.yaml",
        ):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(CRD)
        (folder / "answer").write_text(json.dumps({"Dir": str(folder), "Sum": pinned.checksum}))
    # go mod download -json <module>
    program.write_text(f'#!/bin/sh\nexec /bin/cat "{modules}/$4/answer"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return modules


def _members(file: Path) -> dict[str, str]:
    with tarfile.open(file) as tar:
        return {m.name: (tar.extractfile(m) or tar).read().decode() for m in tar}  # type: ignore[union-attr]


@pytest.mark.usefixtures("go")
def test_a_chart_is_what_its_release_would_be(tmp_path: Path) -> None:
    """Version and name decide the labels of every object; tests and read-me are no part of it."""
    assert make(["cert-manager"], tmp_path) == {"cert-manager": "v1.21.1"}
    made = tmp_path / ".sandbox" / "charts"
    files = _members(made / "cert-manager-v1.21.1.tgz")
    assert {name.removeprefix("cert-manager/") for name in files} == {
        *("Chart.yaml", "values.yaml", "templates/_helpers.tpl", "templates/deployment.yaml"),
        "templates/crd-things.yaml",
    }
    chart = yaml.safe_load(files["cert-manager/Chart.yaml"])
    assert chart == {"name": "x", "version": "v1.21.1", "appVersion": "v1.21.1"}
    assert "cert-manager/templates/deployment.yaml" not in _members(
        made / "cert-manager-crds-v1.21.1.tgz"
    )


@pytest.mark.usefixtures("go")
def test_crds_that_a_release_puts_into_its_chart_are_put_there_with_its_switch(
    tmp_path: Path,
) -> None:
    """External Secrets keeps them beside the chart: without the switch they would come twice."""
    [version] = make(["external-secrets"], tmp_path).values()
    files = _members(tmp_path / ".sandbox" / "charts" / f"external-secrets-{version}.tgz")
    text = files["external-secrets/templates/crds/things.yaml"]
    assert text.startswith("{{- if .Values.installCRDs }}\n")
    assert text.endswith("{{- end }}\n")
    assert '{{ "{{" }} .Values.x' in text


@pytest.mark.usefixtures("go")
def test_the_gateway_api_is_its_crds_alone(tmp_path: Path) -> None:
    """There is no chart of it: a manifest of CRDs is made one, as of the published manifest."""
    [version] = make(["gateway-api"], tmp_path).values()
    made = sorted(file.name for file in (tmp_path / ".sandbox" / "charts").iterdir())
    assert made == [f"gateway-api-crds-{version}.tgz"]
    files = _members(tmp_path / ".sandbox" / "charts" / made[0])
    assert "gateway-api-crds/templates/things.example.com.yaml" in files


def test_a_module_with_another_checksum_is_not_used(go: Path, tmp_path: Path) -> None:
    """It is what the cluster's permissions come from; a proxy may serve anything."""
    for answer in go.rglob("answer"):
        answer.write_text(json.dumps({"Dir": str(answer.parent), "Sum": "h1:other"}))
    with pytest.raises(NoModuleError, match=r"trust-manager@v.* has the checksum h1:other"):
        make(["trust-manager"], tmp_path)
    assert not list(tmp_path.rglob("*.tgz"))


def test_without_go_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and no traceback of a program that is not there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoModuleError, match=r"needs Go \(go\.dev"):
        make(["trust-manager"], tmp_path)


@pytest.mark.usefixtures("go")
def test_the_chart_of_envoy_gateway_names_its_image(tmp_path: Path) -> None:
    """Its values are a template that a release fills in; its CRDs are a chart within it."""
    version = make(["gateway-helm"], tmp_path)["gateway-helm"]
    files = _members(tmp_path / ".sandbox" / "charts" / f"gateway-helm-{version}.tgz")
    values = files["gateway-helm/values.yaml"]
    assert values == f"image: docker.io/envoyproxy/gateway:{version}\n"
    assert "gateway-helm/values.tmpl.yaml" not in files


def test_what_was_made_is_not_made_again(go: Path, tmp_path: Path) -> None:
    """The second run of the sandbox is half a minute, and may be without a network."""
    first = make(module_charts.NAMES, tmp_path)
    (go.parent / "bin" / "go").unlink()
    assert make(module_charts.NAMES, tmp_path) == first


def test_the_versions_are_those_of_charts_yaml_but_where_upstream_publishes_no_module() -> None:
    """The sandbox shows what production runs; External Secrets is no module since 1.x."""
    listed = {name: entry.version for name, entry in Charts(REPO).entries.items()}
    own = {name: module_charts._modules()[name]().chart_version for name in module_charts.NAMES}
    assert [name for name in own if own[name] != listed[name]] == ["external-secrets"]
