"""The program of examples/standalone on a real cluster, as somebody else would run it.

The distribution is installed, the engine is driven by its own command line through the language
host, and the charts come from a Helm repository.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import json
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from stack.charts import Charts
from tests.e2e import project
from tests.e2e.sandbox_cluster import Cluster, running_sandbox
from tests.local_server import serving
from tests.programs import ran
from tests.unit import distribution

pytestmark = pytest.mark.e2e
_LANGUAGE_HOST = "pulumi-language-python"
_CHARTS = (
    "cert-manager",
    "trust-manager",
    "linkerd-crds",
    "linkerd-control-plane",
    "linkerd-viz",
)
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
_NOBODY = {"matchLabels": {"linkerd-platform.io/webhook-answers": "true"}}
_CERT_MANAGER_SECRETS = "/api/v1/namespaces/cert-manager/secrets"


@dataclass(frozen=True)
class Program:
    """The example in a folder of its own; `environment` is that of whoever runs it."""

    folder: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str, seconds: float = 900) -> str:
        """Run the engine's command line; what it printed."""
        done = ran(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{arguments[0]}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@contextlib.contextmanager
def helm_repository(folder: Path) -> Iterator[str]:
    """The archives as a Helm repository on loopback, https://helm.sh/docs/topics/chart_repository/."""
    folder.mkdir()
    charts = Charts(project.PROJECT)
    entries = {}
    for name in _CHARTS:
        archive = charts.source(name)
        shutil.copy2(archive, folder)
        version = charts.chart(name).version
        entries[name] = [{"name": name, "version": version, "urls": [archive.name]}]
    index = {"apiVersion": "v1", "entries": entries}
    (folder / "index.yaml").write_text(yaml.safe_dump(index))
    handler = functools.partial(_Quiet, directory=str(folder))
    with serving(handler) as address:
        yield address


class _NoPods(threading.Thread):
    """Does for as long as it runs what is left undone because no pod really runs here.

    No request goes to a webhook, which none could answer; and the CA that cert-manager's webhook
    makes for itself is there, so that cainjector has what it hands out.
    """

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._ended = threading.Event()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        ca = (self._cluster.settings.pki_dir / "ca.crt").read_bytes()
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cert-manager-webhook-ca",
                "annotations": {"cert-manager.io/allow-direct-injection": "true"},
            },
            "data": {"ca.crt": base64.b64encode(ca).decode()},
        }
        made = False
        while not self._ended.wait(0.1):
            made = made or self._cluster.api.request("POST", _CERT_MANAGER_SECRETS, secret).ok
            for kind in ("mutating", "validating"):
                self._open_all(f"{_WEBHOOKS}/{kind}webhookconfigurations")

    def _open_all(self, path: str) -> None:
        for each in (self._cluster.get(path) or {}).get("items", []):
            patch = [
                {"op": "add", "path": f"/webhooks/{number}/objectSelector", "value": _NOBODY}
                for number, hook in enumerate(each.get("webhooks", []))
                if hook.get("objectSelector") != _NOBODY
            ]
            if patch:
                name, content_type = each["metadata"]["name"], "application/json-patch+json"
                self._cluster.api.request(
                    "PATCH", f"{path}/{name}", patch, content_type=content_type
                )


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Cluster]]:
    """The example after its first `pulumi up`, in an empty cluster."""
    reason = project.missing_engine()
    if reason is None and shutil.which(_LANGUAGE_HOST) is None:
        reason = f"{_LANGUAGE_HOST} is not on PATH"
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("standalone")
    site = distribution.installed(folder / "distribution")
    program = folder / "program"
    shutil.copytree(distribution.EXAMPLE, program)
    (program / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    (folder / "state").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    made = Program(program, environment)
    with (
        running_sandbox(folder / "cluster") as cluster,
        helm_repository(folder / "charts") as repository,
        _NoPods(cluster),
    ):
        made.pulumi("stack", "init", "dev")
        made.pulumi("config", "set", "cluster", "east")
        made.pulumi("config", "set", "chartMirror", repository)
        made.pulumi("config", "set", "kubernetes:kubeconfig", str(cluster.settings.kubeconfig))
        made.pulumi("preview")
        made.pulumi("up", "--yes", "--skip-preview")
        yield made, cluster


def test_the_program_of_somebody_else_brings_up_a_mesh(deployed: tuple[Program, Cluster]) -> None:
    """Every part is ready, and the issuer is signed by the one anchor that the mesh trusts."""
    _, cluster = deployed
    for namespace, name in (
        ("cert-manager", "cert-manager"),
        ("cert-manager", "trust-manager"),
        ("linkerd", "linkerd-identity"),
        ("linkerd", "linkerd-destination"),
        ("linkerd", "linkerd-proxy-injector"),
        ("linkerd-viz", "web"),
    ):
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        cluster.wait_for(path, "Available")
    roots = cluster.get("/api/v1/namespaces/linkerd/configmaps/linkerd-identity-trust-roots")
    assert roots is not None
    (root,) = x509.load_pem_x509_certificates(roots["data"]["ca-bundle.crt"].encode())
    issuer = cluster.secret("linkerd", "linkerd-identity-issuer", "tls.crt")
    signed, *_ = x509.load_pem_x509_certificates(issuer)
    signed.verify_directly_issued_by(root)


def test_a_second_preview_shows_no_change(deployed: tuple[Program, Cluster]) -> None:
    """A preview that always shows something hides the change that matters."""
    program, _ = deployed
    program.pulumi("preview", "--expect-no-changes", "--diff")


def test_no_private_key_is_in_the_state(deployed: tuple[Program, Cluster]) -> None:
    """Whoever can read the state could sign for the mesh."""
    program, _ = deployed
    state = json.loads(program.pulumi("stack", "export", "--show-secrets"))
    assert len(state["deployment"]["resources"]) > 100
    assert "PRIVATE KEY" not in json.dumps(state)
    assert not any(each["type"].endswith(":Secret") for each in state["deployment"]["resources"])


def test_a_destroy_leaves_no_object_of_the_mesh(deployed: tuple[Program, Cluster]) -> None:
    """An order that deletes a namespace before what is in it hangs; the last test of the module."""
    program, cluster = deployed
    program.pulumi("destroy", "--yes", "--skip-preview")
    for namespace in ("cert-manager", "linkerd", "linkerd-viz"):
        cluster.wait_gone(f"/api/v1/namespaces/{namespace}")
