"""The report for programs; `format` grows when a reader of it has to change."""

from __future__ import annotations

from typing import Any

from bot.mesh.status.model import STATES, StatusReport

FORMAT = 1


def document(report: StatusReport) -> dict[str, Any]:
    """Every line of the report; times in seconds."""
    return {
        "format": FORMAT,
        "stack": report.stack,
        "cluster": report.cluster or None,
        "outcome": report.outcome,
        "healthy": report.outcome == "healthy",
        "counts": {state: report.count(state) for state in STATES},
        "seconds": round(report.seconds, 2),
        "checks": [
            {
                "check": line.check,
                "subject": line.subject,
                "state": line.result.state,
                "seen": line.result.seen,
                "next": line.result.next or None,
            }
            for line in report.lines
        ],
    }
