"""Users of a kubeconfig that are a program."""

from __future__ import annotations

from typing import Any

API = "client.authentication.k8s.io/v1"


def exec_user(script: str, **more: Any) -> dict[str, Any]:
    """A user that is a shell script."""
    made = {"apiVersion": API, "interactiveMode": "Never", "command": "sh", "args": ["-c", script]}
    return {"exec": {**made, **more}}


def answer(status: str) -> str:
    """A script that prints a credential."""
    head = f'"apiVersion":"{API}","kind":"ExecCredential"'
    return f"printf '%s' '{{{head},\"status\":{status}}}'"


PROGRAM = answer('{"token":"from-program"}')
FROM_PROGRAM = ("Authorization: Bearer from-program",)
ENV_A = 'printf \'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
ENV_A += '"status":{"token":"<%s>"}}\' "$${A-unset}"'
