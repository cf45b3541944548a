"""The bot and kubectl make the same of a kubeconfig, a proxy and `NO_PROXY`: one table (K4)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.clients import kubeconfig
from bot.clients.https import ReadError
from bot.clients.proxies import proxy_for, shown
from tests.unit.kubeconfig_cases import CASES, REFUSED, TOKEN, Case
from tests.unit.kubeconfig_servers import World, world
from tests.unit.kubeconfig_written import WRITTEN
from tests.unit.no_proxy_cases import NO_PROXY

_SECONDS = 5.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


def asked(case: Case, servers: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask the server as a command would; why not, where it cannot be asked."""
    paths = case.written(servers.folder, servers.names)
    variables = case.variables(servers.names)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        # Which authorities the machine has, the process knows, not its commands.
        monkeypatch.setenv(name, variables.get(name, "/dev/null"))
    environment = {"PATH": os.environ["PATH"], **variables}
    environment["KUBECONFIG"] = os.pathsep.join(map(str, paths))
    try:
        with kubeconfig.reached(None, case.context, environment, servers.folder) as client:
            return client.request("GET", "/version", seconds=_SECONDS).reason
    except ReadError as error:
        return str(error)


@pytest.mark.parametrize("case", [*CASES, *WRITTEN], ids=lambda case: case.name)
def test_the_api_server_sees_whom_kubectl_would_send(
    case: Case, servers: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is dropped gives rights that the file takes away, or asks another server.

    Impersonation was dropped (kubernetes-client/javascript#2355), null parts were tracebacks
    (kubernetes-client/python#637), SOCKS was refused (pulumi-kubernetes#3395).
    """
    why = asked(case, servers, monkeypatch)
    seen = servers.outcome()
    assert seen == (REFUSED if case.stricter else servers.expected(case)), why
    assert not (servers.folder / "was-run").exists()
    if seen == REFUSED:
        assert why
        assert why.isprintable()
        assert case.said in why


@pytest.mark.parametrize(("listed", "server", "used"), NO_PROXY)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_read_as_go_reads_it(listed: str, server: str, used: bool, name: str) -> None:
    """The engine goes by it; a command that goes another way hangs.

    kubernetes-client/python#1578: a network was no exemption.
    """
    environment = {"HTTPS_PROXY": "http://proxy.corp:3128", name: listed}
    assert (proxy_for(server, environment) is not None) is used


@pytest.mark.parametrize(
    ("server", "environment", "proxy"),
    [
        ("https://k", {"HTTPS_PROXY": "a:1", "https_proxy": "b:2"}, "http://a:1"),
        ("https://k", {"HTTPS_PROXY": "", "https_proxy": "b:2"}, "http://b:2"),
        ("https://k", {"HTTPS_PROXY": "proxy.corp"}, "http://proxy.corp"),
        ("https://k", {"HTTP_PROXY": "http://a:1", "ALL_PROXY": "http://a:1"}, None),
        ("http://k", {"HTTP_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:2"}, "http://a:1"),
        ("https://[", {"HTTPS_PROXY": "http://a:1"}, None),
    ],
)
def test_each_scheme_has_its_proxy(
    server: str, environment: dict[str, str], proxy: str | None
) -> None:
    """As golang.org/x/net/http/httpproxy, which knows no ALL_PROXY."""
    assert proxy_for(server, environment) == proxy


def test_a_login_of_a_proxy_is_shown_nowhere(
    servers: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the address, and reasons go into the log of CI."""
    word = "hun" + "ter2"
    refusing = {
        "server": "https://refused.example.com",
        "proxy-url": f"http://u:{word}@$PROXY_HOST",
    }
    for cluster in (refusing, {"proxy-url": f"ftp://u:{word}@p"}):
        why = asked(Case("", REFUSED, cluster=cluster), servers, monkeypatch)
        assert "proxy" in why
        assert word not in why
    assert shown(f"socks5://u:{word}@p:1080") == "socks5://p:1080"


def test_a_proxys_refusal_is_told(servers: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`no answer` alone sends people to the cluster."""
    cluster = {"server": "https://refused.example.com", "proxy-url": "$PROXY"}
    why = asked(Case("", REFUSED, cluster=cluster), servers, monkeypatch)
    assert "407 Proxy Authentication Required" in why


def test_in_a_pod_without_a_kubeconfig_the_service_account_is_used(
    servers: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As client-go: any kubeconfig comes first, and so does a context that is asked for."""
    shutil.copy(servers.folder / "ca.pem", tmp_path / "ca.crt")
    (tmp_path / "token").write_text("t")
    monkeypatch.setattr(kubeconfig, "IN_CLUSTER", tmp_path)
    place = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(servers.port)}
    gone = {"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "gone")}
    with kubeconfig.reached(None, None, place | gone, tmp_path) as client:
        assert client.request("GET", "/version").ok
    assert servers.outcome() == TOKEN
    for named, context, environment in (
        (None, "c", place | gone),
        ("gone", None, place),
        (None, None, gone),
        (None, None, gone | {"KUBERNETES_SERVICE_HOST": "127.0.0.1"}),
    ):
        with pytest.raises(ReadError, match="No such file"):
            kubeconfig.find(named, context, environment, tmp_path)
    (tmp_path / "token").unlink()
    with pytest.raises(ReadError, match="No such file"):
        kubeconfig.find(None, None, place | gone, tmp_path)


def test_a_connection_is_used_again_and_one_that_the_server_closed_is_made_anew(
    servers: World,
) -> None:
    """A handshake for each of 60 questions is most of a status's time, far from the cluster."""
    case = Case("", TOKEN, cluster={"server": "https://kube.example.com", "proxy-url": "$PROXY"})
    paths = case.written(servers.folder, servers.names)
    with kubeconfig.reached(str(paths[0]), None, {}, servers.folder) as client:
        servers.ways.clear()
        assert client.request("GET", "/version").ok
        assert client.request("GET", "/version").ok
        assert len(servers.ways) == 1
        servers.drop()
        assert client.request("GET", "/version").ok
        assert client.request("POST", "/version").status == 501
        assert len(servers.ways) == 3
    servers.outcome()
