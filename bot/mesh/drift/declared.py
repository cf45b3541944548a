"""What a stack has declared: the Kubernetes objects in its state, without any value of theirs.

The state is asked for without secrets: what is encrypted in it stays so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot import engine
from bot.clients.target import Target
from bot.engine import Engine
from bot.engine.errors import NO_STACK, explain
from bot.exit_codes import BotError
from bot.mesh.drift.inventory import Key
from components.external_secrets import operators
from components.names import Operators

_RELEASE = ("helm.sh", "Release")
_NAMESPACE = ("", "Namespace")
_CERTIFICATE = ("cert-manager.io", "Certificate")
_PREFIX = "kubernetes:"


@dataclass(frozen=True)
class Declared:
    """The objects of a stack by group, kind, namespace and name, each with its URN.

    inside: those that Helm made for a release of ours; the engine knows their names alone, and not
    which kinds are in a namespace: where that is open both places are here.
    certificates: the Secret that a Certificate writes, and the Certificate. releases: namespace
    and name, each with its URN. version: changes with every write of the state. pending:
    operations begun and not ended. resources: how many there are, those in Vault too. operators:
    where they run, and which are somebody else's.
    """

    objects: Mapping[Key, str] = field(default_factory=dict)
    inside: Mapping[Key, str] = field(default_factory=dict)
    certificates: Mapping[tuple[str | None, str], str] = field(default_factory=dict)
    releases: Mapping[tuple[str | None, str], str] = field(default_factory=dict)
    version: str = ""
    pending: int = 0
    resources: int = 0
    operators: Operators = field(default_factory=Operators)

    def __contains__(self, key: Key) -> bool:
        return key in self.objects or key in self.inside

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces that the stack has made: those are the platform's own."""
        return frozenset(
            name for group, kind, _, name in self.objects if (group, kind) == _NAMESPACE
        )

    @property
    def crd_groups(self) -> frozenset[str]:
        """The API groups whose CRDs are declared."""
        names = [
            name
            for _, kind, _, name in [*self.objects, *self.inside]
            if kind == "CustomResourceDefinition"
        ]
        return frozenset(name.partition(".")[2] for name in names)


def read(found: Engine, target: Target) -> Declared:
    """What the state of a stack has; raises BotError with the engine's reason."""
    try:
        export = engine.exported(found, target)
    except BotError as error:
        if NO_STACK.search(str(error)):
            up = f"python -m bot up --stack {target.stack}"
            raise BotError(
                f"the backend has no stack {target.stack}: bring it up first ({up}), or look at "
                "PULUMI_BACKEND_URL"
            ) from None
        what, next_step = explain([str(error)], target.stack)
        raise BotError(f"{what}: {next_step}" if what else str(error)) from None
    try:
        return replace(of(export), operators=operators(target.config))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BotError(f"stack {target.stack}: the engine's export has another form") from None


def of(export: Mapping[str, Any]) -> Declared:
    """What an export of the engine declares (apitype.DeploymentV3)."""
    deployment = export.get("deployment") or {}
    resources = deployment.get("resources") or ()
    objects: dict[Key, str] = {}
    inside: dict[Key, str] = {}
    certificates: dict[tuple[str | None, str], str] = {}
    releases: dict[tuple[str | None, str], str] = {}
    for each in resources:
        kind = _kind(str(each.get("type", "")))
        if kind is None or not each.get("custom") or not each.get("id"):
            continue
        urn = str(each["urn"])
        namespace, name = _place(str(each["id"]))
        if kind == _RELEASE:
            releases[namespace, name] = urn
            inside |= dict.fromkeys(_helm_objects(each.get("outputs") or {}), urn)
            continue
        objects[*kind, namespace, name] = urn
        secret = (each.get("inputs") or {}).get("spec")
        if kind == _CERTIFICATE and isinstance(secret, Mapping) and secret.get("secretName"):
            certificates[namespace, str(secret["secretName"])] = name
    return Declared(
        objects=objects,
        inside=inside,
        certificates=certificates,
        releases=releases,
        version=json.dumps(deployment.get("manifest") or {}, sort_keys=True),
        pending=len(deployment.get("pending_operations") or ()),
        resources=sum(bool(each.get("custom")) for each in resources),
    )


def _kind(type_: str) -> tuple[str, str] | None:
    """Group and kind of a type token such as `kubernetes:apps/v1:Deployment`."""
    if not type_.startswith(_PREFIX) or type_.count(":") != 2:
        return None
    _, group_version, kind = type_.split(":")
    group = group_version.rpartition("/")[0]
    return ("" if group == "core" else group), kind


def _place(id_: str) -> tuple[str | None, str]:
    namespace, _, name = id_.rpartition("/")
    return namespace or None, name


def _helm_objects(outputs: Mapping[str, Any]) -> Iterable[Key]:
    """The objects of a release, as the provider names them.

    `ClusterRole.rbac.authorization.k8s.io/rbac.authorization.k8s.io/v1: [name]`, and in a
    namespace `Service/v1: [namespace/name]`: pulumi-kubernetes provider/manifest_json.go.
    """
    namespace = outputs.get("namespace")
    for title, names in (outputs.get("resourceNames") or {}).items():
        kind, _, group = str(title).partition("/")[0].partition(".")
        for each in names:
            inner, name = _place(str(each))
            # A manifest without a namespace is put into the release's, where its kind has one.
            yield group, kind, inner, name
            if inner is None and namespace:
                yield group, kind, str(namespace), name
