"""A Linkerd of Helm's or of the CLI's becomes a stack's: nothing that serves is made anew."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from bot.mesh.drift.discovery import kinds
from components.names import LINKERD, LINKERD_VIZ
from stack.charts import Charts
from tests.certificates import Authority, authority
from tests.charts.helm import helm
from tests.e2e import project, runbook
from tests.e2e.checker import Checker
from tests.e2e.mesh_objects import Objects, annotated, meshed_workload
from tests.e2e.project import PROJECT
from tests.e2e.runbook import Runbook, without_kubelet
from tests.e2e.trust_mesh import LEAF_SECONDS, SKEW_SECONDS, TrustMesh, generation
from tests.programs import ran

pytestmark = pytest.mark.e2e
STACK, CONTEXT = "mesh", "linkerd-platform-sandbox"
_HOOKS = "/apis/admissionregistration.k8s.io/v1"
# What comes and goes by itself, or is none that is kept.
_PASSING = ("ComponentStatus", "Event", "Event.events.k8s.io", "Lease.coordination.k8s.io")
_RUNS = ("Deployment.apps", "StatefulSet.apps", "DaemonSet.apps")
_OWN = re.compile(rf"\S+ ({LINKERD}|{LINKERD_VIZ})/")
_OWN_PODS = re.compile(
    rf"(Pod|ReplicaSet.apps|EndpointSlice.discovery.k8s.io|PodMetrics.metrics.k8s.io) "
    rf"({LINKERD}|{LINKERD_VIZ})/"
)
_RECORD = re.compile(rf"^Secret {LINKERD}\S*/(sh\.helm\.release\.v1\.|linkerd-config-overrides$)")
_WORKLOADS = (("Deployment", "web", 6), ("StatefulSet", "db", 2), ("DaemonSet", "agent", 0))
# Leaves that end while the test runs: the rotation is over when those of the old issuer have.
_IDENTITY = (
    f"identity.issuer.issuanceLifetime={LEAF_SECONDS}s",
    f"identity.issuer.clockSkewAllowance={SKEW_SECONDS}s",
)
Found = dict[str, dict[str, Any]]


@dataclass
class Adopted(TrustMesh):
    """A cluster with a Linkerd of somebody else's, and the stack that takes it over."""

    generations: list[Any] = field(
        default_factory=lambda: [generation("running", source="imported", lifetime="3650d")]
    )
    signing: str = "running"

    @property
    def file(self) -> Path:
        """The stack file that `adopt` writes."""
        return self.copy.folder / f"Pulumi.{STACK}.yaml"

    def write(self) -> None:
        """Write the generations into the stack file; all else in it stays."""
        document = yaml.safe_load(self.file.read_text())
        trust = document["config"]["linkerd-platform:trust"]
        trust |= {"generations": [dict(each) for each in self.generations]}
        trust["signing"] = self.signing
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))

    def shell(self, *words: str, text: str = "") -> str:
        """Run a program as who installs Linkerd by hand; its output."""
        done = ran(
            words,
            cwd=self.copy.folder,
            env=runbook.environment(self, {}),
            input=text or None,
            timeout=240,
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def bot(self, *words: str) -> str:
        """Run a command of the bot on the stack, which must end well."""
        what, *more = words
        return self.shell("python", "-m", "bot", what, "--stack", STACK, *more)

    def install(self, chart: str, namespace: str, *more: str) -> None:
        """`helm install`, as the guides have it."""
        self.shell(
            *(helm(), "install", chart, str(Charts(PROJECT).source(chart)), "--timeout=4m"),
            *(f"--namespace={namespace}", "--create-namespace", *more),
        )

    def book(self, page: str) -> Runbook:
        """A page, as it is written, on this stack."""
        names = {
            "https://vault.example.com:8200": self.copy.settings.vault_addr,
            "--context staging": f"--context {CONTEXT} --kubeconfig .sandbox/kubeconfig",
            "anchor-2026": "running",
        }
        stacks = dict.fromkeys(("trust", "staging", "production"), STACK)
        return Runbook(self, page, names, {}, stacks)

    def objects(self) -> Found:
        """The metadata of every object in the cluster that does not come and go by itself."""
        api = self.copy.api
        found = {}
        for kind in kinds(api).found:
            answer = api.request("GET", kind.path(), seconds=60)
            if answer.ok and kind.title not in _PASSING:
                for each in answer.body["items"]:
                    at = {**each["metadata"], "template": each.get("spec", {}).get("template")}
                    found[f"{kind.title} {at.get('namespace', '')}/{at['name']}"] = at
        return found


def _gone(before: Found, after: Found) -> set[str]:
    """What is not there any more, or is another object of that name."""
    return {each for each, at in before.items() if after.get(each, {}).get("uid") != at["uid"]}


def _changed(before: Found, after: Found) -> set[str]:
    """The workloads whose pods restart: their template is another one."""
    return {
        each
        for each, at in before.items()
        if each.split()[0] in _RUNS and after[each]["template"] != at["template"]
    }


def _mesh_of_helm(mesh: Adopted, anchor: Authority) -> None:
    """https://linkerd.io/2/tasks/install-helm/, with cert-manager and viz by their own guides."""
    folder = mesh.copy.folder
    issuer = authority(
        "identity.linkerd.cluster.local",
        anchor,
        lifetime=timedelta(days=365),
        constraints=x509.BasicConstraints(ca=True, path_length=0),
    )
    (folder / "issuer.crt").write_text(issuer.pem)
    (folder / "issuer.key").write_text(issuer.key_pem)
    mesh.install("cert-manager", "cert-manager", "--set=crds.enabled=true")
    _unanswered(mesh, "cert-manager-webhook")
    mesh.install("linkerd-crds", LINKERD)
    mesh.install(
        *("linkerd-control-plane", LINKERD, "--set-file=identityTrustAnchorsPEM=ca.crt"),
        "--set-file=identity.issuer.tls.crtPEM=issuer.crt",
        "--set-file=identity.issuer.tls.keyPEM=issuer.key",
        *(f"--set={each}" for each in _IDENTITY),
    )
    mesh.install("linkerd-viz", LINKERD_VIZ)


def _mesh_of_cli(mesh: Adopted) -> None:
    """https://linkerd.io/2/getting-started/, which makes an anchor of its own."""
    for words in (
        ("install", "--crds"),
        ("install", "--set=proxy.logLevel=debug"),
        ("viz", "install"),
    ):
        made = mesh.shell("linkerd", *words, "--ignore-cluster")
        mesh.shell("kubectl", "apply", "-f", "-", text=made)


def _unanswered(mesh: Adopted, name: str) -> None:
    """Have a webhook passed by: no pod of this cluster really runs."""
    patch = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
    for kind in ("validating", "mutating"):
        answer = mesh.copy.api.request(
            "PATCH",
            f"{_HOOKS}/{kind}webhookconfigurations/{name}",
            patch,
            content_type="application/json-patch+json",
        )
        assert answer.ok, answer


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Adopted, Authority]]:
    """Servers, the Gateway API, meshed pods, and the files of an anchor; no Linkerd yet."""
    if not os.environ.get("E2E_SLOW"):
        pytest.skip("an adoption with its rotation takes minutes: set E2E_SLOW=1")
    if reason := project.missing_engine():
        pytest.skip(reason)
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")
    mesh = Adopted(project.copy_to(tmp_path / "project"))
    try:
        done = mesh.copy.run("sandbox", "cluster", "up", "--ephemeral")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        anchor = authority("root.linkerd.cluster.local", lifetime=timedelta(days=3650))
        (mesh.copy.folder / "ca.crt").write_text(anchor.pem)
        (mesh.copy.folder / "ca.key").write_text(anchor.key_pem)
        objects = Objects(mesh.copy.api)
        manifest = Charts(PROJECT).source("gateway-api")
        objects.apply(*(each for each in yaml.safe_load_all(manifest.read_text()) if each))
        yield mesh, anchor
    finally:
        mesh.copy.down()


def _meshed(mesh: Adopted) -> None:
    objects = Objects(mesh.copy.api)
    objects.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    objects.apply(*(meshed_workload(*each) for each in _WORKLOADS))
    pods = "/api/v1/namespaces/shop/pods"

    def all_run() -> bool:
        found = mesh.copy.api.request("GET", pods).body["items"]
        return len(found) == 11 and all(each["status"]["phase"] == "Running" for each in found)

    mesh.wait("meshed pods", all_run, 120)


def _read_the_stack_file(mesh: Adopted) -> None:
    """What the page has one write by hand, and what a cluster of simulated pods needs."""
    document = yaml.safe_load(mesh.file.read_text())
    document["config"] |= {
        "linkerd-platform:environment": "development",
        "linkerd-platform:sandbox": {"openWebhooks": True},
    }
    mesh.file.write_text(yaml.safe_dump(document, sort_keys=False))


def _adopt(mesh: Adopted) -> str:
    """The page as it is written, up to where Helm has let go; what `Look` said.

    Asserted: every object that was there is the same one afterwards, but for pods of the control
    plane; of all workloads only those of Linkerd's have another specification, and their pods
    restart once.
    """
    book, before = mesh.book("adopt.md"), mesh.objects()
    told = book.run("Look")
    assert mesh.objects().keys() == before.keys()
    for command in re.findall(r"^key of an anchor: .*?: (umask .*)$", told, re.MULTILINE):
        mesh.shell("sh", "-euc", command)
    _read_the_stack_file(mesh)
    book.run("Take it over")
    after = mesh.objects()
    assert {each for each in _gone(before, after) if not _OWN_PODS.match(each)} == set()
    assert {each for each in _changed(before, after) if not _OWN.match(each)} == set()
    book.run("Let Helm go")
    last = mesh.objects()
    assert _gone(after, last) == {each for each in after if _RECORD.search(each)}
    assert _changed(after, last) == set()
    return told


def test_a_linkerd_of_helm_is_adopted_and_its_anchor_moves_into_vault(
    cluster: tuple[Adopted, Authority],
) -> None:
    """The pages as they are written: no pod, object or leaf of the running mesh notices."""
    mesh, anchor = cluster
    _mesh_of_helm(mesh, anchor)
    _meshed(mesh)
    checks = Checker(mesh.copy.api, LEAF_SECONDS, SKEW_SECONDS)
    with annotated(mesh.copy.api, "shop"), checks as checker:
        told = _adopt(mesh)
        assert "cert-manager v" in told
        assert "not kept" not in told
        assert "11 meshed pods of workloads" in told
        assert mesh.roots() == [anchor.certificate]
        assert mesh.signer() == "running"
        assert mesh.issuer().not_valid_after_utc < anchor.certificate.not_valid_after_utc
        _rotate(mesh, checker)
    print(checker.report())
    assert checker.failures == {}
    assert not mesh.has_key("running")


def _rotate(mesh: Adopted, checker: Checker) -> None:
    """Add, switch, retire, destroy: the simulated pods restart, and so do those of the checker."""
    without_kubelet(mesh)
    book = mesh.book("rotate-the-anchor.md")
    book.run("Rotate the anchor", "Add")
    checker.restart()
    book.run("Switch")
    assert mesh.signer() == "anchor-2030"
    checker.settle()
    book.run("Retire")
    checker.restart()
    assert mesh.roots() == [mesh.anchors()["anchor-2030"]]
    book.run("Destroy the old key")


def test_public_reports_29_a_linkerd_of_the_cli_is_adopted(
    cluster: tuple[Adopted, Authority],
) -> None:
    """Its anchor is the issuer, whose key is in a Secret alone, and nothing has a record."""
    mesh, _ = cluster
    if shutil.which("linkerd") is None:
        pytest.skip("linkerd is not on PATH")
    for file in ("ca.crt", "ca.key"):
        (mesh.copy.folder / file).unlink()
    _mesh_of_cli(mesh)
    _meshed(mesh)
    (running,) = mesh.roots()
    told = _adopt(mesh)
    print(told)
    assert "linkerd-control-plane 2026.6.3 by the CLI" in told
    assert "linkerd-viz 2026.6.3 by the CLI" in told
    assert "linkerd-control-plane proxy.logLevel" in told
    assert "not kept" not in told
    assert mesh.roots() == [running]
    assert mesh.signer() == "running"
