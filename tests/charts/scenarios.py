"""What a rule of ours must fire at, and what not: series in promtool's notation.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Series = Mapping[str, str]


@dataclass(frozen=True)
class Scenario:
    """Series at which an alert fires with these labels, and others at which it does not.

    `at` is when it is looked at, `summary` what the receiver reads. `quiet` are the changes to the
    series, one after another, each of which must silence the alert; a series that becomes `_` is
    left out.
    """

    alert: str
    at: str
    firing: Series
    labels: Mapping[str, str]
    summary: str
    quiet: Sequence[Series]
    interval: str = "1m"
    name: str = ""
    severity: str = "critical"
    static: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What the test is called."""
        return f"{self.alert}-{self.name}" if self.name else self.alert


def changed(series: Series, change: Series) -> dict[str, str]:
    """The series with a change."""
    return {key: value for key, value in {**series, **change}.items() if value != "_"}
