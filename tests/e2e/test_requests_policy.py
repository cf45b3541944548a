"""Who is let in and how often, and a control plane that restarts: real requests in process pods."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.clients.prometheus import PrometheusApi
from components.names import LINKERD
from sandbox.node import node as nodes
from sandbox.node import objects
from sandbox.node.node import ProcessNode
from tests.e2e import real_prometheus
from tests.e2e.shared_mesh import Shared
from tests.e2e.shop_settings import (
    SETTLE_SECONDS,
    SHOP,
    Sections,
    guarded,
    in_force,
    policy_of,
    written,
)
from tests.local_server import Handler, serving

pytestmark = pytest.mark.e2e
_LOAD_SECONDS = 5
_STOCK = "http://stock.shop:8080/"
_AUTHORIZED = re.compile(r"^(inbound_(?:http|tcp)_authz_\w+)\{", re.MULTILINE)


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        ({"total": 40}, {"client": 40}),
        (
            {
                "total": 1000,
                "perClient": 20,
                "overrides": [{"serviceAccounts": ["shop/front"], "rate": 60}],
            },
            {"client": 20, "front": 60},
        ),
    ],
    ids=["total", "by client"],
)
def test_a_rate_limit_is_exact_to_a_tenth(
    traffic: ProcessNode, limit: Sections, wanted: dict[str, int]
) -> None:
    """Of 100 requests a second so many are answered, and the others get 429."""
    clients = {name: traffic.pod(SHOP, name) for name in wanted}
    plan = guarded("stock", "cart", *wanted)
    plan["ports"][0]["rateLimit"] = limit
    for each in clients.values():
        assert each.load(_STOCK, rps=100, seconds=1).failed == 0
    with in_force(traffic, policy_of(plan)):
        first = next(iter(clients.values()))
        assert nodes.until(
            lambda: 429 in first.load(_STOCK, rps=100, seconds=1).statuses, SETTLE_SECONDS
        )
        for name, each in clients.items():
            # Who has not asked for a second has saved up what it may send in one.
            time.sleep(1.5)
            report = each.load(_STOCK, rps=100, seconds=_LOAD_SECONDS)
            assert set(report.statuses) == {200, 429}, report.text()
            allowed = wanted[name] * (_LOAD_SECONDS + 1)
            assert abs(report.good - allowed) <= allowed / 10, report.text()


def test_from_audit_to_deny_exactly_those_are_refused_who_were_named(
    traffic: ProcessNode, shared_mesh: Shared, tmp_path: Path
) -> None:
    """`bot policy check` reads what the proxies counted; the same requests are then sent again."""
    if reason := real_prometheus.missing():
        pytest.skip(reason)
    pods = {name: traffic.pod(SHOP, name) for name in ("client", "front", "plain")}

    def statuses() -> dict[str, int]:
        return {name: each.request(_STOCK).status for name, each in pods.items()}

    named = {"defaultInboundPolicy": "audit"}
    with in_force(traffic, policy_of(guarded("stock", "cart", "front"), **named)):

        def audited() -> bool:
            statuses()
            return 'authz_name="audit"' in traffic.pod(SHOP, "stock").metrics()

        assert nodes.until(audited, SETTLE_SECONDS)
        assert statuses() == {"client": 200, "front": 200, "plain": 200}
        with _scraped(traffic, tmp_path) as prometheus:
            deny = policy_of(guarded("stock", "cart", "front"), defaultInboundPolicy="deny")
            with written(shared_mesh.copy, deny):
                done = shared_mesh.copy.run(
                    *("bot", "policy", "check", "--stack", "sandbox", "--namespace", SHOP),
                    *("--prometheus", prometheus.url, "--window", "10m"),
                )
    assert done.returncode == 4, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if "stock" in line and "denied" in line]
    assert len(said) == 2, done.stdout
    assert sorted("client.shop." in line for line in said) == [False, True], done.stdout
    with in_force(traffic, deny):
        assert nodes.until(lambda: statuses()["client"] == 403, SETTLE_SECONDS)
        assert statuses() == {"client": 403, "front": 200, "plain": 403}
    assert nodes.until(lambda: set(statuses().values()) == {200}, SETTLE_SECONDS)


@contextmanager
def _scraped(node: ProcessNode, folder: Path) -> Iterator[PrometheusApi]:
    """A Prometheus with the counters of the shop's proxies, labelled as viz's scrape does."""

    class Metrics(Handler):
        def get(self) -> None:
            lines = []
            for each in node.pods_of(SHOP):
                if nodes.spec.injected(each.pod):
                    labels = f'namespace="{SHOP}",deployment="{each.labels["app"]}",'
                    labels += f'pod="{each.name}",'
                    text = _AUTHORIZED.sub(rf"\1{{{labels}", each.metrics())
                    lines += [one for one in text.splitlines() if _AUTHORIZED.match(one)]
            self.answer("\n".join([*lines, ""]).encode(), "text/plain; version=0.0.4")

    with serving(Metrics) as address:
        target = {"targets": [address.removeprefix("http://")]}
        scrape = {"job_name": "linkerd-proxy", "honor_labels": True, "static_configs": [target]}
        # Every proxy is asked for each scrape, which takes a while on a busy machine.
        every = {"scrape_interval": "5s", "scrape_timeout": "5s"}
        with real_prometheus.started(folder, {"global": every, "scrape_configs": [scrape]}) as url:
            found = PrometheusApi(url)
            assert nodes.until(
                lambda: bool(found.query("inbound_http_authz_allow_total")), SETTLE_SECONDS
            )
            yield found


def test_a_control_plane_that_restarts_fails_no_request(traffic: ProcessNode) -> None:
    """All three Deployments, one pod after the other, at 100 requests a second."""
    client = traffic.pod(SHOP, objects.CLIENT)
    before = {each.name for each in traffic.pods_of(LINKERD)}
    with client.loading("http://front.shop:8080/", rps=100, connections=32) as load:
        traffic.restart(LINKERD)
    after = {each.name for each in traffic.pods_of(LINKERD)}
    assert not before & after
    assert load.report.failed == 0, load.report.text()
    assert load.report.sent > 500
