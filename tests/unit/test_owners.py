"""Operators and CRDs of other owners: ours are left out, theirs are used and checked first."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.clients.https import Answer, Client
from bot.clients.target import Target
from bot.exit_codes import RefusedError
from bot.mesh import existing
from bot.mesh.status.facts import own_places, places
from components.alerts.arguments import setting
from components.alerts.groups.certificates import certificates
from components.alerts.groups.model import Alert
from components.alerts.groups.secrets import secrets
from components.alerts.groups.sources import sources
from components.external_secrets import operators
from components.rollout import plan
from schema.faults import ConfigError
from stack.config import StackConfig
from tests.unit.custody import sections
from tests.unit.every_feature import program
from tests.unit.stack_files import REPO, KeyPath, load, spoilt
from tests.unit.whole_program import Evaluated

THEIRS: dict[str, Any] = {
    "certManager": {
        "install": False,
        "namespace": "security",
        "clusterResourceNamespace": "issuers",
        "serviceAccount": "cm-controller",
        "installTrustManager": False,
        "trustManagerNamespace": "trust-system",
        "trustNamespace": "anchors",
    },
    "externalSecrets": {"install": False, "namespace": "operators"},
}


OURS: dict[str, Any] = {"certManager": {}, "externalSecrets": {}}


def evaluated(custody: str = "vault", **more: Any) -> Evaluated:
    """A standalone stack whose operators are somebody else's."""
    return program({**sections("standalone", custody), **THEIRS, **more})


def config(**changes: Any) -> StackConfig:
    """The stack file of a cluster with these operators."""
    paths: dict[KeyPath, Any] = {(key,): value for key, value in {**THEIRS, **changes}.items()}
    with tempfile.TemporaryDirectory() as folder:
        return load(Path(folder), spoilt(paths))


def where(seen: Evaluated, kind: str) -> dict[str, str]:
    """The namespace of each of our own objects of a kind."""
    return {
        r.inputs["metadata"]["name"]: r.inputs["metadata"].get("namespace", "")
        for r in seen.of(kind)
    }


def test_public_reports_operators_that_are_there_already_stay() -> None:
    """external-secrets#563: two copies of an operator fight over each Secret (case 28)."""
    seen = evaluated()
    names = {r.name for r in seen.resources}
    for chart in ("cert-manager", "trust-manager"):
        assert not {f"cert-manager-{chart}", f"cert-manager-{chart}-crds"} & names, chart
    assert (
        not {"external-secrets-external-secrets", "external-secrets-external-secrets-crds"} & names
    )
    assert not {"cert-manager", "external-secrets", "security", "operators"} & set(
        where(seen, "Namespace")
    )
    ours = program(sections("standalone", "vault"))
    assert {"cert-manager", "external-secrets"} <= set(where(ours, "Namespace"))


def test_public_reports_what_the_mesh_needs_lies_where_their_operators_read_it() -> None:
    """A ClusterIssuer reads Secrets and accounts in one namespace, a Bundle in another."""
    seen = evaluated()
    assert where(seen, "Certificate")["linkerd-webhook-ca"] == "issuers"
    assert where(seen, "ServiceAccount") == {
        "linkerd-platform-vault": "operators",
        "linkerd-identity-issuer-vault": "issuers",
    }
    anchors = {n: ns for n, ns in where(seen, "ExternalSecret").items() if "anchor" in n}
    assert set(anchors.values()) == {"anchors"}
    store = seen.object("ClusterSecretStore", "linkerd-platform-vault").inputs["spec"]
    assert store["conditions"][0]["namespaces"][0] == "anchors"
    login = store["provider"]["vault"]["auth"]["kubernetes"]["serviceAccountRef"]
    assert login["namespace"] == "operators"
    (grant,) = seen.of("RoleBinding")
    assert grant.inputs["subjects"] == [
        {"kind": "ServiceAccount", "name": "cm-controller", "namespace": "security"}
    ]
    roles = {
        r.inputs["roleName"]: r.inputs["boundServiceAccountNamespaces"]
        for r in seen.resources
        if r.type.endswith("AuthBackendRole")
    }
    assert roles == {"external-secrets": ["operators"], "linkerd-identity-issuer": ["issuers"]}


def test_public_reports_keys_in_custody_cluster_lie_where_their_cert_manager_signs() -> None:
    """The CA of a ClusterIssuer is read in the cluster resource namespace alone."""
    seen = evaluated("cluster")
    keys = {n: ns for n, ns in where(seen, "ExternalSecret").items() if n.endswith("-key")}
    assert set(keys.values()) == {"issuers"}
    assert set(where(seen, "PushSecret").values()) == {"issuers"}
    assert set(where(seen, "SecretStore").values()) == {"issuers"}


def test_public_reports_our_trust_manager_runs_beside_their_cert_manager() -> None:
    """It needs a Certificate of its own, and its namespace must be there."""
    owners = {"certManager": {"install": False, "namespace": "security"}}
    seen = program({**sections("standalone", "vault"), **owners})
    chart = seen.named("cert-manager-trust-manager").inputs
    assert chart["namespace"] == "security"
    assert chart["values"]["app"]["trust"]["namespace"] == "security"
    assert "cert-manager-cert-manager" not in {r.name for r in seen.resources}


def test_public_reports_monitors_alerts_and_status_go_by_the_same_keys() -> None:
    """A monitor of an empty namespace is silent, and an alert then fires for ever."""
    seen = evaluated(observability={"monitors": {"enabled": True}})
    monitors = where(seen, "PodMonitor")
    assert monitors["cert-manager"] == "security"
    assert monitors["trust-manager"] == "trust-system"
    assert monitors["external-secrets"] == "operators"
    depends = setting(config())
    rules = {
        rule.name: rule
        for group in (secrets(depends), certificates(depends), sources(depends))
        for rule in group.rules
        if isinstance(rule, Alert)
    }
    assert 'namespace=~"security|operators"' in rules["SecretOperatorNotReady"].expr
    assert rules["CertificateIssuerNotReady"].namespace == "security"
    assert rules["ClusterSecretStoreNotReady"].namespace == "operators"
    assert "linkerd|linkerd-viz|issuers|trust-system" in (
        rules["LinkerdCertificateRenewalOverdue"].expr
    )
    theirs = config()
    assert {"security", "trust-system", "operators", "issuers", "anchors"} <= set(places(theirs))
    assert "cert-manager" not in places(theirs)
    assert own_places(theirs) == ["linkerd", "linkerd-viz"]
    assert plan.forbidden(theirs, "security") == "has an operator that the mesh needs"


@pytest.mark.parametrize(
    ("section", "value", "said"),
    [
        ("certManager", {"namespace": "security"}, "give install: false with it"),
        ("certManager", {"trustNamespace": "a"}, "give installTrustManager: false with it"),
        ("certManager", {"install": False, "replicas": 3}, "is for ours, and install is false"),
        ("externalSecrets", {"namespace": "operators"}, "give install: false with it"),
        ("externalSecrets", {"install": False, "replicas": 3}, "is for ours"),
    ],
)
def test_public_reports_a_key_that_would_be_ignored_is_refused(
    section: str, value: dict[str, Any], said: str
) -> None:
    """Whoever writes where an operator is, and installs ours elsewhere, has two."""
    with pytest.raises(ConfigError, match=said):
        config(**{**OURS, section: value})


def test_public_reports_helm_records_go_where_the_stack_file_says() -> None:
    """cert-manager#3713: GKE Autopilot refuses Secrets in kube-system (case 27)."""
    base = sections("standalone", "vault")
    cluster = {**base["cluster"], "helmNamespace": "linkerd-platform-helm"}
    releases = [
        r.inputs
        for r in program({**base, "cluster": cluster}).resources
        if r.type.endswith(":Release") and r.inputs["name"].endswith("-crds")
    ]
    assert len(releases) == 5
    assert {r["namespace"] for r in releases} == {"linkerd-platform-helm"}
    assert all(r["createNamespace"] for r in releases)
    kept = [r.inputs for r in program(base).resources if r.type.endswith(":Release")]
    assert {r["namespace"] for r in kept if r["name"].endswith("-crds")} == {"kube-system"}
    assert not any(r.get("createNamespace") for r in kept)


CERT_MANAGER = "cert-manager"


def deployment(name: str, namespace: str, image: str, *arguments: str, account: str = "") -> Any:
    """A Deployment of an operator, as its chart makes it."""
    spec = {
        "serviceAccountName": account or name,
        "containers": [{"name": name, "image": image, "args": list(arguments)}],
    }
    labels = {"app.kubernetes.io/name": name}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"template": {"spec": spec}},
    }


def operators_there() -> dict[str, Any]:
    """Operators as the stack file says that they are."""
    return {
        "deployments": [
            deployment(
                CERT_MANAGER,
                "security",
                "quay.io/jetstack/cert-manager-controller:v1.18.2",
                "--v=2",
                "--cluster-resource-namespace=issuers",
                account="cm-controller",
            ),
            deployment(
                "trust-manager",
                "trust-system",
                "quay.io/jetstack/trust-manager:v0.18.0",
                "--trust-namespace=anchors",
            ),
            deployment(
                "external-secrets", "operators", "ghcr.io/external-secrets/external-secrets:v0.19.2"
            ),
        ],
        "served": {kind for needed in existing.NEEDED.values() for kind in needed.kinds},
        "namespaces": {"security", "issuers", "trust-system", "anchors", "operators"},
    }


def judged(spoil: Any = None) -> list[str]:
    """What is said of the operators when something about them is another."""
    seen = copy.deepcopy(operators_there())
    if spoil:
        spoil(seen)
    return list(existing.judge(config(), **seen))


def _image(index: int, image: str) -> Any:
    def spoil(seen: dict[str, Any]) -> None:
        container = seen["deployments"][index]["spec"]["template"]["spec"]["containers"][0]
        container["image"] = image

    return spoil


def _arguments(index: int, *arguments: str) -> Any:
    def spoil(seen: dict[str, Any]) -> None:
        container = seen["deployments"][index]["spec"]["template"]["spec"]["containers"][0]
        container["args"] = list(arguments)

    return spoil


def _account(seen: dict[str, Any]) -> None:
    seen["deployments"][0]["spec"]["template"]["spec"]["serviceAccountName"] = "other"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s["deployments"].pop(0), "set certManager.namespace, or certManager.install"),
        (lambda s: s["served"].discard("certificates.cert-manager.io/v1"), "does not serve"),
        (
            lambda s: s["served"].discard("externalsecrets.external-secrets.io/v1"),
            "install external-secrets 0.16 or newer",
        ),
        (_image(0, "r.example.com/cm@sha256:abc"), ""),
        (_image(0, "r.example.com:5000/cert-manager-controller:v1.14.7"), "1.15 or newer"),
        (_image(1, "quay.io/jetstack/trust-manager:v0.5.0"), "0.7 or newer is needed"),
        (_arguments(0, "--cluster-resource-namespace=$(POD_NAMESPACE)"), "write security"),
        (_arguments(0, "--cluster-resource-namespace", "issuers"), ""),
        (_arguments(0), "write kube-system"),
        (_arguments(1, "--trust-namespace=elsewhere"), "write elsewhere"),
        (_arguments(1), "write cert-manager"),
        (_account, "certManager.serviceAccount is cm-controller"),
        (lambda s: s["namespaces"].discard("anchors"), "there is no namespace anchors"),
    ],
)
def test_public_reports_what_is_needed_of_theirs_is_checked(spoil: Any, said: str) -> None:
    """Each would let `up` begin, and stop half-way: an issuer that is never ready (case 28)."""
    assert judged() == []
    found = judged(spoil)
    if said:
        (line,) = found
        assert said in line
        assert "\n" not in line
    else:
        assert found == []


class Server(Client):
    """An API server with their operators, which answers dry runs as it is told to."""

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        """Lists, discovery, and one answer to every dry run."""
        there = operators_there()
        if method == "POST":
            assert "dryRun=All" in path
            return DRY_RUN[0] if "bundles" in path else Answer(409, {})
        if path.startswith("/apis/apps/"):
            namespace = path.split("/")[5]
            found = [d for d in there["deployments"] if d["metadata"]["namespace"] == namespace]
            return Answer(200, {"items": found, "metadata": {}})
        if path.startswith("/api/v1/namespaces"):
            names = [{"metadata": {"name": each}} for each in there["namespaces"]]
            return Answer(200, {"items": names, "metadata": {}})
        return Answer(200, {"kind": "APIGroupDiscoveryList", "items": _discovery(there["served"])})


DRY_RUN = [Answer(201, {})]


def _discovery(served: set[str]) -> list[dict[str, Any]]:
    made_ = []
    for each in served:
        kind, version = each.split("/")
        resource, _, group = kind.partition(".")
        resources = [{"resource": resource, "verbs": ["list"]}]
        versions = [{"version": version, "resources": resources}]
        made_.append({"metadata": {"name": group}, "versions": versions})
    return made_


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(201, {}), ""),
        (Answer(409, {}), ""),
        (Answer(403, {"message": "forbidden"}), ""),
        (
            Answer(500, {"message": "failed calling webhook: no endpoints"}),
            "failed calling webhook",
        ),
        (Answer(400, {"message": 'unknown field "spec.x"'}), "unknown field"),
    ],
)
def test_public_reports_their_webhooks_are_asked_before_anything_changes(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, said: str
) -> None:
    """A webhook without a pod refuses the first issuer, when half of the mesh is there."""
    monkeypatch.setattr(f"{__name__}.DRY_RUN", [answer])

    @contextmanager
    def server(_: Target) -> Iterator[Client]:
        yield Server("https://api", Path("ca.crt"))

    monkeypatch.setattr(existing, "cluster", server)
    target = Target("test", REPO, config(), None, {})
    if not said:
        existing.refuse(target)
        return
    with pytest.raises(RefusedError, match=said) as refused:
        existing.refuse(target)
    assert "certManager.installTrustManager is false" in str(refused.value)


def test_no_server_is_asked_where_all_operators_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preview of a stack file of today takes no longer, and needs no more rights."""
    monkeypatch.setattr(existing, "cluster", lambda _: pytest.fail("asked"))
    ours = Target("test", REPO, config(**OURS), None, {})
    existing.refuse(ours)
    assert operators(ours.config).theirs == frozenset()
