"""Mends the state after a run that was killed while it made things.

The engine writes down what it is about to make and, when it is killed, never learns what came of
it: the next run makes it again and is told `already exists`. The engine's own remedy, `refresh
--import-pending-creates`, loses the resource (engine 3.260: it is neither pending nor in the state
afterwards). So what was pending is entered as made, and a refresh of just that asks the provider:
what is there stays in the state, what is not goes, and is made by the next run.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from bot import engine
from bot.changes.objects import RELEASE
from bot.clients import kubeconfig
from bot.clients.https import ReadError
from bot.clients.target import Target
from bot.engine import Engine
from bot.engine import recover_root as engine_recover_root
from bot.exit_codes import BotError
from bot.text.output import write_private

Resource = dict[str, Any]
_DEPLOYED = "deployed"

# Vault's type -> the provider's id, as the provider documents it under "import".
_VAULT_IDS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "vault:index/mount:Mount": lambda i: str(i["path"]),
    "vault:index/authBackend:AuthBackend": lambda i: str(i["path"]),
    "vault:index/policy:Policy": lambda i: str(i["name"]),
    "vault:kubernetes/authBackendConfig:AuthBackendConfig": lambda i: f"auth/{i['backend']}/config",
    "vault:kubernetes/authBackendRole:AuthBackendRole": (
        lambda i: f"auth/{i['backend']}/role/{i['roleName']}"
    ),
    "vault:kv/secretV2:SecretV2": lambda i: f"{i['mount']}/data/{i['name']}",
}


def recover(found: Engine, target: Target) -> list[str]:
    """Take over what a killed run had made; names of what was pending. Raises BotError."""
    document = engine.exported(found, target)
    roots = engine_recover_root.made(target, document["deployment"])
    mended, adopted = entered(document["deployment"], roots)
    pending = len(document["deployment"].get("pending_operations") or ())
    if not pending:
        return []
    with TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        file = Path(scratch) / "state.json"
        write_private(file, json.dumps({**document, "deployment": mended}))
        engine.short(
            found, target, "stack", "import", "--stack", target.engine_name, "--file", str(file)
        )
    if adopted:
        result = engine.run(found, target, "refresh", target=adopted)
        if not result.ok:
            raise BotError("the resources of a killed run could not be read; run the command again")
        _releases_whole(found, target, adopted)
    return [urn.rpartition("::")[2] for urn in adopted]


def entered(
    deployment: dict[str, Any], found: Mapping[str, Resource] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """A state with its pending creations entered as made, and the URNs of these.

    found: resources that were looked up, by URN; they are entered as they are.
    Left out is what the state has already, and what has no existence outside the state, such as a
    random value: it is made anew.
    """
    resources: list[Resource] = list(deployment.get("resources") or ())
    known = {resource["urn"] for resource in resources if resource.get("id")}
    adopted: list[str] = []
    left: list[dict[str, Any]] = []
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        if operation["type"] != "creating":
            left.append(operation)
            continue
        id_ = identity(resource)
        whole = (found or {}).get(resource["urn"])
        if resource["urn"] in known or (id_ is None and whole is None):
            continue
        resources.append(whole or {**resource, "id": id_, "outputs": _outputs(resource)})
        adopted.append(resource["urn"])
    return {**deployment, "resources": resources, "pending_operations": left}, adopted


def identity(resource: Resource) -> str | None:
    """The id that the provider would have given; None for what cannot be looked up."""
    inputs = resource.get("inputs") or {}
    type_ = str(resource["type"])
    if type_ == RELEASE:
        return f"{inputs['namespace']}/{inputs['name']}"
    if type_.startswith("kubernetes:") and isinstance(metadata := inputs.get("metadata"), dict):
        name, namespace = metadata.get("name"), metadata.get("namespace")
        return f"{namespace}/{name}" if namespace and name else name
    # Inputs that were not known yet stand as one marked string: nothing can have been made of it.
    make = _VAULT_IDS.get(type_)
    return make(inputs) if make else None


def _outputs(resource: Resource) -> dict[str, Any]:
    inputs = resource.get("inputs") or {}
    if not str(resource["type"]).startswith("kubernetes:") or resource["type"] == RELEASE:
        return dict(inputs)
    # As the provider leaves a created object: it compares later inputs with `__inputs`.
    return {
        **inputs,
        "__inputs": inputs,
        "__initialApiVersion": inputs.get("apiVersion"),
        "__fieldManager": f"pulumi-kubernetes-{secrets.token_hex(4)}",
    }


def _releases_whole(found: Engine, target: Target, adopted: list[str]) -> None:
    if not any(f"{RELEASE}::" in urn for urn in adopted):
        return
    for resource in engine.exported(found, target)["deployment"]["resources"]:
        if resource["urn"] not in adopted or resource["type"] != RELEASE:
            continue
        state = (resource.get("outputs", {}).get("status") or {}).get("status")
        if state != _DEPLOYED:
            namespace, _, name = resource["id"].partition("/")
            _forget_release(target, namespace, name, str(state))
            # Nothing can depend on it yet: it was being made.
            flags = ("--stack", target.engine_name, "--yes", "--force")
            engine.short(found, target, "state", "delete", resource["urn"], *flags)


def _forget_release(target: Target, namespace: str, name: str, state: str) -> None:
    """Remove Helm's record of a release that was being installed, and nothing else.

    What is installed of it stays, and the next install takes it over by Helm's own marks on it. An
    uninstall would delete CRDs, and with them every object of their kinds.
    """
    cluster = target.config.cluster
    named, context = (cluster.kubeconfig, cluster.context) if cluster else (None, None)
    selector = f"owner=helm,name={name},status={state}"
    try:
        with kubeconfig.reached(
            named, context, target.full_environment(), target.project_dir
        ) as api:
            query = urlencode({"labelSelector": selector})
            answer = api.request(
                "DELETE", f"/api/v1/namespaces/{namespace}/secrets?{query}", seconds=30
            )
            if answer.ok:
                return
            reason = f"status {answer.status}"
    except ReadError as error:
        reason = str(error)
    raise BotError(
        f"Helm release {name} is {state}: a killed run left it unfinished, and its record cannot "
        f"be removed ({reason}); remove it with `kubectl delete secret --namespace {namespace} "
        f"--selector {selector}`, then run the command again"
    )
