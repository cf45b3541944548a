"""The calls that proxies counted, from the answers of a Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bot.clients.prometheus import PrometheusApi
from bot.exit_codes import BotError
from bot.mesh.authorization.observed import COUNTERS, calls, expression
from schema.values import Duration
from tests.unit.authorization_samples import identity
from tests.unit.fake_prometheus import fake_prometheus

OWN = identity("shop", "bar")
LABELS = {
    "namespace": "shop",
    "deployment": "foo",
    "target_addr": "10.1.2.3:8080",
    "client_id": OWN,
    "tls": "true",
    "authz_kind": "default",
    "authz_name": "audit",
}
WEEK = Duration(7 * 86400)


def seen(answers: Mapping[str, list[tuple[dict[str, str], str]]]) -> list[Any]:
    """The calls into shop, with the series of each counter."""
    asked: list[str] = []

    def answer(query: str) -> Any:
        asked.append(query)
        (counter,) = [name for name in COUNTERS if name in query]
        result = [{"metric": m, "value": [0, v]} for m, v in answers.get(counter, ())]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    with fake_prometheus(answer) as url:
        found = calls(PrometheusApi(url), "shop", WEEK)
    assert len(asked) == len(COUNTERS)
    return found


def test_a_series_is_a_call_of_a_client_to_a_port_of_a_workload() -> None:
    """Every part of it decides on a rule."""
    (call,) = seen({"inbound_http_authz_allow_total": [(LABELS, "5")]})
    assert (call.workload, call.port, call.client) == (("deployment", "foo"), 8080, OWN)
    assert (call.protocol, call.outcome, call.count) == ("http", "allow", 5.0)
    assert call.authorization == "default/audit"


@pytest.mark.parametrize("tls", ["no_identity", "opaque", ""])
def test_a_client_without_mtls_has_no_identity(tls: str) -> None:
    """A label that was left over from elsewhere must not stand for one."""
    (call,) = seen({"inbound_tcp_authz_deny_total": [({**LABELS, "tls": tls}, "1")]})
    assert (call.client, call.outcome) == ("", "deny")


def test_the_pods_of_a_workload_count_together() -> None:
    """A rule is for the workload, and each pod has its address."""
    other = {**LABELS, "target_addr": "10.1.2.4:8080"}
    (call,) = seen({"inbound_http_authz_allow_total": [(LABELS, "5"), (other, "2")]})
    assert call.count == 7.0


def test_a_connection_whose_requests_are_counted_is_no_second_call() -> None:
    """The port would look as if it spoke no HTTP as well."""
    both = {name: [(LABELS, "5")] for name in COUNTERS if "allow" in name}
    assert [call.protocol for call in seen(both)] == ["http"]
    other = {**LABELS, "client_id": identity("shop", "db")}
    both["inbound_tcp_authz_allow_total"] = [(other, "1")]
    assert sorted(call.protocol for call in seen(both)) == ["http", "tcp"]


def test_the_labels_of_newer_proxies_are_read() -> None:
    """target_port is the port alone."""
    newer = {k: v for k, v in LABELS.items() if k != "target_addr"} | {"target_port": "9000"}
    (call,) = seen({"inbound_http_authz_allow_total": [(newer, "1")]})
    assert call.port == 9000


def test_a_counter_without_its_address_is_an_error_that_says_why() -> None:
    """Guessing a port would open another one."""
    bare = {k: v for k, v in LABELS.items() if k != "target_addr"}
    with pytest.raises(BotError, match="its relabelling drops labels"):
        seen({"inbound_http_authz_allow_total": [(bare, "1")]})


def test_the_question_is_of_one_namespace_over_the_time_asked_for() -> None:
    """A client that called once makes a counter which never grows."""
    query = expression("inbound_http_authz_allow_total", "shop", Duration(3600))
    series = 'inbound_http_authz_allow_total{namespace="shop"}'
    assert f"increase({series}[3600s]) > 0" in query
    assert f"max_over_time({series}[3600s]) unless {series} offset 3600s" in query
    assert "client_id" in query
