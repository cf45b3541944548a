"""A Linkerd that is there already: what is said of it, what is written, what is taken over."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.changes import risk
from bot.changes.model import Change, ChangeSet, ChartMove, Op
from bot.changes.rules import Level
from bot.clients.https import Client
from bot.clients.target import Target
from bot.deploy import adopt
from bot.exit_codes import BadInputError, RefusedError
from schema.faults import ConfigError
from tests.unit.adopt_samples import (
    CRDS,
    DEPLOYMENT,
    GIVEN,
    MANIFEST,
    Server,
    asked,
    looked,
    record,
    server,
)
from tests.unit.bot_trust_samples import authority
from tests.unit.stack_files import load, spoilt


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


def test_public_reports_the_list_has_the_objects_of_linkerd_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another chart's objects are not taken over, whatever they are called."""
    looked(monkeypatch, tmp_path, server(authority("root")))
    listed = yaml.safe_load((tmp_path / "Pulumi.adopted.adopt.yml").read_text())
    assert listed == {
        "objects": [
            DEPLOYMENT,
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


def test_public_reports_what_is_to_be_corrected_comes_after_what_was_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rancher's address in the kubeconfig is none for Vault: the rest of the file is right."""
    address = "https://rancher.example.com/k8s/clusters/c-m-x"
    arguments = asked(monkeypatch, tmp_path, server(authority("root")), address)
    with pytest.raises(ConfigError, match=r"Pulumi.adopted.yaml:\d+: .*cluster.apiServer: "):
        adopt.run(arguments)
    told = capsys.readouterr().out
    assert "linkerd-control-plane 2026.6.3 by Helm" in told
    assert "next: read Pulumi.adopted.yaml, and run pulumi stack init adopted" in told
    assert (tmp_path / "Pulumi.adopted.adopt.yml").is_file()


def test_public_reports_the_context_that_was_looked_at_is_in_the_stack_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without --context it is the current one, which is another when `up` comes."""
    _, config = looked(monkeypatch, tmp_path, server(authority("root")))
    assert config.cluster
    assert config.cluster.context == "kind"


def test_public_reports_a_file_of_vaults_authority_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A variable of another machine's shell was a traceback."""
    arguments = asked(monkeypatch, tmp_path, server(authority("root")))
    monkeypatch.setenv("VAULT_CACERT", "/nowhere/ca.pem")
    with pytest.raises(BadInputError, match="VAULT_CACERT: /nowhere/ca"):
        adopt.look("adopted", arguments)


def target(tmp_path: Path, **cluster: Any) -> Target:
    """A stack with a list of what it takes over."""
    paths: dict[Any, Any] = {("cluster", key): value for key, value in cluster.items()}
    config = load(tmp_path, spoilt(paths))
    listed = {
        "objects": [DEPLOYMENT],
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
    api = Server("https://api", Path("ca.crt"), objects={CRDS: crds})
    served(monkeypatch, api)
    adopt.hand_over_crds(target(tmp_path))
    assert api.changed == []
    adopt.hand_over_crds(target(tmp_path, adopted=True, helmNamespace="helm"))
    assert {path: body["metadata"]["annotations"] for _, path, body in api.changed} == {
        f"{CRDS}/{name}": {
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
    assert listed["objects"][0] == DEPLOYMENT


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


def test_public_reports_an_object_of_an_older_version_of_its_kind_is_on_the_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """2.14 made Servers by v1beta1: to us it is created by v1beta3, and it is the same object."""
    path = "/apis/apps/v1/namespaces/linkerd/deployments/linkerd-identity"
    served(monkeypatch, Server("https://api", Path("ca.crt"), objects={path: {}}))
    here = target(tmp_path, adopted=True)
    listed = tmp_path / "Pulumi.test.adopt.yml"
    listed.write_text(listed.read_text().replace("apps/v1 ", "apps/v1beta2 "))
    changes = ChangeSet(
        stack="test", source="preview", changes=(created("Deployment", "linkerd-identity"),)
    )
    judged = adopt.judged(here, changes)
    assert (judged.violations, judged.adopted) == ((), 1)
