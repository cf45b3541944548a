"""Runs a runbook as written: its `sh` blocks in a shell, its `yaml` blocks as stack file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bot.mesh.trust import model
from sandbox import toolchain
from tests.e2e.project import PROJECT
from tests.e2e.trust_mesh import TrustMesh, generation
from tests.programs import ran

FOLDER = PROJECT / "docs" / "runbooks"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The simulated nodes have no kubelet that would take two minutes to bring a file.
KUBELET_SECONDS = 2
# The stacks that the pages name.
_STACKS = {"trust": "sandbox", "staging": "sandbox", "production": "sandbox"}


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the heading that it is under."""

    language: str
    text: str
    heading: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (FOLDER / page).read_text(encoding="utf-8")
    headings = [(m.start(), m.group(1)) for m in re.finditer(r"^#+ (.*)$", text, re.MULTILINE)]
    return [
        Block(
            match.group(1),
            match.group(2),
            next(name for start, name in reversed(headings) if start < match.start()),
        )
        for match in _FENCE.finditer(text)
    ]


@dataclass
class Runbook:
    """A page on a mesh whose one stack is owner and cluster.

    names: the generations that the page names, and what they are called on this mesh. extra:
    variables of the shell. stacks: where a stack of the page is another one than `sandbox`.
    """

    mesh: TrustMesh
    page: str
    names: Mapping[str, str]
    extra: Mapping[str, str]
    stacks: Mapping[str, str] = field(default_factory=dict)

    def run(self, *headings: str) -> str:
        """Run the blocks under these headings, in the page's order; what they printed."""
        found = [each for each in blocks(self.page) if each.heading in headings]
        assert {each.heading for each in found} == set(headings)
        return "".join(self._run(block) for block in found)

    def _run(self, block: Block) -> str:
        text = block.text
        for written, ours in self.names.items():
            text = text.replace(written, ours)
        if block.language == "yaml":
            self._configure(text)
            return ""
        return self._shell(text) if block.language == "sh" else ""

    def _configure(self, text: str) -> None:
        trust = yaml.safe_load(text)["linkerd-platform:trust"]
        known = {each["name"]: each for each in self.mesh.generations}
        # A new generation takes the custody of the present one.
        custody = known[self.mesh.signing]["custody"]
        named = [
            {**known.get(each["name"], generation(each["name"], custody)), **each}
            for each in trust["generations"]
        ]
        # Those of earlier tests, which the page does not know, stay as they are.
        others = [g for g in self.mesh.generations if g["name"] not in {n["name"] for n in named}]
        self.mesh.generations = [*others, *named]
        self.mesh.signing = trust["signing"]
        self.mesh.write()

    def _shell(self, text: str) -> str:
        for stack, ours in {**_STACKS, **self.stacks}.items():
            # Not the command `bot trust`.
            text = re.sub(rf"(?<!bot )\b{stack}\b", ours, text)
        text = text.replace("sleep 120", f"sleep {KUBELET_SECONDS + 1}")
        # Owner and cluster are one stack here: the second of two equal updates adds nothing.
        lines = text.splitlines()
        script = [
            line
            for at, line in enumerate(lines)
            if not (at and line == lines[at - 1] and " bot up " in line)
        ]
        done = ran(
            ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
            cwd=self.mesh.copy.folder,
            env=environment(self.mesh, self.extra),
            timeout=1200,
        )
        said = f"{done.stdout}\n{done.stderr}"
        self.mesh.keep(("runbook", self.page), said)
        assert done.returncode == 0, f"{self.page}:\n{text}\n{said}"
        return said


def environment(mesh: TrustMesh, extra: Mapping[str, str]) -> dict[str, str]:
    """What an operator has: the programs, where the servers are, and a login to each."""
    copy = mesh.copy
    programs = copy.folder / "programs"
    if not programs.exists():
        programs.mkdir()
        (programs / "vault").symlink_to(toolchain.ensure(["vault"])["vault"])
        # The policies that the pages write are beside them.
        (copy.folder / "docs").symlink_to(PROJECT / "docs")
    path = os.pathsep.join([str(programs), str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    return {
        **copy.environment(),
        **copy.target.environment,
        "PATH": path,
        "KUBECONFIG": str(copy.settings.kubeconfig),
        "VAULT_ADDR": copy.settings.vault_addr,
        "VAULT_CACERT": str(copy.settings.pki_dir / "vault-ca.crt"),
        **extra,
    }


def without_kubelet(mesh: TrustMesh) -> None:
    """Tell the commands in the copy that a file reaches its pod at once, as it does here."""
    file = mesh.copy.folder / Path(str(model.__file__)).relative_to(PROJECT)
    text = file.read_text(encoding="utf-8")
    changed = text.replace("timedelta(minutes=2)", f"timedelta(seconds={KUBELET_SECONDS})")
    assert changed != text or f"seconds={KUBELET_SECONDS}" in text
    file.write_text(changed, encoding="utf-8")
