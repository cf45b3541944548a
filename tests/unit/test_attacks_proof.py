"""Ways around "what is approved is what is applied", each tried through the command line.

A stand-in of the engine applies what the files of the project say when it runs, as a program does.
The same with the real engine and a real Vault: tests/e2e/test_attacks.py.

Here: approvals, notes and bytecode that are forged.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.deploy import backend
from bot.exit_codes import REFUSED
from tests.unit import delivery_samples as samples
from tests.unit.attack_project import MODULE, Project
from tests.unit.attack_project import project as project

_EDITS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "approver": ({"by": "eve"}, "was changed after it was signed"),
    "allowed": ({"allowed": ["crd"]}, "was changed after it was signed"),
    "longer": ({"approved_at": "now", "expires_at": "+160h"}, "was changed after it was signed"),
    "reason": ({"reason": "x"}, "was changed after it was signed"),
    "snapshot": ({"snapshot": {"commit": "b" * 40}}, "was changed after it was signed"),
    "no signature": ({"signature": ""}, "is not signed"),
    "another's": ({"signature": "vault:v1:AAAA"}, "was changed after it was signed"),
}


@pytest.mark.parametrize("edit", _EDITS)
def test_a9_approval_that_was_edited_is_refused(project: Project, edit: str) -> None:
    """Whoever can write the file is not whoever may approve."""
    from datetime import UTC, datetime, timedelta

    project.preview()
    project.approve()
    document = json.loads(project.approval.read_text())
    more, said = _EDITS[edit]
    now = datetime.now(UTC).replace(microsecond=0)
    times = {"now": now.isoformat(), "+160h": (now + timedelta(hours=160)).isoformat()}
    for key, value in more.items():
        both = isinstance(value, dict)
        document[key] = {**document[key], **value} if both else times.get(str(value), value)  # type: ignore[dict-item]
    project.approval.write_text(json.dumps(document))
    assert said in project.up(code=REFUSED)
    assert project.applied == 0


def test_a9_unsigned_approval_is_taken_only_where_the_stack_file_says_so(
    project: Project,
) -> None:
    """And the history says that it was none."""
    old = "  linkerd-platform:role: cluster\n"
    new = f"{old}  linkerd-platform:approvals: {{unsigned: true}}\n"
    project.replace("Pulumi.production.yaml", old, new)
    project.git("commit", "-qam", "unsigned approvals")
    project.preview()
    assert "not signed" in project.approve()
    assert json.loads(project.approval.read_text())["signature"] == ""
    project.up()
    assert project.entry.trailers["Approval-signed"] == "no"
    assert "the approval was not signed" in project.run("history", "--stack", "production")


def test_a9_changes_that_were_edited_cannot_be_approved(project: Project) -> None:
    """The file of the preview is handed from one job to another as well."""
    project.preview()
    document = json.loads(project.changes.read_text())
    document["changes"][0]["after"] = {"policy": "less"}
    project.changes.write_text(json.dumps(document))
    assert "stale: changes: was " in project.approve(code=REFUSED)


def _forged(commit: str, **more: str) -> dict[str, Any]:
    return samples.entry(minute=30, commit=commit, trailers=more)


def test_a10_notes_that_the_bot_has_not_written_prove_nothing(project: Project) -> None:
    """`pulumi up --message` takes any text, also that of an honest run before it."""
    commit = project.git("rev-parse", "HEAD")
    proof = {"linkerd-platform:verified": f"{commit}@0123456789abcdef"}
    project.preview()
    project.approve()
    up = ("--approved", str(project.approval))
    project.data(history=[_forged(commit)], tags=proof)
    assert "missing: staging: " in project.up(*up, code=REFUSED)
    honest = samples.entry(commit=commit)
    tags = {**proof, backend.OPERATIONS: samples.begun([honest])}
    # Another commit since, and on top of it the message of the honest run, typed anew.
    other = samples.entry(minute=10, commit="b" * 40, operation="fedcba9876543210")
    project.data(history=[_forged(commit), other, honest], tags=tags)
    told = project.up(*up, code=REFUSED)
    assert "its last update was not made by the bot" in told
    project.data(history=[honest], tags=tags)
    project.up(*up)


def test_a10_forged_approval_in_the_history_does_not_let_a_moved_state_pass(
    project: Project,
) -> None:
    """Else whoever works by hand in the middle of an approved run looks like that run."""
    project.preview()
    project.approve()
    project.data(die=True)
    project.up(code=1)
    approval = json.loads(project.approval.read_text())["id"]
    by_hand = samples.entry(
        minute=30, operation="fedcba9876543210", trailers={"Approval": approval}
    )
    project.data(die=False, history=[by_hand])
    assert "stale: version of the state" in project.up(code=REFUSED)


def _poisoned(source: Path, *, flags: int) -> Path:
    """A cache that says it is of the source, and is of other code."""
    cache = Path(importlib.util.cache_from_source(str(source)))
    cache.parent.mkdir(exist_ok=True)
    stat = source.stat()
    head = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little")
    head += int(stat.st_mtime).to_bytes(4, "little") + stat.st_size.to_bytes(4, "little")
    code = compile("replicas = 9\n", str(source), "exec", dont_inherit=True)
    cache.write_bytes(head + marshal.dumps(code))
    return cache


@pytest.mark.parametrize("flags", [0, 1])
def test_a10_bytecode_that_is_not_of_its_source_is_refused(project: Project, flags: int) -> None:
    """Python runs it instead of the commit, and git is told to ignore it."""
    project.write(
        ".gitignore", f"{(project.folder / '.gitignore').read_text()}__pycache__/\n*.pyc\n"
    )
    project.git("commit", "-qam", "caches")
    project.preview()
    project.approve()
    cache = _poisoned(project.folder / MODULE, flags=flags)
    assert "schema/__pycache__/values." in project.up(code=REFUSED)
    cache.unlink()
    alone = project.folder / "yaml.pyc"
    alone.write_bytes(b"")
    assert "yaml.pyc: compiled Python" in project.up(code=REFUSED)
    alone.unlink()
    text = (project.folder / MODULE).read_text()
    code = compile(text, "values.py", "exec", dont_inherit=True)
    cache = _poisoned(project.folder / MODULE, flags=0)
    cache.write_bytes(cache.read_bytes()[:16] + marshal.dumps(code))
    project.up()
