"""`bot status` on a real API server: healthy, broken in one place, and honest about the rest."""

from __future__ import annotations

import base64
import copy as copies
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.exit_codes import BAD_INPUT, DONE, FAILED, REFUSED
from bot.mesh.status import linkerd_cli
from bot.mesh.status.model import SIMULATED
from bot.mesh.status.upstream_extensions import CHECKS
from sandbox import controllers
from tests.e2e.identity_process import free_ports
from tests.e2e.project import Copy
from tests.e2e.real_prometheus import missing
from tests.e2e.shared_mesh import owners_kept
from tests.programs import ran
from tests.unit.bot_trust_samples import DAY, authority

pytestmark = pytest.mark.e2e
DEPLOYMENT = "/apis/apps/v1/namespaces/linkerd/deployments/linkerd-destination"
CONFIG = "/api/v1/namespaces/linkerd/configmaps"
WEBHOOK = (
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/"
    "linkerd-proxy-injector-webhook-config"
)
BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
MERGE = "application/merge-patch+json"
SECONDS = 180.0


def status(copy: Copy, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and document of the command."""
    done = copy.run("bot", "status", "--stack", "sandbox", "--json", *words)
    assert done.stdout, done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def states(document: dict[str, Any]) -> dict[str, str]:
    """The state of each check of ours; of several lines the first."""
    found: dict[str, str] = {}
    for each in document["checks"]:
        found.setdefault(each["check"], each["state"])
    return found


def failed(document: dict[str, Any]) -> set[str]:
    """The checks that fail."""
    return {each["check"] for each in document["checks"] if each["state"] == "fail"}


def until(copy: Copy, wanted: set[str], *words: str) -> tuple[int, dict[str, Any]]:
    """The first status in which exactly these checks fail; controllers need a moment."""
    deadline = time.monotonic() + SECONDS
    while True:
        code, document = status(copy, "--no-linkerd-check", *words)
        if failed(document) == wanted:
            return code, document
        assert time.monotonic() < deadline, json.dumps(document, indent=1)
        time.sleep(1)


@pytest.fixture(scope="module")
def copy(mesh: tuple[Copy, str]) -> Iterator[Copy]:
    """The sandbox, healthy; afterwards it is so again, which is asserted."""
    until(mesh[0], set())
    yield mesh[0]
    until(mesh[0], set())


def test_a_healthy_sandbox_is_healthy_and_says_what_cannot_hold_there(copy: Copy) -> None:
    """Exit code 0 with every check made, but for those that need a pod that runs."""
    code, document = status(copy, "--no-linkerd-check")
    assert (code, document["outcome"], document["counts"]["unknown"]) == (DONE, "healthy", 0)
    simulated = {each["check"] for each in document["checks"] if each["seen"] == SIMULATED}
    assert simulated == {
        "certificates/issuer-in-use", "extensions/viz-injected", "rollout/meshed",
    }  # fmt: skip
    found = states(document)
    for name in (
        "control-plane/deployments", "control-plane/crds", "certificates/issuer-chain",
        "certificates/vault", "certificates/vault-anchors", "certificates/served-tap",
        "operators/store", "extensions/viz-tap-api", "versions/gateway-api", "kubernetes/clocks",
    ):  # fmt: skip
        assert found[name] == "ok", name
    assert document["counts"]["ok"] > 50


@contextmanager
def scaled_down(copy: Copy) -> Iterator[None]:
    """A Deployment of the control plane has no replica."""
    before = copy.api.request("GET", DEPLOYMENT).body["spec"]["replicas"]

    def scale(replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        assert copy.api.request("PATCH", DEPLOYMENT, patch, content_type=MERGE).ok

    with owners_kept(copy.api, DEPLOYMENT):
        scale(0)
        try:
            yield
        finally:
            scale(before)


@contextmanager
def without(copy: Copy, path: str, name: str) -> Iterator[None]:
    """An object is not there."""
    found = copy.api.request("GET", f"{path}/{name}")
    assert found.ok, found
    again = copies.deepcopy(found.body)
    for key in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
        again["metadata"].pop(key, None)
    with owners_kept(copy.api, f"{path}/{name}"):
        assert copy.api.request("DELETE", f"{path}/{name}").ok
        try:
            yield
        finally:
            assert copy.api.request("POST", path, again).ok


@contextmanager
def ignoring(copy: Copy) -> Iterator[None]:
    """The injector may be passed by: pods would start outside the mesh, unnoticed."""
    hooks = copy.api.request("GET", WEBHOOK).body["webhooks"]
    changed = [{**each, "failurePolicy": "Ignore"} for each in hooks]
    with owners_kept(copy.api, WEBHOOK):
        patch = {"webhooks": changed}
        assert copy.api.request("PATCH", WEBHOOK, patch, content_type=MERGE).ok
        try:
            yield
        finally:
            assert copy.api.request("PATCH", WEBHOOK, {"webhooks": hooks}, content_type=MERGE).ok


def test_a_control_plane_scaled_down_is_not_healthy(copy: Copy) -> None:
    """The first thing that on-call wants to see, with the page to go on with."""
    with scaled_down(copy):
        code, document = until(copy, {"control-plane/deployments", "control-plane/replicas"})
        done = copy.run("bot", "status", "--stack", "sandbox", "--no-linkerd-check")
    assert code == done.returncode == REFUSED
    assert document["healthy"] is False
    assert "FAIL     deployments: no replica available: linkerd-destination\n" in done.stdout
    assert "next: docs/runbooks/alerts/control-plane.md" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("not healthy: 2 failed, 0 unknown")


def test_each_thing_that_is_gone_is_named(copy: Copy) -> None:
    """What no controller puts back is only seen by who looks for it."""
    with without(copy, BINDING, "linkerd-linkerd-identity"):
        code, _ = until(copy, {"control-plane/cluster-role-bindings"})
        assert code == REFUSED
    with ignoring(copy):
        code, document = until(copy, {"control-plane/webhooks"})
        assert code == REFUSED
    (line,) = [each for each in document["checks"] if each["state"] == "fail"]
    assert line["next"] == "python -m bot up --stack sandbox"


def test_roots_that_are_gone_are_the_first_line(copy: Copy) -> None:
    """Every proxy that starts from then on trusts nobody."""
    roots = f"{CONFIG}/linkerd-identity-trust-roots"
    controllers.stop(copy.settings, "trust-manager")  # It would put them back at once.
    try:
        patch = {"data": {"ca-bundle.crt": None}}
        assert copy.api.request("PATCH", roots, patch, content_type=MERGE).ok
        code, document = until(copy, {"certificates/bundle"})
    finally:
        controllers.start(copy.settings, "trust-manager")
    assert code == REFUSED
    found = states(document)
    for name in ("certificates/anchors-validity", "certificates/issuer-chain"):
        assert found[name] == "unknown", name
    until(copy, set())


def test_an_issuer_that_has_ended_is_named(copy: Copy) -> None:
    """What comes next is every leaf of the mesh: the page to go on with is beside it."""
    ended = authority("identity", authority("another root"), lifetime=DAY)
    data = {"tls.crt": ended.pem.encode(), "tls.key": ended.key_pem.encode()}
    patch = {"data": {name: base64.b64encode(text).decode() for name, text in data.items()}}
    path = "/api/v1/namespaces/linkerd/secrets/linkerd-identity-issuer"
    controllers.stop(copy.settings, "cert-manager")  # It would renew it at once.
    try:
        assert copy.api.request("PATCH", path, patch, content_type=MERGE).ok
        wanted = {f"certificates/issuer-{what}" for what in ("chain", "left", "validity")}
        code, document = until(copy, {*wanted, "certificates/bundle"})
    finally:
        controllers.start(copy.settings, "cert-manager")
    assert code == REFUSED
    lines = [each for each in document["checks"] if each["check"] in wanted]
    assert {each["next"] for each in lines} == {"docs/runbooks/expired-issuer.md"}
    until(copy, set())


def test_a_missing_config_leaves_what_hangs_on_it_unknown(copy: Copy) -> None:
    """Versions that nobody can read must not pass for the pinned ones."""
    with without(copy, CONFIG, "linkerd-config"):
        code, document = until(copy, {"control-plane/config"})
    assert code == REFUSED
    found = states(document)
    for name in ("versions/control-plane", "versions/proxies", "control-plane/networks-pods"):
        assert found[name] == "unknown", name


def test_a_prometheus_that_is_away_is_undetermined(copy: Copy) -> None:
    """Silence of what nobody reached is no silence of the alerts."""
    (port,) = free_ports(1)
    code, document = status(copy, "--no-linkerd-check", "--prometheus", f"http://127.0.0.1:{port}")
    assert code == FAILED
    assert document["outcome"] == "undetermined"
    assert states(document)["alerts/firing"] == "unknown"


def test_an_alert_that_fires_is_a_line(copy: Copy, tmp_path: Path) -> None:
    """By a real Prometheus, with a rule of our name that always fires."""
    if reason := missing():
        pytest.skip(reason)
    rule = {
        "alert": "LinkerdControlPlaneMissing",
        "expr": "vector(1)",
        "labels": {"severity": "critical", "cluster": "sandbox", "namespace": "linkerd"},
        "annotations": {"summary": "It is not there", "runbook_url": "https://runbooks/x"},
    }
    groups = [{"name": "g", "interval": "1s", "rules": [rule]}]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": groups}))
    config = {"rule_files": ["rules.yml"], "global": {"evaluation_interval": "1s"}}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            *("timeout", "600", "prometheus"),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        code, document = until(copy, {"alerts/firing"}, "--prometheus", f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)
    assert code == REFUSED
    (line,) = [each for each in document["checks"] if each["check"] == "alerts/firing"]
    assert line["seen"] == "LinkerdControlPlaneMissing (linkerd): It is not there"
    assert line["next"] == "https://runbooks/x"


def test_the_real_cli_agrees_and_the_page_has_all_its_checks(copy: Copy) -> None:
    """Its report is part of ours, and no check of it is missing on the page."""
    if shutil.which(linkerd_cli.PROGRAM) is None:
        pytest.skip("linkerd is not on PATH")
    code, document = status(copy)
    lines = [each for each in document["checks"] if each["check"] == "linkerd-check/report"]
    assert [each for each in lines if each["state"] == "fail"] == []
    (held,) = [each for each in lines if each["state"] == "ok"]
    assert "checks of linkerd " in held["seen"]
    assert code == DONE, json.dumps(lines, indent=1)
    words = ["--output=json", "--wait=0s", "--expected-version=edge-26.6.3"]
    for more in ([], ["--proxy"], ["--crds"]):
        done = ran(
            ["linkerd", "check", *words, *more, *linkerd_cli.place(copy.target)], timeout=180,
        )  # fmt: skip
        found = list(linkerd_cli.parse(done.stdout))
        assert found, done.stderr
        assert {(each.category, each.description) for each in found} <= CHECKS.keys()


def test_drift_is_part_of_it_where_it_is_asked_for(copy: Copy) -> None:
    """The same as `bot drift` says: what tests have patched by hand may be told as added."""
    code, document = status(copy, "--no-linkerd-check", "--drift")
    (line,) = [each for each in document["checks"] if each["check"] == "drift/state"]
    done = copy.run("bot", "drift", "--stack", "sandbox", "--json")
    (stack,) = json.loads(done.stdout)["stacks"]
    expected = {"none": {"ok"}, "drift": {"warn", "fail"}, "undetermined": {"unknown"}}
    assert line["state"] in expected[stack["outcome"]], (line, done.stdout)
    assert stack["outcome"] != "undetermined"
    assert code == (REFUSED if line["state"] == "fail" else DONE)


def test_bad_input_is_one_line(copy: Copy) -> None:
    """Exit code 2, before any server is asked."""
    done = copy.run("bot", "status", "--stack", "sandbx")
    assert (done.returncode, len(done.stderr.splitlines())) == (BAD_INPUT, 1)
    assert "did you mean 'sandbox'?" in done.stderr
