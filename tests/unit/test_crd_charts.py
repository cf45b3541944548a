"""Charts of CRDs alone: the same bytes on every machine, and nothing but CRDs."""

from __future__ import annotations

import io
import tarfile

import pytest
import yaml

from stack.charts.crds import chart_of_manifest, crds_of_chart

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: not-a-crd}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: routes.example.com}
spec:
  description: 'braces {{ .Values.x }} and }} stay'
---
---
just text
"""


def archive(files: dict[str, str], mtime: int = 0) -> bytes:
    """A chart's archive as `helm package` makes it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), mtime
            tar.addfile(info, io.BytesIO(content.encode()))
    return packed.getvalue()


def contents(packed: bytes) -> dict[str, str]:
    """What is in an archive."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        files = {m.name: tar.extractfile(m) for m in tar}
        return {name: f.read().decode() for name, f in files.items() if f}


CHART = {
    "a/templates/deployment.yaml": "kind: Deployment",
    "a/templates/crd-things.yaml": "kind: CustomResourceDefinition",
    "a/templates/crds/other.yaml": "kind: CustomResourceDefinition",
    "a/templates/_helpers.tpl": "{{- define }}",
    "a/templates/NOTES.txt": "notes",
    "a/values.yaml": "crds: {}",
    "a/Chart.yaml": "name: a",
    "a/README.md": "# a",
    "a/charts/b/templates/crd-b.yaml": "kind: CustomResourceDefinition",
}


def test_only_crds_and_what_they_are_rendered_with_are_kept() -> None:
    """A Deployment in it would be owned twice."""
    kept = [
        "a/templates/crd-things.yaml",
        "a/templates/crds/other.yaml",
        "a/templates/_helpers.tpl",
        "a/values.yaml",
        "a/Chart.yaml",
    ]
    assert contents(crds_of_chart(archive(CHART))) == {name: CHART[name] for name in kept}


def test_charts_that_are_left_out_are_not_listed() -> None:
    """helm refuses a chart with dependencies that are not in it: External Secrets has one."""
    name = next(each for each in CHART if each.endswith("/Chart.yaml"))
    listed = "dependencies:\n  - name: other\n    version: 1.0.0\n"
    whole = {**CHART, name: f"{CHART[name].rstrip()}\n{listed}"}
    cut = contents(crds_of_chart(archive(whole)))
    assert "dependencies" not in cut[name]
    assert "name: " in cut[name]
    assert set(cut) == set(contents(crds_of_chart(archive(CHART))))


def test_the_same_archive_gives_the_same_bytes() -> None:
    """The state holds a checksum: other bytes would be a change on another machine."""
    first = crds_of_chart(archive(CHART))
    assert first[4:8] == bytes(4)  # gzip's time stamp
    backwards = dict(reversed(CHART.items()))
    assert crds_of_chart(archive(backwards, mtime=5)) == first


def test_a_manifest_gives_the_same_bytes_each_time() -> None:
    """As above."""
    made = [chart_of_manifest("m", "1.0.0", MANIFEST.encode()) for _ in range(2)]
    assert made[0] == made[1]


def test_a_manifest_becomes_a_chart_of_its_crds() -> None:
    """Its webhook and namespace are not ours to install."""
    files = contents(chart_of_manifest("m", "1.0.0", MANIFEST.encode()))
    assert set(files) == {"m/Chart.yaml", "m/templates/routes.example.com.yaml"}
    assert yaml.safe_load(files["m/Chart.yaml"]) == {
        "apiVersion": "v2",
        "name": "m",
        "version": "1.0.0",
    }


def test_crds_of_a_manifest_outlive_the_release() -> None:
    """With them go all routes of the cluster."""
    files = contents(chart_of_manifest("m", "1.0.0", MANIFEST.encode()))
    text = files["m/templates/routes.example.com.yaml"]
    assert "helm.sh/resource-policy: keep" in text


def test_braces_in_a_description_are_not_a_template() -> None:
    """Helm would fail on them, or fill them in."""
    files = contents(chart_of_manifest("m", "1.0.0", MANIFEST.encode()))
    text = files["m/templates/routes.example.com.yaml"]
    assert '{{ "{{" }} .Values.x }} and }} stay' in text
    rendered = text.replace('{{ "{{" }}', "{{")
    assert yaml.safe_load(rendered)["spec"]["description"] == "braces {{ .Values.x }} and }} stay"


def test_a_source_without_crds_is_refused() -> None:
    """An empty chart installs well, and the next one fails without its kinds."""
    without = {name: text for name, text in CHART.items() if "crd" not in name}
    with pytest.raises(ValueError, match="holds no CRD"):
        crds_of_chart(archive(without))
    with pytest.raises(ValueError, match="holds no CRD"):
        chart_of_manifest("m", "1.0.0", b"kind: ConfigMap\n")
