"""What the engine says of tracked resources, as changes from what is declared to what is there."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bot.changes.model import ChangeSet, Op
from bot.mesh.drift import tracked
from tests.unit import fake_engine

UNREACHABLE = "configured Kubernetes cluster is unreachable: dial tcp: refused"
HEAD = """
WEB = "urn:pulumi:trust::linkerd-platform::kubernetes:apps/v1:Deployment::web"
def state(replicas):
    return dict(urn=WEB, type="kubernetes:apps/v1:Deployment", custom=True, parent="",
                inputs=dict(apiVersion="apps/v1", kind="Deployment", metadata=dict(name="web"),
                            spec=dict(replicas=replicas)))
def read(op, old, new, **more):
    metadata = dict(op=op, urn=WEB, type="kubernetes:apps/v1:Deployment", old=old, new=new, **more)
    say(resourcePreEvent=dict(metadata=dict(metadata, op="refresh")))
    say(resOutputsEvent=dict(metadata=metadata))
def warn(text):
    say(diagnosticEvent=dict(urn=WEB, severity="warning", message=text))
def fail(text):
    say(diagnosticEvent=dict(urn=WEB, severity="error", message=text))
"""


def run(folder: Path, body: str, stop: threading.Event | None = None) -> ChangeSet:
    engine = fake_engine.engine(folder, HEAD + body)
    return tracked.read(engine, fake_engine.target(folder), stop or threading.Event(), 20)


def test_a_field_that_differs_is_told_from_declared_to_there(tmp_path: Path) -> None:
    """Not as the engine's preview has it, which is what an update would do about it."""
    found = run(
        tmp_path,
        """
read("update", state(3), state(1), detailedDiff={"spec.replicas": {"diffKind": "update"}})
summary()
""",
    )
    [change] = found.changes
    assert change.op is Op.UPDATE
    assert [(each.path, each.before, each.after) for each in change.fields] == [
        ("spec.replicas", 3, 1)
    ]
    assert (found.source, found.complete, found.moves) == ("drift", True, ())


def test_what_is_gone_is_a_deletion(tmp_path: Path) -> None:
    """The risk rules know what that means."""
    [change] = run(tmp_path, "read('delete', state(3), None)\nsummary()").changes
    assert (change.op, change.kind, change.object_name) == (Op.DELETE, "Deployment", "web")


def test_a_chart_whose_objects_are_all_gone_is_drift_and_no_doubt(tmp_path: Path) -> None:
    """In a preview it would be a chart that nobody looked into; a refresh asks for each object."""
    body = """
CHART = "urn:pulumi:trust::linkerd-platform::kubernetes:helm.sh/v4:Chart::chart"
resource("resOutputsEvent", "same", CHART, custom=False)
for name in "ab":
    urn = CHART.replace("::chart", "$kubernetes:core/v1:Secret::") + name
    old = dict(urn=urn, type="kubernetes:core/v1:Secret", custom=True, parent=CHART, inputs={})
    metadata = dict(op="delete", urn=urn, type="kubernetes:core/v1:Secret", old=old, new=None)
    say(resOutputsEvent=dict(metadata=metadata))
summary()
"""
    found = run(tmp_path, body)
    assert (len(found.changes), found.doubts) == (2, ())


def test_what_is_as_declared_is_no_change(tmp_path: Path) -> None:
    """Most of it, every night."""
    found = run(tmp_path, "read('same', state(3), state(3))\nsummary()")
    assert (found.changes, found.unchanged, found.complete) == ((), 1, True)


def test_nothing_is_written_confirmed_or_made(tmp_path: Path) -> None:
    """A refresh writes the state; with `--preview-only` it takes no lock and writes nothing."""
    body = """
assert args[0] == "refresh" and "--preview-only" in args, args
assert not {"--yes", "--skip-preview", "--run-program"} & set(args), args
summary()
"""
    assert run(tmp_path, body).complete


def test_a_stack_that_nobody_made_stays_unmade(tmp_path: Path) -> None:
    """The sandbox makes its stack where it has none; a look must not."""
    body = """
if args[0] != "refresh":
    open("made", "w")
sys.stderr.write("error: no stack named 'trust' found\\n")
sys.exit(6)
"""
    engine = fake_engine.engine(tmp_path, body)
    target = replace(fake_engine.target(tmp_path), creates=True)
    found = tracked.read(engine, target, threading.Event(), 20)
    assert not found.complete
    assert not (tmp_path / "made").exists()


def test_a_failed_read_is_one_line_with_what_comes_next(tmp_path: Path) -> None:
    """The engine repeats it for each resource that it had under way."""
    body = """
read("update", state(3), state(1), detailedDiff={"spec.replicas": {"diffKind": "update"}})
for _ in range(3):
    fail("Error making API request. Code: 503. Errors: * Vault is sealed")
summary("failed")
sys.exit(1)
"""
    found = run(tmp_path, body)
    [error] = found.errors
    assert error.startswith("Vault is sealed: unseal")
    assert len(found.changes) == 1, "what was found before is true all the same"


def test_an_unknown_failure_says_to_look_again(tmp_path: Path) -> None:
    """`up` is no answer to a read that failed."""
    found = run(tmp_path, "fail('the moon is full')\nsummary('failed')\nsys.exit(1)")
    assert found.errors == (
        "the moon is full: run `python -m bot drift --stack trust` again once it is mended",
    )


def test_a_cluster_that_is_away_is_not_one_without_objects(tmp_path: Path) -> None:
    """With PULUMI_K8S_DELETE_UNREACHABLE the provider says of everything that it is gone."""
    body = f"warn({UNREACHABLE!r})\nread('delete', state(3), None)\nsummary()"
    found = run(tmp_path, body)
    assert found.changes == ()
    assert "API server does not answer" in found.errors[0]


def test_a_cluster_that_is_away_is_not_one_without_drift(tmp_path: Path) -> None:
    """With PULUMI_K8S_SKIP_UPDATE_UNREACHABLE it says that all is as it was."""
    found = run(tmp_path, f"warn({UNREACHABLE!r})\nread('same', state(3), state(3))\nsummary()")
    assert not found.complete


def test_an_interrupt_ends_the_engine_at_once(tmp_path: Path) -> None:
    """It holds no lock and writes no state: nothing is lost, and nobody waits."""
    stop = threading.Event()
    stop.set()
    body = "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(30)"
    with pytest.raises(tracked.LookStopped):
        run(tmp_path, body, stop)
    pid = tmp_path / "pid"
    if pid.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
