"""Nothing that is shown can be markup, ping somebody, or hide."""

from __future__ import annotations

import re

import pytest

from bot.text.markdown import code, cut, fenced, in_html, one_line, prose, rows, visible

HOSTILE = [
    "@all ping #123 GH-12 owner/repo#1",
    "</details></code><script>alert(1)</script>",
    "`` ` ``` ````",
    "```\n```\n# H\n",
    "<!-- linkerd-platform:staging:1 -->",
    "[x](http://evil.example) ![i](http://evil.example/i.png)",
    "-->\n\n# Heading\n\n@org/team",
    "\\` \\",
    "*b* _i_ ~s~ $x$ :tada: https://evil.example www.evil.example user@example.com",
    "&lt;b&gt; &#64;all",
    "1. a",
    "- [ ] task",
    "\r\n\r\n</summary>",
    "`" * 80 + "@all",
    "`" * 81 + "![i](http://evil.example/i.png)",
    "a" + "`" * 150 + "@org/team" + "`" * 150,
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_code_span_holds_everything(text: str) -> None:
    """Its fence is longer than any backticks within, and it has no blank line to end it."""
    span = code(text)
    fence = re.match(r"`+", span)
    assert fence
    inner = span[len(fence[0]) : -len(fence[0])]
    assert span.endswith(fence[0])
    assert fence[0] not in re.findall(r"`+", inner)
    assert inner.strip()
    assert "\n" not in span


@pytest.mark.parametrize("text", HOSTILE)
def test_prose_has_markup_in_code_spans_alone(text: str) -> None:
    bare = re.sub(r"(`+) ?.*?[^`] ?\1(?!`)", "", prose(text))
    assert not re.search(r"[@#<>\[\]\\*_~$&!|`]|://|www\.|GH-\d|:tada:", bare)
    assert "\n" not in bare


def test_prose_leaves_words_as_they_are() -> None:
    """A reason in which every word is set as code is not read."""
    text = "linkerd-identity (3 replicas): 25% of pods, app.kubernetes.io/name; it's 1.2-3"
    assert prose(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ask @all now", "ask `@all` now"),
        ("fixes #12", "fixes `#12`"),
        ("GH-12", "`GH-12`"),
        ("at 1f0c6a2b9d", "at `1f0c6a2b9d`"),
        ("- x", "`-` x"),
        ("1. x", "`1.` x"),
        ("some_name", "`some_name`"),
        ("%v1 at 25%", "`%v1` at 25%"),
        ("a\u202eb", "`a\\u{202e}b`"),
    ],
)
def test_what_a_forge_would_link_or_read_as_markup_is_code(text: str, told: str) -> None:
    assert prose(text) == told


@pytest.mark.parametrize(
    "character",
    ["\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u2028", "\x1b", "\x00", "\r",
     "\u3164", "\ufe0f", "\U000e0041", "\U000e0100", "\u00a0", "\ud800", "\u180e"],
)  # fmt: skip
def test_what_nobody_sees_is_written_out(character: str) -> None:
    """A name that reads like another, or text that runs backwards, is a classic."""
    assert visible(f"a{character}b") == f"a\\u{{{ord(character):x}}}b"


def test_what_everybody_sees_stays() -> None:
    text = "Grüße, 日本語 \U0001f600\tand\nlines"
    assert visible(text) == text


def test_text_within_html_cannot_end_it() -> None:
    assert in_html("</code>\n\n<b a='\"'>&") == "&lt;/code&gt; &lt;b a=&#x27;&quot;&#x27;&gt;&amp;"


@pytest.mark.parametrize("count", [8, 9, 80, 81, 500, 5000])
def test_no_fence_is_longer_than_a_forge_reads(count: int) -> None:
    """GitHub takes more than 80 backticks for text: the mention behind them was a live one."""
    run = "`" * count
    for made in (
        code(f"{run}@all", 10_000),
        fenced([f"+ {run}@all", run]),
        prose(f"{run}@all", 10_000),
    ):
        assert max(map(len, re.findall(r"`+", made))) <= 9
        assert "@all" in made
    if count > 8:
        assert f"\\u{{60}} x {count}@all" in code(f"{run}@all", 10_000)


def test_a_fence_is_longer_than_any_within() -> None:
    block = fenced(["+ ````", "  ```"])
    assert block.startswith("`````diff\n")
    assert block.endswith("\n`````")


def test_colours_of_a_terminal_go_and_secrets_too() -> None:
    token = "hvs." + "A" * 24
    assert one_line(f"\x1b[31;1merror\x1b[0m: {token}\n  next") == "error: [secret] next"
    assert rows(f"\x1b[31ma\x1b[0m\n{token}") == ["a", "[secret]"]


def test_a_key_that_spans_lines_goes_as_a_whole() -> None:
    what = "PRIVATE KEY-----"
    pem = f"-----BEGIN {what}\nabc\ndef\n-----END {what}"
    assert rows(f"error:\n{pem}\nend") == ["error:", "[secret]", "end"]


def test_a_cut_says_how_long_it_was() -> None:
    assert cut("a" * 1234, 3) == "aaa… (1,234 characters)"
    assert cut("abc", 3) == "abc"
