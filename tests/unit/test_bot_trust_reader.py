"""What is read from the objects of a cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.clients.kubernetes import alive, moment
from bot.mesh.trust.metrics import issuer_ttl
from bot.mesh.trust.model import PodOwner
from bot.mesh.trust.reader import meshed, pod, started, written

CREATED = "2026-03-10T10:00:00Z"
LATER = "2026-03-10T11:00:00Z"


def manifest(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "metadata": {"namespace": "shop", "name": "web-1-a", "creationTimestamp": CREATED},
        "spec": {"containers": [{"name": "web"}, {"name": "linkerd-proxy"}]},
        "status": {"phase": "Running"},
    }
    for section, values in changes.items():
        made[section] = {**made[section], **values}
    return made


def owned(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("issuer_cert_ttl_seconds 172800\n", 172800.0),
        ("# TYPE issuer_cert_ttl_seconds gauge\nissuer_cert_ttl_seconds 1.5e+05\n", 150000.0),
        ('issuer_cert_ttl_seconds{a="b"} -60 1700000000\n', -60.0),
        ("issuer_cert_ttl_seconds 9\nissuer_cert_ttl_seconds{x=\"y\"} 4\n", 4.0),
        ("issuer_cert_ttl_seconds_sum 5\n", None),
        ("issuer_cert_ttl_seconds NaN\n", None),
        ("issuer_cert_ttl_seconds many\n", None),
        ("# HELP issuer_cert_ttl_seconds 7\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_issuers_time_left_is_read_from_the_metrics(text: str, value: float | None) -> None:
    """What cannot be read must be None: 0 or infinity would pass for a verdict."""
    assert issuer_ttl(text) == value


def test_a_pod_starts_when_it_is_made() -> None:
    """One that waits for a node has read nothing yet, and will read what is there then."""
    assert started(manifest()) == moment(CREATED)


def test_a_pod_whose_every_container_has_restarted_starts_two_minutes_before_that() -> None:
    """Its mounted files may have been that old."""
    running = {"state": {"running": {"startedAt": LATER}}}
    status = {"containerStatuses": [running], "initContainerStatuses": [running]}
    assert started(manifest(status=status)) == moment(LATER) - timedelta(minutes=2)


def test_the_oldest_container_counts() -> None:
    """An application that crashes does not give its proxy new roots."""
    old = {"state": {"running": {"startedAt": CREATED}}}
    new = {"state": {"running": {"startedAt": LATER}}}
    done = {"state": {"terminated": {"startedAt": CREATED}}}
    status = {"containerStatuses": [new], "initContainerStatuses": [old, done]}
    assert started(manifest(status=status)) == moment(CREATED)


def test_a_native_sidecar_is_a_proxy_too() -> None:
    """It is an init container since Kubernetes 1.29."""
    sidecar = {"containers": [{"name": "web"}], "initContainers": [{"name": "linkerd-proxy"}]}
    assert meshed(manifest(spec=sidecar))
    assert not meshed(manifest(spec={"containers": [{"name": "web"}]}))


@pytest.mark.parametrize(
    ("phase", "counts"),
    [
        ("Running", True),
        ("Pending", True),
        ("Unknown", True),
        ("Succeeded", False),
        ("Failed", False),
    ],
)
def test_a_pod_that_has_ended_does_not_count(phase: str, counts: bool) -> None:
    """A finished Job would hold up a rotation for ever."""
    assert alive(manifest(status={"phase": phase})) is counts


@pytest.mark.parametrize(
    ("owner", "above", "workload"),
    [
        (("ReplicaSet", "web-1"), owned("Deployment", "web"), ("Deployment", "web")),
        (("ReplicaSet", "web-1"), {}, ("ReplicaSet", "web-1")),
        (("Job", "n-1"), owned("CronJob", "n"), ("CronJob", "n")),
        (("Job", "n-1"), {}, ("Job", "n-1")),
        (("StatefulSet", "db"), None, ("StatefulSet", "db")),
        (("ReplicaSet", "web-1"), owned("Rollout", "web"), ("Rollout", "web")),
        (None, None, ("Pod", "web-1-a")),
    ],
)
def test_a_pod_belongs_to_what_restarts_it(
    owner: tuple[str, str] | None, above: dict[str, Any] | None, workload: tuple[str, str]
) -> None:
    """A ReplicaSet cannot be restarted; its Deployment can."""
    references = owned(*owner) if owner else {}
    owners = {("shop", *owner): {"metadata": above}} if owner and above is not None else {}
    found = pod(manifest(metadata=references), owners)
    assert found.owner == PodOwner("shop", *workload)
    assert not found.control_plane


def test_a_pod_has_the_mark_of_its_injection() -> None:
    """The annotation is the only trace of what its proxy trusts."""
    marks = {"annotations": {"linkerd.io/trust-root-sha256": "ab"}}
    assert pod(manifest(metadata=marks), {}).bundle == "ab"
    assert pod(manifest(), {}).bundle is None
    assert pod(manifest(metadata={"namespace": "linkerd"}), {}).control_plane


def test_a_write_of_the_data_counts_and_one_of_labels_does_not() -> None:
    """A label on the ConfigMap must not send the whole control plane into a restart."""
    fields = [
        {"time": LATER, "fieldsV1": {"f:data": {}}},
        {"time": CREATED, "fieldsV1": {"f:data": {}}},
        {"time": "2026-03-10T12:00:00Z", "fieldsV1": {"f:metadata": {}}},
    ]
    assert written(manifest(metadata={"managedFields": fields})) == moment(LATER)
    assert written(manifest()) == moment(CREATED)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Rollout\nreboot", "x"),
        ("Rollout", "x\nreboot"),
        ("Deployment", "../../../secrets/x"),
        ("Deployment", "x?dryRun=All"),
        ("", "x"),
        ("Deployment", "\u202ex"),
    ],
)
def test_an_owner_that_nothing_can_be_called_is_none(kind: str, name: str) -> None:
    """The API server takes any text there: it would go into a path, and into a shell's script."""
    assert pod(manifest(metadata=owned(kind, name)), {}).owner.kind == "Pod"
