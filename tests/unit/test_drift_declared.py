"""What the state of a stack declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.exit_codes import BotError
from bot.mesh.drift.declared import of, read
from tests.unit import fake_engine

URN = "urn:pulumi:s::linkerd-platform"


def resource(type_: str, id_: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"{URN}::{type_}::{id_}", "type": type_, "id": id_, "custom": True, **more}


def export(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources), **more}}


def test_an_object_is_known_by_what_it_is_and_not_by_its_version() -> None:
    """The API server may store and list another version than the chart has."""
    found = of(export(resource("kubernetes:apps/v1:Deployment", "linkerd/web")))
    assert ("apps", "Deployment", "linkerd", "web") in found
    assert ("apps", "Deployment", "shop", "web") not in found


def test_the_core_group_has_no_name() -> None:
    """The SDK calls it `core`, the API server nothing."""
    found = of(export(resource("kubernetes:core/v1:Namespace", "linkerd")))
    assert ("", "Namespace", None, "linkerd") in found
    assert found.namespaces == {"linkerd"}


@pytest.mark.parametrize(
    "ignored",
    [
        resource("kubernetes:helm.sh/v4:Chart", "c", custom=False),
        resource("vault:index/mount:Mount", "linkerd/pki"),
        resource("pulumi:providers:kubernetes", "cluster"),
    ],
)
def test_what_is_no_object_of_the_cluster_declares_none(ignored: dict[str, Any]) -> None:
    """Its id would be taken for a namespace and a name."""
    assert not of(export(ignored)).objects


def test_a_release_declares_what_helm_made() -> None:
    """The engine has no resource for a CRD of a release; the release has the names."""
    release = resource(
        "kubernetes:helm.sh/v3:Release",
        "linkerd/linkerd-crds",
        outputs={
            "namespace": "linkerd",
            "resourceNames": {
                "CustomResourceDefinition.apiextensions.k8s.io/apiextensions.k8s.io/v1": [
                    "servers.policy.linkerd.io"
                ],
                "ServiceAccount/v1": ["linkerd/agent"],
            },
        },
    )
    found = of(export(release))
    crd = "apiextensions.k8s.io", "CustomResourceDefinition", None, "servers.policy.linkerd.io"
    assert crd in found
    assert ("", "ServiceAccount", "linkerd", "agent") in found
    assert set(found.releases) == {("linkerd", "linkerd-crds")}
    assert found.crd_groups == {"policy.linkerd.io"}


def test_a_certificate_declares_its_secret() -> None:
    """cert-manager makes it, and nobody else may."""
    certificate = resource(
        "kubernetes:cert-manager.io/v1:Certificate",
        "linkerd/issuer",
        inputs={"spec": {"secretName": "linkerd-identity-issuer"}},
    )
    found = of(export(certificate))
    assert found.certificates == {("linkerd", "linkerd-identity-issuer"): "issuer"}


def test_a_state_that_moves_has_another_version() -> None:
    """The engine writes the time of each write into it."""
    first, second = (of(export(manifest={"time": f"t{n}"})) for n in (1, 2))
    assert first.version != second.version
    assert of(export(pending_operations=[{"type": "creating"}])).pending == 1


def test_the_state_is_asked_for_without_secrets(tmp_path: Path) -> None:
    """`--show-secrets` would decrypt every one of them, into our memory and our errors."""
    body = """
assert args[:4] == ["stack", "export", "--stack", "trust"], args
assert "--show-secrets" not in args
print(json.dumps(dict(deployment=dict(resources=[], manifest=dict(time="t")))))
"""
    found = read(fake_engine.engine(tmp_path, body), fake_engine.target(tmp_path))
    assert "t" in found.version


@pytest.mark.parametrize("body", ["print('no JSON')", "print('[]')"])
def test_an_export_of_another_form_is_no_empty_state(tmp_path: Path, body: str) -> None:
    """An empty state owns no namespace, so nothing would be undeclared."""
    with pytest.raises(BotError, match="unknown format"):
        read(fake_engine.engine(tmp_path, body), fake_engine.target(tmp_path))
