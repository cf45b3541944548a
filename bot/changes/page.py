"""docs/risk.md, made from the table of rules: `python -m bot.changes.page`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bot.changes.rules import DEFAULTS, RULES, Level, Rule
from bot.changes.set_rules import WHOLE, SetRule

FILE = Path(__file__).resolve().parents[2] / "docs" / "risk.md"
_HEAD = """# Risk of a change

`bot preview` begins with a verdict: the worst of what the rules below say about any change. `bot
comment` shows the same in a pull request, for previews and for plans. Rules say what may happen,
in the words of an operator; they look at the inputs of a resource before and after, not at the
cluster.

```sh
python -m bot preview --stack staging --out staging.changes.json
python -m bot comment --changes staging.changes.json --forge files
```

| level | means | asks for |
|---|---|---|
| critical | can lose availability or access by itself | somebody who knows it, and a way back |
| high | can do so if something else is wrong too, or opens what was closed | a look at each cause |
| medium | restarts or re-issues within its budget: others answer meanwhile | a look at the time |
| low | changes nothing that runs | nothing |

`up` may ask for `--allow` besides. A report has one line for each cause, with its objects behind
it. A policy that is broken is told as such, and not once more as a risk.

## What no plan can show

A plan evaluates both revisions with the packages at hand, so what moves in the files that pin
versions is compared as text: `requirements*.txt` and locks, charts.yaml, and the workflows and
their actions. Pulumi and its providers: a patch version is low, for it changes no resource; a
minor one medium, for new defaults may be applied in place; a major or older one high, for it
may replace or drop what the other has made. Other packages, tools and actions that deploy: a
major version or a new one is medium, because the next preview shows what it makes; any other is
low, as is all that only checks are made with. No longer pinned or checked, other content under
the same version, or another source is high.

## What nobody has seen to the end

What nobody has seen to the end is critical, whatever it shows: a preview that failed, was
interrupted or gave no summary, a chart that the engine could not look into, an event that could
not be read, an operation that this program does not know. A rule can say more of a change than its
operation does, never less. `--out FILE` is written in each of these cases too, with the reason;
before the preview begins it says that nothing is known yet, so a job that dies leaves no verdict
of an earlier run behind.

The page is made from the rules: write it anew with `make docs`.
"""
_TABLE = "\n| level | rule | why |\n|---|---|---|\n"
_ABOUT = (
    ("One resource", RULES),
    ("Any other change", DEFAULTS),
    ("The whole set", WHOLE),
)


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(
        f"\n## {title}\n{_TABLE}{''.join(_rows(rules))}" for title, rules in _ABOUT
    )


def _rows(rules: Iterable[Rule | SetRule]) -> Iterable[str]:
    """The rows of a table, worst first."""
    for level in reversed(Level):
        for rule in rules:
            if rule.level is level:
                yield f"| {level} | `{rule.name}` | {rule.reason} |\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
