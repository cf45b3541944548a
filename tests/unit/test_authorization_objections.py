"""Policies that do not fit what runs, and workloads that share an account."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bot.clients.https import Answer, Client
from bot.exit_codes import BotError
from bot.mesh.authorization.model import KubeService, RunningNamespace, ServingWorkload
from bot.mesh.authorization.objections import find, shared_accounts
from bot.mesh.authorization.reader import read
from components.policy.section import GRPC_HEALTH
from tests.unit.authorization_samples import FOO, SHOP, config, service

BAR = {"serviceAccounts": ["bar"]}


def faults(
    *services: dict[str, Any], running: RunningNamespace = SHOP, rung: str = "deny"
) -> list[str]:
    """Key and message of each fault."""
    found = find(config(*services, rung=rung), running)
    return [f"{fault.key}: {fault.message}" for fault in found]


def test_policies_that_fit_have_no_fault() -> None:
    """By number or name, with probes listed where routes are."""
    assert faults(service(allow=[BAR])) == []
    assert faults(service(allow=[BAR], probes=["/healthz"])) == []
    named = service(allow=[BAR])
    named["ports"][0]["port"] = "http"
    assert faults(named) == []


def test_a_port_that_no_service_has_is_named_with_those_that_are_there() -> None:
    """A Server of a port that nobody serves guards nothing, and the real one stays closed."""
    wrong = service(allow=[BAR])
    wrong["ports"][0]["port"] = 80
    (line,) = faults(wrong)
    assert line.startswith("linkerd-platform:policy.namespaces.shop.services[0].ports[0].port: ")
    assert "no Service has port 80 of 'foo'" in line
    assert "there are: 8080, 9990 (a container's port, not the Service's own)" in line


def test_a_port_that_a_service_has_need_not_be_declared_by_a_container() -> None:
    """Container ports are information alone: a process listens where it wants."""
    silent = dataclasses.replace(FOO, ports={})
    running = RunningNamespace("shop", (silent,), (KubeService("foo", {"app": "foo"}, ("8080",)),))
    assert faults(service(allow=[BAR]), running=running) == []
    without = RunningNamespace("shop", (dataclasses.replace(silent, probes={}),), ())
    assert len(faults(service(allow=[BAR]), running=without)) == 1


def test_a_selector_without_pods_is_named_with_the_services_own() -> None:
    """The Server selects nobody, and the default policy decides."""
    (line,) = faults({**service(allow=[BAR]), "selector": {"app": "fo"}})
    assert "the Service 'foo' selects {app: foo}" in line
    (line,) = faults({**service(allow=[BAR]), "name": "x", "selector": {"app": "x"}})
    assert "no Service is called so; there are: foo" in line


@pytest.mark.parametrize(("rung", "count"), [("deny", 1), ("all-authenticated", 1), ("audit", 0)])
def test_a_probe_that_would_be_denied_is_named(rung: str, count: int) -> None:
    """The pods would be restarted until nobody is left."""
    found = faults(service(allow=[BAR], probes=["/ready"]), rung=rung)
    assert len(found) == count
    assert all("the kubelet probes /healthz" in line and "list it" in line for line in found)


def test_a_probe_by_grpc_has_no_allowance_of_its_own() -> None:
    """Linkerd allows HTTP probes alone."""
    grpc = dataclasses.replace(FOO, probes={8080: frozenset({GRPC_HEALTH})})
    running = dataclasses.replace(SHOP, workloads=(grpc,))
    (line,) = faults(service(allow=[BAR]), running=running)
    assert "gRPC has none" in line
    assert faults(service(allow=[BAR], probes=[GRPC_HEALTH]), running=running) == []


def test_a_port_that_two_policies_have_by_number_and_by_name_is_named() -> None:
    """Linkerd takes one Server of a port, and nobody knows which."""
    named = {**service(allow=[{"serviceAccounts": ["bar"]}]), "name": "bar"}
    named["ports"][0]["port"] = "http"
    (line,) = faults(service(allow=[BAR]), named)
    assert "services[1].ports[0].port: is guarded twice: Deployment/foo has it as" in line
    assert "port 8080 of 'foo'; keep one of the two" in line


def test_workloads_without_an_account_of_their_own_are_listed() -> None:
    """A rule for an account lets in every workload that runs as it."""
    works = [
        ServingWorkload("Deployment", name, {}, account)
        for name, account in (("a", "own"), ("b", "default"), ("c", "both"), ("d", "both"))
    ]
    assert shared_accounts(RunningNamespace("shop", tuple(works), ())) == [
        "shop: Deployment/b runs as the account default: give it one of its own",
        "shop: Deployment/c shares the account both with 1 more",
        "shop: Deployment/d shares the account both with 1 more",
    ]


CONTAINER = {
    "name": "a",
    "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 53, "protocol": "UDP"}],
    "livenessProbe": {"httpGet": {"port": "http", "path": "/healthz?full=1"}},
    "readinessProbe": {"grpc": {"port": 9000}},
    "startupProbe": {"tcpSocket": {"port": 8080}},
}
DEPLOYMENT = {
    "metadata": {"name": "foo"},
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "foo"}},
            "spec": {"serviceAccountName": "foo", "containers": [CONTAINER]},
        }
    },
}
SERVICE = {
    "metadata": {"name": "foo"},
    "spec": {
        "selector": {"app": "foo"},
        "ports": [{"port": 80, "targetPort": "http"}, {"port": 81}, {"port": 5, "protocol": "UDP"}],
    },
}


def test_a_namespace_is_read_as_the_api_server_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports by number, probes by path without a query, TCP alone."""
    lists = {"deployments": [DEPLOYMENT], "services": [SERVICE]}

    def request(_: Client, __: str, path: str, **___: Any) -> Answer:
        return Answer(200, {"items": lists.get(path.partition("?")[0].rpartition("/")[2], [])})

    monkeypatch.setattr(Client, "request", request)
    found = read(Client("https://127.0.0.1", Path("ca.pem")), "shop")
    (foo,) = found.workloads
    assert foo.ports == {8080: "http"}
    assert foo.probes == {8080: {"/healthz"}, 9000: {GRPC_HEALTH}}
    assert (foo.key, foo.account, foo.labels) == (("deployment", "foo"), "foo", {"app": "foo"})
    (kube,) = found.services
    assert kube.targets == ("http", "81")


def test_an_api_server_that_does_not_tell_is_no_empty_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing runs there is an answer; nothing is known is none."""
    monkeypatch.setattr(Client, "request", lambda *_, **__: Answer(403, {}))
    with pytest.raises(
        BotError,
        match=r"deployments.apps in namespace shop: not allowed \(403\).*`list` deployments.apps",
    ):
        read(Client("https://127.0.0.1", Path("ca.pem")), "shop")
