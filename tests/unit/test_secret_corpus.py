"""No secret text passes the masking, and no harmless one is touched."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import yaml

from schema.masking import masked, masked_document, masked_json
from tests.unit import secret_cases as cases
from tests.unit import secret_corpus as corpus
from tests.unit.secret_harmless import harmless

PROJECT = Path(__file__).parents[2]


def _passed(found_in: Iterator[corpus.Case]) -> tuple[int, list[str]]:
    """How many texts there are, and those of which a part is seen."""
    found, number = [], 0
    for case in found_in:
        number += 1
        for told in (masked(case.text), masked_document(case.text)):
            if corpus.leaks(case, told):
                found.append(f"{case.name}: {told[:200]!r}")
                break
    return number, found


@pytest.mark.parametrize(
    ("make", "least"),
    [
        (lambda: cases.telling(1), 4000),
        (lambda: cases.crossed(1), 1400),
        (cases.private_keys, 1200),
        (cases.listed, 60),
    ],
    ids=["telling by itself", "telling by its name", "private keys", "one by one"],
)
def test_no_secret_passes(make: object, least: int) -> None:
    """Every kind of value in every form of container that can hold it."""
    number, found = _passed(make())  # type: ignore[operator]
    assert number >= least
    assert found == []


@pytest.mark.parametrize("seed", [20260101, 7, 4242])
def test_no_secret_passes_that_nobody_has_tuned_for(seed: int) -> None:
    """Other values behind other names than those the patterns were made with."""
    number, found = _passed(islice(cases.crossed(seed, keys=1), None))
    assert number >= 700
    assert found == []


def test_nothing_harmless_is_touched() -> None:
    """An output in which everything is masked tells nothing; policies refuse masked values."""
    texts = list(harmless())
    assert len(texts) >= 400
    assert [(text, told) for text in texts if (told := masked(text)) != text] == []


def test_no_line_of_this_project_is_touched() -> None:
    """Docs, stack files, examples, workflows: thousands of lines about secrets, none is one."""
    files = [
        file
        for pattern in ("*.md", "*.yaml", "docs/**/*.md", "examples/**/*.yaml", ".github/**/*.yml")
        for file in PROJECT.glob(pattern)
    ]
    assert len(files) > 40
    lines = [
        (file.name, line)
        for file in files
        for line in file.read_text().splitlines()
        # One line of a certificate by itself is told from nothing; the file as a whole is below.
        if not re.fullmatch(r"\s*[A-Za-z0-9+/=]{40,}", line)
    ]
    assert [each for each in lines if masked(each[1]) != each[1]] == []
    assert [file.name for file in files if masked(file.read_text()) != file.read_text()] == []


def test_what_is_masked_is_masked_once() -> None:
    """A text passes several edges: a change set is written, read, rendered and posted."""
    for case in islice(cases.telling(3), 0, None, 7):
        once = masked(case.text)
        assert masked(once) == once, case.name


def test_masked_json_is_json_with_the_same_keys_and_numbers() -> None:
    """A program reads it: what is no secret must be as it was, to the last blank."""
    for case in [*cases.telling(5), *cases.crossed(5)]:
        document = {"a": case.text, "n": [1, 2.5, None, True], "é": "ü\u2028", "deep": {"b": "x"}}
        for text in (json.dumps(document), json.dumps(document, indent=1, ensure_ascii=False)):
            told = masked_json(text)
            read = json.loads(told)
            assert {**document, "a": ""} == {**read, "a": ""}, case.name
            assert not corpus.leaks(case, told), case.name
    untouched = json.dumps({"a": 'x "y" \\ z', "b": ["\\u0041", "\n"]}, indent=3)
    assert masked_json(untouched) == untouched


def test_masked_manifests_are_yaml() -> None:
    """`.plan/` is read by `kubectl diff` and by people's own tools."""
    for case in islice(cases.telling(6), 0, None, 5):
        text = yaml.safe_dump({"kind": "ConfigMap", "data": {"a": case.text, "b": "x"}})
        read = yaml.safe_load(masked(text))
        assert read["data"]["b"] == "x", case.name


HOSTILE = {
    "begin": "-----BEGIN PRIVATE KEY-----" * 8_000,
    "end": "-----END PRIVATE KEY-----\n" * 8_000,
    "lines before an end": ("abcdefghijkl\n" * 20_000) + "-----END PRIVATE KEY-----",
    "begin of a certificate": "-----BEGIN CERTIFICATE-----\n" * 8_000,
    "addresses": "https://" * 30_000,
    "slashes": "/" * 200_000,
    "escaped slashes": "\\/" * 100_000,
    "backslashes": "\\" * 200_000,
    "at": "://a:b" + "@" * 200_000,
    "colons": "https://" + "a:" * 100_000,
    "names": "password" * 25_000,
    "names and =": "password=" * 25_000,
    "names and :": "password: " * 20_000,
    "names and lines": "password:\n" * 20_000,
    "names and blocks": "password: |\n" * 20_000,
    "names and quotes": 'password="' * 20_000,
    "names and escaped quotes": 'password\\": \\"' * 15_000,
    "names and lists": "password: [" * 20_000,
    "names and tables": "| password | " * 15_000,
    "names and tags": "<password>" * 20_000,
    "names and pairs": "- name: password\n  value: " * 8_000,
    "flags": "--password " * 20_000,
    "a long name": "a.password_" * 20_000,
    "dots": "s." * 100_000,
    "base64": "QUJD" * 60_000,
    "base64 in short lines": "QUJDREVG\n" * 25_000,
    "base64 of base64": base64.b64encode(base64.b64encode(b"password: x " * 5_000)).decode(),
    "words": "abcdefgh " * 25_000,
    "tokens": "eyJhbGci." * 25_000,
    "cut tokens": "-eyJaaaaaaaaaa" * 15_000,
    "der": "MIIB" * 50_000,
    "ssh": "b3BlbnNzaC1rZXktdjE" + "\\n" * 100_000,
    "hexadecimal": "3082" * 50_000,
    "queries": "?key=" * 40_000,
    "cookies": "cookie: a=" * 20_000,
    "authorization": "authorization: basic " * 10_000,
    "dollars": "$2y$" * 50_000,
    "blanks": " " * 200_000,
    "lines": "\n" * 200_000,
    "percent": "%3A%2F%2F" * 20_000,
    "braces": "{{" * 100_000,
    "open braces": "password={{" * 20_000,
    "commas": "password: a," * 20_000,
    "not ASCII": "пароль password: \u0130" * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_makes_the_masking_slow(name: str) -> None:
    """A stranger's plan is masked too: twice as long may take twice the time, not four times."""
    text = HOSTILE[name]
    began = time.process_time()
    masked(text)
    half = time.process_time() - began
    assert half < 4, half
    began = time.process_time()
    masked_json(json.dumps({"password": text}))
    assert time.process_time() - began < 4


def test_a_certificate_is_shown_whatever_its_form() -> None:
    """Trust is read off certificates: as PEM, DER, in a diff, in base64 of a webhook's caBundle."""
    pem = corpus.certificate()
    body = "".join(pem.splitlines()[1:-1])
    coded = base64.b64encode(pem.encode()).decode()
    for text in (
        pem,
        f"caBundle: {coded}",
        body,
        json.dumps({"ca.crt": pem}),
        json.dumps(json.dumps({"ca.crt": pem})),
        "\n".join(f"    {line}" for line in pem.splitlines()),
        "\n".join(f"+ {line}" for line in pem.splitlines()),
        "\n".join(re.findall(".{1,64}", body)),
    ):
        assert masked(text) == text
        assert masked_document(text) == text
