"""Questions to a Prometheus, against a small server on loopback."""

from __future__ import annotations

import pytest

from bot.clients.prometheus import PrometheusApi, PrometheusError
from tests.unit.fake_prometheus import fake_prometheus, vector


def test_a_series_has_labels_and_a_value() -> None:
    """A namespace is told by its label."""
    with fake_prometheus(lambda query: vector((query, "0.5"))) as url:
        (found,) = PrometheusApi(f"{url}/").query("up")
    assert (dict(found.labels), found.value) == ({"namespace": "up"}, 0.5)


def test_what_is_no_number_is_no_answer() -> None:
    """0/0: a namespace without traffic would pass or fail every gate."""
    with fake_prometheus(lambda _: vector(("a", "NaN"), ("b", "1"))) as url:
        assert [each.labels["namespace"] for each in PrometheusApi(url).query("x")] == ["b"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"status": "error", "error": "parse error"}, "parse error"),
        ({"stat": 1}, "no answer of a Prometheus"),
        ({"status": "error", "data": {"resultType": "vector"}, "error": "bad"}, "bad"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "no vector"),
        (["something else"], "no answer of a Prometheus"),
        ({"status": "success", "data": {"resultType": "vector", "result": [1]}}, "no answer"),
    ],
)
def test_another_answer_is_an_error_that_names_the_address(body: object, said: str) -> None:
    """An ingress answers too, with its own pages."""
    with fake_prometheus(lambda _: body) as url, pytest.raises(PrometheusError) as caught:
        PrometheusApi(url).query("x")
    assert str(caught.value).startswith(f"Prometheus {url}: ")
    assert said in str(caught.value)


def test_a_refusal_says_what_the_server_says() -> None:
    """A query that is wrong is explained in the body of a 400."""
    with (
        fake_prometheus(lambda _: {"error": "unknown function"}, status=400) as url,
        pytest.raises(PrometheusError, match="unknown function"),
    ):
        PrometheusApi(url).query("x")


def test_no_server_is_an_error_of_one_line() -> None:
    """It is down just when one looks."""
    with fake_prometheus(lambda _: None) as url:
        pass
    with pytest.raises(PrometheusError, match="Connection refused") as caught:
        PrometheusApi(url).query("x")
    assert "\n" not in str(caught.value)


def test_an_address_of_another_scheme_is_not_opened() -> None:
    """`file:` would read this machine."""
    with pytest.raises(PrometheusError, match="no http or https address"):
        PrometheusApi("file:///etc/hostname").query("x")


ALERTS = {
    "status": "success",
    "data": {
        "alerts": [
            {
                "labels": {"alertname": "A", "severity": "critical"},
                "annotations": {"summary": "so"},
                "state": "firing",
                "activeAt": "2026-11-26T03:00:00Z",
            },
            {"labels": {"alertname": "B"}, "annotations": {}, "state": "pending"},
        ]
    },
}
RULES = {"status": "success", "data": {"groups": [{"rules": [{"name": "A"}, {"name": "B"}, 1]}]}}


def test_what_fires_and_what_could_are_told_apart() -> None:
    """An alert that is pending calls nobody, and a rule that is not there can never fire."""
    pages = {"/api/v1/alerts": ALERTS, "/api/v1/rules": RULES}
    with fake_prometheus(lambda _: {}, pages=pages) as url:
        prometheus = PrometheusApi(url)
        (found,) = prometheus.alerts()
        assert prometheus.alert_names() >= {"A", "B"}
    assert (found.labels["alertname"], found.annotations["summary"]) == ("A", "so")
    assert found.since == "2026-11-26T03:00:00Z"


@pytest.mark.parametrize("body", [[], {"data": []}, {"data": {"alerts": [1]}}, {"data": None}])
def test_an_answer_that_is_none_is_an_error(body: object) -> None:
    """A login page with status 200 must not pass for an empty list of alerts."""
    with (
        fake_prometheus(lambda _: {}, pages={"/api/v1/alerts": body}) as url,
        pytest.raises(PrometheusError, match="no answer of a Prometheus"),
    ):
        PrometheusApi(url).alerts()


def test_a_proxy_is_taken_as_go_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network in NO_PROXY is an exemption, and a proxy that cannot be used is named."""
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "socks5://u:word@127.0.0.1:1")
    with pytest.raises(PrometheusError, match=r"proxy socks5://127\.0\.0\.1:1: only http") as told:
        PrometheusApi("http://10.20.0.5:9090", 0.2).query("x")
    assert "word" not in str(told.value)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    with pytest.raises(PrometheusError) as told:
        PrometheusApi("http://10.20.0.5:9090", 0.2).query("x")
    assert "proxy" not in str(told.value)
