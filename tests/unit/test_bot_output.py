"""Nothing that the command line writes shows a secret: a table of outputs, through `main`."""

from __future__ import annotations

import importlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import stacks
from bot.cli import dispatch
from bot.exit_codes import BotError
from bot.text import documents, output
from schema.errors import InputError
from tests.unit import secret_corpus as corpus
from tests.unit.context import Context
from tests.unit.stack_files import spoilt, write

MAKER = corpus.Maker(99)
TOKEN = "gh" + "p_" + MAKER.of(corpus.ALNUM, 36)
KEY = "hv" + "s." + MAKER.of(corpus.ALNUM, 40)
HOOK = "https://hooks.slack" + ".com/services/T0AB/B0CD/" + MAKER.of(corpus.ALNUM, 24)
WORD = "Xq7" + MAKER.of(corpus.ALNUM, 9)
ALL = (TOKEN, KEY, HOOK.rpartition("/")[2], WORD)
ROUTING = ("observability", "routing")


def assert_hidden(text: str) -> None:
    """No part of any of them is in the text."""
    for secret in ALL:
        for at in range(len(secret) - 7):
            assert secret[at : at + 8] not in text, text[:2000]


def _raise(error: Exception) -> int:
    raise error


def _print_json(_: Path) -> int:
    document = {"password": WORD, "urn": f"a::{TOKEN}", KEY: [HOOK, {"name": "x", "value": 1}]}
    sys.stdout.write(f"{json.dumps(document, indent=2)}\n")
    return 0


def _print_json_in_pieces(_: Path) -> int:
    print(json.dumps({"note": TOKEN, "password": WORD}, indent=2))
    return 0


def _in_pieces(_: Path) -> int:
    for piece in ("password: ", WORD, "\n", TOKEN[:9], TOKEN[9:], "\n"):
        sys.stderr.write(piece)
    return 0


def _without_its_end(_: Path) -> int:
    sys.stdout.write(f"token={KEY}")
    sys.stdout.flush()
    sys.stdout.write(f" password={WORD}")
    return 0


def _document(folder: Path) -> int:
    documents.write(folder / "x.json", json.dumps({"a": TOKEN, "password": WORD, "b": [HOOK]}))
    documents.write(folder / "x.md", f"| password | {WORD} |\n\n{HOOK}\n")
    output.write_text(folder / "x.html", f"<td>{TOKEN}</td><p>password=&quot;{WORD}&quot;</p>")
    return 0


OUTPUTS: dict[str, Callable[[Path], int]] = {
    "text": lambda _: print(f"name: {TOKEN}\npassword: {WORD}\n{HOOK}") or 0,
    "text on stderr": lambda _: print(f"password={WORD} {KEY}", file=sys.stderr) or 0,
    "JSON": _print_json,
    "JSON by print": _print_json_in_pieces,
    "in pieces": _in_pieces,
    "without its end": _without_its_end,
    "documents": _document,
    "error": lambda _: _raise(BotError(f"cannot open {HOOK}: password={WORD}\nwith {KEY}")),
    "error of an input": lambda _: _raise(InputError(f"x.yaml: {TOKEN}: token {KEY}")),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_no_output_of_a_command_shows_a_secret(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command writes, and however, passes one edge."""

    def add(subparsers: dispatch.Subparsers) -> None:
        subparsers.add_parser("plan").set_defaults(run=lambda _: OUTPUTS[name](tmp_path))

    monkeypatch.setattr(importlib.import_module(dispatch.COMMANDS["plan"].module), "add", add)
    dispatch.main(["plan"])
    said = capsys.readouterr()
    written = [file.read_text() for file in tmp_path.iterdir()]
    whole = "".join([said.out, said.err, *written])
    assert "[secret]" in whole
    assert_hidden(whole)
    if name.startswith("JSON"):
        assert "[secret]" in str(json.loads(said.out))


def test_arguments_that_are_refused_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret as an argument in the wrong place ends in the log of a job."""
    with pytest.raises(SystemExit):
        dispatch.main(["plan", "--stack", "x", f"--password={WORD}"])
    assert_hidden(capsys.readouterr().err)


@pytest.fixture
def project(tmp_path: Path, context: Context) -> Path:
    """A project whose only stack file holds secrets in texts that it may hold."""
    for name in ("charts.yaml",):
        shutil.copy(stacks.PROJECT_DIR / name, tmp_path / name)
    return context.project(tmp_path)


def leaky(folder: Path) -> Path:
    """A stack file that is accepted."""
    on_call = {
        "name": "on-call", "type": "splunk-on-call", "vaultPath": "a/b", "routingKey": TOKEN,
    }  # fmt: skip
    slack = {"name": "slack", "type": "slack", "vaultPath": "a/c", "channel": f"#{KEY}"}
    return write(
        folder,
        spoilt(
            {
                ("observability", "alerts"): {
                    "form": "file",
                    "labels": {"team": TOKEN},
                    "runbooks": "https://x.example.com/r",
                },
                ROUTING: {"form": "file", "receivers": [slack, on_call]},
            }
        ),
    )


@pytest.mark.parametrize(
    "arguments", [[], ["--json"], ["--out"], ["--json", "--out"]], ids=lambda each: "".join(each)
)
def test_no_plan_shows_a_secret(
    arguments: list[str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text, JSON, page, picture and manifests of a stack file with tokens in it."""
    leaky(project)
    out = project / "plan"
    given = [
        part for each in arguments for part in ([each, str(out)] if each == "--out" else [each])
    ]
    code = dispatch.main(["plan", "--all", *given])
    said = capsys.readouterr()
    assert code == 0, said.err
    if "--json" in arguments:
        assert "[secret]" in json.dumps(json.loads(said.out))
    files = [file for file in out.rglob("*") if file.is_file()]
    assert "--out" not in arguments or {".json", ".html", ".svg", ".yaml"} <= {
        f.suffix for f in files
    }
    assert_hidden(said.out + said.err + "".join(file.read_text() for file in files))


REFUSED = {
    "vaultPath": {"vaultPath": HOOK},
    "vaultPath, a word": {"vaultPath": WORD + "!"},
    "vaultPath, a number": {"vaultPath": 12345678},
    "vaultKey": {"vaultKey": f"{WORD}/{KEY}"},
    "channel": {"channel": HOOK},
    "channel, a word": {"channel": WORD},
    "routingKey": {"routingKey": f"{WORD} {WORD}"},
    "name": {"name": WORD},
    "type": {"type": HOOK},
    "apiUrl": {"apiUrl": f"https://alert.example.com/alert/{WORD}/mesh"},
    "apiUrl, a token": {"apiUrl": f"https://alert.example.com/{TOKEN}"},
    "apiUrl, a query": {"apiUrl": f"https://alert.example.com/alert?key={WORD}"},
    "apiUrl, a login": {"apiUrl": f"https://me:{WORD}@alert.example.com/alert"},
    "apiUrl, no address": {"apiUrl": WORD},
    "a key that is none": {"token": WORD},
    "a secret as a key": {KEY: "x"},
    "an address as a key": {HOOK: "x"},
    "a section": {"vaultPath": {"value": WORD}},
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_value_that_is_refused_near_credentials_is_told(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is put there by mistake is the credential itself; the key and the form mend it."""
    receiver = {
        "name": "on-call", "type": "splunk-on-call", "vaultPath": "a/b", "routingKey": "mesh",
    }  # fmt: skip
    write(
        project, spoilt({ROUTING: {"form": "file", "receivers": [{**receiver, **REFUSED[name]}]}})
    )
    assert dispatch.main(["plan", "--all"]) == 2
    said = capsys.readouterr()
    assert "observability.routing.receivers[0]" in said.err
    assert_hidden(said.out + said.err)
    assert "12345678" not in said.err
    if name == "vaultPath":
        assert (
            f"an address of {len(HOOK)} characters is not a Vault path: write it like" in said.err
        )
        assert "hooks.slack" not in said.err


OTHERS = {
    "heartbeat": {(*ROUTING, "heartbeat"): {"vaultPath": HOOK}},
    "heartbeat, its key": {(*ROUTING, "heartbeat"): {"vaultPath": "a/b", "vaultKey": f"{WORD}?"}},
    "folder of credentials": {(*ROUTING, "credentialsFolder"): KEY},
    "headers": {
        ("observability", "tracing"): {
            "collector": {
                "backend": {"credentials": {"vaultPath": "a", "headers": {"a": f"{WORD} x"}}}
            }
        }
    },
    "name of a header": {
        ("observability", "tracing"): {
            "collector": {"backend": {"credentials": {"vaultPath": "a", "headers": {WORD: "x"}}}}
        }
    },
    "endpoint": {
        ("observability", "tracing"): {
            "collector": {"backend": {"endpoint": f"https://a:{WORD}@x"}}
        }
    },
    "Vault's address": {("vault", "address"): f"https://{TOKEN}@vault.example.com"},
    "Vault's mount": {("vault", "pkiMount"): f"{KEY}/"},
    "runbooks": {("observability", "alerts"): {"runbooks": HOOK}},
    "credentials of Buoyant Cloud": {("buoyantCloud", "credentials"): {"clientSecret": WORD}},
    "credentials, a list": {("buoyantCloud", "credentials"): [WORD]},
    "credentials, a text": {("buoyantCloud", "credentials"): WORD},
    "cluster's name": {("cluster", "name"): TOKEN},
    "a duration": {("trust", "issuer", "duration"): KEY},
}


@pytest.mark.parametrize("name", OTHERS)
def test_no_error_of_a_stack_file_shows_a_secret(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In any key there may be one; it is known by its look, or by what the section is about."""
    write(project, spoilt(OTHERS[name]))
    assert dispatch.main(["plan", "--all"]) == 2
    said = capsys.readouterr()
    assert "Pulumi.test.yaml" in said.err
    assert_hidden(said.out + said.err)


@pytest.mark.parametrize(
    "line",
    [
        *(f"token: *{WORD}", f"token: !{WORD} x", f"token: !!{WORD} x", f"token: '{WORD}"),
        *(f"  {WORD}: [", f"token: @{WORD}", f"token: &{WORD} &{WORD} x", f"token: `{WORD}`"),
        *(f"%TAG {WORD}", f"a: b: {WORD}"),
    ],
)
def test_a_file_that_is_no_yaml_is_not_quoted(
    line: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser's own error shows the line, where a password without quotes may be the fault."""
    (project / "Pulumi.test.yaml").write_text(f"config:\n  linkerd-platform:x:\n    {line}\n")
    assert dispatch.main(["plan", "--all"]) == 2
    assert_hidden(capsys.readouterr().err)


def test_a_terminal_is_one_behind_the_mask() -> None:
    """Progress asks for it, and a broken pipe for the number of the stream."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    masking = output.Masked(stream)
    assert masking.isatty()
    output.control(masking, "\r")
    masking.write(f"done {TOKEN}")
    masking.flush()
    assert stream.getvalue() == "\rdone [secret]"


def test_no_text_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """A namespace's name could else overwrite the line that says what is deleted."""
    with output.masked():
        print("shop\x1b[2K\x1b[1A\x07\r\u202ehidden\ttab")
        output.control(sys.stdout, "\x1b[2K")
        print('{"name": "\u202e"}')
    told = capsys.readouterr().out
    assert told.startswith("shop\\u{1b}[2K\\u{1b}[1A\\u{7}\\u{d}\\u{202e}hidden\ttab\n\x1b[2K")
    assert json.loads(told.rpartition("\x1b[2K")[2]) == {"name": "\u202e"}
