"""A shop with a policy, its stack file, and what runs in it, for the tests of policies."""

from __future__ import annotations

import copy
from typing import Any

from bot.mesh.authorization.model import Call, KubeService, RunningNamespace, ServingWorkload
from stack.config import StackConfig
from stack.load import from_file
from tests.unit.stack_files import good, write
from tests.unit.whole_program import project

Sections = dict[str, Any]
TRUST_DOMAIN = "cluster.local"


def identity(namespace: str, account: str) -> str:
    """The mesh identity of a service account."""
    return f"{account}.{namespace}.serviceaccount.identity.linkerd.{TRUST_DOMAIN}"


def service(**port: Any) -> Sections:
    """The service foo with one port."""
    return {"name": "foo", "selector": {"app": "foo"}, "ports": [{"port": 8080, **port}]}


def stack(*services: Sections, whole: Sections | None = None, **namespace: Any) -> Sections:
    """A stack file in which shop and web are meshed, off is not, and shop has this policy."""
    made = copy.deepcopy(good())
    made["rollout"] = {
        "waves": [
            {"name": "first", "state": "on", "namespaces": ["shop", "web"]},
            {"name": "later", "state": "off", "namespaces": ["off"]},
        ]
    }
    section: Sections = {**namespace, "services": list(services)}
    made["policy"] = {**(whole or {}), "namespaces": {"shop": section}}
    return made


def config(*services: Sections, whole: Sections | None = None, **namespace: Any) -> StackConfig:
    """The config of that stack file."""
    return from_file(write(project(), stack(*services, whole=whole, **namespace)))


FOO = ServingWorkload(
    kind="Deployment",
    name="foo",
    labels={"app": "foo", "pod-template-hash": "1"},
    account="foo",
    ports={8080: "http", 9990: "admin"},
    probes={8080: frozenset({"/healthz"})},
)
SHOP = RunningNamespace("shop", (FOO,), (KubeService("foo", {"app": "foo"}, ("http",)),))


def call(client: str = "", **changes: Any) -> Call:
    """A call to port 8080 of foo that the audit let in."""
    known: dict[str, Any] = {
        "namespace": "shop",
        "workload": ("deployment", "foo"),
        "port": 8080,
        "client": client,
        "protocol": "http",
        "outcome": "allow",
        "authorization": "default/audit",
        "route": "",
        "count": 3.0,
    }
    return Call(**{**known, **changes})
