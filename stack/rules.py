"""Which rules a stack file is held to: those of its sections. Each gives every fault it finds."""

from __future__ import annotations

import difflib
import importlib
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from pydantic import BaseModel

import components.policy.names
from components.linkerd import REGISTRY
from components.placement import faults_of_values
from schema.faults import Fault
from stack.arguments import shapes
from stack.config import StackConfig
from stack.meant import section_of

Rule = Callable[[StackConfig], Iterable[Fault]]


def _sandbox(config: StackConfig) -> Iterator[Fault]:
    """All faults of `sandbox`.

    - What `sandbox` allows is for role `standalone`, or an API server and a Vault on 127.0.0.1.
    """
    if config.role == "standalone" or _embedded(config):
        return
    used = {
        "openWebhooks": config.sandbox.open_webhooks,
        "linkerd": not config.sandbox.linkerd,
        "charts": bool(config.sandbox.charts),
    }
    for key in (key for key, is_used in used.items() if is_used):
        yield Fault(
            ("sandbox", key),
            "only for role 'standalone', or where both the API server and Vault are on this "
            "machine (127.0.0.1): it makes less than a mesh",
            looks_at=(("role",), ("cluster", "apiServer"), ("vault", "address")),
        )


def _embedded(config: StackConfig) -> bool:
    """True for a cluster of this machine: its API server and its Vault listen on loopback."""
    if config.cluster is None:
        return False
    return _on_loopback(config.cluster.api_server) and _on_loopback(config.vault.address)


def _on_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _rules(model: type[BaseModel], seen: set[str]) -> Iterator[Rule]:
    """The rule of each section below a model, once: `check`, beside it or in `rules` there."""
    for field in model.model_fields.values():
        section = section_of(field.annotation)
        if section is None:
            continue
        package, _, last = section.__module__.rpartition(".")
        name = f"{package}.rules" if last == "section" else section.__module__
        if name not in seen and name.startswith("components."):
            seen.add(name)
            if rule := getattr(importlib.import_module(name), "check", None):
                yield rule
        yield from _rules(section, seen)


def _charts(config: StackConfig) -> Iterator[Fault]:
    """All faults of `charts`.

    - `charts` names charts that the program installs; their `values` are ones that the chart has
      and that no other key decides, and none is a credential.
    - `images` and `linkerd.imageRegistry` are not both given.
    """
    known = shapes()
    for name, section in config.charts.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
            yield Fault(("charts", name), f"is not a chart of the platform; {hint}")
        else:
            path = ("charts", name, "values")
            yield from faults_of_values(path, section.values, known[name].owned)
    images = config.images.registry or config.images.registries
    if images and config.linkerd.image_registry != REGISTRY:
        yield Fault(
            ("linkerd", "imageRegistry"),
            "is for Linkerd's images alone, and images stands for all: write images.registries: "
            "{cr.l5d.io: ...} instead",
            looks_at=(("images",),),
        )


# In the order of the file, which is that of docs/config.md too.
RULES: tuple[Rule, ...] = (*_rules(StackConfig, set()), _charts, _sandbox)


def check(config: StackConfig) -> list[Fault]:
    """All faults between the keys of `config`."""
    found = [fault for rule in RULES for fault in rule(config)]
    # Names are looked at in what can be made at all.
    return found or list(components.policy.names.check(config))


def introduced(before: StackConfig, after: StackConfig) -> list[Fault]:
    """The faults that come with a change.

    A loaded config has been filled in, with certificates from their files, and is no longer what
    the rules are for; what they say of it before and after the change is not the change's.
    """
    known = check(before)
    return [fault for fault in check(after) if fault not in known]
