"""The policy pack in its own environment: wrapped as the engine wants it, and run by the engine."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.programs import ran

pytestmark = pytest.mark.e2e
PROJECT = Path(__file__).resolve().parents[2]
PACK = PROJECT / "policies"
URN = "urn:pulumi:production::linkerd-platform"
PROVIDER = f"{URN}::pulumi:providers:kubernetes::cluster"
OWNED = {"labels": {"linkerd-platform.io/owner": "production"}}
_SECONDS = 300


@pytest.fixture(scope="module")
def python() -> str:
    """The pack's interpreter; made once, where the packages can be had."""
    try:
        made = ran(
            ["make", "policies"],
            cwd=PROJECT, timeout=_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"policies/.venv could not be made in {_SECONDS} s (make policies)")
    if made.returncode != 0:
        reason = (made.stderr.strip().splitlines() or ["no reason"])[-1]
        pytest.skip(f"policies/.venv could not be made: {reason}")
    return str(PACK / ".venv/bin/python")


def pod(image: str, name: str = "p") -> dict[str, Any]:
    """A pod as it is registered."""
    props = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "linkerd", **OWNED},
        "spec": {"containers": [{"image": image}]},
    }
    return {"type": "kubernetes:core/v1:Pod", "name": name, "props": props, "provider": PROVIDER}


def judged(python: str, *resources: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    """What the pack says."""
    done = ran(
        [python, str(PROJECT / "tests/e2e/pack_probe.py")],
        input=json.dumps(resources),
        cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [tuple(each) for each in json.loads(done.stdout)]


def test_a_good_resource_breaks_nothing_and_a_bad_one_its_policy(python: str) -> None:
    """The wrapper hands over type, inputs, options and provider as they are."""
    root = {
        "type": "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        "name": "root",
        "props": {"type": "internal"},
        "protect": True,
        "provider": PROVIDER,
    }
    component = {"type": "linkerd-platform:mesh:Viz", "name": "viz", "props": {}}
    assert judged(python, pod("a:v1"), root, component) == []
    ((policy, _, message),) = judged(python, pod("a:latest"))
    assert policy == "image-pinned"
    assert message.endswith("(docs/policies.md#image-pinned)")
    found = judged(python, {**root, "protect": False}, {**pod("a:v1"), "provider": None})
    assert [policy for policy, _, _ in found] == ["anchors-protected", "explicit-provider"]


def test_a_value_that_is_not_known_yet_fails_closed(python: str) -> None:
    """By itself pulumi-policy makes an advice of it: the bad image would be applied."""
    ((policy, _, message),) = judged(python, pod("<unknown>"))
    assert policy == "image-pinned"
    assert "cannot be checked" in message


@pytest.mark.parametrize("namespace", ["<unknown>", None, ""])
def test_a_namespace_that_is_not_known_switches_nothing_off(
    python: str, namespace: str | None
) -> None:
    """The engine hands the pack an unknown value, which equals no name of a namespace."""
    one = {
        "type": "kubernetes:apps/v1:Deployment",
        "name": "identity",
        "provider": PROVIDER,
        "props": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "linkerd-identity", "namespace": namespace, **OWNED},
            "spec": {
                "replicas": 1,
                "template": {
                    "metadata": {"labels": {"linkerd.io/control-plane-component": "identity"}},
                    "spec": {"containers": [{"image": "a:v1"}]},
                },
            },
        },
    }
    found = judged(python, one)
    assert {policy for policy, _, _ in found} == {
        "ha-replicas",
        "ha-anti-affinity",
        "ha-disruption-budget",
    }
    assert all("cannot be checked: metadata.namespace" in message for _, _, message in found)


@pytest.mark.parametrize("image", ["nginx@latest", "a:latest@x", "name@sha256:short"])
def test_what_is_no_reference_is_refused(python: str, image: str) -> None:
    """The pack has the same grammar as the bot."""
    ((policy, _, _),) = judged(python, pod(image))
    assert policy == "image-pinned"


def test_a_key_is_found_without_a_library(python: str) -> None:
    """The pack's environment has none: its decoder needs nothing but Python."""
    raw = b"\x30\x25\x02\x01\x01\x04\x20" + secrets.token_bytes(32)
    text = base64.b64encode(base64.b64encode(raw)).decode()
    data = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": text},
            "metadata": {"name": "c", "namespace": "linkerd", **OWNED}}  # fmt: skip
    given = {"type": "kubernetes:core/v1:ConfigMap", "name": "c", "props": data}
    ((policy, _, message),) = judged(python, {**given, "provider": PROVIDER})
    assert policy == "no-private-key"
    assert text not in message


def test_a_policy_on_the_whole_stack_names_the_resource(python: str) -> None:
    """It sees all resources at once."""
    certificates = [
        {
            "type": "kubernetes:cert-manager.io/v1:Certificate",
            "name": name,
            "props": {
                "apiVersion": "cert-manager.io/v1",
                "kind": "Certificate",
                "metadata": {"name": name, "namespace": "linkerd", **OWNED},
                "spec": {"secretName": "linkerd-identity-issuer"},
            },
            "provider": PROVIDER,
        }
        for name in ("one", "two")
    ]
    ((policy, urn, _),) = judged(python, *certificates)
    assert policy == "sole-owner"
    assert urn is not None
    assert urn.endswith("::two")


def analyzed(tmp_path: Path, *resources: dict[str, Any]) -> tuple[int, str]:
    """Exit code and output of the engine over a state with these resources."""
    stack = (
        "urn:pulumi:production::linkerd-platform::pulumi:pulumi:Stack::linkerd-platform-production"
    )
    states: list[dict[str, Any]] = [
        {"urn": stack, "custom": False, "type": "pulumi:pulumi:Stack"},
        {"urn": PROVIDER, "custom": True, "id": "1", "type": "pulumi:providers:kubernetes",
         "parent": stack},
    ]  # fmt: skip
    states += [
        {
            "urn": f"{URN}::{each['type']}::{each['name']}",
            "custom": True, "id": each["name"], "type": each["type"], "parent": stack,
            "inputs": each["props"], "outputs": each["props"], "provider": f"{PROVIDER}::1",
        }
        for each in resources
    ]  # fmt: skip
    file = tmp_path / "state.json"
    manifest = {"time": "2026-01-01T00:00:00Z", "magic": "", "version": "v3.260.0"}
    file.write_text(
        json.dumps({"version": 3, "deployment": {"manifest": manifest, "resources": states}})
    )
    done = ran(
        ["pulumi", "policy", "analyze", "--file", str(file), "--policy-pack", str(PACK),
         "--non-interactive", "--color", "never"],
        cwd=tmp_path, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_engine_runs_the_pack_and_fails_for_a_mandatory_policy(
    python: str, tmp_path: Path
) -> None:
    """The pack as it lies in the project, in the engine's own process for it."""
    assert python
    for name in ("pulumi", "pulumi-language-python"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not on PATH")
    code, said = analyzed(tmp_path, pod("a:v1"))
    assert code == 0, said
    code, said = analyzed(tmp_path, pod("a:v1"), pod("a:latest", "q"))
    assert code != 0
    assert "image-pinned" in said
    assert "Pod linkerd/q: " in said
    assert "Pod linkerd/p: " not in said
