"""A kubeconfig's user that is a program: run for a token or a certificate.

Those of managed clusters are:
https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.servers.rest import MissingError, ReadError

_SECONDS = 60.0
_VERSION = "client.authentication.k8s.io/v1"


def ask(
    command: Mapping[str, Any],
    cluster: Mapping[str, Any],
    kubeconfig: Path,
    environment: Mapping[str, str],
) -> Mapping[str, Any]:
    """The user as a kubeconfig would have it, made of the program's answer.

    cluster: what a program with `provideClusterInfo` is told of it. Raises MissingError where it is
    not installed, with the hint that the kubeconfig has for that, and ReadError. What it printed is
    told to nobody: it may hold a credential.
    """
    words = [str(command.get("command") or ""), *map(str, command.get("args") or ())]
    extra = {str(each["name"]): str(each["value"]) for each in command.get("env") or ()}
    info = {
        "apiVersion": command.get("apiVersion", _VERSION),
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            **({"cluster": dict(cluster)} if command.get("provideClusterInfo") else {}),
        },
    }
    path = _program(words[0], kubeconfig, {**environment, **extra})
    if path is None:
        hint = str(command.get("installHint") or "install it").strip()
        raise MissingError(f"{kubeconfig}: its user runs {words[0]}, which is not on PATH: {hint}")
    try:
        done = subprocess.run(
            [path, *words[1:]],
            env={**environment, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        status = json.loads(done.stdout)["status"]
        user = {"token": str(status["token"])} if status.get("token") else {}
        for key, given in (
            ("client-certificate-data", "clientCertificateData"),
            ("client-key-data", "clientKeyData"),
        ):
            if status.get(given):
                user[key] = base64.b64encode(str(status[given]).encode()).decode()
    except subprocess.TimeoutExpired:
        raise ReadError(
            f"{kubeconfig}: {words[0]} gave no credential within {_SECONDS:.0f} s: run "
            "`kubectl get nodes` to log in"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ReadError(
            f"{kubeconfig}: {words[0]} gave no credential: run `kubectl get nodes` to see why"
        ) from None
    return user


def _program(name: str, kubeconfig: Path, environment: Mapping[str, str]) -> str | None:
    """A name with a slash is relative to the kubeconfig; another is looked for on PATH."""
    if os.sep in name:
        name = str(kubeconfig.parent / name)
    return shutil.which(name, path=environment.get("PATH"))
