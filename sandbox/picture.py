"""The picture of a run for the read-me: what `make sandbox` has printed, as an SVG.

make sandbox | tee run.txt; python -m sandbox.picture < run.txt > docs/sandbox.svg
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator, Sequence

_CHAR, _LINE, _PAD = 6.6, 17.0, 14.0  # pixels, of a font of 11
_WIDEST = 132
# What a reader looks for; the rest scrolls by.
_SHOWN = re.compile(
    r"\[ *[\d.]+ s\] (etcd|vault is|kube-apiserver|three nodes)|stack sandbox is|preview: |refresh "
    r"and|no changes|what  +expected|.*  (ok|FAIL)$|\d+( of \d+)? checks? passed|"
    r"update .* all in all"
)
_STYLE = """
.run { --ground:#ffffff; --line:#cbd5e1; --text:#0f172a; --faint:#52606f; --ok:#15803d }
@media (prefers-color-scheme: dark) {
  .run { --ground:#0f172a; --line:#475569; --text:#f1f5f9; --faint:#a9b6c8; --ok:#4ade80 }
}
.run text { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  fill: var(--text); white-space: pre }
.run .faint { fill: var(--faint) }
.run .ok { fill: var(--ok) }
"""


def chosen(lines: Sequence[str]) -> list[str]:
    """The lines that are shown, the columns of the table no wider than they must be."""
    kept = [line.rstrip() for line in lines if _SHOWN.match(line)]
    rows = [re.split(r"  +", line) for line in kept if _is_row(line)]
    widths = [max((len(row[n]) for row in rows if len(row) > n), default=0) for n in range(2)]
    made = ["$ make sandbox"]
    for line in kept:
        if not _is_row(line):
            made.append(line)
            continue
        what, expected, *rest = re.split(r"  +", line)
        seen, verdict = (rest[0], rest[1] if len(rest) > 1 else "")
        room = _WIDEST - widths[0] - widths[1] - 10
        seen = seen if len(seen) <= room else f"{seen[: room - 1]}…"
        made.append(
            f"{what:{widths[0]}}  {expected:{widths[1]}}  {seen:{room}}  {verdict}".rstrip()
        )
    return made


def _is_row(line: str) -> bool:
    return line.startswith("what  ") or line.endswith(("  ok", "  FAIL"))


def svg(lines: Sequence[str]) -> str:
    """The picture of a terminal with these lines."""
    width = max(map(len, lines)) * _CHAR + 2 * _PAD
    height = len(lines) * _LINE + 2 * _PAD
    size = f'width="{width:.0f}" height="{height:.0f}"'
    texts = "\n".join(_texts(lines))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" class="run" {size}
  viewBox="0 0 {width:.0f} {height:.0f}" role="img" xml:space="preserve">
<title>What make sandbox prints: each proof with what is expected and seen</title>
<style>{_STYLE}</style>
<rect {size} rx="8" fill="var(--ground)" stroke="var(--line)"/>
{texts}
</svg>
"""


def _texts(lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        y = _PAD + (number + 0.75) * _LINE
        body, verdict = (line[:-2], "ok") if line.endswith("  ok") else (line, "")
        kind = "" if verdict or line[0] in "$0123456789" else ' class="faint"'
        yield f'<text x="{_PAD:.0f}" y="{y:.1f}"{kind}>{html.escape(body)}</text>'
        if verdict:
            x = _PAD + len(body) * _CHAR
            yield f'<text x="{x:.1f}" y="{y:.1f}" class="ok">{verdict}</text>'


if __name__ == "__main__":
    sys.stdout.write(svg(chosen(sys.stdin.read().splitlines())))
