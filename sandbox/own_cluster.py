"""A cluster of the user's, or one made by kind: the sandbox deploys to it, and brings the Vault.

kind runs where Docker does, which is how macOS and Windows have clusters. Its nodes reach Vault at
an address of this machine that is not loopback: Docker's gateway, or the machine's own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.engine import sandbox_stack
from bot.engine.sandbox_stack import ContextError, OwnCluster
from sandbox import lifecycle, toolchain
from sandbox.settings import HOST, Settings

KIND = "kind"
NAME = "linkerd-platform"
CONTEXT = f"kind-{NAME}"
_DOCKER_SECONDS, _KIND_SECONDS = 20, 600
# A highly available control plane wants three nodes that take its pods.
_CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- {role: worker, labels: {topology.kubernetes.io/zone: sandbox-a}}
- {role: worker, labels: {topology.kubernetes.io/zone: sandbox-b}}
- {role: worker, labels: {topology.kubernetes.io/zone: sandbox-c}}
"""


def with_docker() -> bool:
    """Tell whether Docker runs here."""
    return shutil.which("docker") is not None and _docker("info") is not None


def by_itself() -> bool:
    """Tell whether kind is used without being asked for: where the servers are not at home."""
    return sys.platform != "linux" and with_docker()


def needed(context: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The servers' programs for a context; those of the embedded cluster for none."""
    if not context:
        return toolchain.SERVERS
    vault = () if environment.get("VAULT_ADDR") else ("vault",)
    return (*((KIND,) if context == CONTEXT else ()), *vault)


def check(project_dir: Path, context: str, environment: Mapping[str, str]) -> None:
    """Raise ContextError where the context, or the Vault to go with it, cannot be used."""
    given = [name for name in ("VAULT_ADDR", "VAULT_TOKEN") if environment.get(name)]
    if len(given) == 1 and not _known(project_dir, context):
        raise ContextError(
            f"--context {context}: {given[0]} is set alone: set VAULT_ADDR and VAULT_TOKEN, for a "
            "Vault that the cluster can reach and a token that may manage mounts; or neither, for "
            "a Vault of the sandbox's own"
        )
    if context != CONTEXT:
        sandbox_stack.cluster_of(project_dir, context, environment)
    if _embedded(project_dir):
        raise ContextError(
            f"--context {context}: the embedded cluster is here: run `make sandbox-down` first"
        )


def use(
    project_dir: Path,
    context: str,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    settings: Settings | None = None,
) -> OwnCluster:
    """Choose a context, with a Vault of the sandbox's own where the environment names none.

    settings: of that Vault, by default those of `make sandbox`. Raises ContextError, and what
    starting Vault raises.
    """
    check(project_dir, context, environment)
    known = _known(project_dir, context)
    named = environment.get("VAULT_ADDR")
    if known and not known.own_vault and not named:
        return known
    # Who has exported what `make sandbox` says at its end still means the sandbox's own.
    if named and not (known and known.own_vault and known.vault_addr == named):
        return sandbox_stack.choose(project_dir, context, environment)
    settings = settings or Settings.default(project_dir)
    host = vault_host(context.startswith(f"{KIND}-"))
    settings = lifecycle.vault_up(settings.on(host), say)
    return sandbox_stack.choose(
        project_dir,
        context,
        environment,
        vault=(settings.vault_addr, (settings.pki_dir / "vault-ca.crt").read_text()),
    )


def make_kind(say: Callable[[str], None]) -> None:
    """Make the cluster, unless it is there; raises ContextError with kind's own words."""
    kind = str(toolchain.ensure([KIND], say)[KIND])
    if NAME in _answer([kind, "get", "clusters"], 60).split():
        return
    say(f"kind makes the cluster {NAME}: its images are some 400 MB, a few minutes the first time")
    _answer([kind, "create", "cluster", "--name", NAME, "--wait", "180s", "--config", "-"],
            _KIND_SECONDS, _CONFIG)  # fmt: skip


def delete_kind(say: Callable[[str], None]) -> None:
    """Delete it with all that is on it; raises ContextError."""
    kind = str(toolchain.ensure([KIND], say)[KIND])
    _answer([kind, "delete", "cluster", "--name", NAME], 120)


def vault_host(kind: bool) -> str:
    """The address of this machine at which Vault is reached from the cluster, and from here."""
    candidates = (_docker("network", "inspect", KIND, "--format", _GATEWAYS) or "") if kind else ""
    for host in [*candidates.split(), *_own_addresses()]:
        # Docker's gateway is an address of this machine on Linux alone.
        if ":" not in host and _is_here(host):
            return host
    return HOST


_GATEWAYS = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"


def _own_addresses() -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only asks which address would be used (TEST-NET-1 of RFC 5737).
            probe.connect(("192.0.2.1", 9))
            return [str(probe.getsockname()[0])]
        except OSError:
            return []


def _is_here(host: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _known(project_dir: Path, context: str) -> OwnCluster | None:
    known = sandbox_stack.chosen(project_dir)
    return known if known and known.context == context else None


def _embedded(project_dir: Path) -> bool:
    known = Settings.default(project_dir).state_dir / "settings.json"
    return known.exists() and sandbox_stack.chosen(project_dir) is None


def _docker(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["docker", *words],
            capture_output=True,
            text=True,
            timeout=_DOCKER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _answer(command: list[str], seconds: float, text: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=seconds, check=False,
            env={**os.environ, "KIND_EXPERIMENTAL_PROVIDER": "docker"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ContextError(f"kind did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise ContextError(f"kind: {said[:300]}")
    return done.stdout
