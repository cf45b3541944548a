"""Questions to a Prometheus, against a small server on loopback."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.clients.prometheus import PrometheusApi, PrometheusError
from tests.local_server import Handler, serving
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


# Put together here, so that no scanner takes it for a login.
WORD = "-".join(("not", "a", "word"))
BASIC = "Basic " + base64.b64encode(f"bot:{WORD}".encode()).decode()


@pytest.mark.parametrize(
    ("variables", "files", "sent"),
    [
        ({}, {}, {"Authorization": None, "X-Scope-OrgID": None}),
        ({"PROMETHEUS_TOKEN": WORD}, {}, {"Authorization": f"Bearer {WORD}"}),
        ({}, {"PROMETHEUS_TOKEN_FILE": f"{WORD}\n"}, {"Authorization": f"Bearer {WORD}"}),
        ({"PROMETHEUS_USERNAME": "bot", "PROMETHEUS_PASSWORD": WORD}, {}, {"Authorization": BASIC}),
        ({"PROMETHEUS_USERNAME": "bot"}, {"PROMETHEUS_PASSWORD_FILE": f"{WORD}\r\n"},
         {"Authorization": BASIC}),
        ({"PROMETHEUS_TENANT": "blue"}, {}, {"X-Scope-OrgID": "blue", "Authorization": None}),
    ],
)  # fmt: skip
def test_public_reports_a_login_is_taken_from_variables_and_files(
    tmp_path: Path, variables: dict[str, str], files: dict[str, str], sent: Mapping[str, str | None]
) -> None:
    """A ruler for many clusters is behind a login, and tells tenants apart by a header."""
    for name, text in files.items():
        file = tmp_path / name
        file.write_bytes(text.encode())
        variables = {**variables, name: str(file)}
    heard: list[Mapping[str, str]] = []
    with fake_prometheus(lambda _: vector(("a", "1")), heard=heard) as url:
        PrometheusApi(url, environment=variables).query("up")
    (headers,) = heard
    lower = {name.lower(): value for name, value in headers.items()}
    assert {name: lower.get(name.lower()) for name in sent} == sent


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PROMETHEUS_TOKEN": WORD, "PROMETHEUS_USERNAME": "bot"}, "and not both"),
        ({"PROMETHEUS_USERNAME": "bot"}, "PROMETHEUS_USERNAME is set and PROMETHEUS_PASSWORD is"),
        ({"PROMETHEUS_PASSWORD": WORD}, "PROMETHEUS_PASSWORD is set and PROMETHEUS_USERNAME is"),
        ({"PROMETHEUS_TOKEN": WORD, "PROMETHEUS_TOKEN_FILE": "/x"}, "or PROMETHEUS_TOKEN_FILE"),
        ({"PROMETHEUS_TOKEN_FILE": "/nowhere/at/all"}, "/nowhere/at/all: No such file"),
        ({"PROMETHEUS_TOKEN_FILE": "/dev/null"}, "/dev/null: is empty"),
        ({"PROMETHEUS_TOKEN": f"{WORD}\nHost: a"}, "more than one line"),
    ],
)
def test_public_reports_half_a_login_is_none(variables: dict[str, str], said: str) -> None:
    """A server would answer 401, and nobody knows which of them it did not like."""
    with pytest.raises(PrometheusError) as caught:
        PrometheusApi("http://127.0.0.1:1", environment=variables).query("up")
    assert said in str(caught.value)
    assert WORD not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_public_reports_a_login_is_not_sent_in_the_clear() -> None:
    """Everybody on the way reads it; a tenant is no secret."""
    with pytest.raises(PrometheusError, match="over https, or to this machine, alone") as caught:
        PrometheusApi("http://mimir.example.com", 1, environment={"PROMETHEUS_TOKEN": WORD}).query(
            "x"
        )
    assert WORD not in str(caught.value)
    assert WORD not in repr(PrometheusApi("http://a", environment={"PROMETHEUS_TOKEN": WORD}))


def test_public_reports_another_server_does_not_get_the_login() -> None:
    """A redirect to a login page of somebody else would carry it there."""
    first: list[Mapping[str, str]] = []
    second: list[Mapping[str, str]] = []
    with (
        fake_prometheus(lambda _: vector(("a", "1")), heard=second) as other,
        redirecting(f"{other}/api/v1/query?query=up", first) as url,
    ):
        PrometheusApi(url, environment={"PROMETHEUS_TOKEN": WORD}).query("up")
    assert "Authorization" in first[0]
    assert "Authorization" not in second[0]


@contextmanager
def redirecting(place: str, heard: list[Mapping[str, str]]) -> Iterator[str]:
    class Elsewhere(Handler):
        def get(self) -> None:
            heard.append(dict(self.headers.items()))
            self.send_response(302)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Elsewhere) as address:
        yield address


OURS = ("cluster", "staging")


def test_public_reports_questions_are_about_the_own_cluster() -> None:
    """`shop` is in staging and in production: the gates of one would read the requests of both."""
    asked: list[str] = []

    def answer(query: str) -> Any:
        asked.append(query)
        return vector(("shop", "1"))

    with fake_prometheus(answer) as url:
        PrometheusApi(url, cluster=OURS).query("sum by (namespace) (rate(response_total[5m]))")
    assert asked == ['sum by (namespace) (rate(response_total{cluster="staging"}[5m]))']


@pytest.mark.parametrize(("there", "fails"), [(True, False), (False, True)])
def test_public_reports_a_prometheus_without_our_cluster_is_not_a_quiet_one(
    there: bool, fails: bool
) -> None:
    """An empty answer means no request, and the next wave would be called safe."""
    known = vector(("a", "1")) if there else vector()
    with fake_prometheus(lambda query: known if query.startswith("up{") else vector()) as url:
        prometheus = PrometheusApi(url, cluster=OURS)
        if not fails:
            assert prometheus.query("response_total") == []
            return
        with pytest.raises(PrometheusError, match='has no series with cluster="staging"'):
            prometheus.query("response_total")


def test_public_reports_the_rules_of_another_cluster_are_not_ours() -> None:
    """`status` would call the rules loaded, which are those of production."""
    rules = [{"name": name, "labels": {"cluster": name}} for name in ("staging", "production")]
    pages = {"/api/v1/rules": {"data": {"groups": [{"rules": [*rules, {"name": "none"}]}]}}}
    with fake_prometheus(lambda _: {}, pages=pages) as url:
        assert PrometheusApi(url, cluster=OURS).alert_names() == {"staging", "none"}
        assert PrometheusApi(url).alert_names() == {"staging", "production", "none"}
