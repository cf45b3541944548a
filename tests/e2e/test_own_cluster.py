"""`make sandbox CONTEXT=name` without a Vault: another cluster, and a Vault started beside it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.clients.https import Client
from sandbox import cluster, lifecycle, own_cluster
from sandbox.settings import Settings
from tests.e2e import project
from tests.e2e.project import Copy

pytestmark = pytest.mark.e2e
_HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_SECRETS = "/api/v1/namespaces/cert-manager/secrets"
# Nothing answers a webhook, because no pod really runs: that is all the cluster is told of us.
_NO_WEBHOOKS = "MutatingAdmissionWebhook,ValidatingAdmissionWebhook"


class _Pods(threading.Thread):
    """Does what the pods of cert-manager's and External Secrets' webhooks do at their start."""

    def __init__(self, api: Client, ca: bytes) -> None:
        super().__init__(daemon=True)
        self._api, self._ca = api, base64.b64encode(ca).decode()
        self._ended = threading.Event()

    def run(self) -> None:
        made = False
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cert-manager-webhook-ca",
                "annotations": {"cert-manager.io/allow-direct-injection": "true"},
            },
            "data": {"ca.crt": self._ca},
        }
        while not self._ended.wait(0.2):
            made = made or self._api.request("POST", _SECRETS, secret).ok
            for name in ("externalsecret-validate", "secretstore-validate"):
                answer = self._api.request("GET", f"{_HOOKS}/{name}")
                hooks = answer.body.get("webhooks", []) if answer.ok else []
                if any("caBundle" not in hook["clientConfig"] for hook in hooks):
                    self._inject(name, len(hooks))

    def _inject(self, name: str, count: int) -> None:
        patch = [
            {"op": "add", "path": f"/webhooks/{each}/clientConfig/caBundle", "value": self._ca}
            for each in range(count)
        ]
        content = "application/json-patch+json"
        self._api.request("PATCH", f"{_HOOKS}/{name}", patch, content_type=content)

    def end(self) -> None:
        self._ended.set()
        self.join(10)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A cluster that is not the sandbox's own, with a Vault that nobody is told of."""
    if reason := project.missing_engine():
        pytest.skip(reason)
    flags = cluster._flags

    def without_webhooks(given: dict[str, Any]) -> list[str]:
        more = {"disable-admission-plugins": _NO_WEBHOOKS} if "etcd-servers" in given else {}
        return flags({**given, **more})

    monkeypatch.setattr(cluster, "_flags", without_webhooks)
    settings = Settings.ephemeral(tmp_path / "elsewhere")
    pods = None
    try:
        lifecycle.up(settings, lambda _text: None)
        pods = _Pods(cluster.client(settings), (settings.pki_dir / "ca.crt").read_bytes())
        pods.start()
        yield settings
    finally:
        if pods:
            pods.end()
        lifecycle.down(settings, lambda _text: None)


def test_a_context_gets_a_vault_that_its_nodes_reach_and_all_of_it_goes_again(
    elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to bring a Vault to try it on kind, k3d or whatever a laptop has."""
    for name in ("VAULT_ADDR", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(elsewhere.kubeconfig))
    copy: Copy = project.copy_to(tmp_path / "project")
    context = ("--context", "linkerd-platform-sandbox")
    try:
        done = copy.run("sandbox", "run", "--ephemeral", "--strict", *context)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert "26 of 26 checks passed" in done.stdout
        host = own_cluster.vault_host(kind=False)
        address = copy.settings.vault_addr
        assert address.startswith(f"https://{host}:")
        assert f"cluster: context {context[1]} at {elsewhere.kube_host}, Vault at {address}" in (
            done.stdout
        )
        # Only Vault is ours: the servers are those that were there.
        assert {record.name for record in project.records(copy)} == {"watchdog", "vault"}
        again = copy.run("sandbox", "run", "--strict")
        assert again.returncode == 0, f"{again.stdout}\n{again.stderr}"
        assert "no changes" in again.stdout
        gone = copy.run("sandbox", "down", "--include-protected")
        assert gone.returncode == 0, f"{gone.stdout}\n{gone.stderr}"
        assert not (copy.folder / ".sandbox").exists()
        found = cluster.client(elsewhere).request("GET", "/api/v1/namespaces/linkerd")
        assert found.status == 404
    finally:
        copy.down()
