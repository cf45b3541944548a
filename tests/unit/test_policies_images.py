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
    ["a:v1", "r.io/a/b:edge-26.6.3", "r.io:5000/a:1", f"r.io/a@{DIGEST}", f"a:latest@{DIGEST}"],
)
def test_a_tag_or_a_digest_fixes_a_version(image: str) -> None:
    """A digest beside `latest` decides."""
    assert pinned(image)


@pytest.mark.parametrize("image", ["a", "a:latest", "r.io:5000/a", "r.io/a:", "", "a@"])
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
        assert "cannot be judged" in text


def test_what_runs_nothing_has_no_image() -> None:
    """A field of that name elsewhere is none of ours."""
    assert texts(ID, thing("ConfigMap", data={"image": "a:latest"})) == []
    assert texts(ID, subject("vault:index/mount:Mount", spec={"containers": [{}]})) == []
