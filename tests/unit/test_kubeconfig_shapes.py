"""A kubeconfig of any shape: one line that names the file and the key, and no traceback."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from bot.clients import https, kubeconfig
from bot.clients.https import ReadError
from tests.certificates import certified, pem_of
from tests.unit.stack_files import certificate


def encoded(content: bytes | str) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return base64.b64encode(raw).decode()


def config(user: Any = None, **cluster: Any) -> dict[str, Any]:
    """A kubeconfig with this user, and more of its cluster."""
    if isinstance(user, dict) and isinstance(user.get("exec"), dict):
        version = "client.authentication.k8s.io/v1beta1"
        user = {"exec": {"apiVersion": version, **user["exec"]}}
    server = {"server": "https://127.0.0.1:1", "certificate-authority-data": encoded(certificate())}
    return {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {**server, **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
    }


def refusal(content: dict[str, Any] | str, folder: Path) -> str:
    """The one line that it is refused with."""
    file = folder / "kubeconfig"
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ReadError) as caught:  # noqa: SIM117
        with kubeconfig.reached(str(file), None, {"PATH": "/nowhere"}, folder):
            pass
    told = str(caught.value)
    assert str(file) in told or "proxy-url" in told
    assert told.isprintable()
    assert len(told) < 1500
    return told


def key_pair(password: bytes | None = None) -> tuple[str, str]:
    """A certificate of its own key, and the key, encrypted with the password if there is one."""
    made = certified("test")
    encryption = BestAvailableEncryption(password) if password else None
    return made.pem, pem_of(made.key, encryption)


BEGIN = "-----BEGIN CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[" * 5000, "nested too deep"),
        ("a: &a [*a]", "alias"),
        ("- a", "is no kubeconfig"),
        ("text", "is no kubeconfig"),
        ("a: \udcff", "not UTF-8"),
        ("contexts: 5", "contexts: each needs a name and a context"),
        ("users: {a: b}", "users: each needs a name and a user"),
        ("clusters: [[a]]", "clusters: each needs"),
        (config(server=5), "is no https address"),
        (config(server="https://["), "is no https address"),
        (config(server="https://a:99999"), "is no https address"),
        (config(server="https://"), "is no https address"),
        (config(server="http://a"), "is no https address"),
        (config(**{"proxy-url": "http://["}), "only http, https and socks5 proxies"),
        (config(**{"proxy-url": "\x1b[2J"}), "only http, https and socks5 proxies"),
        (config(**{"tls-server-name": ["a"]}), "tls-server-name: .* is no name of a host"),
        (config(**{"tls-server-name": "a\nb"}), "tls-server-name"),
        (config(**{"certificate-authority-data": encoded(bytes(range(256)))}), "is binary, no PEM"),
        (config(**{"certificate-authority-data": "é"}), "is no base64"),
        (config(**{"certificate-authority-data": 5}), "is no base64"),
        (config(**{"certificate-authority-data": encoded(f"{BEGIN}YQ==")}), "no certificate"),
        (config({"token": "a\nb"}), "token: holds no token"),
        (config({"token": ["a"]}), "token: holds no token"),
        (config({"token": "é"}), "token: holds no token"),
        (config({"tokenFile": "/dev/zero"}), "tokenFile: /dev/zero: is a device, not a file"),
        (config({"tokenFile": "pipe"}), "tokenFile: .*pipe: is a named pipe, not a file"),
        (config({"tokenFile": "a\0b"}), "is not a file name"),
        (config({"tokenFile": ["a"]}), "users: each needs"),
        (config({"client-certificate": "/dev/zero", "client-key": "x"}), "is a device"),
        (config({"exec": "x"}), "exec: is no mapping with `command` and `args`"),
        (config({"exec": ["x"]}), "exec: is no mapping"),
        (config({"exec": None}), "needs a client certificate, a token or a program"),
        (config({"exec": {}}), "exec: command must be text"),
        (config({"exec": {"command": 5}}), "exec: command must be text"),
        (config({"exec": {"command": "x", "args": 5}}), "exec.args: is no list"),
        (config({"exec": {"command": "x", "args": [5]}}), "args a list of text"),
        (config({"exec": {"command": "x", "args": "ab"}}), "exec.args: is no list"),
        (config({"exec": {"command": "x", "env": {"a": "b"}}}), "exec.env: is no list"),
        (config({"exec": {"command": "x", "env": ["a"]}}), "each needs a name and a value"),
        (config({"exec": {"command": "x", "env": [{"name": "a", "value": 5}]}}), "as text"),
        (config({"exec": {"command": "x\0", "args": []}}), "holds a NUL character"),
        (config({"exec": {"command": "\x1b[2J\u202e"}}), "which is not on PATH"),
        (config({"exec": {"command": "x", "installHint": "a\x1b[2Jb"}}), r"a\\x1b\[2Jb"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_what_is_wrong_is_one_line(content: dict[str, Any] | str, why: str, tmp_path: Path) -> None:
    """Somebody's tool writes it, and any of these was a traceback, a hang or 21 GB of memory."""
    import re

    os.mkfifo(tmp_path / "pipe")
    told = refusal(content, tmp_path)
    assert re.search(why, told), told


def test_a_key_with_a_password_asks_nobody(tmp_path: Path) -> None:
    """OpenSSL would ask the terminal, and the command would wait for an answer."""
    pem, key = key_pair(b"hunter2")
    told = refusal(config({"client-certificate-data": encoded(pem),
                           "client-key-data": encoded(key)}), tmp_path)  # fmt: skip
    assert "the key has a password: write it without" in told
    other, _ = key_pair()
    pem, key = key_pair()
    told = refusal(config({"client-certificate-data": encoded(other),
                           "client-key-data": encoded(key)}), tmp_path)  # fmt: skip
    assert "are no certificate and its own key" in told


def test_a_good_pair_is_taken(tmp_path: Path) -> None:
    """Else the test above would pass with all of them refused."""
    pem, key = key_pair()
    file = tmp_path / "kubeconfig"
    user = {"client-certificate-data": encoded(pem), "client-key-data": encoded(key)}
    file.write_text(yaml.safe_dump(config(user, extensions=["a", 5])))
    with kubeconfig.reached(str(file), None, {}, tmp_path) as client:
        assert client.request("GET", "/version", seconds=1).status == 0


def test_an_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends without end must not fill the memory."""
    import io

    monkeypatch.setattr(https, "_MOST_BYTES", 10)
    assert https._body(io.BytesIO(b"x" * 10)) == b"x" * 10
    with pytest.raises(OSError, match="too large"):
        https._body(io.BytesIO(b"x" * 11))


def test_an_answer_that_is_nested_deep_is_text() -> None:
    """The JSON reader calls itself for each level."""
    deep = b"[" * 100_000
    assert https._decode(deep) == deep.decode()
