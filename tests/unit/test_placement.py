"""What all charts are told: where pods run, where images come from, and values of one chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.placement import ImagesSection, registry
from stack.charts.values import unknown
from tests.unit.samples import packed_chart
from tests.unit.stack_files import lines_of_file, load, spoilt, write
from tests.unit.whole_program import evaluated_file, project

EFFECTS: dict[str, Any] = {
    "placement.nodeSelector": {"pool": "mesh"},
    "placement.tolerations.0.key": "other",
    "placement.tolerations.0.operator": "Exists",
    "placement.tolerations.0.effect": "NoSchedule",
    "placement.tolerations.1.value": "other",
    "placement.tolerations.1.tolerationSeconds": 60,
    "placement.priorityClass": "system-cluster-critical",
    "placement.pullSecrets": ["login"],
    "images.registry": "mirror.example.com/all",
    "images.registries": {"quay.io": "mirror.example.com/quay"},
    "charts.linkerd-control-plane.values": {"podLabels": {"team": "mesh"}},
}
CONTROL_PLANE = ("charts", "linkerd-control-plane", "values")


@pytest.mark.parametrize(
    ("changes", "key", "part"),
    [
        (
            {("charts",): {"linkerd-controlplane": {"values": {}}}},
            "charts.linkerd-controlplane",
            "did you mean 'linkerd-control-plane'?",
        ),
        (
            {CONTROL_PLANE: {"controllerReplicas": 5}},
            "charts.linkerd-control-plane.values.controllerReplicas",
            "is decided by linkerd.replicas: set it there",
        ),
        (
            {CONTROL_PLANE: {"proxy": {"await": False}}},
            "charts.linkerd-control-plane.values.proxy.await",
            "is decided by linkerd.proxyAwait",
        ),
        (
            {CONTROL_PLANE: {"identity": {"issuer": {"tls": {"crtPEM": "x"}}}}},
            "charts.linkerd-control-plane.values.identity.issuer.tls.crtPEM",
            "is decided by trust.issuer",
        ),
        (
            {("charts", "cert-manager", "values"): {"crds": {"enabled": True}}},
            "charts.cert-manager.values.crds.enabled",
            "is decided by the program",
        ),
        (
            {CONTROL_PLANE: {"podAnnotations": {"token": "hvs." + "Ab1" * 30}}},
            "charts.linkerd-control-plane.values.podAnnotations.token",
            "looks like a credential",
        ),
        (
            {("placement", "tolerations"): [{"operator": "Exists", "value": "a"}]},
            "placement.tolerations[0].value",
            "Exists tolerates every value",
        ),
        (
            {("placement", "tolerations"): [{"effect": "NoSchedule"}]},
            "placement.tolerations[0].key",
            "or operator: Exists",
        ),
        (
            {
                ("placement", "tolerations"): [
                    {"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}
                ]
            },
            "placement.tolerations[0].tolerationSeconds",
            "goes with effect NoExecute",
        ),
        (
            {("placement", "nodeSelector"): {"kubernetes.io/os": "windows"}},
            "placement.nodeSelector.kubernetes.io/os",
            "write linux",
        ),
        (
            {("placement", "nodeSelector"): {"kubernetes.io/arch": "s390x"}},
            "placement.nodeSelector.kubernetes.io/arch",
            "write amd64 or arm64",
        ),
        (
            {("images", "registry"): "https://mirror.example.com"},
            "images.registry",
            "write it like registry.example.com/mirror",
        ),
        (
            {("images", "registry"): "user:pass" + "@mirror.example.com"},
            "images.registry",
            "without scheme, login",
        ),
        (
            {
                ("images", "registry"): "m.example.com",
                ("linkerd", "imageRegistry"): "n.example.com",
            },
            "linkerd.imageRegistry",
            "write images.registries",
        ),
    ],
)
def test_public_reports_30_what_cannot_be_told_is_refused_with_what_to_write(
    changes: dict[Any, Any], key: str, part: str, tmp_path: Path
) -> None:
    """A value that two places decide is decided by chance, and one that is ignored by nobody."""
    (line,) = lines_of_file(write(tmp_path, spoilt(changes)))
    assert f"linkerd-platform:{key}: " in line
    assert part in line


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"replicas": 3}, []),
        ({"replcas": 3}, [(("replcas",), "replicas")]),
        ({"proxy": {"image": {"nam": "x"}}}, [(("proxy", "image", "nam"), "name")]),
        ({"podLabels": {"anything": "x"}}, []),
        # In no values.yaml, and read by a template.
        ({"tolerations": [{"key": "a"}]}, []),
        ({"heartbeatResources": {"memory": {"limit": "1Gi"}}}, []),
        ({"nothing": {"below": 1}}, [(("nothing",), "")]),
        # Maps that are read piece by piece, however a template writes that.
        ({"init": {"logLevl": "x", "ports": "1"}}, [(("init", "logLevl"), "logLevel")]),
        ({"probe": {"timeout": 1, "period": 1, "initial": 1}}, [(("probe", "initial"), "")]),
        ({"resources": {"memory": {"limt": 1}}}, [(("resources", "memory", "limt"), "limit")]),
        # Maps that get into an object as they stand.
        ({"security": {"anything": 1}, "strategy": {"type": "x"}, "labels": {"a": "b"}}, []),
        ({"sub": {"tolerations": []}}, []),
    ],
)
def test_public_reports_30_a_value_that_the_chart_does_not_have_is_found(
    values: dict[str, Any], expected: list[Any]
) -> None:
    """Helm takes any key without a word, and the limit that was raised in the night was not."""
    listed = (
        "replicas: 1\nproxy: {image: {name: x}}\npodLabels: {}\ninit: {logLevel: x}\n"
        "probe: {period: 1}\nresources: {memory: {limit: x}}\nsecurity: {run: 1}\n"
        "strategy: {a: 1}\nlabels: {a: 1}\nsub: {a: 1}\n"
    )
    template = (
        "{{ toYaml .Values.tolerations }} {{ .Values.heartbeatResources.memory }}\n"
        '{{- $_ := set $tree.Values.init "ports" .Values.init.logLevel }}\n'
        "{{- with (.Values.probe).timeout }}{{ . }}{{ end }}\n"
        '{{- include "partials.resources" .Values.resources }}\n'
        '{{- if .Values.security }}{{ toYaml (omit .Values.security "run") }}{{ end }}\n'
        "{{ .Values.strategy | toYaml | nindent 4 }}\n"
        "{{ range $k, $v := .Values.labels }}{{ end }}\n"
        '{{ include "linkerd.tolerations" (dict "Values" .Values.sub) }}\n'
    )
    assert list(unknown(packed_chart(listed, template), values)) == expected


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/quay", True),
        ("europe-docker.pkg.dev/my-project/mirror_1", True),
        ("localhost:5000/a/b", True),
        ("localhost/a", True),
        ("registry:5000", True),
        ("[fd00::1]:5000/x", True),
        ("10.0.0.1:5000", True),
        ("registry.corp/a.b/c__d--e", True),
        ("registry.corp:443", True),
        ("registry", False),
        ("registry.corp/x:tag", False),
        ("registry.corp/x@sha256:abc", False),
        ("registry.corp:99999/x", False),
        ("registry.corp:0", False),
        ("registry.corp:/x", False),
        (":5000/x", False),
        ("registry..corp/x", False),
        ("-registry.corp/x", False),
        ("registry.corp/-x", False),
        ("registry.corp/x/", False),
        ("registry.corp//x", False),
        ("Registry.corp/x", False),
        ("oci://registry.corp/x", False),
        ("registry.corp/x\n", False),
    ],
)
def test_public_reports_26_a_registry_is_what_the_kubelet_takes(text: str, taken: bool) -> None:
    """A name that no image can have is found by the first pod that does not start."""
    lines = []
    try:
        registry(text)
    except ValueError as error:
        lines = str(error).splitlines()
    assert len(lines) == (0 if taken else 1)


def test_a_misspelt_value_of_a_chart_in_the_cache_is_a_fault_of_the_stack_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is registered, with the nearest value that the chart has."""
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path))
    (tmp_path / "charts.yaml").write_text((project() / "charts.yaml").read_text("utf-8"))
    archive = tmp_path / "trust-manager-v0.24.0.tgz"
    archive.write_bytes(packed_chart("resources: {}\nlogLevel: 1\n", ""))
    made = spoilt({("charts", "trust-manager", "values"): {"logLevle": 2}})
    (line,) = lines_of_file(write(tmp_path, made))
    assert "charts.trust-manager.values.logLevle: trust-manager v0.24.0 has no such value" in line
    assert "did you mean 'logLevel'?" in line
    archive.unlink()
    assert load(tmp_path, made).charts["trust-manager"].values == {"logLevle": 2}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("quay.io/jetstack/trust-manager", "mirror.example.com/quay/jetstack/trust-manager"),
        ("ghcr.io/a/b", "mirror.example.com/all/a/b"),
        ("docker.io/prom", "mirror.example.com/all/prom"),
        ("quay.io", "mirror.example.com/quay"),
    ],
)
def test_public_reports_26_an_image_keeps_its_path_in_the_mirror(image: str, expected: str) -> None:
    """Whoever copies images keeps their paths."""
    section = ImagesSection(
        registry="mirror.example.com/all", registries={"quay.io": "mirror.example.com/quay"}
    )
    assert section.of(image) == expected
    assert ImagesSection().of(image) == image


def test_images_and_placement_reach_the_objects_of_ours_too() -> None:
    """The collector has no chart."""
    made = evaluated_file(
        write(
            project(),
            spoilt(
                {
                    ("images", "registry"): "mirror.example.com",
                    ("placement",): {"priorityClass": "high", "pullSecrets": ["login"]},
                    ("observability",): {"tracing": {"enabled": True}},
                }
            ),
        ),
        True,
    )
    for name in ("collector", "jaeger"):
        pod = made.object("Deployment", name).inputs["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"].startswith("mirror.example.com/")
        assert (pod["priorityClassName"], pod["imagePullSecrets"]) == ("high", [{"name": "login"}])
    values = made.named("linkerd-linkerd-control-plane").inputs["values"]
    assert values["proxy"]["image"]["name"] == "mirror.example.com/linkerd/proxy"
    assert json.dumps(values).count("cr.l5d.io") == 0
