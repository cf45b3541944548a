"""`bot latency` as an operator runs it, with fortio and Linkerd's own proxies in process pods."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bot.mesh.latency import objects
from sandbox.node.node import ProcessNode
from tests.e2e.shared_mesh import Shared
from tests.e2e.shop_settings import FORTIO, written

pytestmark = pytest.mark.e2e
_HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_INJECTOR, _OURS = "linkerd-proxy-injector-webhook-config", "every-pod-of-latency"


@pytest.fixture
def injected(traffic: ProcessNode) -> Iterator[None]:
    """The injector sees every pod of the namespace, as in a cluster; here it answers."""
    chosen = {"matchLabels": {"kubernetes.io/metadata.name": objects.NAMESPACE}}
    found = traffic.api.request("GET", f"{_HOOKS}/{_INJECTOR}").body
    hooks = [
        {**each, "namespaceSelector": chosen, "objectSelector": {}} for each in found["webhooks"]
    ]
    kind = {key: found[key] for key in ("apiVersion", "kind")}
    made = traffic.api.request(
        "POST", _HOOKS, {**kind, "metadata": {"name": _OURS}, "webhooks": hooks}
    )
    assert made.ok, made
    yield
    assert traffic.api.request("DELETE", f"{_HOOKS}/{_OURS}").ok


@pytest.mark.usefixtures("injected")
def test_what_proxies_cost_is_measured_in_pairs(traffic: ProcessNode, shared_mesh: Shared) -> None:
    """Every request is answered, each difference is one of the same round, nothing is left."""
    if FORTIO is None:
        pytest.skip("fortio is not on PATH (go install fortio.org/fortio@v1.66.5)")
    with written(shared_mesh.copy, {"sandbox": {"openWebhooks": False}}):
        done = shared_mesh.copy.run(
            *("bot", "latency", "--stack", "sandbox", "--rate", "100", "--connections", "4"),
            *("--rounds", "5", "--seconds", "5", "--warm-up", "2", "--json"),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    print(json.dumps({key: report[key] for key in ("latency", "added", "proxies")}))
    assert [each["errors"] for each in report["runs"]] == [0] * 15
    assert report["added"]["both"]["p50"]["median"] > 0
    assert set(report["proxies"]) == {"client", "server"}
    assert traffic.api.request("GET", f"/api/v1/namespaces/{objects.NAMESPACE}").status == 404
