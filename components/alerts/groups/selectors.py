"""The selectors of a PromQL expression: which metrics it reads, and of which cluster.

For expressions of ours, which promtool has parsed: https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(
    rf"""
    (?P<string>{_STRING})
    | (?P<grouping>\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\))
    | (?P<range>\[[^\]]*\])
    | (?P<number>[0-9.][0-9a-zA-Z_.]*)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<braces>\{{(?:{_STRING}|[^"}}])*\}})
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# Names that are no metric although no parenthesis follows: `sum by (x) (y)`, `a and b`.
_WORDS = frozenset(
    {
        *("and", "or", "unless", "offset", "bool", "atan2", "inf", "nan", "sum", "avg", "min"),
        *("max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"),
        *("count_values", "group_left", "group_right"),
    }
)


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each part; a name that is a metric's has the kind `metric`."""
    for match in _TOKEN.finditer(expression):
        kind, text = str(match.lastgroup), match.group()
        called = expression[match.end() :].lstrip().startswith("(")
        if kind == "name" and not called and text.lower() not in _WORDS:
            kind = "metric"
        yield kind, text


def metrics(expression: str) -> set[str]:
    """The names of the metrics that an expression reads."""
    return {text for kind, text in _tokens(expression) if kind == "metric"}


def narrowed(expression: str, label: str, value: str) -> str:
    """The expression with the matcher `label="value"` in every selector, inside `absent` too."""
    matcher = f'{label}="{value}"'
    made: list[str] = []
    bare = False  # The last part is a metric whose braces, if it has any, come next.
    for kind, text in _tokens(expression):
        if kind == "braces":
            inside = text[1:-1].strip()
            made.append(f"{{{matcher},{inside}}}" if inside else f"{{{matcher}}}")
        else:
            made.append(f"{{{matcher}}}" if bare else "")
            made.append(text)
        bare = kind == "metric"
    made.append(f"{{{matcher}}}" if bare else "")
    return "".join(made)
