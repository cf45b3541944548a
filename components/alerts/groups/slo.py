"""Recording rules per workload, and alerts on how fast it burns its error budget.

Windows and factors are those of the Google SRE workbook, chapter 5 (multiwindow, multi-burn-rate):
https://sre.google/workbook/alerting-on-slos/

Only the rules of 5 minutes read the proxies' own series; longer windows are means over what those
recorded. So a workload has a few dozen series, however many pods, routes and clients it has.
Metrics: linkerd2-proxy linkerd/http/metrics/src/requests/report.rs; the histogram's buckets:
linkerd/metrics/src/latency.rs.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.alerts.groups.model import (
    PREFIX,
    Alert,
    Group,
    Objective,
    Objectives,
    RecordingRule,
)

# Upper bounds of `response_latency_ms_bucket`, in milliseconds.
BUCKETS = tuple(n * 10**power for power in range(5) for n in (1, 2, 3, 4, 5))
# How the injector names what a pod belongs to; a pod has one of them.
KINDS = (
    "deployment",
    "statefulset",
    "daemonset",
    "replicaset",
    "replicationcontroller",
    "cronjob",
    "k8s_job",
)
# What the kubelet asks is no traffic.
INBOUND = 'direction="inbound",route_name!="probe"'
_BY = "namespace, workload"
REQUESTS = f"{PREFIX}:workload_requests:rate5m"
ERRORS = f"{PREFIX}:workload_errors:rate5m"
TIMED = f"{PREFIX}:workload_timed:rate5m"
SLOW = f"{PREFIX}:workload_slow:rate5m"
# Long window, short window, how many times faster than it may the budget is burnt.
FAST = (("1h", "5m", 14.4), ("6h", "30m", 6.0))
STEADY = (("1d", "2h", 3.0), ("3d", "6h", 1.0))
_SHORT = ("30m", "1h", "2h", "6h")
_LONG = ("1d", "3d")


def slo(objectives: Objectives) -> list[Group]:
    """What is recorded, and the alerts on it."""
    latencies = sorted({each.latency for each in (objectives.default, *objectives.workloads)})
    return [
        Group("linkerd-platform-workloads", _base(latencies)),
        Group("linkerd-platform-workloads-hours", _means(_SHORT, latencies), 60),
        Group("linkerd-platform-workloads-days", _means(_LONG, latencies), 300),
        Group("linkerd-platform-slo", _alerts(objectives), 60),
    ]


def _per_workload(series: str) -> str:
    """The rate of a counter by namespace and workload, of whatever kind that is."""
    kinds = ", ".join(KINDS)
    names = ", ".join(f'"{kind}"' for kind in KINDS)
    rate = f"sum by (namespace, {kinds}) (rate({series}[5m]))"
    return f'sum by ({_BY}) (label_join({rate}, "workload", "", {names}))'


def _base(latencies: Sequence[int]) -> list[RecordingRule | Alert]:
    total = _per_workload(f"response_total{{{INBOUND}}}")
    failed = _per_workload(f'response_total{{{INBOUND},classification="failure"}}')
    timed = _per_workload(f"response_latency_ms_count{{{INBOUND}}}")
    made: list[RecordingRule | Alert] = [
        RecordingRule(REQUESTS, total),
        # A workload that never failed has no such series; a mean must count it as none.
        RecordingRule(ERRORS, f"{failed} or {REQUESTS} * 0"),
        RecordingRule(TIMED, timed),
    ]
    for latency in latencies:
        # Prometheus 3 writes whole numbers as 1000.0.
        le = f'le=~"{latency}([.]0)?"'
        fast = _per_workload(f"response_latency_ms_bucket{{{INBOUND},{le}}}")
        made.append(
            RecordingRule(SLOW, f"clamp_min({TIMED} - ({fast}), 0)", {"latency_ms": str(latency)})
        )
    for name, part, whole in _ratios(latencies):
        made.append(RecordingRule(*_ratio(name, "5m", part, whole)))
    return made


def _ratios(latencies: Sequence[int]) -> list[tuple[str, str, str]]:
    errors = ("error", ERRORS, REQUESTS)
    return [errors, *((f"slow_{each}ms", _slow(each), TIMED) for each in latencies)]


def _slow(latency: int) -> str:
    return f'{SLOW}{{latency_ms="{latency}"}}'


def _ratio(name: str, window: str, part: str, whole: str) -> tuple[str, str]:
    """Name and expression of a ratio; nothing where there is no traffic."""
    return _name(name, window), f"{part} / on ({_BY}) ({whole} > 0)"


def _name(kind: str, window: str) -> str:
    return f"{PREFIX}:workload_{kind}_ratio:{window}"


def _means(windows: Sequence[str], latencies: Sequence[int]) -> list[RecordingRule | Alert]:
    made: list[RecordingRule | Alert] = []
    for window in windows:
        made.append(RecordingRule(_volume(window), f"avg_over_time({REQUESTS}[{window}])"))
        for name, part, whole in _ratios(latencies):
            mean, of = f"avg_over_time({part}[{window}])", f"avg_over_time({whole}[{window}])"
            made.append(RecordingRule(*_ratio(name, window, mean, of)))
    return made


def _volume(window: str) -> str:
    return f"{PREFIX}:workload_requests:avg{window}"


def _alerts(objectives: Objectives) -> list[RecordingRule | Alert]:
    made: list[RecordingRule | Alert] = []
    for objective in (objectives.default, *objectives.workloads):
        # The objective of all is not that of a workload with its own.
        others = objectives.workloads if objective is objectives.default else ()
        burns = {
            "Success": ("error", 1 - objective.success, "fail"),
            "Latency": (
                f"slow_{objective.latency}ms",
                1 - objective.fast,
                f"take longer than {objective.latency} ms",
            ),
        }
        for what, (ratio, budget, words) in burns.items():
            for speed, windows in (("Fast", FAST), ("Steady", STEADY)):
                made.append(
                    Alert(
                        f"Linkerd{what}Burn{speed}",
                        _burn(ratio, budget, windows, objective, others, objectives.least_requests),
                        "critical" if speed == "Fast" else "warning",
                        "{{ $value | humanizePercentage }} of the requests to "
                        f"{{{{ $labels.workload }}}} in {{{{ $labels.namespace }}}} {words}",
                        f"Its objective allows {_percent(budget)}: at this pace the budget of 30 "
                        + ("days is gone within days." if speed == "Fast" else "days is not kept."),
                        "slo",
                        # Two rules of the same name and labels are one to Prometheus' own lint.
                        labels=_own(objective),
                    )
                )
    return made


def _percent(budget: float) -> str:
    return f"{_number(budget * 100)} %"


def _number(value: float) -> str:
    return f"{round(value, 9):.9f}".rstrip("0").rstrip(".")


def _burn(
    ratio: str,
    budget: float,
    windows: Sequence[tuple[str, str, float]],
    objective: Objective,
    others: Sequence[Objective],
    least: int,
) -> str:
    only = _only(objective)
    parts = []
    for long, short, factor in windows:
        # More than all cannot fail: the limit of a lax objective is everything.
        limit = _number(min(factor * budget, 0.999))
        parts.append(
            f"({_name(ratio, long)}{only} > {limit} and {_name(ratio, short)}{only} > {limit} "
            f"and {_volume(long)}{only} * 3600 >= {least})"
        )
    burning = " or ".join(parts)
    if not others:
        return burning
    own = " or ".join(f"{_volume('1h')}{_only(each)}" for each in others)
    return f"({burning}) unless on ({_BY}) ({own})"


def _own(objective: Objective) -> dict[str, str]:
    name = f"{objective.namespace}/{objective.workload}"
    return {"objective": name} if objective.namespace else {}


def _only(objective: Objective) -> str:
    if not objective.namespace:
        return ""
    return f'{{namespace="{objective.namespace}",workload="{objective.workload}"}}'
