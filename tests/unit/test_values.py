"""Durations and names: what they take, how they are written, and what they refuse."""

from __future__ import annotations

import random
import re

import pytest

from schema import values
from schema.values import Duration


def test_a_duration_survives_being_written_and_read() -> None:
    """cert-manager gets `str()`; another length there would pass every rule here."""
    chance = random.Random(7)  # noqa: S311
    for _ in range(2000):
        duration = Duration(chance.randint(1, 100 * 365 * 86400))
        assert Duration.parse(str(duration)) == duration


def test_a_duration_is_written_as_go_reads_it() -> None:
    """Go's time.ParseDuration knows no days."""
    for seconds in (1, 60, 3600, 86400, 3650 * 86400, 90061):
        assert re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", str(Duration(seconds)))
    assert str(Duration(90061)) == "25h1m1s"


@pytest.mark.parametrize(
    ("text", "seconds"), [("48h", 172800), ("1h30m", 5400), ("90s", 90), ("3650d", 315360000)]
)
def test_units_add_up(text: str, seconds: int) -> None:
    """A day is 24 hours, with no look at the calendar."""
    assert Duration.parse(text).seconds == seconds


def test_durations_are_ordered_by_length_and_not_by_text() -> None:
    """'9h' > '10h' as text would turn every rule round."""
    chance = random.Random(8)  # noqa: S311
    for _ in range(200):
        a, b = (Duration(chance.randint(1, 10**7)) for _ in range(2))
        assert (a < b) == (a.seconds < b.seconds)
        assert (a >= b) == (a.seconds >= b.seconds)
        assert (a + b).seconds == a.seconds + b.seconds


@pytest.mark.parametrize(
    "text", ["", "48", "h", "1.5h", "48 h", "48H", "1w", "-1h", "1h\n", "\uff11h", "9" * 5000 + "h"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """Other digits than ASCII's would reach cert-manager."""
    with pytest.raises(ValueError, match=r"is not a duration: write it like 48h"):
        Duration.parse(text)


def test_a_duration_fits_what_go_can_count() -> None:
    """Above 292 years Go's nanoseconds overflow, and cert-manager refuses the Certificate."""
    assert Duration.parse("36500d").seconds * 10**9 < 2**63
    with pytest.raises(ValueError, match="write at most 36500d"):
        Duration.parse("36501d")


def test_the_name_that_is_proposed_is_one_that_kubernetes_takes() -> None:
    """A hint that fails in its turn is worse than none."""
    chance = random.Random(9)  # noqa: S311
    alphabet = "abzAZ09-_. \u00e4\u2028\n/"
    for _ in range(1000):
        text = "".join(chance.choice(alphabet) for _ in range(chance.randint(0, 80)))
        try:
            assert values.kubernetes_name(text) == text
        except ValueError as error:
            proposed = re.search(r"write '([^']+)'$", str(error))
            if proposed:
                assert values.kubernetes_name(proposed[1]) == proposed[1]
            else:
                assert not re.search(r"[a-z0-9]", text.lower())


def test_an_error_stays_on_one_short_line() -> None:
    """A value is whatever somebody pasted: a whole file, or a control sequence."""
    for text in ("x" * 10000, "a\nb", "a\x1b[31m", "\u2028"):
        line = values.shown(text)
        assert len(line) <= 81
        assert line.isprintable()


@pytest.mark.parametrize("check", [values.https_url, values.http_url])
def test_an_address_with_a_password_is_refused_and_not_shown(check) -> None:
    """It would stand in the state, in a namespace's annotation and in this very message."""
    with pytest.raises(ValueError, match=r"address") as caught:
        check("https://user:hunter2@vault.example.com:8200")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["https://vault", "https://10.0.0.1:8200", "https://[fd00::1]:8200", "https://[::1]:8200"],
)
def test_an_address_may_be_of_any_kind_of_host(text: str) -> None:
    """IPv6 is what new clusters have."""
    assert values.https_url(text) == text


@pytest.mark.parametrize("text", ["https://", "https:// vault", "https://vault:0x1", "vault"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """The provider would fail minutes later, with less to say."""
    with pytest.raises(ValueError, match="is not an https address"):
        values.https_url(text)


@pytest.mark.parametrize("text", ["", "/pki", "pki/", "a//b", "a b", "../sys", "pki?x"])
def test_a_vault_path_has_no_empty_or_odd_parts(text: str) -> None:
    """It becomes a part of policies, where `*` and `+` mean more than themselves."""
    with pytest.raises(ValueError, match="is not a Vault path"):
        values.mount_path(text)
