"""Writing digests into charts.yaml, as text: comments, order and all else stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stack.charts import ChartError

_ENTRY = re.compile(r"^  ([\w.-]+):\s*(#.*)?$")
_FIELD = re.compile(r"^    (\w+):")


def locked(text: str, digests: Mapping[str, str]) -> str:
    """`text` with the digest of each named entry, below its version; raises ChartError without one.

    An entry that is not named keeps the digest it has.
    """
    lines: list[str] = []
    written = set()
    name = ""
    for line in text.splitlines(keepends=True):
        if entry := _ENTRY.match(line):
            name = entry[1]
        elif not line.startswith((" ", "#", "\n")):
            name = ""
        field = _FIELD.match(line)
        if field and name in digests:
            if field[1] == "digest":
                continue
            if field[1] == "version":
                line = line if line.endswith("\n") else f"{line}\n"
                lines += [line, f"    digest: {digests[name]}\n"]
                written.add(name)
                continue
        lines.append(line)
    if lost := digests.keys() - written:
        raise ChartError(
            f"charts.yaml: {', '.join(sorted(lost))}: no line `    version:` of its own: write the "
            "entry with one key per line"
        )
    return "".join(lines)
