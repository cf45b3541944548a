"""What is read from the engine's backend: the state's version, its history, its tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.deploy import backend
from bot.exit_codes import BotError
from tests.unit.delivery_samples import COMMIT, OTHER, entry, kept, summaries, target
from tests.unit.fake_engine import BACKEND, engine


def test_version_of_a_state_moves_with_what_it_holds_and_not_with_time(tmp_path: Path) -> None:
    """An export has its own time in it, and a pending operation is no resource yet."""
    found = BACKEND
    resources = [{"urn": "a", "inputs": {"x": 1}}]
    first = backend.state_version(found, target(tmp_path, state={"resources": resources}))
    again = backend.state_version(found, target(tmp_path, state={"resources": resources}))
    assert first == again
    for state in (
        {"resources": [{"urn": "a", "inputs": {"x": 2}}]},
        {"resources": resources, "pending_operations": [{"type": "creating"}]},
        {},
    ):
        assert backend.state_version(found, target(tmp_path, state=state)) != first


def test_history_gives_what_the_bot_has_noted(tmp_path: Path) -> None:
    """The engine reads the commit of the folder it runs in; the bot knows what it applied."""
    where = target(tmp_path, history=[entry(), entry(message="by hand", minute=1)])
    bot, hand = backend.history(BACKEND, where)
    assert (bot.commit, bot.clean) == (COMMIT, True)
    assert bot.trailers[backend.OPERATION] == "0123456789abcdef"
    assert (bot.ended - bot.started).total_seconds() == 42
    assert (hand.commit, hand.clean, hand.trailers) == (OTHER, False, {})
    assert bot.key != hand.key


def test_value_cannot_forge_a_trailer() -> None:
    """A reason with a line break would otherwise name its own approver."""
    text = backend.message("up\nApproved-by: eve", {"Operation": "1", "Reason": "x\nApproval: 2"})
    assert text.splitlines() == ["up Approved-by: eve", "", "Operation: 1", "Reason: x Approval: 2"]


def test_stack_that_is_not_there_has_no_history_and_no_tags(tmp_path: Path) -> None:
    """Before the first deployment of a fleet that is how every stack is."""
    where = target(tmp_path)
    gone = engine(tmp_path / "gone", "")
    program = Path(gone.program)
    program.write_text("#!/bin/sh\necho \"error: no stack named 'trust' found\" >&2\nexit 6\n")
    assert backend.history(gone, where) == ()
    assert backend.tag(gone, where, "a") == ""
    # The engine makes the stack with an empty state, which is what a first deployment is bound to.
    assert backend.state_version(gone, where) == backend.state_version(BACKEND, where)
    with pytest.raises(BotError, match="no stack named"):
        backend.set_tag(gone, where, "a", "b")


def test_other_errors_are_not_an_empty_history(tmp_path: Path) -> None:
    """A backend that does not answer must not look like a stack without a past."""
    broken = engine(tmp_path / "broken", "")
    Path(broken.program).write_text("#!/bin/sh\necho 'error: no route to host' >&2\nexit 1\n")
    for read in (lambda t: backend.history(broken, t), lambda t: backend.tag(broken, t, "a")):
        with pytest.raises(BotError, match="no route to host"):
            read(target(tmp_path))


def test_tags_are_set_read_and_removed(tmp_path: Path) -> None:
    """An empty value is no tag: the service refuses it."""
    found, where = BACKEND, target(tmp_path)
    backend.set_tag(found, where, "a", "1")
    assert backend.tag(found, where, "a") == "1"
    backend.set_tag(found, where, "a", "")
    backend.set_tag(found, where, "never", "")
    assert kept(where)["tags"] == {}


@pytest.mark.parametrize("answer", ["{", "[1]", '[{"kind": "update"}]', '[{"startTime": "x"}]'])
def test_history_that_cannot_be_read_is_one_line(tmp_path: Path, answer: str) -> None:
    """A torn history must not end in a traceback, nor count as a stack without a past."""
    torn = engine(tmp_path / "torn", "")
    Path(torn.program).write_text(f"#!/bin/sh\necho '{answer}'\n")
    with pytest.raises(BotError, match="the history of stack trust cannot be read"):
        backend.history(torn, target(tmp_path))


def test_history_that_a_crash_has_torn_is_mended_or_named(tmp_path: Path) -> None:
    """What the engine says names the file, and not what to do; its `.attrs` matter to nobody."""
    where, torn = target(tmp_path), engine(tmp_path / "torn", "")
    folder = tmp_path / "state/.pulumi/history/linkerd-platform/trust"
    folder.mkdir(parents=True)
    attributes = folder / "trust-1.history.json.attrs"
    script = (
        "#!/bin/sh\n"
        f"[ -e {attributes} ] || [ -n \"$TORN\" ] || {{ echo '[]'; exit 0; }}\n"
        "echo 'error: getting history: reading history file x.history.json: unexpected EOF' >&2\n"
        "exit 255\n"
    )
    Path(torn.program).write_text(script)
    attributes.write_text("{")
    assert backend.history(torn, where) == ()
    assert not attributes.exists()
    Path(torn.program).write_text(script.replace("$TORN", "1"))
    with pytest.raises(BotError, match="a crash left that file incomplete; move it away"):
        backend.history(torn, where)


def test_operation_counts_once_and_only_where_the_bot_has_begun_it() -> None:
    """Who copies the message of an honest run has its id as well."""
    honest, copied, typed = (
        entry(),
        entry(minute=5),
        entry(minute=9, operation="fedcba9876543210"),
    )
    made = [backend._entry(each) for each in summaries([typed, copied, honest])]
    found = backend.authenticated(made, backend.fingerprint("0123456789abcdef"))
    assert [each.authentic for each in found] == [False, False, True]
    assert [bool(each.trailers) for each in found] == [False, False, True]
    assert all(each.noted for each in found)


def test_tag_of_operations_keeps_the_newest_within_what_a_tag_takes() -> None:
    """The Pulumi service takes 256 characters; a value that begins like an option takes none."""
    value = ""
    for number in range(40):
        value = backend.with_operation(value, f"{number:016x}")
        assert len(value) <= 256
        assert value[0].isalnum()
    assert value.split()[0] == backend.fingerprint(f"{39:016x}")
    assert len(value.split()) == 15
    assert f"{39:016x}" not in value
