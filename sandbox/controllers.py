"""The operators of a sandbox: real controllers, run beside the cluster instead of in its pods."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.cluster import admin_login
from sandbox.processes import Supervisor, python_path
from sandbox.settings import HOST, Settings

TRUST_NAMESPACE = "cert-manager"

# What must be served before the operator starts: the kinds it watches.
_CERTIFICATES = {
    "cert-manager.io/v1": ("certificates", "certificaterequests", "issuers", "clusterissuers")
}
SERVED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cert-manager": _CERTIFICATES,
    "cainjector": _CERTIFICATES,
    "trust-manager": {"trust.cert-manager.io/v1alpha1": ("bundles",)},
    "external-secrets": {
        "external-secrets.io/v1": ("secretstores", "clustersecretstores", "externalsecrets"),
        "external-secrets.io/v1alpha1": ("pushsecrets",),
    },
}
NAMES = tuple(SERVED)
TOOL = {**{name: name for name in NAMES}, "cainjector": "cert-manager"}


def command(settings: Settings, tools: Mapping[str, Path], name: str) -> list[str]:
    """Return the command line of the operator `name`; raises KeyError for an unknown one."""
    ports, program = settings.ports, str(tools[TOOL[name]])
    kubeconfig = f"--kubeconfig={settings.kubeconfig}"
    commands = {
        "cert-manager": [
            *(program, "controller", kubeconfig),
            f"--metrics-address={HOST}:{ports.cert_manager}",
            f"--cluster-resource-namespace={TRUST_NAMESPACE}",
            # An hour in a released controller: too long to watch a Vault outage end.
            "--certificate-request-minimum-backoff-duration=5s",
        ],
        "cainjector": [
            *(program, "cainjector", kubeconfig),
            f"--metrics-address={HOST}:{ports.cainjector}",
        ],
        "trust-manager": [
            *(program, kubeconfig),
            f"--metrics-address={HOST}:{ports.trust_manager}",
            f"--trust-namespace={TRUST_NAMESPACE}",
        ],
        "external-secrets": [
            *(program, kubeconfig),
            f"--metrics-address={HOST}:{ports.external_secrets}",
            # Five minutes in the released operator: too long to watch a Vault outage end.
            "--store-requeue-interval=10s",
        ],
    }
    return commands[name]


def start(settings: Settings, name: str, tools: Mapping[str, Path] | None = None) -> None:
    """Start the operator `name` (its keeper), unless it runs.

    Raises ToolMissing when its program is absent and cannot be built.
    """
    start_with(Supervisor(settings.run_dir, settings.log_dir), settings, name, tools)


def start_with(
    supervisor: Supervisor,
    settings: Settings,
    name: str,
    tools: Mapping[str, Path] | None = None,
) -> None:
    """Start the operator `name` as one of `supervisor`'s processes."""
    if tools is None:
        from sandbox import toolchain

        tools = toolchain.ensure([TOOL[name]])
    task = {
        **admin_login(settings),
        "command": command(settings, tools, name),
        "served": SERVED[name],
    }
    keeper = [sys.executable, "-m", "sandbox.keeper", json.dumps(task)]
    supervisor.start(name, keeper, env=python_path())


def stop(settings: Settings, name: str) -> None:
    """Stop the operator `name` and return when it is gone; it stays stopped until `start`."""
    if name not in SERVED:
        raise KeyError(f"{name!r} is no operator of the sandbox; there are {', '.join(NAMES)}")
    Supervisor(settings.run_dir, settings.log_dir).stop(name)
