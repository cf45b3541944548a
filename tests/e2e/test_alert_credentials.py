"""Credentials from Vault through External Secrets to a message, by real servers all the way."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.alert_routing.component import AlertRoutingArgs, credentials, manifest
from components.external_secrets import ExternalSecretsArgs, secret_store
from components.names import (
    ALERT_ROUTING,
    EXTERNAL_SECRETS,
    SECRET_STORE,
    STORE_ACCOUNT,
    STORE_ROLE,
)
from components.trust_anchor import read_policy
from components.vault_auth import VaultAuth, auth_delegator, service_account
from sandbox import toolchain, vault
from tests.e2e import real_alertmanager
from tests.e2e.real_alertmanager import alert, until
from tests.e2e.runbook import blocks
from tests.e2e.sandbox_cluster import CORE, Cluster, running_sandbox
from tests.e2e.sandbox_vault import AUDIENCES
from tests.e2e.test_sandbox_operators import CRDS
from tests.programs import ran
from tests.unit.routing_samples import ON_CALL, routing_args
from tests.unit.samples import arguments, chart

pytestmark = pytest.mark.e2e
NAMESPACE, KV, AUTH = "monitoring", "linkerd/kv", "kubernetes/test"
SECRETS = f"/apis/external-secrets.io/v1/namespaces/{NAMESPACE}/externalsecrets"
OBJECT = f"/apis/monitoring.coreos.com/v1alpha1/namespaces/{NAMESPACE}/alertmanagerconfigs"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Kept short: an entry that comes late is read within it.
REFRESH = "2s"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with our store, and in Vault no more than its right to two entries."""
    if not CRDS.is_dir():
        pytest.skip(f"no CRDs in {CRDS}: set CRDS_DIR")
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as made:
        for name in ("external-secrets", "prometheus-operator-alertmanagerconfig"):
            for document in yaml.safe_load_all((CRDS / f"{name}.yaml").read_text()):
                if document:
                    made.apply(CRD, document)
        for name in (NAMESPACE, EXTERNAL_SECRETS, "other"):
            made.apply(CORE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        log_in(made)
        yield made


def log_in(made: Cluster) -> None:
    """The store as the program makes it, and its role and policy in Vault."""
    account = service_account(STORE_ACCOUNT, EXTERNAL_SECRETS)
    made.apply(f"{CORE}/{EXTERNAL_SECRETS}/serviceaccounts", account)
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    made.apply(bindings, auth_delegator(STORE_ACCOUNT, EXTERNAL_SECRETS))
    settings = made.settings

    def write(path: str, body: dict[str, Any]) -> None:
        vault.request(settings, "POST", f"/v1/{path}", body)

    write(f"sys/mounts/{KV}", {"type": "kv", "options": {"version": "2"}})
    write(f"sys/auth/{AUTH}", {"type": "kubernetes"})
    ca = (settings.pki_dir / "ca.crt").read_text()
    write(
        f"auth/{AUTH}/config",
        {
            "kubernetes_host": settings.kube_host,
            "kubernetes_ca_cert": ca,
            "disable_local_ca_jwt": True,
        },
    )
    paths = [each.vault_path for each in args().routing.receivers]
    policy = read_policy(*(f"{KV}/data/{path}" for path in paths))
    write("sys/policies/acl/linkerd-read-test", {"policy": policy})
    write(
        f"auth/{AUTH}/role/{STORE_ROLE}",
        {
            "bound_service_account_names": STORE_ACCOUNT,
            "bound_service_account_namespaces": EXTERNAL_SECRETS,
            "audience": "vault",
            "token_policies": "linkerd-read-test",
        },
    )
    store = ExternalSecretsArgs(
        chart=chart("external-secrets"),
        crds=chart("external-secrets-crds"),
        replicas=1,
        role=STORE_ROLE,
        vault_address=settings.vault_addr,
        vault_ca_pem=(settings.pki_dir / "vault-ca.crt").read_text(),
        vault_namespace=None,
        kv_mount=KV,
        auth_mount=AUTH,
        audiences=tuple(AUDIENCES),
        namespaces=(NAMESPACE,),
    )
    stores = "/apis/external-secrets.io/v1/clustersecretstores"
    made.apply(stores, secret_store(store))
    made.wait_for(f"{stores}/{SECRET_STORE}", "Ready", seconds=90)


def args(form: str = "alertmanager-config", **changes: Any) -> AlertRoutingArgs:
    return routing_args(form, **changes).model_copy(update={"refresh_interval": REFRESH})


def put(made: Cluster, **values: str) -> None:
    """The credentials as the runbook puts them, with the vault that an operator has."""
    heading = "Put the credentials into Vault"
    page = [b.text for b in blocks("alert-routing.md") if b.heading == heading]
    (script,) = page
    token = (made.settings.state_dir / "vault" / "root-token").read_text()
    program = toolchain.ensure(["vault"])["vault"]
    folder = made.settings.state_dir / "programs"
    folder.mkdir(exist_ok=True)
    link = folder / "vault"
    if not link.exists():
        link.symlink_to(program)
    done = ran(
        ["bash", "-euo", "pipefail", "-c", script],
        env={
            **os.environ,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "VAULT_ADDR": made.settings.vault_addr,
            "VAULT_CACERT": str(made.settings.pki_dir / "vault-ca.crt"),
            "VAULT_TOKEN": token,
            **values,
        }, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_credentials_reach_the_receivers_by_way_of_vault(running: Cluster, tmp_path: Path) -> None:
    """Missing first, which is said; then put as the runbook says, mounted, and used."""
    if reason := real_alertmanager.missing():
        pytest.skip(reason)
    wanted = credentials(args())
    name = wanted["metadata"]["name"]
    running.apply(SECRETS, wanted)
    # Without an entry there is no Secret: an `up` stops here, and says which object is not ready.
    running.wait_for(f"{SECRETS}/{name}", "Ready", "False", seconds=90)
    with real_alertmanager.receivers() as told:
        put(running, SLACK_WEBHOOK=f"{told.address}/slack", SPLUNK_ON_CALL_KEY="key")
        running.wait_for(f"{SECRETS}/{name}", "Ready", seconds=120)
        found = running.get(f"{CORE}/{NAMESPACE}/secrets/{name}")
        assert found is not None
        assert set(found["data"]) == {"mesh-slack", "mesh-on-call"}
        for key, value in found["data"].items():
            (tmp_path / key).write_bytes(base64.b64decode(value))
        relay = ON_CALL.model_copy(update={"api_url": f"{told.address}/alert/"})
        slack = args().routing.receivers[0]
        made = args("file", receivers=(slack, relay), group_wait="1s", group_interval="5s")
        made = made.model_copy(update={"credentials_folder": str(tmp_path)})
        text = manifest(made)["data"]["alertmanager.yaml"]
        assert told.address not in text.replace(f"{told.address}/alert/", "")
        with real_alertmanager.running(tmp_path, text) as alertmanager:
            alertmanager.post(alert("LinkerdIssuerExpiring"))
            until(lambda: told.slack("LinkerdIssuerExpiring"), "Slack")
            until(lambda: told.on_call("LinkerdIssuerExpiring"), "Splunk On-Call")


def test_the_store_reads_nothing_else_and_serves_no_other_namespace(running: Cluster) -> None:
    """Whoever may make an ExternalSecret in a namespace has what the store reads there."""
    body = {"data": {"word": "other"}}
    vault.request(running.settings, "POST", f"/v1/{KV}/data/alerting/other", body)
    vault.request(running.settings, "POST", f"/v1/{KV}/data/alerting/slack", {"data": {"url": "a"}})

    def asks(namespace: str, path: str, key: str) -> str:
        one = credentials(args())
        name = f"asks-{path.replace('/', '-')}"
        one["metadata"] = {"name": name, "namespace": namespace}
        one["spec"]["target"]["name"] = name
        one["spec"]["data"] = [
            {"secretKey": "a", "remoteRef": {"key": path, "property": key}},
        ]
        place = SECRETS.replace(NAMESPACE, namespace)
        running.apply(place, one)
        return f"{place}/{name}"

    running.wait_for(asks(NAMESPACE, "alerting/slack", "url"), "Ready", seconds=90)
    running.wait_for(asks(NAMESPACE, "alerting/other", "word"), "Ready", "False", seconds=90)
    running.wait_for(asks("other", "alerting/slack", "url"), "Ready", "False", seconds=90)


def test_the_api_server_takes_the_object_as_it_is(running: Cluster) -> None:
    """What it drops or adds would be a change in every preview."""
    wanted = manifest(args())
    running.wait(f"{CRD}/alertmanagerconfigs.monitoring.coreos.com", established, seconds=60)
    taken = running.apply(OBJECT, wanted)
    assert taken["metadata"]["name"] == ALERT_ROUTING
    assert taken["spec"] == wanted["spec"]


def established(crd: dict[str, Any]) -> bool:
    """True when the API server serves the kind."""
    conditions = crd.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def test_the_arguments_are_those_that_the_program_makes() -> None:
    """Roles and names here are no invention of the test."""
    sample = arguments()[VaultAuth].model_dump()
    assert (sample["kv_mount"], sample["auth_mount"]) == (KV, AUTH)
