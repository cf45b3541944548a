"""How the trust commands reach the servers, and what they say where they cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.clients import vault as vault_client
from bot.clients.connect import cluster
from bot.clients.https import Answer, Client, Unreadable
from bot.clients.target import Target
from bot.exit_codes import BadInputError, MissingToolError
from bot.mesh.trust.model import IDENTITY, MeshedPod, PodOwner
from bot.mesh.trust.reader import _identity
from tests.unit import stack_files
from tests.unit.bot_trust_samples import NOW


def target(folder: Path, user: dict[str, Any], context: str = "c") -> Target:
    (folder / "ca.pem").write_text(stack_files.certificate(), encoding="utf-8")
    document = {
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {"name": "k", "cluster": {"server": "https://k", "certificate-authority": "ca.pem"}}
        ],
        "users": [{"name": "u", "user": user}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(document), encoding="utf-8")
    changes: dict[stack_files.KeyPath, Any] = {
        ("cluster", "kubeconfig"): "kubeconfig",
        ("cluster", "context"): context,
    }
    config = stack_files.load(folder, stack_files.spoilt(changes))
    return Target("test", folder, config, None, {})


def test_what_cannot_be_reached_is_said_in_one_line(tmp_path: Path) -> None:
    """Of the stack, because a fleet has many; what is to be installed or set ends with 3."""
    with pytest.raises(MissingToolError, match=r"^stack test: .*no context 'other'; there are: c"):
        cluster(target(tmp_path, {"token": "t"}, context="other")).__enter__()
    with pytest.raises(Unreadable, match=r"^stack test: .*needs a client certificate"):
        cluster(target(tmp_path, {})).__enter__()
    gone = target(tmp_path, {"token": "t"})
    with cluster(gone) as client:
        assert client.headers == {"Authorization": "Bearer t"}
    (tmp_path / "kubeconfig").unlink()
    with pytest.raises(MissingToolError, match=r"stack test: .*kubeconfig: No such file"):
        cluster(gone).__enter__()


def test_without_a_token_vault_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 403 would send the operator to the policies."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    with pytest.raises(MissingToolError, match="VAULT_TOKEN is not set"):
        vault_client.connected(target(tmp_path, {"token": "t"})).__enter__()


def test_vault_is_reached_through_the_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the engine's provider reaches it."""
    monkeypatch.setenv("VAULT_TOKEN", "t")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "")
    with vault_client.connected(target(tmp_path, {"token": "t"})) as client:
        assert client.proxy == "http://proxy.example.com:3128"
    monkeypatch.setenv("NO_PROXY", "vault.example.com")
    with vault_client.connected(target(tmp_path, {"token": "t"})) as client:
        assert client.proxy is None


@pytest.mark.parametrize(
    ("own", "variables", "authority", "pair"),
    [
        (None, {}, None, None),
        (None, {"VAULT_CACERT": "/corp/ca.pem"}, "/corp/ca.pem", None),
        ("ca.pem", {"VAULT_CACERT": "/corp/ca.pem"}, "ca.pem", None),
        (None, {"VAULT_CACERT_BYTES": "PEM"}, "scratch", None),
        (
            None,
            {"VAULT_CLIENT_CERT": "/a.crt", "VAULT_CLIENT_KEY": "b.key"},
            None,
            ("/a.crt", "b.key"),
        ),
    ],
)
def test_public_reports_vault_is_trusted_as_the_engine_trusts_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str | None,
    variables: dict[str, str],
    authority: str | None,
    pair: tuple[str, str] | None,
) -> None:
    """A preview went through a gateway that wants certificates, and every other command did not."""
    monkeypatch.setenv("VAULT_TOKEN", "t")
    for name in ("CACERT", "CACERT_BYTES", "CLIENT_CERT", "CLIENT_KEY"):
        monkeypatch.delenv(f"VAULT_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(vault_client, "trusts_anybody", lambda: True)
    made = target(tmp_path, {"token": "t"})
    section = made.config.vault.model_copy(update={"ca_file": own, "ca_pem": None})
    made = replace(made, config=made.config.model_copy(update={"vault": section}))
    with vault_client.connected(made) as client:
        if authority == "scratch":
            assert client.ca_file
            assert client.ca_file.read_text() == "PEM"
        else:
            assert client.ca_file == (tmp_path / authority if authority else None)
        wanted = (tmp_path / pair[0], tmp_path / pair[1]) if pair else None
        assert client.client_pair == wanted


def test_public_reports_half_a_certificate_for_vault_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider refuses it, too."""
    monkeypatch.setenv("VAULT_TOKEN", "t")
    monkeypatch.setenv("VAULT_CLIENT_CERT", "/a.crt")
    with pytest.raises(BadInputError, match="set both, or none"):
        vault_client.connected(target(tmp_path, {"token": "t"})).__enter__()


class OnePath(Client):
    """Answers the metrics path of one pod, and nothing else."""

    answer = Answer(200, "issuer_cert_ttl_seconds 60\n")

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        wanted = "/api/v1/namespaces/linkerd/pods/i-0:9990/proxy/metrics"
        return self.answer if (method, path) == ("GET", wanted) else Answer(404)


@pytest.mark.parametrize(
    ("answer", "ttl", "why"),
    [
        (Answer(200, "issuer_cert_ttl_seconds 60\n"), 60.0, ""),
        (Answer(200, "up 1\n"), None, "not among its metrics"),
        (Answer(200, json.loads("{}")), None, "status 200"),
        (Answer(503, {}), None, "status 503"),
        (Answer(0), None, "no answer"),
    ],
)
def test_the_figure_of_an_identity_pod_comes_through_the_api_server(
    answer: Answer, ttl: float | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has a route to its admin port but the API server."""
    monkeypatch.setattr(OnePath, "answer", answer)
    owner = PodOwner("linkerd", "Deployment", IDENTITY)
    pod = MeshedPod("linkerd", "i-0", owner, NOW, control_plane=True)
    found = _identity(OnePath("https://k", Path()), pod)
    assert (found.pod, found.ttl, found.unreadable) == ("linkerd/i-0", ttl, why)
