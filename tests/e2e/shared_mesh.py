"""The mesh that several modules look at: one that has ended must leave it as it was found."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.clients.https import Client
from tests.e2e.project import PROJECT, Copy

# What commands write beside the program; `.gitignore` has them, too.
_WRITTEN = {".sandbox", ".local", ".plan", ".pulumi"}
_NAMESPACES = "/api/v1/namespaces"
_GONE_SECONDS = 120


class Shared:
    """The copy with the mesh, and what `sandbox run` said of it."""

    def __init__(self, copy: Copy, said: str) -> None:
        self.copy, self.said = copy, said
        self._found = self._seen()

    def assert_as_found(self) -> None:
        """Fail where files, namespaces or resources are others, or there is drift of any kind.

        Namespaces that go are waited for: two minutes.
        """
        deadline = time.monotonic() + _GONE_SECONDS
        while (seen := self._seen()) != self._found and time.monotonic() < deadline:
            time.sleep(1)
        for what, before in self._found.items():
            assert seen[what] == before, what
        done = self.copy.run("bot", "drift", "--stack", "sandbox")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def _seen(self) -> dict[str, Any]:
        return {
            "the files of the copy": _files(self.copy.folder),
            "namespaces": self._namespaces(),
            "resources in the state": self._resources(),
        }

    def _namespaces(self) -> set[str]:
        answer = self.copy.api.request("GET", _NAMESPACES)
        assert answer.ok, answer
        return {each["metadata"]["name"] for each in answer.body["items"]}

    def _resources(self) -> set[str]:
        (file,) = self.copy.settings.state_dir.glob("state/.pulumi/stacks/*/sandbox.json")
        deployment = json.loads(file.read_text(encoding="utf-8"))["checkpoint"]["latest"]
        return {each["urn"] for each in deployment["resources"]}


@contextmanager
def owners_kept(api: Client, path: str) -> Iterator[None]:
    """Whoever owned the fields of an object owns them afterwards, whatever is done by hand."""
    owners = api.request("GET", path).body["metadata"]["managedFields"]
    try:
        yield
    finally:
        patch = {"metadata": {"managedFields": owners}}
        answer = api.request("PATCH", path, patch, content_type="application/merge-patch+json")
        assert answer.ok, answer


def _files(folder: Path) -> dict[str, str]:
    """The names at the top of the copy, and which of its files are no longer the project's."""
    names = sorted({each.name for each in folder.iterdir()} - _WRITTEN)
    found = {}
    for name in names:
        ours, file = PROJECT / name, folder / name
        same = not file.is_file() or (ours.is_file() and ours.read_bytes() == file.read_bytes())
        found[name] = "the project's" if same else file.read_text(encoding="utf-8")
    return found
