"""A Linkerd that is there already: what is said of it, what is written, what is taken over."""

from __future__ import annotations

import argparse
import base64
import copy
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import stacks
from bot.changes import risk
from bot.changes.model import Change, ChangeSet, ChartMove, Op
from bot.changes.rules import Level
from bot.clients import kubeconfig
from bot.clients.https import Answer, Client
from bot.clients.kubeconfig import Selected
from bot.clients.target import Target
from bot.deploy import adopt
from bot.exit_codes import BadInputError, RefusedError
from bot.mesh import adoption
from stack import load as stack_load
from stack.config import StackConfig
from tests.certificates import Authority
from tests.unit.bot_trust_samples import authority
from tests.unit.stack_files import load, spoilt

VALUES: dict[str, Any] = {
    "linkerdVersion": "edge-25.4.4",
    "controllerReplicas": 3,
    "highAvailability": True,
    "controllerLogLevel": "warn",
    "controllerImage": "mirror.example.com/linkerd/controller",
    "webhookFailurePolicy": "Fail",
    "identityTrustDomain": "mesh.example.com",
    "clusterDomain": "cluster.local",
    "clusterNetworks": "10.0.0.0/8,fd00::/8",
    "cniEnabled": False,
    "disableHeartBeat": True,
    "identity": {"issuer": {"issuanceLifetime": "12h0m0s", "clockSkewAllowance": "30s"}},
    "proxy": {"await": True, "nativeSidecar": False, "defaultInboundPolicy": "deny"},
}
GIVEN = {
    "controllerReplicas": 3,
    "proxy": {"defaultInboundPolicy": "deny", "logLevel": "debug"},
    "tolerations": [{"key": "mesh"}],
    "identityTrustAnchorsPEM": "x",
}
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: linkerd-identity, namespace: linkerd}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: linkerd-linkerd-identity}
"""
_DEPLOYMENT = "apps/v1 Deployment linkerd/linkerd-identity"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def secret(name: str, **data: bytes) -> dict[str, Any]:
    """A Secret with these values."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name}, "data": encoded}


def record(
    chart: str, namespace: str, *, revision: int = 1, status: str = "deployed", **more: Any
) -> dict[str, Any]:
    """Helm's record of a revision of a release."""
    made = {
        "name": chart,
        "namespace": namespace,
        "chart": {"metadata": {"name": chart, "version": "2026.6.3"}},
        **more,
    }
    packed = base64.b64encode(gzip.compress(json.dumps(made).encode()))
    found = secret(f"sh.helm.release.v1.{chart}.v{revision}", release=packed)
    found["metadata"] |= {"namespace": namespace, "labels": {"owner": "helm", "status": status}}
    return found


def _objects(listed: dict[str, Any]) -> dict[str, Any]:
    """What is in these lists, and each of it by its own path too."""
    single = {
        f"{path.rpartition('/')[0]}/namespaces/{each['metadata']['namespace']}"
        f"/{path.rpartition('/')[2]}/{each['metadata']['name']}": each
        for path, found in listed.items()
        if isinstance(found, list)
        for each in found
        if "namespace" in each["metadata"] and "name" in each["metadata"]
    }
    return single | listed


@dataclass(frozen=True)
class Server(Client):
    """An API server by path, which remembers what was changed."""

    objects: dict[str, Any] = field(default_factory=dict)
    changed: list[tuple[str, str, Any]] = field(default_factory=list)

    def request(self, method: str, path: str, body: Any = None, **_: Any) -> Answer:
        """What lies at a path; every change is answered with `done`."""
        place = path.partition("?")[0]
        if method != "GET":
            self.changed.append((method, path, body))
            return Answer(200, {})
        if place in ("/api", "/apis"):
            return Answer(200, {"kind": "APIGroupDiscoveryList", "items": _groups(place)})
        if place not in self.objects and "limit=" not in path:
            return Answer(404)
        found = copy.deepcopy(self.objects.get(place, []))
        if isinstance(found, dict):
            return Answer(200, found)
        kind = "PartialObjectMetadataList" if "Partial" in self.headers.get("Accept", "") else ""
        return Answer(200, {"kind": kind, "items": found, "metadata": {}})


def _groups(place: str) -> list[dict[str, Any]]:
    kinds = (
        [("", "v1", "secrets", "Secret", True), ("", "v1", "namespaces", "Namespace", False)]
        if place == "/api"
        else [("apps", "v1", "deployments", "Deployment", True)]
    )
    return [
        {
            "metadata": {"name": group},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        {
                            "resource": plural,
                            "responseKind": {"kind": kind},
                            "scope": "Namespaced" if namespaced else "Cluster",
                            "verbs": ["list"],
                        }
                    ],
                }
            ],
        }
        for group, version, plural, kind, namespaced in kinds
    ]


def server(anchor: Authority, **more: Any) -> Server:
    """A cluster with a Linkerd of Helm's, and a cert-manager."""
    pem = anchor.pem
    config = {"metadata": {}, "data": {"values": yaml.safe_dump(VALUES)}}
    labels = {"app.kubernetes.io/name": "cert-manager"}
    spec = {"containers": [{"image": "q/cert-manager-controller:v1.18.2", "args": []}]}
    spec["containers"][0]["args"] = ["--cluster-resource-namespace=$(POD_NAMESPACE)"]
    return Server(
        "https://api",
        Path("ca.crt"),
        objects=_objects(
            {
                "/api/v1/namespaces/linkerd/configmaps/linkerd-config": config,
                "/api/v1/namespaces/linkerd/configmaps/linkerd-identity-trust-roots": {
                    "data": {"ca-bundle.crt": pem}
                },
                "/api/v1/secrets": [
                    record("linkerd-control-plane", "linkerd", config=GIVEN, manifest=MANIFEST),
                    record("another", "shop", config={}, manifest=""),
                ],
                "/apis/apps/v1/deployments": [
                    {
                        "metadata": {"name": "cm", "namespace": "security", "labels": labels},
                        "spec": {"template": {"spec": {"serviceAccountName": "cm", **spec}}},
                    }
                ],
                _CRDS: [
                    {
                        "metadata": {
                            "name": "httproutes.gateway.networking.k8s.io",
                            "annotations": {"gateway.networking.k8s.io/bundle-version": "v1.3.0"},
                        }
                    }
                ],
                "/api/v1/configmaps": [],
                "/api/v1/pods": [{"metadata": {"namespace": "shop", "name": "web"}}],
                **more,
            }
        ),
    )


def looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, api: Server
) -> tuple[list[str], StackConfig]:
    """What `adopt` prints, and the stack file that it writes."""
    chosen = Selected("kind", {"server": "https://10.0.0.1:6443"}, {}, tmp_path / "config")
    ca = authority("root").pem

    @contextmanager
    def client(*_: object) -> Iterator[Client]:
        yield api

    monkeypatch.setattr(kubeconfig, "find", lambda *_: chosen)
    monkeypatch.setattr(kubeconfig, "authority_of", lambda _: ca)
    monkeypatch.setattr(kubeconfig, "client", client)
    monkeypatch.setattr(stacks, "PROJECT_DIR", tmp_path)
    monkeypatch.delenv("VAULT_CACERT", raising=False)
    arguments = argparse.Namespace(
        context="kind", kubeconfig=None, vault="https://vault.example.com:8200", out=None
    )
    lines = adopt.look("adopted", arguments)
    return lines, stack_load.from_file(tmp_path / "Pulumi.adopted.yaml")


def test_public_reports_a_linkerd_of_helms_becomes_a_stack_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pulumi-kubernetes#2014: neither a Chart nor a Release can simply be imported (case 29)."""
    api = server(authority("root"))
    lines, config = looked(monkeypatch, tmp_path, api)
    made = config.linkerd
    assert (made.replicas, made.ha, made.log_level) == (3, True, "warn")
    assert made.image_registry == "mirror.example.com/linkerd"
    assert made.default_inbound_policy == "deny"
    assert (made.native_sidecar, made.heartbeat) == (False, False)
    assert config.trust.domain == "mesh.example.com"
    assert str(config.trust.issuer.leaf_lifetime) == "12h"
    (generation,) = config.trust.generations
    assert (generation.name, generation.source) == ("running", "imported")
    assert config.cluster
    assert config.cluster.adopted
    assert config.cluster.networks == ("10.0.0.0/8", "fd00::/8")
    assert not config.viz.enabled
    assert not config.gateway_api.install
    assert config.gateway_api.version == "1.3.0"
    assert not config.cert_manager.install
    assert config.cert_manager.namespace == config.cert_manager.issuer_secrets == "security"
    assert config.cert_manager.service_account == "cm"
    assert config.external_secrets.install
    text = "\n".join(lines)
    assert "linkerd-control-plane 2026.6.3 by Helm, release linkerd/linkerd-control-plane" in text
    assert "1 meshed pods of workloads" in text
    assert api.changed == [], "looking changes nothing"


def test_public_reports_what_no_key_says_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A toleration that is lost moves the control plane to other nodes, at the first `up`."""
    lines, _ = looked(monkeypatch, tmp_path, server(authority("root")))
    assert [each for each in lines if each.startswith("not kept")] == [
        'not kept: linkerd-control-plane proxy.logLevel: "debug"',
        'not kept: linkerd-control-plane tolerations: [{"key": "mesh"}]',
    ]


def test_public_reports_the_list_has_the_objects_of_linkerd_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another chart's objects are not taken over, whatever they are called."""
    looked(monkeypatch, tmp_path, server(authority("root")))
    listed = yaml.safe_load((tmp_path / "Pulumi.adopted.adopt.yml").read_text())
    assert listed == {
        "objects": [
            _DEPLOYMENT,
            "rbac.authorization.k8s.io/v1 ClusterRole linkerd-linkerd-identity",
        ],
        "records": ["secrets linkerd/sh.helm.release.v1.linkerd-control-plane.v1"],
        "managers": ["helm"],
        "charts": {"linkerd-control-plane": "2026.6.3"},
    }


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda _: None, "there is no Linkerd to adopt"),
        (lambda folder: (folder / "Pulumi.adopted.yaml").touch(), "is there already"),
    ],
)
def test_public_reports_adopt_refuses_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: Any, said: str
) -> None:
    """A stack file of somebody's is not written over."""
    spoil(tmp_path)
    empty = Server("https://api", Path("ca.crt"))
    with pytest.raises(BadInputError, match=said) as refused:
        looked(monkeypatch, tmp_path, empty)
    assert "\n" not in str(refused.value)


def target(tmp_path: Path, **cluster: Any) -> Target:
    """A stack with a list of what it takes over."""
    paths: dict[Any, Any] = {("cluster", key): value for key, value in cluster.items()}
    config = load(tmp_path, spoilt(paths))
    listed = {
        "objects": [_DEPLOYMENT],
        "records": ["secrets linkerd/sh.helm.release.v1.linkerd-control-plane.v1"],
        "managers": ["helm"],
    }
    (tmp_path / "Pulumi.test.adopt.yml").write_text(yaml.safe_dump(listed))
    return Target("test", tmp_path, config, None, {})


def served(monkeypatch: pytest.MonkeyPatch, api: Server) -> None:
    """Let the commands ask this server."""

    @contextmanager
    def client(_: Target) -> Iterator[Client]:
        yield api

    monkeypatch.setattr(adopt, "cluster", client)


def created(kind: str, name: str, version: str = "apps/v1") -> Change:
    """A change that makes an object in `linkerd`."""
    metadata = {"name": name, "namespace": "linkerd"}
    return Change(
        urn=f"urn:{name}",
        type=f"kubernetes:{version}:{kind}",
        name=name,
        component="linkerd",
        op=Op.CREATE,
        after={"apiVersion": version, "kind": kind, "metadata": metadata},
    )


def test_public_reports_nobody_elses_object_is_overwritten_while_adopting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With upsert a create is an update: the name of ours may be somebody else's object."""
    there = {
        f"/apis/apps/v1/namespaces/linkerd/deployments/{name}": {"metadata": {"name": name}}
        for name in ("linkerd-identity", "gateway")
    }
    served(monkeypatch, Server("https://api", Path("ca.crt"), objects=there))
    names = ("linkerd-identity", "gateway", "new")
    changes = ChangeSet(
        stack="test",
        source="preview",
        changes=tuple(created("Deployment", name) for name in names),
    )
    (found,) = adopt.judged(target(tmp_path, adopted=True), changes).violations
    assert (found.urn, found.level) == ("urn:gateway", "mandatory")
    assert "Deployment linkerd/gateway is there" in found.message
    assert adopt.judged(target(tmp_path), changes) == changes, "without adoption nothing is asked"


@pytest.mark.parametrize(
    ("there", "rule"),
    [
        ("2026.6.3", None),
        ("2026.6.2", "chart-major"),
        ("2025.4.4", "chart-skips"),
        ("1.16.11", "chart-skips"),
        ("2026.9.1", "chart-goes-back"),
        ("enterprise-2.18.1", "chart-goes-back"),
    ],
)
def test_public_reports_the_distance_of_an_adoption_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str, rule: str | None
) -> None:
    """To the engine all is created, and that is low: what runs would go over four releases."""
    served(monkeypatch, Server("https://api", Path("ca.crt")))
    here = target(tmp_path, adopted=True)
    file = tmp_path / "Pulumi.test.adopt.yml"
    written = yaml.safe_load(file.read_text()) | {"charts": {"linkerd-control-plane": there}}
    file.write_text(yaml.safe_dump(written))
    move = ChartMove(chart="linkerd-control-plane", before=None, after="2026.6.3")
    changes = ChangeSet(
        stack="test",
        source="preview",
        changes=(created("Deployment", "linkerd-identity"),),
        moves=(move,),
    )
    found = {each.rule: each.level for each in risk.assess(adopt.judged(here, changes))}
    assert found["adopts"] is Level.MEDIUM
    assert {each for each in found if each.startswith("chart-")} == ({rule} if rule else set())


def test_public_reports_crds_change_hands_without_being_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Helm refuses a CRD of another release; with its deletion all its objects would go."""
    names = ("servers.policy.linkerd.io", "httproutes.gateway.networking.k8s.io", "a.example.com")
    theirs = {"meta.helm.sh/release-name": "linkerd-crds", "x": "y"}
    crds = [{"metadata": {"name": name, "annotations": theirs}} for name in names]
    api = Server("https://api", Path("ca.crt"), objects={_CRDS: crds})
    served(monkeypatch, api)
    adopt.hand_over_crds(target(tmp_path))
    assert api.changed == []
    adopt.hand_over_crds(target(tmp_path, adopted=True, helmNamespace="helm"))
    assert {path: body["metadata"]["annotations"] for _, path, body in api.changed} == {
        f"{_CRDS}/{name}": {
            "meta.helm.sh/release-name": release,
            "meta.helm.sh/release-namespace": "helm",
        }
        for name, release in zip(names, ("linkerd-crds", "gateway-api-crds"), strict=False)
    }
    assert {method for method, *_ in api.changed} == {"PATCH"}


def _there(owner: str) -> dict[str, Any]:
    managed = [
        {"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": {}}},
        {"manager": "pulumi-kubernetes-1", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
    ]
    path = "/api/v1/namespaces/linkerd/secrets/sh.helm.release.v1.linkerd-control-plane.v1"
    return {
        path: {"metadata": {}},
        "/apis/apps/v1/namespaces/linkerd/deployments/linkerd-identity": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "linkerd-identity",
                "labels": {"linkerd-platform.io/owner": owner},
                "managedFields": managed,
                "resourceVersion": "7",
            },
        },
    }


def test_public_reports_helm_lets_go_and_its_record_goes_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A record that is left lets `helm uninstall` delete what the stack has by now."""
    api = Server("https://api", Path("ca.crt"), objects=_there("test"))
    served(monkeypatch, api)
    lines = adopt.finish(target(tmp_path, adopted=True))
    assert [method for method, *_ in api.changed] == ["PATCH", "PATCH", "DELETE"]
    moved, applied, deleted = api.changed
    assert [(m["manager"], m["operation"]) for m in moved[2]["metadata"]["managedFields"]] == [
        ("helm", "Apply"),
        ("pulumi-kubernetes-1", "Apply"),
    ]
    assert "fieldManager=helm" in applied[1]
    assert "spec" not in applied[2]
    assert deleted[1].endswith("sh.helm.release.v1.linkerd-control-plane.v1")
    assert lines[0] == "helm let go of 1 objects"


@pytest.mark.parametrize(
    ("manager", "lets_go"),
    [
        ("terraform-provider-helm_v2.17.0_x5", True),
        ("helm-controller", True),
        ("argocd-controller", True),
        ("kubectl-client-side-apply", True),
        ("kube-controller-manager", False),
    ],
)
def test_public_reports_who_installed_lets_go_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, manager: str, lets_go: bool
) -> None:
    """Helm calls itself by its program's name; fields that stay its own stay for ever."""
    entry = {"operation": "Update", "fieldsV1": {"f:data": {"f:values": {}}}}
    api = server(authority("root"))
    config = api.objects["/api/v1/namespaces/linkerd/configmaps/linkerd-config"]
    config["metadata"]["managedFields"] = [
        {"manager": manager, **entry} if lets_go else {"manager": "helm", **entry},
        {"manager": "labeller", "operation": "Update", "fieldsV1": {"f:metadata": {}}},
    ]
    looked(monkeypatch, tmp_path, api)
    written = (tmp_path / "Pulumi.adopted.adopt.yml").read_text()
    there = _there("test")
    deployment = there["/apis/apps/v1/namespaces/linkerd/deployments/linkerd-identity"]
    deployment["metadata"]["managedFields"][0]["manager"] = manager
    api = Server("https://api", Path("ca.crt"), objects=there)
    served(monkeypatch, api)
    here = target(tmp_path, adopted=True)
    (tmp_path / "Pulumi.test.adopt.yml").write_text(written)
    adopt.finish(here)
    patched = [path for method, path, _ in api.changed if method == "PATCH"]
    assert len(patched) == (2 if lets_go else 0)
    assert all(f"fieldManager={manager}&" in path for path in patched[1:])


def test_public_reports_helm_lets_go_of_what_the_operators_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the key of the old issuer stays beside the new one, in the same Secret."""
    there = _there("test")
    path = "/apis/apps/v1/namespaces/linkerd/deployments/linkerd-identity"
    there[path]["metadata"] |= {
        "labels": {},
        "annotations": {"cert-manager.io/certificate-name": "linkerd-identity-issuer"},
    }
    api = Server("https://api", Path("ca.crt"), objects=there)
    served(monkeypatch, api)
    assert adopt.finish(target(tmp_path, adopted=True))[0] == "helm let go of 1 objects"


@pytest.mark.parametrize("kind", ["secrets", "configmaps"])
def test_public_reports_every_revision_of_helms_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """`helm uninstall` takes the last record, and a superseded one lists the objects too."""
    found = [
        record("linkerd-control-plane", "linkerd", revision=2, status="superseded"),
        record("linkerd-control-plane", "linkerd", revision=10, manifest=MANIFEST, config=GIVEN),
        record("linkerd-control-plane", "linkerd", revision=11, status="failed"),
    ]
    if kind == "configmaps":
        for each in found:
            each["data"]["release"] = base64.b64decode(each["data"]["release"]).decode()
    none = {f"/api/v1/{each}": [] for each in ("secrets", "configmaps")}
    looked(monkeypatch, tmp_path, server(authority("root"), **(none | {f"/api/v1/{kind}": found})))
    listed = yaml.safe_load((tmp_path / "Pulumi.adopted.adopt.yml").read_text())
    assert listed["records"] == [
        f"{kind} linkerd/sh.helm.release.v1.linkerd-control-plane.v{n}" for n in (2, 10, 11)
    ]
    assert listed["objects"][0] == _DEPLOYMENT


_ISSUER = "linkerd-identity-issuer"
_CERTIFICATES = "/apis/cert-manager.io/v1/certificates"


def _writer(name: str, secret: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "linkerd"}
    return {"metadata": metadata, "spec": {"secretName": secret}}


def test_public_reports_certificates_of_the_guides_are_taken_over_or_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the guides' names: with two Certificates for one Secret cert-manager issues neither."""
    hook = "linkerd-proxy-injector"
    found = [_writer(_ISSUER, _ISSUER), _writer(hook, f"{hook}-k8s-tls"), _writer("web", "web")]
    more = {
        _CERTIFICATES: found,
        "/apis/trust.cert-manager.io/v1alpha1/bundles/linkerd-identity-trust-roots": {},
    }
    api = server(authority("root"), **more)
    lines, _ = looked(monkeypatch, tmp_path, api)
    listed = yaml.safe_load((tmp_path / "Pulumi.adopted.adopt.yml").read_text())["objects"]
    assert listed[-2:] == [
        f"cert-manager.io/v1 Certificate linkerd/{_ISSUER}",
        "trust.cert-manager.io/v1alpha1 Bundle linkerd-identity-trust-roots",
    ]
    said = (
        f"Certificate linkerd/{hook} writes Secret {hook}-k8s-tls, as ours will: "
        f"kubectl -n linkerd delete certificate {hook} --cascade=orphan"
    )
    assert [each for each in lines if "writes Secret" in each] == [f"delete before `up`: {said}"]
    served(monkeypatch, api)
    changes = ChangeSet(
        stack="test",
        source="preview",
        changes=(created("Certificate", f"{hook}-k8s-tls", "cert-manager.io/v1"),),
    )
    (broken,) = adopt.judged(target(tmp_path, adopted=True), changes).violations
    assert broken.message == f"{said}; the Secret stays"


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "mesh:/ConfigMap:linkerd/x"}},
            "Argo CD application mesh",
        ),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "linkerd"}}, "Flux HelmRelease linkerd"),
    ],
)
def test_public_reports_who_deploys_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, marks: dict[str, Any], said: str
) -> None:
    """Argo CD and Flux put their own version back a minute after `up`."""
    api = server(authority("root"))
    api.objects["/api/v1/namespaces/linkerd/configmaps/linkerd-config"]["metadata"] |= marks
    lines, _ = looked(monkeypatch, tmp_path, api)
    assert f"deployed by {said}, which undoes changes: take Linkerd out of it first" in lines


def test_public_reports_helm_keeps_what_the_stack_does_not_have_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Fields that nobody has any more would go from a control plane that runs."""
    api = Server("https://api", Path("ca.crt"), objects=_there("another"))
    served(monkeypatch, api)
    with pytest.raises(RefusedError, match="bot up --stack test"):
        adopt.finish(target(tmp_path, adopted=True))
    assert api.changed == []


def test_public_reports_what_the_cli_installed_is_found_by_its_labels() -> None:
    """`linkerd install` leaves no record, but its overrides and a label on each object."""
    found = server(
        authority("root"),
        **{
            "/api/v1/secrets": [],
            "/apis/apps/v1/deployments": [
                {"metadata": {"name": "linkerd-identity", "namespace": "linkerd"}}
            ],
            "/api/v1/namespaces/linkerd/secrets/linkerd-config-overrides": secret(
                "x", **{"linkerd-config-overrides": yaml.safe_dump(GIVEN).encode()}
            ),
        },
    )
    seen = adoption.read(found)
    assert seen
    release = seen.release("linkerd-control-plane")
    assert release
    assert release.values == GIVEN
    assert release.objects == (("apps/v1", "Deployment", "linkerd", "linkerd-identity"),)
    assert release.records == ()
    assert release.version == "2025.4.4"
