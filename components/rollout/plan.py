"""Look-ups in the rollout plan, for the rules, the program and the bot alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import urlsplit

from components.external_secrets import HasOperators, operators
from components.names import CERT_MANAGER, EXTERNAL_SECRETS
from components.rollout.section import HasRollout, Wave, WaveNamespace
from components.vault import HasVault
from components.viz import HasViz

# What must run before the mesh does, or below it: a proxy there would wait for itself.
NEVER = frozenset(
    {
        "kube-node-lease",
        "kube-public",
        "kube-system",
        "vault",
        CERT_MANAGER,
        EXTERNAL_SECRETS,
    }
)


def named(config: HasRollout) -> Iterator[tuple[Wave, WaveNamespace]]:
    """Every namespace that the plan names, with its wave, in the order of adoption."""
    for wave in config.rollout.waves:
        for namespace in wave.namespaces:
            yield wave, namespace


def waves_by_namespace(config: HasRollout) -> dict[str, Wave]:
    """The wave of each namespace that the plan names."""
    return {namespace.name: wave for wave, namespace in named(config)}


def unplanned(config: HasRollout, namespace: str) -> str | None:
    """Why the plan does not mesh a namespace; None where it does, or is to one day."""
    planned = next((each for _, each in named(config) if each.name == namespace), None)
    if planned is None:
        return "is in no wave of rollout"
    return "is an opt-out of rollout" if planned.opt_out else None


class HasPlan(HasRollout, HasViz, HasVault, HasOperators, Protocol):
    """A config with the plan and what must stay outside it."""


def forbidden(config: HasPlan, namespace: str) -> str | None:
    """Why a namespace must never be meshed by the plan; None where it may."""
    if namespace in NEVER or namespace in operators(config).namespaces:
        return "runs what the mesh itself needs"
    if namespace == "linkerd" or namespace.startswith("linkerd-"):
        return "is Linkerd's own, which decides about its proxies itself"
    if namespace == service_namespace(config.viz.prometheus_url):
        return "has the Prometheus of viz.prometheusUrl, which must see the mesh from outside"
    if namespace == service_namespace(config.vault.address):
        return "has the Vault of vault.address, which the mesh gets its certificates from"
    if namespace in config.rollout.never:
        return "is in rollout.never"
    return None


def service_namespace(url: str | None) -> str | None:
    """The namespace of the Service at an address; None where it is outside the cluster.

    A Service is reached as `<name>.<namespace>` or `<name>.<namespace>.svc.<cluster domain>`:
    https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
    """
    host = urlsplit(url or "").hostname or ""
    parts = host.split(".")
    in_cluster = len(parts) == 2 or (len(parts) > 2 and parts[2] == "svc")
    return parts[1] if in_cluster else None
