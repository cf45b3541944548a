"""How the trust commands reach the servers, and what they say where they cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.engine.target import Target
from bot.exit_codes import MissingToolError
from bot.trust.model import IDENTITY, Pod, Workload
from bot.trust.reader import _identity
from bot.trust.servers import Unreadable, cluster, vault
from sandbox.rest import Answer, Client
from tests.unit import stack_files
from tests.unit.bot_trust_samples import NOW

TOKEN = "from-the-program"  # noqa: S105
PROGRAM = f"""
import json, os
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert asked["spec"] == {{"interactive": False}} and os.environ["REGION"] == "here"
print(json.dumps({{"kind": "ExecCredential", "status": {{"token": "{TOKEN}"}}}}))
"""


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


def program(command: str, *arguments: str) -> dict[str, Any]:
    environment = [{"name": "REGION", "value": "here"}]
    return {"exec": {"command": command, "args": list(arguments), "env": environment}}


def test_a_kubeconfig_whose_user_is_a_program_has_it_run_for_a_token(tmp_path: Path) -> None:
    """Those of the managed clusters are; the authority's path stays that beside the kubeconfig."""
    with cluster(target(tmp_path, program(sys.executable, "-c", PROGRAM))) as client:
        assert client.headers == {"Authorization": f"Bearer {TOKEN}"}
        assert client.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize("script", ["print('secret')", "print('{}')", "raise SystemExit('secret')"])
def test_a_program_that_gives_no_token_is_named_and_its_output_is_not(
    tmp_path: Path, script: str
) -> None:
    """It may have printed a credential."""
    with pytest.raises(Unreadable, match="gave no token") as caught:
        cluster(target(tmp_path, program(sys.executable, "-c", script))).__enter__()
    assert "secret" not in str(caught.value)


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    """A StopIteration would say nothing."""
    with pytest.raises(MissingToolError, match="no-such-program, which is not on PATH"):
        cluster(target(tmp_path, program("no-such-program"))).__enter__()
    with pytest.raises(Unreadable, match="no context 'other'; there are: c"):
        cluster(target(tmp_path, {"token": "t"}, context="other")).__enter__()
    gone = target(tmp_path, {"token": "t"})
    (tmp_path / "kubeconfig").unlink()
    with pytest.raises(Unreadable, match=r"stack test: .*kubeconfig: No such file"):
        cluster(gone).__enter__()


def test_without_a_token_vault_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 403 would send the operator to the policies."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    with pytest.raises(MissingToolError, match="VAULT_TOKEN is not set"):
        vault(target(tmp_path, {"token": "t"})).__enter__()


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
    owner = Workload("linkerd", "Deployment", IDENTITY)
    pod = Pod("linkerd", "i-0", owner, NOW, control_plane=True)
    found = _identity(OnePath("https://k", Path()), pod)
    assert (found.pod, found.ttl, found.unreadable) == ("linkerd/i-0", ttl, why)
