"""prometheus-operator and its admission webhook as processes, beside the sandbox's API server."""

from __future__ import annotations

import base64
import gzip
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import toolchain
from sandbox.processes import Supervisor
from tests.e2e.identity_process import free_ports
from tests.e2e.mesh_objects import Manifest
from tests.e2e.sandbox_cluster import CORE, Cluster
from tests.programs import ran

OPERATOR, WEBHOOK = "prometheus-operator", "prometheus-operator-admission-webhook"
_SECONDS, _TTL_SECONDS = 240.0, 1800


class _Loader(yaml.SafeLoader):
    """Takes a bare `=` for text, as YAML 1.2 does: an enum of the CRDs has one."""


_Loader.add_constructor("tag:yaml.org,2002:value", _Loader.construct_yaml_str)


def program(name: str) -> Path:
    """One of the two; skips the test where it is not there."""
    found = toolchain.find(name)
    if found is None:
        pytest.skip(f"{name} is neither on PATH nor built: make {OPERATOR}")
    return found


def crds() -> list[Manifest]:
    """Those that the operator itself prints."""
    done = ran([program(OPERATOR), "crds"], timeout=120, check=True)
    return [each for each in yaml.load_all(done.stdout, _Loader) if each]


class Operator:
    """A running operator: what it writes for its Alertmanagers and Prometheuses, and its log."""

    def __init__(self, cluster: Cluster) -> None:
        """Start it on loopback; the cluster ends it."""
        self.cluster = cluster
        (self._port,) = free_ports(1)
        settings = cluster.settings
        self._supervisor = Supervisor(settings.run_dir, settings.log_dir)
        command = [
            *("timeout", str(_TTL_SECONDS), str(program(OPERATOR))),
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--feature-gates=StatusForConfigurationResources=true",
        ]
        self._supervisor.start(OPERATOR, command, env={"KUBECONFIG": str(settings.kubeconfig)})
        self._supervisor.wait_ready(OPERATOR, lambda: self.page("/healthz") is not None, _SECONDS)

    def page(self, path: str) -> str | None:
        """A page of its own; None while it does not answer."""
        return answered(f"http://127.0.0.1:{self._port}{path}")

    def log(self) -> str:
        """All that it has said."""
        return self._supervisor.log_path(OPERATOR).read_text(encoding="utf-8")

    def secret(self, namespace: str, name: str, key: str, ours: str, count: int) -> Any:
        """A config that it has written, which is packed: YAML as data.

        Waits until `ours` is in it so many times: the operator may write before it has seen all.
        """

        def text(each: Manifest) -> str:
            packed = base64.b64decode(each.get("data", {}).get(key, ""))
            return gzip.decompress(packed).decode() if packed else ""

        path = f"{CORE}/{namespace}/secrets/{name}"
        found = self.cluster.wait(path, lambda each: text(each).count(ours) == count, _SECONDS)
        return yaml.safe_load(text(found))

    def config_map(self, namespace: str, name: str, count: int) -> dict[str, str]:
        """The files of a ConfigMap, when there are so many."""
        path = f"{CORE}/{namespace}/configmaps/{name}"
        found = self.cluster.wait(path, lambda each: len(each.get("data", {})) == count, _SECONDS)
        return dict(found["data"])


def webhook(cluster: Cluster) -> tuple[str, str]:
    """Start the admission webhook; its address, and the CA (base64) that it is signed by."""
    (port,) = free_ports(1)
    settings = cluster.settings
    address, pki = f"127.0.0.1:{port}", settings.pki_dir
    supervisor = Supervisor(settings.run_dir, settings.log_dir)
    command = [
        *("timeout", str(_TTL_SECONDS), str(program(WEBHOOK))),
        f"--web.listen-address={address}",
        *(f"--web.cert-file={pki / 'components.crt'}", f"--web.key-file={pki / 'components.key'}"),
        "--web.client-ca-file=",
    ]
    supervisor.start(WEBHOOK, command)
    authority = pki / "ca.crt"
    trusted = ssl.create_default_context(cafile=str(authority))
    supervisor.wait_ready(
        WEBHOOK, lambda: answered(f"https://{address}/healthz", trusted) is not None, _SECONDS
    )
    return f"https://{address}", base64.b64encode(authority.read_bytes()).decode()


def answered(url: str, trusted: ssl.SSLContext | None = None) -> str | None:
    """What a page says with 200; None where nobody answers."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    )
    try:
        with opener.open(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
