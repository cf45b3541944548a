"""Requests through Linkerd's own proxies, in pods that are processes of this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sandbox import traffic as proofs
from sandbox.node import node as nodes
from sandbox.node import objects
from sandbox.node.node import ProcessNode
from tests.e2e import project

CART = "http://cart.shop:8080/"


def test_requests_are_answered_encrypted_and_denied_as_the_table_says(traffic: ProcessNode) -> None:
    """What `make sandbox TRAFFIC=1` claims of a mesh whose anchor stays."""
    rows = proofs.rows(traffic)
    assert [(each.what, each.seen) for each in rows if not each.ok] == []
    assert len(rows) == 4


def test_a_policy_that_is_gone_denies_nobody(traffic: ProcessNode) -> None:
    """The rows before have left nothing: the next test's requests come through."""
    plain = traffic.pod("shop", objects.PLAIN)
    assert nodes.until(lambda: plain.request("http://stock.shop:8080/").status == 200, 20)


def test_knobs_and_counts_are_those_of_one_pod(traffic: ProcessNode) -> None:
    """Tests of retries and breakers break one server, and ask it how often it was asked."""
    cart, client = traffic.pod("shop", "cart"), traffic.pod("shop", objects.CLIENT)
    cart.knobs(fail_every=2, fail_status=500)
    report = client.load(CART, rps=50, seconds=0.4)
    assert report.statuses == {200: 10, 500: 10}
    assert cart.counts()["statuses"] == {"200": 10, "500": 10}
    cart.knobs(slow=0.5)
    assert client.request(CART, seconds=0.2).status == 0
    assert client.request(CART).status == 200
    cart.knobs()


def test_a_server_sees_headers_and_the_method_as_they_were_sent(traffic: ProcessNode) -> None:
    """Routes match by them, and filters change them: the server has to show what came."""
    client = traffic.pod("shop", objects.CLIENT)
    reply = client.request(CART, "POST", headers={"x-colour": "blue"}, body="four")
    seen = reply.json()
    assert (seen["headers"]["x-colour"], seen["bytes"]) == ("blue", 4)
    assert seen["client"].startswith("client.shop.serviceaccount.identity.linkerd.")


def test_logs_come_through_the_api_server(traffic: ProcessNode) -> None:
    """`kubectl logs` works on process pods as it does in a cluster."""
    cart = traffic.pod("shop", "cart")
    path = f"/api/v1/namespaces/shop/pods/{cart.name}/log?container=linkerd-proxy"
    answer = traffic.api.request("GET", path)
    assert answer.ok, answer
    assert "Certified identity" in answer.body
    last = traffic.api.request("GET", f"{path}&tailLines=1").body
    assert answer.body.endswith(last) or last in cart.log("linkerd-proxy")


def test_a_rollout_under_load_loses_nothing_and_reaches_new_pods(traffic: ProcessNode) -> None:
    """Deployments, EndpointSlices and the proxies' discovery work together as in a cluster."""
    traffic.apply(*objects.server("shop", "many", replicas=2))
    traffic.wait("shop", "many")
    before = {each.name for each in traffic.pods_of("shop", "many")}
    client = traffic.pod("shop", objects.CLIENT)
    with client.loading("http://many.shop:8080/", rps=40) as load:
        traffic.restart("shop", "many")
        after = {each.name for each in traffic.pods_of("shop", "many")}

        def asked() -> set[str]:
            return set(client.load("http://many.shop:8080/", rps=50, seconds=0.4).by)

        # Of the last one proxies may hear after the rollout is done.
        assert nodes.until(lambda: asked() == after, 20)
    assert load.report.failed == 0, load.report.text()
    assert set(load.report.by) == before | after
    assert len(before) == len(after) == 2
    assert not before & after


def test_a_pod_that_is_not_ready_is_asked_nothing(traffic: ProcessNode) -> None:
    """Readiness comes from the pod's own probe, not from a stand-in that calls everything ready."""
    traffic.apply(*objects.server("shop", "pair", replicas=2))
    traffic.wait("shop", "pair")
    broken, other = traffic.pods_of("shop", "pair")
    broken.knobs(unready=True)
    assert nodes.until(lambda: not broken.ready, 20)
    client = traffic.pod("shop", objects.CLIENT)

    def asked() -> set[str]:
        return set(client.load("http://pair.shop:8080/", rps=50, seconds=0.4).by)

    assert nodes.until(lambda: asked() == {other.name}, 20)
    broken.knobs()
    assert nodes.until(lambda: asked() == {broken.name, other.name}, 20)


def test_an_anchor_rotated_under_load_fails_no_request(tmp_path: Path) -> None:
    """The whole command, as a user runs it: add, switch, retire, everything restarted each time."""
    if not os.environ.get("E2E_SLOW"):
        pytest.skip("a rotation under load takes ten minutes: set E2E_SLOW=1")
    if reason := project.missing_engine() or nodes.missing():
        pytest.skip(reason)
    copy = project.copy_to(tmp_path / "project", project.SHARED_TTL_SECONDS)
    try:
        done = copy.run("sandbox", "run", "--ephemeral", "--strict", "--traffic", seconds=1800)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        row = re.search(r"^anchor rotated under load .*$", done.stdout, re.MULTILINE)
        assert row
        good = re.search(r"(\d+) of (\d+) good, (\d+) pods restarted +ok$", row[0])
        assert good, row[0]
        assert int(good[1]) == int(good[2]) > 1000
        assert "exactly Vault's anchors: sandbox-2" in done.stdout
    finally:
        copy.down()
