"""The client of the sandbox's servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import rest
from sandbox.rest import Answer, Client


def _client(monkeypatch: pytest.MonkeyPatch, answers: Iterator[Answer]) -> Client:
    monkeypatch.setattr(rest, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Client, "_once", lambda *_args: next(answers))
    return Client("https://127.0.0.1:1", Path("ca.crt"))


def test_a_server_that_is_setting_up_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server answers 429 for a kind whose storage it has not set up yet."""
    answers = iter([Answer(429), Answer(429), Answer(200, {})])
    assert _client(monkeypatch, answers).request("GET", "/").ok


def test_asking_again_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never recovers is told as it is, within the time given."""
    client = _client(monkeypatch, iter(lambda: Answer(429), None))
    assert client.request("GET", "/", seconds=0.1).status == 429


def test_other_refusals_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forbidden stays forbidden."""
    answers = iter([Answer(403), Answer(200)])
    assert _client(monkeypatch, answers).request("POST", "/").status == 403
