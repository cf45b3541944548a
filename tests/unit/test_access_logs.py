"""What the collector of docs/access-logs.md looks for in lines; tests/e2e runs it for real."""

from __future__ import annotations

import re

from tests.unit.access_log_lines import ANSWERED, OTHERS, QUERY, access, documented


def test_its_expressions_tell_an_access_log_from_the_proxys_own_and_cut_the_query() -> None:
    """A line that is taken for another is lost, or stored with what its query holds."""
    (receiver,) = documented()["receivers"].values()
    first = next(each for each in receiver["operators"] if each["type"] == "filter")
    (looked_for,) = re.findall(r'^not \(body matches "(.+)"\)$', first["expr"])
    # A string of the expression language, whose regular expressions are those of Go.
    pattern = re.compile(looked_for.encode().decode("unicode_escape"))
    assert all(pattern.search(access(path, status)) for path, status in ANSWERED.items())
    assert not any(pattern.search(line) for line in OTHERS)
    (cut,) = (each for each in receiver["operators"] if each["type"] == "regex_parser")
    found = re.match(cut["regex"], f"http://cart:8080/a?{QUERY}")
    assert found
    assert found["path"] == "http://cart:8080/a"
