"""A page on workloads, run as it is written on the mesh: its YAML is deployed, its commands run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bot.engine import sandbox_stack
from tests.e2e.mesh_objects import Manifest, Objects
from tests.e2e.project import Copy
from tests.e2e.runbook import blocks
from tests.programs import ran

_PREFIX = "linkerd-platform:"
_GONE_SECONDS = 60
NO_CHANGES = "bot preview --stack sandbox --expect-no-changes"


class Page:
    """The page on a copy of the project: its YAML goes into the stack file, its commands run.

    base: sections of the stack file that the page takes for granted. instead: texts of its commands
    that are others here, such as the address of Prometheus. variables: of its shell.
    """

    def __init__(
        self,
        copy: Copy,
        name: str,
        base: Mapping[str, Any] | None = None,
        instead: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.copy, self.name, self.variables = copy, name, variables or {}
        self.base = {f"{_PREFIX}{key}": section for key, section in (base or {}).items()}
        self.instead = {
            "--stack staging": "--stack sandbox",
            # Nobody is there to be asked.
            "bot up --stack sandbox": "bot up --stack sandbox --yes",
            **(instead or {}),
        }
        self.file = copy.folder / sandbox_stack.TRACKED
        self.tracked = self.file.read_text(encoding="utf-8")
        self.objects = Objects(copy.api)

    def run(self, heading: str) -> str:
        """Run every block under a heading, in order; what the commands printed."""
        found = [each for each in blocks(self.name) if each.heading == heading]
        assert found, heading
        said = ""
        for block in found:
            if block.language == "yaml":
                self.write(yaml.safe_load(block.text))
            else:
                said += self.shell(block.text)
        return said

    def write(self, sections: Mapping[str, Any]) -> None:
        """Put sections into the stack file, beside those that are taken for granted."""
        document = yaml.safe_load(self.tracked)
        document["config"] |= {**self.base, **sections}
        self.file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def shell(self, text: str) -> str:
        """Run commands as an operator's shell does, and fail with what they said."""
        for written, ours in self.instead.items():
            text = text.replace(written, ours)
        environment = self.copy.environment()
        path = os.pathsep.join([str(Path(sys.prefix) / "bin"), environment["PATH"]])
        done = ran(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.copy.folder,
            env={
                **environment,
                **self.variables,
                "PATH": path,
                "KUBECONFIG": str(self.copy.settings.kubeconfig),
            },
            timeout=900,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def unchanged(self) -> None:
        """The same stack file once more changes nothing."""
        done = self.copy.run(*NO_CHANGES.split())
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def get(self, api_version: str, kind: str, name: str, inside: str = "") -> Manifest | None:
        """An object of the cluster; None where it is not there."""
        metadata = {"name": name, **({"namespace": inside} if inside else {})}
        path = self.objects.path(
            {"apiVersion": api_version, "kind": kind, "metadata": metadata}, name
        )
        answer = self.copy.api.request("GET", path)
        assert answer.ok or answer.status == 404, answer
        return dict(answer.body) if answer.ok else None


@contextmanager
def with_objects(page: Page, *manifests: Manifest) -> Iterator[Page]:
    """The page with objects of another tool in the cluster; afterwards both are gone again."""
    namespaces = [each for each in manifests if each["kind"] == "Namespace"]
    try:
        for each in namespaces:
            wait_gone(page, each["metadata"]["name"])
        page.objects.apply(*manifests)
        yield page
    finally:
        page.file.write_text(page.tracked, encoding="utf-8")
        # Rules that let clients in go with the namespaces that they were for.
        done = page.copy.run("bot", "up", "--stack", "sandbox", "--yes", "--allow", "deny")
        page.objects.delete(*namespaces)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def wait_gone(page: Page, name: str) -> None:
    """Until a namespace is gone: one of another module may be on its way out."""
    deadline = time.monotonic() + _GONE_SECONDS
    while page.get("v1", "Namespace", name) is not None:
        assert time.monotonic() < deadline, f"namespace {name} does not go"
        time.sleep(0.5)
