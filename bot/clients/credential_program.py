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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from bot.clients.https import MissingError, ReadError
from schema.values import printable

_SECONDS = 60.0
_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_MODES = ("Never", "IfAvailable", "Always")


def ask(
    command: object,
    cluster: Mapping[str, Any],
    kubeconfig: Path,
    environment: Mapping[str, str],
) -> Mapping[str, Any]:
    """The user as a kubeconfig would have it, made of the program's answer.

    cluster: what a program with `provideClusterInfo` is told of it. Raises MissingError where it is
    not installed, with the hint that the kubeconfig has for that, and ReadError. What it printed is
    told to nobody: it may hold a credential.
    """
    if not isinstance(command, Mapping):
        raise ReadError(f"{kubeconfig}: a user's exec: is no mapping with `command` and `args`")
    words, extra = _read(command, kubeconfig)
    info = {
        "apiVersion": command["apiVersion"],
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            **({"cluster": dict(cluster)} if command.get("provideClusterInfo") else {}),
        },
    }
    path = _program(words[0], kubeconfig, {**environment, **extra})
    if path is None:
        hint = printable(str(command.get("installHint") or "install it").strip(), 300)
        raise MissingError(
            f"{kubeconfig}: its user runs {printable(words[0])}, which is not on PATH: {hint}"
        )
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
        status = _status(json.loads(done.stdout), info["apiVersion"])
        user = {"token": str(status["token"])} if status.get("token") else {}
        for key, given in (
            ("client-certificate-data", "clientCertificateData"),
            ("client-key-data", "clientKeyData"),
        ):
            if status.get(given):
                user[key] = base64.b64encode(str(status[given]).encode()).decode()
    except subprocess.TimeoutExpired:
        raise ReadError(
            f"{kubeconfig}: {printable(words[0])} gave no credential within {_SECONDS:.0f} s: run "
            "`kubectl get nodes` to log in"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ReadError(
            f"{kubeconfig}: {printable(words[0])} gave no credential: run `kubectl get nodes` to "
            "see why"
        ) from None
    return user


def _status(answer: Any, version: object) -> Mapping[str, Any]:
    """What a credential has; raises ValueError, KeyError and TypeError for what is none."""
    if (answer["apiVersion"], answer["kind"]) != (version, "ExecCredential"):
        raise ValueError
    status = answer["status"]
    if not status.get("token") and not status.get("clientCertificateData"):
        raise ValueError
    return dict(status)


def _read(command: Mapping[str, Any], kubeconfig: Path) -> tuple[list[str], dict[str, str]]:
    """The words of the command, and its variables; raises ReadError that names the key."""

    def refuse(key: str, what: str) -> NoReturn:
        raise ReadError(f"{kubeconfig}: a user's {key}: {what}")

    words = [command.get("command"), *_listed(command, "args", refuse)]
    if not all(isinstance(word, str) for word in words) or not words[0]:
        refuse("exec", "command must be text and args a list of text: put numbers in quotes")
    version, mode = command.get("apiVersion"), command.get("interactiveMode")
    if version not in _VERSIONS:
        refuse("exec.apiVersion", f"must be {' or '.join(_VERSIONS)}")
    if mode not in _MODES and (mode or version != _VERSIONS[1]):
        refuse("exec.interactiveMode", f"must be one of {', '.join(_MODES)}")
    if mode == "Always":
        refuse("exec.interactiveMode", "Always: asks at the terminal: log in without questions")
    extra = {}
    for each in _listed(command, "env", refuse):
        if not isinstance(each, Mapping):
            refuse("exec.env", "each needs a name and a value")
        name, value = each.get("name"), each.get("value")
        value = "" if value is None else value
        if not name or not isinstance(name, str) or not isinstance(value, str) or "=" in name:
            refuse("exec.env", "each needs a name and a value, as text")
        extra[name] = value
    if any("\0" in each for each in (*words, *extra, *extra.values())):
        refuse("exec", "holds a NUL character")
    return [str(word) for word in words], extra


def _listed(
    command: Mapping[str, Any], key: str, refuse: Callable[[str, str], NoReturn]
) -> list[Any]:
    value = command.get(key)
    if value is not None and not isinstance(value, list):
        refuse(f"exec.{key}", "is no list")
    return value or []


def _program(name: str, kubeconfig: Path, environment: Mapping[str, str]) -> str | None:
    """A name with a slash is relative to the kubeconfig; another is looked for on PATH."""
    if os.sep in name:
        name = str(kubeconfig.parent / name)
    return shutil.which(name, path=environment.get("PATH"))
