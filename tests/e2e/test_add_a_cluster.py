"""The runbook of a second cluster, wholly: joined to the first one's anchor, and removed again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from bot.clients.https import Client
from bot.mesh.status.verification_trust import signed_by
from bot.mesh.trust import chain as trust_chain
from components.names import IDENTITY_ISSUER, LINKERD
from sandbox import cluster, lifecycle, vault
from sandbox.settings import Settings
from stack import fleet
from tests.e2e.checker import Checker, published_roots
from tests.e2e.leaves import Issuer, now
from tests.e2e.runbook import Runbook
from tests.e2e.trust_mesh import LEAF_SECONDS, SKEW_SECONDS, TrustMesh

pytestmark = pytest.mark.e2e
_PREFIX = "linkerd-platform:"
_FOLDER = ".east"
_ISSUER = f"/api/v1/namespaces/{LINKERD}/secrets/{IDENTITY_ISSUER}"
_GONE = (
    f"/apis/apps/v1/namespaces/{LINKERD}/deployments",
    f"/apis/cert-manager.io/v1/namespaces/{LINKERD}/certificates",
    "/apis/external-secrets.io/v1/clustersecretstores",
)
_FLEET = {
    "owner": "sandbox",
    "waves": [{"name": "all", "clusters": [{"stack": "east", "environment": "development"}]}],
}


@dataclass
class Pair:
    """The mesh that is there, the servers of the new cluster, and the page."""

    mesh: TrustMesh
    east: Settings
    book: Runbook

    @property
    def east_api(self) -> Client:
        """A client of the new cluster."""
        return cluster.client(self.east)


@pytest.fixture
def pair(trust_mesh: TrustMesh) -> Iterator[Pair]:
    """A second embedded cluster beside the first, with nothing of ours in it."""
    mesh, folder = trust_mesh, trust_mesh.copy.folder
    known = (folder / fleet.FILE).read_text(encoding="utf-8")
    done = mesh.copy.run("sandbox", "cluster", "up", "--ephemeral", "--state-dir", _FOLDER)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    east = lifecycle.adopted(Settings(folder / _FOLDER))
    try:
        yield Pair(mesh, east, Runbook(mesh, "add-a-cluster.md", {}, {}, {"production": "east"}))
    finally:
        lifecycle.down(east, lambda _text: None)
        (folder / fleet.FILE).write_text(known, encoding="utf-8")
        (folder / "Pulumi.east.yaml").unlink(missing_ok=True)


def _write_stack_file(pair: Pair) -> None:
    """As the page says: staging's file with another cluster; Vault and trust are the fleet's."""
    mesh, folder = pair.mesh, pair.mesh.copy.folder
    text = yaml.safe_load((folder / "Pulumi.staging.yaml").read_text(encoding="utf-8"))
    ours = yaml.safe_load((folder / "Pulumi.sandbox.yaml").read_text(encoding="utf-8"))["config"]
    text["config"] |= {
        f"{_PREFIX}cluster": {
            "name": "east",
            "kubeconfig": f"{_FOLDER}/kubeconfig",
            "apiServer": pair.east.kube_host,
            "caFile": f"{_FOLDER}/pki/ca.crt",
        },
        f"{_PREFIX}vault": {
            **ours[f"{_PREFIX}vault"],
            "address": mesh.copy.settings.vault_addr,
        },
        f"{_PREFIX}trust": ours[f"{_PREFIX}trust"],
        f"{_PREFIX}viz": {"enabled": False},
        f"{_PREFIX}buoyantCloud": {"enabled": False},
        # No pod runs there either.
        f"{_PREFIX}sandbox": {"openWebhooks": True},
    }
    (folder / "Pulumi.east.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    (folder / fleet.FILE).write_text(yaml.safe_dump(_FLEET), encoding="utf-8")


def _deployers_token(pair: Pair) -> str:
    """A token with the policy of the page and no other; it reaches no key."""
    settings = pair.mesh.copy.settings
    # With the default policy, as every login gives: it is about the token itself.
    wanted = {"policies": ["linkerd-platform-east"], "ttl": "20m"}
    made: Any = vault.request(settings, "POST", "/v1/auth/token/create", wanted)
    token = str(made["auth"]["client_token"])
    client = Client(
        settings.vault_addr, settings.pki_dir / "vault-ca.crt", headers={"X-Vault-Token": token}
    )
    kv, pki, signing = "/v1/linkerd/kv/data", "/v1/linkerd/pki", pair.mesh.signing
    assert client.request("GET", f"{kv}/anchors/{signing}").ok
    for path in (f"{kv}/anchor-keys/{signing}", f"{pki}/keys/export/x"):
        assert client.request("GET", path).status == 403
    assert client.request("POST", f"{pki}/issuer/{signing}/sign-intermediate", {}).status == 403
    return token


def _trust_each_other(pair: Pair) -> None:
    """Leaves of both chain to both bundles, and to the same anchor."""
    mesh, api = pair.mesh, pair.east_api
    assert published_roots(api) == mesh.roots()
    east = Checker(api, LEAF_SECONDS, SKEW_SECONDS, mesh.copy.folder / "identity-east")
    with mesh.watch() as home, east:
        for checker in (home, east):
            mesh.wait("leaves", lambda c=checker: all(w.leaf for w in c.workloads), 60)
        time.sleep(2)
        print(home.report(), east.report(), sep="\n")
        for one, other in ((home, east), (east, home)):
            bundle = other.published()
            leaves = [each.leaf for each in one.workloads if each.leaf]
            assert len(leaves) == len(one.workloads)
            assert [bundle.refuses(leaf, now()) for leaf in leaves] == [""] * len(leaves)
    assert home.failures == east.failures == {}
    assert home.issuers[-1] != east.issuers[-1], "each cluster has an issuer of its own"


def test_add_a_cluster_and_remove_it_again(pair: Pair) -> None:
    """From an empty cluster to one whose pods those of the first accept; then as if never there."""
    mesh, book = pair.mesh, pair.book
    anchors = mesh.serials()
    _write_stack_file(pair)
    said = book.run("The stack file")
    assert mesh.signing in said
    assert "steady" in said or "retired" in said
    book.run("Vault")
    token = _deployers_token(pair)
    own = Runbook(mesh, book.page, {}, {"VAULT_TOKEN": token}, book.stacks)
    said = own.run("Deploy")
    assert "not compared" not in said
    said = own.run("The same anchor")
    fingerprint = trust_chain.fingerprint(mesh.anchors()[mesh.signing])
    assert said.count(fingerprint) == 2
    document = mesh.run("bot", "trust", "status", "--all", "--json")
    assert '"stack": "east"' in document
    _trust_each_other(pair)
    secret = pair.east_api.request("GET", _ISSUER).body["data"]
    assert signed_by(Issuer.of(secret).chain[0], mesh.anchors()[mesh.signing])[0]
    assert mesh.in_vault("auth/kubernetes/east/config")
    # An administrator of Vault does this, who may delete policies.
    book.run("Remove it again")
    assert not mesh.in_vault("auth/kubernetes/east/config")
    # The CRDs stay, and with them the namespaces that they were made after; nothing is in these.
    for path in _GONE:
        assert pair.east_api.request("GET", path).body["items"] == [], path
    assert mesh.serials() == anchors
    mesh.assert_unchanged()
