"""The two servers that the trust commands ask: a stack's API server and its Vault."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from bot.engine.target import Target, write_private
from bot.exit_codes import BotError, MissingToolError
from sandbox import verify_reader
from sandbox.rest import Client
from sandbox.verify_reader import ReadError

_EXEC_SECONDS = 60


class Unreadable(BotError):  # noqa: N818  (a state of a server, told in one line)
    """A server does not answer, or refuses; says which and what it said."""


@contextmanager
def cluster(target: Target) -> Iterator[Client]:
    """A client of the stack's API server, as its kubeconfig says; raises Unreadable.

    A kubeconfig whose user is a program (`exec`), as those of managed clusters are, has the program
    run for a token: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
    """
    config = target.config.cluster
    if config is None:
        raise Unreadable(f"stack {target.stack} has no cluster")
    environment = target.full_environment()
    named = config.kubeconfig or environment.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = (target.project_dir / Path(named or "~/.kube/config").expanduser()).resolve()
    with TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        try:
            plain = _with_token(path, config.context, Path(scratch), environment)
            manager = verify_reader.kubernetes(plain, config.context)
            client = manager.__enter__()
        except ReadError as error:
            raise Unreadable(f"stack {target.stack}: {error}") from None
        try:
            yield client
        finally:
            manager.__exit__(None, None, None)


def _with_token(
    kubeconfig: Path, context: str | None, scratch: Path, environment: dict[str, str]
) -> Path:
    """The kubeconfig itself, or a private copy in which the user's program is its token."""
    try:
        document: dict[str, Any] = yaml.safe_load(kubeconfig.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ReadError(f"{kubeconfig}: {error.strerror}") from None
    except yaml.YAMLError:
        raise ReadError(f"{kubeconfig}: is no YAML") from None
    name = context or document.get("current-context", "")
    contexts = {each["name"]: each["context"] for each in document.get("contexts") or ()}
    if name not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise ReadError(f"{kubeconfig}: no context {name!r}; there are: {known}")
    users = {each["name"]: each["user"] for each in document.get("users") or ()}
    user = users.get(contexts[name].get("user"), {})
    if "exec" not in user:
        return kubeconfig
    token = _token(kubeconfig, user["exec"], environment)
    for each in document["users"]:
        if each["name"] == contexts[name]["user"]:
            each["user"] = {"token": token}
    for each in document.get("clusters") or ():
        authority = each["cluster"].get("certificate-authority")
        if authority:
            each["cluster"]["certificate-authority"] = str(kubeconfig.parent / authority)
    made = scratch / "kubeconfig"
    write_private(made, yaml.safe_dump(document))
    return made


def _token(kubeconfig: Path, command: dict[str, Any], environment: dict[str, str]) -> str:
    extra = {each["name"]: each["value"] for each in command.get("env") or ()}
    version = command.get("apiVersion", "client.authentication.k8s.io/v1")
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    words = [str(command["command"]), *map(str, command.get("args") or ())]
    try:
        done = subprocess.run(
            words,
            cwd=kubeconfig.parent,
            env={**environment, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            capture_output=True,
            text=True,
            timeout=_EXEC_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return str(json.loads(done.stdout)["status"]["token"])
    except FileNotFoundError:
        raise MissingToolError(
            f"{kubeconfig}: its user runs {words[0]}, which is not on PATH: install it"
        ) from None
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        # What it printed may hold a credential.
        raise ReadError(f"{kubeconfig}: {words[0]} gave no token") from None


@contextmanager
def vault(target: Target) -> Iterator[Client]:
    """A client of the stack's Vault with the token of `VAULT_TOKEN`; raises MissingToolError.

    The sandbox has a token of its own, see `bot.engine.target.embedded_token`.
    """
    config = target.config.vault
    token = target.full_environment().get("VAULT_TOKEN", "")
    if not token:
        raise MissingToolError(
            f"stack {target.stack}: VAULT_TOKEN is not set: log in to {config.address} "
            "(vault login, vault token create) and export it"
        )
    headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
    if config.namespace:
        headers["X-Vault-Namespace"] = config.namespace
    with _vault(target, headers) as client:
        yield client


@contextmanager
def vault_address(target: Target) -> Iterator[Client]:
    """A client of the stack's Vault without a token, for what it tells everybody."""
    with _vault(target, {}) as client:
        yield client


@contextmanager
def _vault(target: Target, headers: dict[str, str]) -> Iterator[Client]:
    config = target.config.vault
    with TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        authority = Path(ssl.get_default_verify_paths().cafile or "")
        if config.ca_pem:
            authority = Path(scratch) / "ca.pem"
            authority.write_text(config.ca_pem, encoding="utf-8")
        elif config.ca_file:
            authority = target.project_dir / config.ca_file
        elif not authority.is_file():
            raise MissingToolError(
                f"stack {target.stack}: no CA certificates on this machine: set vault.caFile"
            )
        yield Client(config.address, authority, headers=headers)
