"""What quotas and ranges of a namespace leave for proxies, where no dry run tells it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.mesh.rollout import quotas
from tests.unit.admission_samples import UNASKED, Api, deployment, look
from tests.unit.rollout_samples import pod


def _quota(hard: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "resourcequotas": [
            {
                "metadata": {"namespace": "shop", "name": "q"},
                "spec": {"hard": hard, **spec},
                "status": {"used": dict.fromkeys(hard, "0")},
            }
        ]
    }


def _range(kind: str = "Container", **limits: Any) -> dict[str, Any]:
    item = {"type": kind, **limits}
    place = {"namespace": "shop", "name": "r"}
    return {"limitranges": [{"metadata": place, "spec": {"limits": [item]}}]}


def _class(operator: str, *values: str) -> dict[str, Any]:
    row = {"scopeName": "PriorityClass", "operator": operator, "values": list(values)}
    return {"scopeSelector": {"matchExpressions": [row]}}


# With upstream's HA values a proxy has requests of 100m and 20Mi, and a limit of memory, 250Mi.
SPARE = {"requests.cpu": "150m"}
WANTS = "wants limits.cpu of every container, the proxy has none"
SHORT = "requests.cpu 150m is not enough for a proxy with 100m in each"
QUOTAS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "limits of every container": (_quota({"limits.cpu": "40"}), {}, [WANTS]),
    "a default for it": (
        _quota({"limits.cpu": "40"}) | _range(default={"cpu": "100m"}),
        {},
        [],
    ),
    "the greatest is the default": (
        _quota({"limits.cpu": "40"}) | _range(max={"cpu": "1"}),
        {},
        [],
    ),
    "requests of all": (_quota({"cpu": "150m"}), {}, [SHORT.replace("requests.cpu", "cpu")]),
    "pods that go on": (_quota(SPARE, scopes=["NotTerminating"]), {}, [SHORT]),
    "pods that end": (_quota(SPARE, scopes=["Terminating"]), {}, []),
    "pods without requests": (_quota({"pods": "2"}, scopes=["BestEffort"]), {}, []),
    "another priority": (_quota(SPARE, **_class("In", "high")), {}, []),
    "its priority": (
        _quota(SPARE, **_class("In", "high")),
        {"priorityClassName": "high"},
        [SHORT],
    ),
    "no priority": (_quota(SPARE, **_class("DoesNotExist")), {}, [SHORT]),
    "storage and objects": (_quota({"requests.storage": "1", "count/pods": "1"}), {}, []),
    "a devices' quota": (_quota({"requests.nvidia.com/gpu": "0"}), {}, []),
    "the least": (
        _range(min={"cpu": "200m"}),
        {},
        ["wants cpu 200m per container, the proxy has 100m"],
    ),
    "a ratio": (
        _range(maxLimitRequestRatio={"memory": "4"}),
        {},
        ["allows 4 times the request of memory, the proxy has 20Mi and 250Mi"],
    ),
    "a ratio without a limit": (
        _range(maxLimitRequestRatio={"cpu": "2"}),
        {},
        ["wants a limit of cpu, the proxy has none"],
    ),
    "a pod": (
        _range("Pod", max={"memory": "1Gi"}),
        {"containers": [{"name": "a", "resources": {"limits": {"memory": "900Mi"}}}]},
        ["allows memory 1Gi per pod, with the proxy it is more"],
    ),
    "a pod that fits": (
        _range("Pod", max={"memory": "1Gi"}),
        {"containers": [{"name": "a", "resources": {"limits": {"memory": "700Mi"}}}]},
        [],
    ),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_public_reports_quotas_and_ranges_are_read_as_the_api_server_reads_them(name: str) -> None:
    """linkerd2#2750, #10162, website#422: without a right to make pods the rules have to say it."""
    lists, spec, wanted = QUOTAS[name]
    api = Api(lambda _: UNASKED["no right"], deployments=[deployment(**spec)], **lists)
    found = look(api, pods=(pod("shop", "web"), pod("shop", "web")))
    assert [each.what for each in found.refusals] == wanted
    fix = "change it, or set workloads.namespaces.shop.proxyResources"
    assert {each.fix for each in found.refusals} <= {fix}


@pytest.mark.parametrize(
    ("text", "value"), [("100m", 0.1), ("1", 1.0), ("1Gi", 2.0**30), ("2k", 2000.0), ("x", 0.0)]
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, value: float) -> None:
    """A quota in another unit than the proxy's."""
    assert quotas.amount(text) == pytest.approx(value)
