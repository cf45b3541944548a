"""A whole program as plain facts, for the searches of the guards."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schema.values import Duration
from stack.config import StackConfig
from tests.unit.whole_program import CHART, RELEASE, Evaluated

Manifest = dict[str, Any]


@dataclass
class Facts:
    """A program as the searches see it; each part can be changed to bring a fault in.

    `after` are the names of the resources that a Certificate's resource waits for.
    """

    config: StackConfig
    objects: list[Manifest]
    charts: dict[str, Manifest]
    vault: list[tuple[str, Manifest]]
    after: dict[str, set[str]]

    def of(self, kind: str) -> list[Manifest]:
        """The objects of one kind."""
        return [m for m in self.objects if m["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        """The one object of this kind whose name ends so."""
        (found,) = [m for m in self.of(kind) if m["metadata"]["name"].endswith(name)]
        return found

    @property
    def made_secrets(self) -> list[tuple[str, str]]:
        """Namespace and name of every Secret that somebody makes; cluster-wide ones have none."""
        made = [(m["metadata"]["namespace"], m["metadata"]["name"]) for m in self.of("Secret")]
        made += [(m["metadata"]["namespace"], m["spec"]["secretName"]) for m in self.certificates]
        for m in self.of("ExternalSecret"):
            made.append((m["metadata"]["namespace"], m["spec"]["target"]["name"]))
        return made

    @property
    def certificates(self) -> list[Manifest]:
        """Every Certificate."""
        return self.of("Certificate")

    @property
    def roots(self) -> list[Manifest]:
        """The anchors among them."""
        return [c for c in self.certificates if c["spec"]["commonName"].startswith("root.")]


def facts(program: Evaluated) -> Facts:
    """What a program is, to be changed at will."""
    by_urn = {r.urn: r.name for r in program.resources}
    return Facts(
        config=program.evaluation.config,
        objects=[copy.deepcopy(dict(m)) for _, m in program.objects],
        charts={
            r.inputs["name"]: copy.deepcopy(dict(r.inputs))
            for r in program.resources
            if r.type in (CHART, RELEASE)
        },
        vault=[
            (r.type.rsplit(":", 1)[1], copy.deepcopy(dict(program.clear[r.urn])))
            for r in program.resources
            if r.type.startswith("vault:")
        ],
        after={
            m["metadata"]["name"]: {by_urn[urn] for urn in program.needed_by(r)}
            for r, m in program.objects
            if m["kind"] == "Certificate"
        },
    )


def seconds(text: str) -> int:
    """A duration as Go prints it."""
    return Duration.parse(text).seconds


def name_of(manifest: Mapping[str, Any]) -> str:
    """Kind and name."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"
