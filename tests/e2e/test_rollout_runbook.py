"""The page on meshing a namespace and undoing it, run as it is written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.rollout import INJECT, STATE_LABEL
from sandbox import stack_file
from tests.e2e.project import Copy
from tests.e2e.runbook import blocks
from tests.e2e.test_rollout import DEPLOYMENTS, NAMESPACES, deployment, namespace

pytestmark = pytest.mark.e2e
PAGE = "mesh-a-namespace.md"


class Page:
    """The page on a copy of the project: its YAML goes into the stack file, its commands run."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.file = copy.folder / stack_file.TRACKED
        self.tracked = self.file.read_text(encoding="utf-8")

    def run(self, heading: str) -> str:
        found = [each for each in blocks(PAGE) if each.heading == heading]
        assert found
        said = ""
        for block in found:
            if block.language == "yaml":
                document = yaml.safe_load(self.tracked)
                document["config"] |= yaml.safe_load(block.text)
                self.file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
            else:
                said += self._shell(block.text.replace("--stack staging", "--stack sandbox"))
        return said

    def _shell(self, text: str) -> str:
        # Nobody is there to be asked.
        text = text.replace("bot up --stack sandbox", "bot up --stack sandbox --yes")
        environment = self.copy.environment()
        path = os.pathsep.join([str(Path(sys.prefix) / "bin"), environment["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.copy.folder,
            env={**environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def metadata(self) -> dict[str, Any]:
        answer = self.copy.api.request("GET", f"{NAMESPACES}/shop")
        assert answer.ok, answer
        return dict(answer.body["metadata"])


@pytest.fixture(scope="module")
def page(mesh: tuple[Copy, str]) -> Iterator[Page]:
    """A namespace of another tool with one workload; afterwards it goes."""
    made = Page(mesh[0])
    api = made.copy.api
    try:
        deadline = time.monotonic() + 60
        # One of another module may be on its way out.
        while not (answer := api.request("POST", NAMESPACES, namespace("shop"))).ok:
            assert answer.status == 409, answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.5)
        assert api.request("POST", DEPLOYMENTS, deployment("web")).ok
        yield made
    finally:
        made.file.write_text(made.tracked, encoding="utf-8")
        made.copy.run("bot", "up", "--stack", "sandbox", "--yes")
        api.request("DELETE", f"{NAMESPACES}/shop")


def test_the_page_meshes_a_namespace_and_takes_it_out_again(page: Page) -> None:
    """Who goes back does so in a bad hour: the page must work as it stands."""
    assert "first" in page.run("Plan it")
    said = page.run("Take the next wave in")
    assert "wave first: off to on: safe" in said
    assert "shop/deployment/web: is up" in said
    assert page.metadata()["annotations"][INJECT] == "enabled"
    said = page.run("Undo it")
    assert "wave first: on to off: safe" in said
    assert INJECT not in page.metadata()["annotations"]
    assert STATE_LABEL not in page.metadata()["labels"]
