"""The CNI plugin: before the control plane, which then puts no init container into pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.cni_plugin import CniPluginArgs, values
from tests.unit.stack_files import spoilt, write
from tests.unit.whole_program import Evaluated, evaluated_file, project

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "cniPlugin.enabled": False,
    "cniPlugin.netFolder": "/other/net.d",
    "cniPlugin.binFolder": "/other/bin",
    "cniPlugin.repair": False,
    "cniPlugin.priorityClass": "system-node-critical",
}
PLAN = {"cniPlugin": {"enabled": True}}


def program(changes: dict[str, Any]) -> Evaluated:
    """The program of a stack with the plugin."""
    made = spoilt({("cniPlugin",): {"enabled": True, **changes}})
    return evaluated_file(write(project(), made), True)


def test_pods_get_no_init_container_and_the_plugin_comes_first() -> None:
    """A pod of the control plane that starts before it has no network set up."""
    made = program({})
    mesh = made.named("linkerd-linkerd-control-plane")
    assert mesh.inputs["values"]["cniEnabled"] is True
    assert made.comes_after(mesh, made.named("cni-plugin-linkerd2-cni"))
    namespace = made.object("Namespace", "linkerd-cni").inputs["metadata"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert namespace["labels"]["linkerd.io/cni-resource"] == "true"


@pytest.mark.parametrize("ipv6", [True, False])
def test_public_reports_30_proxies_and_plugin_take_ipv6_where_pods_have_it(ipv6: bool) -> None:
    """On dual-stack what comes by IPv6 passed the mesh by; on IPv6 alone no pod came up."""
    made = spoilt({("cniPlugin",): {"enabled": True}, ("cluster", "ipv6"): ipv6})
    found = evaluated_file(write(project(), made), True)
    for name in ("linkerd-linkerd-control-plane", "cni-plugin-linkerd2-cni"):
        values = found.named(name).inputs["values"]
        assert values.get("disableIPv6", True) is not ipv6


def test_a_stack_without_it_has_init_containers(tmp_path: Path) -> None:
    """What most clusters allow."""
    made = evaluated_file(write(tmp_path, spoilt({})), True)
    assert "cniEnabled" not in made.named("linkerd-linkerd-control-plane").inputs["values"]
    assert not [each for each in made.resources if each.type.endswith(":CniPlugin")]


def test_the_image_comes_from_the_registry_of_the_others() -> None:
    """A mirror that has all but one image keeps every node without a network."""
    made = program({"priorityClass": "system-node-critical"})
    told = made.named("cni-plugin-linkerd2-cni").inputs["values"]
    assert told["image"] == {"name": "cr.l5d.io/linkerd/cni-plugin"}
    assert told["priorityClassName"] == "system-node-critical"
    mirrored = CniPluginArgs(image_registry="mirror.example.com/linkerd")
    assert values(mirrored)["image"] == {"name": "mirror.example.com/linkerd/cni-plugin"}
    assert "priorityClassName" not in values(mirrored)
