"""`bot latency` as an operator runs it, with fortio and Linkerd's own proxies in process pods."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bot.mesh.latency import objects
from sandbox.node.node import ProcessNode
from tests.e2e.mesh_objects import Manifest
from tests.e2e.shared_mesh import Shared
from tests.e2e.shop_settings import FORTIO

pytestmark = pytest.mark.e2e
_HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_INJECTOR = "linkerd-proxy-injector-webhook-config"


@pytest.fixture
def injected(traffic: ProcessNode) -> Iterator[None]:
    """The injector sees every pod, as in a cluster: here it answers."""
    before = traffic.api.request("GET", f"{_HOOKS}/{_INJECTOR}").body

    def put(hooks: list[Manifest]) -> None:
        answer = traffic.api.request(
            "PATCH",
            f"{_HOOKS}/{_INJECTOR}",
            {"webhooks": hooks},
            content_type="application/merge-patch+json",
        )
        assert answer.ok, answer

    put([{**each, "objectSelector": {}} for each in before["webhooks"]])
    yield
    put(before["webhooks"])


@pytest.mark.usefixtures("injected")
def test_what_proxies_cost_is_measured_in_pairs(traffic: ProcessNode, shared_mesh: Shared) -> None:
    """Every run has its requests answered, and says what each proxy used."""
    if FORTIO is None:
        pytest.skip("fortio is not on PATH (go install fortio.org/fortio@v1.66.5)")
    done = shared_mesh.copy.run(
        *("bot", "latency", "--stack", "sandbox", "--rate", "100", "--connections", "4"),
        *("--rounds", "3", "--seconds", "5", "--warm-up", "2", "--json"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    report = json.loads(done.stdout)
    print(report)
    assert traffic.api.request("GET", f"/api/v1/namespaces/{objects.NAMESPACE}").status == 404
