"""What proxies are like, as annotations that the injector reads."""

from __future__ import annotations

import pytest

from components.rollout.workloads import (
    OPAQUE_PORTS,
    ProxyDefaults,
    ProxyResources,
    as_annotations,
)


def resources(**keys: str) -> dict[str, object]:
    return {"proxy_resources": ProxyResources(**keys)}


def test_what_is_left_out_is_left_to_the_control_plane() -> None:
    """An empty annotation is a value to the injector, and a wrong one."""
    assert as_annotations(ProxyDefaults()) == {}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"access_log": "json"}, {"access-log": "json"}),
        ({"skip_inbound_ports": ("4222", "8000-8100")}, {"skip-inbound-ports": "4222,8000-8100"}),
        ({"skip_outbound_ports": ("4222",)}, {"skip-outbound-ports": "4222"}),
        ({"proxy_await": True}, {"proxy-await": "enabled"}),
        ({"proxy_await": False}, {"proxy-await": "disabled"}),
        (resources(cpu_request="100m"), {"proxy-cpu-request": "100m"}),
        (resources(cpu_limit="1"), {"proxy-cpu-limit": "1"}),
        (
            resources(memory_request="64Mi"),
            {"proxy-memory-request": "64Mi"},
        ),
        (
            resources(memory_limit="250Mi"),
            {"proxy-memory-limit": "250Mi"},
        ),
    ],
)
def test_each_default_is_its_annotation(args: dict[str, object], expected: dict[str, str]) -> None:
    """The names of linkerd2 pkg/k8s/labels.go; a misspelt one is ignored in silence."""
    made = as_annotations(ProxyDefaults(**args))  # type: ignore[arg-type]
    assert made == {f"config.linkerd.io/{key}": value for key, value in expected.items()}


def test_opaque_ports_come_on_top_of_linkerds_own() -> None:
    """The annotation replaces the list: without 3306 a MySQL client would hang for ten seconds."""
    made = as_annotations(ProxyDefaults(opaque_ports=("9042", "3306")))
    ports = made["config.linkerd.io/opaque-ports"].split(",")
    assert ports == [*OPAQUE_PORTS, "9042"]
