"""The sandbox on other ports or another cluster: the same stack file with other addresses."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from bot.engine import sandbox_stack
from sandbox.settings import Ports
from tests.unit.stack_files import REPO

_TRACKED = (REPO / sandbox_stack.TRACKED).read_text(encoding="utf-8")
_VAULT = {"VAULT_ADDR": "https://vault.example:8200/", "VAULT_TOKEN": "for-the-test"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the tracked stack file and a kubeconfig of one context."""
    (tmp_path / sandbox_stack.TRACKED).write_text(_TRACKED, encoding="utf-8")
    authority = base64.b64encode(b"the authority").decode()
    cluster = {"server": "https://10.0.0.1:6443", "certificate-authority-data": authority}
    kubeconfig = {
        "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    return tmp_path


def test_tracked_file_is_used_as_it_stands_on_its_own_ports(project: Path) -> None:
    """What is reviewed is what is deployed: comments and all."""
    assert sandbox_stack.content(project) == _TRACKED


def test_other_ports_change_two_addresses_and_nothing_else(project: Path) -> None:
    """Two working copies on one machine need different ports, not different stacks."""
    (project / ".sandbox").mkdir()
    mark = {"ports": asdict(Ports(kube=1111, vault=2222)), "ttl_seconds": 60}
    (project / ".sandbox" / "settings.json").write_text(json.dumps(mark))
    changed = yaml.safe_load(sandbox_stack.content(project))["config"]
    expected = yaml.safe_load(_TRACKED)["config"]
    expected["linkerd-platform:cluster"]["apiServer"] = "https://127.0.0.1:1111"
    expected["linkerd-platform:vault"]["address"] = "https://127.0.0.1:2222"
    assert changed == expected


@pytest.mark.parametrize(
    ("versions", "linkerd", "said"),
    [
        ({}, True, {}),
        ({"cert-manager": "v1.21.1"}, True, {"charts": {"cert-manager": "v1.21.1"}}),
        ({}, False, {"linkerd": False}),
    ],
    ids=["published", "of modules", "without linkerd"],
)
def test_other_charts_are_said_in_the_file_and_nowhere_else(
    project: Path, versions: dict[str, str], linkerd: bool, said: dict[str, object]
) -> None:
    """What is deployed is what its stack file says, here too; the tracked one stays."""
    sandbox_stack.use_charts(project, {"cert-manager": "v0.0.1"}, linkerd=False)
    sandbox_stack.use_charts(project, versions, linkerd=linkerd)
    config = yaml.safe_load(sandbox_stack.content(project))["config"]
    assert config["linkerd-platform:sandbox"] == {"openWebhooks": True, **said}
    assert (project / sandbox_stack.TRACKED).read_text() == _TRACKED
    environment = {**_VAULT, "KUBECONFIG": str(project / "kubeconfig")}
    sandbox_stack.choose(project, "mine", environment)
    config = yaml.safe_load(sandbox_stack.content(project))["config"]
    assert config.get("linkerd-platform:sandbox", {}) == said


def test_own_context_replaces_cluster_and_closes_the_allowances(project: Path) -> None:
    """On a real cluster pods run: webhooks left open there would hide that nothing is injected."""
    environment = {**_VAULT, "KUBECONFIG": str(project / "kubeconfig")}
    sandbox_stack.choose(project, "mine", environment)
    config = yaml.safe_load(sandbox_stack.content(project))["config"]
    assert config["linkerd-platform:cluster"] == {
        "name": "sandbox",
        "context": "mine",
        "kubeconfig": str(project / "kubeconfig"),
        "apiServer": "https://10.0.0.1:6443",
        "caPem": "the authority",
    }
    assert config["linkerd-platform:vault"]["address"] == "https://vault.example:8200"
    assert "linkerd-platform:sandbox" not in config
    assert (project / sandbox_stack.TRACKED).read_text(encoding="utf-8") == _TRACKED
    written = "".join(p.read_text() for p in (project / ".sandbox").rglob("*") if p.is_file())
    assert "for-the-test" not in written


@pytest.mark.parametrize(
    ("context", "missing", "told"),
    [("other", "", "there are: mine"), ("mine", "KUBECONFIG", "No such file")],
)
def test_context_that_cannot_be_used_is_refused_in_words(
    project: Path, context: str, missing: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found out now, not after the first half of an update."""
    monkeypatch.setenv("HOME", str(project / "nobody"))
    environment = {**_VAULT, "KUBECONFIG": str(project / "kubeconfig")}
    environment.pop(missing, None)
    with pytest.raises(sandbox_stack.ContextError, match=told):
        sandbox_stack.choose(project, context, environment)
    assert sandbox_stack.chosen(project) is None


def test_own_context_with_a_vault_of_the_sandbox_has_its_address_and_authority(
    project: Path,
) -> None:
    """Nobody has to bring a Vault to try it; its token is in the sandbox's folder, not here."""
    environment = {"KUBECONFIG": str(project / "kubeconfig")}
    vault = ("https://192.0.2.7:18200", "its authority")
    own = sandbox_stack.choose(project, "mine", environment, vault=vault)
    assert own.own_vault
    assert sandbox_stack.chosen(project) == own
    config = yaml.safe_load(sandbox_stack.content(project))["config"]
    assert config["linkerd-platform:vault"]["address"] == "https://192.0.2.7:18200"
    assert config["linkerd-platform:vault"]["caPem"] == "its authority"


def test_a_rotation_is_three_stack_files_and_the_last_one_stays(project: Path) -> None:
    """Add, switch, retire; the next `make sandbox` goes on from the last."""
    seen = []
    for _ in sandbox_stack.rotate_anchor(project):
        trust = yaml.safe_load(sandbox_stack.content(project))["config"]["linkerd-platform:trust"]
        trusted = [each["name"] for each in trust["generations"] if not each.get("retired")]
        seen.append((trusted, trust["signing"]))
    both = ["sandbox-1", "sandbox-2"]
    assert seen == [(both, "sandbox-1"), (both, "sandbox-2"), (["sandbox-2"], "sandbox-2")]
    next(sandbox_stack.rotate_anchor(project))
    again = yaml.safe_load(sandbox_stack.content(project))["config"]["linkerd-platform:trust"]
    assert [(each["name"], bool(each.get("retired"))) for each in again["generations"]] == [
        ("sandbox-1", True),
        ("sandbox-2", False),
        ("sandbox-3", False),
    ]
