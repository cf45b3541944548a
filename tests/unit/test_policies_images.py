"""Every container runs an image that cannot change under its name."""

from __future__ import annotations

import pytest

from policies.images import pinned
from policies.values import UNKNOWN
from tests.unit.policy_samples import STAGING, subject, texts, thing

ID = "image-pinned"
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    [
        "a:v1", "r.io/a/b:edge-26.6.3", "r.io:5000/a:1", f"r.io/a@{DIGEST}", f"a:latest@{DIGEST}",
        f"a:v1@{DIGEST}", "localhost/a:1", "127.0.0.1:5000/a/b:1", "[::1]:5000/a:1", "R.io/a:1",
        "a__b/c-d---e.f:1.2_3-x", "a:" + "b" * 128, f"a@sha512:{'0' * 128}",
        f"a@sha384:{'0' * 96}", "a.b/c:1", "a:LATEST1", "a:v1-latest",
    ],
)  # fmt: skip
def test_a_tag_or_a_digest_fixes_a_version(image: str) -> None:
    """A digest beside `latest` decides."""
    assert pinned(image)


@pytest.mark.parametrize(
    "image",
    [
        "a", "a:latest", "r.io:5000/a", "r.io/a:", "", "a@",
        # No references: what a runtime makes of them is nobody's to guess.
        "nginx@latest", "a:latest@x", "a@sha256:short", "a@sha256", "a@sha256:", "a:1@", "a:@x",
        f"a@sha256:{'0' * 63}", f"a@sha256:{'0' * 65}", f"a@sha256:{'A' * 64}",
        f"a@sha256:{'g' * 64}", f"a@md5:{'0' * 32}", f"a@SHA256:{'0' * 64}", f"@{DIGEST}",
        f"a@{DIGEST}@{DIGEST}", f"a:1@{DIGEST} ", f"a@{DIGEST}\n", f"a@sha512:{'0' * 64}",
        f"a@sha256:{'0' * 64}:1", "a:1\n", " a:1", "a :1", "a: 1", "A:1", "r.io/A:1", "a//b:1",
        "/a:1", "a/:1", ":1", "a:1:2", "a:-1", "a:.1", "a:" + "b" * 129, "a:1/b", "r.io:x/a:1",
        "a:v1@latest", "a:Latest", "a:LATEST", "r.io:5000/a:latest", "https://r.io/a:1", "a:vé",
        "é:1", "a..b:1", "a___b:1", "-a:1", "a-:1", "a" * 256 + ":1", "$(IMAGE):1", "${x}:1",
        "docker://a:1", "a:{{ .Values.tag }}", "[secret]:1", "a:[secret]", "latest", "a:\u0661",
    ],
)  # fmt: skip
def test_anything_else_does_not(image: str) -> None:
    """The port of a registry is no tag."""
    assert not pinned(image)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Pod", ["spec"]),
        *[(kind, ["spec", "template", "spec"])
          for kind in ("Deployment", "DaemonSet", "StatefulSet", "Job", "ReplicaSet")],
        ("CronJob", ["spec", "jobTemplate", "spec", "template", "spec"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", ["containers", "initContainers", "ephemeralContainers"])
def test_every_container_of_every_workload_counts(kind: str, path: list[str], part: str) -> None:
    """An init container runs with the same rights."""
    found: object = {part: [{"image": "a:v1"}, {"image": "a:latest"}]}
    for key in reversed(path[1:]):
        found = {key: found}
    (text,) = texts(ID, thing(kind, spec=found), context=STAGING)
    assert text.startswith(f"{'.'.join(path)}.{part}[1].image is 'a:latest'")


def test_an_image_that_is_not_known_yet_is_a_breach() -> None:
    """It may be anything."""
    for container in ({"image": UNKNOWN}, UNKNOWN):
        (text,) = texts(ID, thing("Pod", spec={"containers": [container]}))
        assert "cannot be checked" in text


@pytest.mark.parametrize(
    "given",
    [
        thing("PodTemplate", template={"spec": {"containers": [{"image": "a"}]}}),
        thing("Rollout", spec={"template": {"spec": {"initContainers": [{"image": "a"}]}}}),
        thing("Prometheus", spec={"image": "a:latest"}),
        thing("Server", spec={"a": [{"b": {"image": "a@sha256:short"}}]}),
        thing("List", items=[{"spec": {"containers": [{"image": "a"}]}}]),
        thing("Pod", spec={"containers": [], "volumes": [{"image": {"reference": "a"}}]}),
        thing("Pod", spec={"containers": [{"name": "c"}]}),
        thing("Pod", spec={"containers": [{"image": 1}]}),
        thing("Pod", spec={"containers": [{"image": ["a:1"]}]}),
        thing("Pod", spec={"ephemeralContainers": [{"image": ""}], "containers": []}),
    ],
    ids=lambda each: each.kind,
)
def test_whatever_makes_a_pod_counts(given: object) -> None:
    """An operator makes pods of its resources, with the image that they name."""
    assert texts(ID, given, context=STAGING)  # type: ignore[arg-type]


def test_what_runs_nothing_has_no_image() -> None:
    """A field of that name elsewhere is none of ours."""
    assert texts(ID, thing("ConfigMap", data={"image": "a:latest"})) == []
    crd = {"schema": {"properties": {"image": {"type": "string"}}}}
    assert texts(ID, thing("CustomResourceDefinition", spec=crd)) == []
    values = {"image": {"repository": "a", "tag": "latest"}}
    assert texts(ID, thing("Any", spec=values)) == []
    assert texts(ID, subject("vault:index/mount:Mount", spec={"containers": [{}]})) == []
