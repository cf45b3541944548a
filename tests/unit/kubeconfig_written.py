"""Kubeconfigs as other people's tools write them, beside `kubeconfig_cases`."""

from __future__ import annotations

from typing import Any

import yaml

from tests.unit.kubeconfig_cases import REFUSED, TOKEN, Case, document


def _named(token: str) -> dict[str, Any]:
    return {"name": "c", "user": {"token": token}}


def _text_of(**changed: str) -> str:
    """A kubeconfig as text. Its lines may be others."""
    text = yaml.safe_dump(document({"token": "t"}))
    lines = {"user": "token: t", "kind": "kind: Config", "apiVersion": "apiVersion: v1"}
    lines |= {"name": "name: c"}
    for key, value in changed.items():
        text = text.replace(lines.get(key, f"${key}"), value)
    return text


WRITTEN = (
    Case(
        "ALL_PROXY and HTTP_PROXY are nothing to it",
        TOKEN,
        environment={"ALL_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"},
    ),
    Case("data in lines", TOKEN, files={"a": _text_of(CA_DATA='"$CA_LINES"')}),
    Case("data with text around it", TOKEN, cluster={"certificate-authority-data": "$CA_TEXT"}),
    Case("a mark of byte order", TOKEN, files={"a": "\ufeff" + _text_of()}),
    Case("lines of Windows", TOKEN, files={"a": _text_of().replace("\n", "\r\n")}),
    Case("a merge key", TOKEN, files={"a": "u: &u {token: t}\n" + _text_of(user="<<: *u")}),
    Case("two documents", TOKEN, files={"a": f"---\n{_text_of()}---\nkind: x\n"}),
    Case("no kind and no version", TOKEN, files={"a": _text_of(kind="", apiVersion="")}),
    Case("another kind", REFUSED, files={"a": _text_of(kind="kind: Foo")}, said="not Config"),
    Case("another version", REFUSED, files={"a": _text_of(apiVersion="apiVersion: v2")}, said="v1"),
    Case("a number as a name", REFUSED, files={"a": _text_of(name="name: 1")}, said="in quotes"),
    Case(
        "one name twice",
        REFUSED,
        files={"a": {**document({"token": "t"}), "users": [_named("t"), _named("z")]}},
        said="is there twice",
    ),
    Case(
        "paths beside a link to the file",
        TOKEN,
        files={
            "real/config": document(
                {"token": "t"},
                {"certificate-authority-data": None, "certificate-authority": "ca.pem"},
            ),
            "linked": "-> real/config",
        },
        seen=("linked",),
    ),
)
