"""Success and latency of workloads, against the objectives of all and against one's own."""

from __future__ import annotations

from tests.charts.scenarios import Scenario, Series

WEB = 'namespace="shop",deployment="web",direction="inbound"'
DB = 'namespace="shop",statefulset="db",direction="inbound"'


def _responses(where: str, classification: str, pod: str = "a") -> str:
    return f'response_total{{{where},pod="{pod}",classification="{classification}"}}'


def _timed(where: str) -> str:
    return f'response_latency_ms_count{{{where},pod="a"}}'


def _within(where: str, le: str) -> str:
    return f'response_latency_ms_bucket{{{where},pod="a",le="{le}"}}'


def _traffic(failed: str, good: str = "0+600x2000", where: str = WEB) -> Series:
    return {_responses(where, "success"): good, _responses(where, "failure"): failed}


WEB_LABELS = {"namespace": "shop", "workload": "web"}
# A probe of the kubelet is no request of anybody's.
PROBES = f'response_total{{{WEB},pod="a",classification="failure",route_name="probe"}}'
OUTBOUND = _responses(WEB.replace("inbound", "outbound"), "failure")
SCENARIOS = [
    Scenario(
        "LinkerdSuccessBurnFast",
        "2h",
        # 2 % of 99.9 %: the budget of 30 days is gone in 36 hours. Interval 1m, 600 a minute.
        _traffic("0+12x200"),
        WEB_LABELS,
        "1.961% of the requests to web in shop fail",
        [
            # Below 14.4 and 6 times the budget; over, and it has stopped.
            _traffic("0+3x200"),
            _traffic("0+12x80 960x120"),
            # Too few requests to tell; probes and calls to others alone.
            _traffic("0+0.02x200", "0+1x200"),
            {**_traffic("0x200"), PROBES: "0+300x200", OUTBOUND: "0+300x200"},
        ],
    ),
    Scenario(
        "LinkerdSuccessBurnFast",
        "2h",
        # One that never failed before: 12000 of 48000 in the hour, less what a rate of 5 minutes
        # sees late. Taken over the time of the failures alone it would be half.
        {_responses(WEB, "success"): "0+600x300", _responses(WEB, "failure"): "_x100 0+600x300"},
        WEB_LABELS,
        "22.78% of the requests to web in shop fail",
        [{_responses(WEB, "failure"): "_x118 0+1x300"}],
        name="first-failures",
    ),
    Scenario(
        "LinkerdSuccessBurnSteady",
        "4d",
        # 0.4 % of 99.9 %: 4 times the budget, for days. Interval 5m.
        _traffic("0+2.4x1400"),
        WEB_LABELS,
        "0.3984% of the requests to web in shop fail",
        [_traffic("0+0.3x1400"), _traffic("0+2.4x1000 2400x400")],
        interval="5m",
        severity="warning",
    ),
    Scenario(
        "LinkerdLatencyBurnFast",
        "2h",
        {
            _timed(WEB): "0+600x200",
            _within(WEB, "1000"): "0+420x200",
            _within(WEB, "2000"): "0+600x200",
            **_traffic("0x200"),
        },
        WEB_LABELS,
        "30% of the requests to web in shop take longer than 1000 ms",
        # Prometheus 3 writes the bound in another way.
        [
            {_within(WEB, "1000"): "_", _within(WEB, "1000.0"): "0+590x200"},
            {_within(WEB, "1000"): "0+590x200"},
        ],
    ),
    Scenario(
        "LinkerdLatencyBurnSteady",
        "4d",
        {
            _timed(WEB): "0+600x1400",
            _within(WEB, "1000"): "0+570x1400",
            **_traffic("0x1400"),
        },
        WEB_LABELS,
        "5% of the requests to web in shop take longer than 1000 ms",
        [{_within(WEB, "1000"): "0+597x1400"}],
        interval="5m",
        severity="warning",
    ),
    Scenario(
        "LinkerdSuccessBurnFast",
        "2h",
        # 8 % of its own objective of 95 %: 1.6 times the budget is nothing; 80 % is.
        _traffic("0+600x200", "0+120x200", DB),
        {"namespace": "shop", "workload": "db", "objective": "shop/db"},
        "83.33% of the requests to db in shop fail",
        [_traffic("0+48x200", "0+552x200", DB)],
        name="own-objective",
    ),
    Scenario(
        "LinkerdLatencyBurnFast",
        "2h",
        # Its own bound is 100 ms, and 90 % must keep it.
        {
            _timed(DB): "0+600x200",
            _within(DB, "100"): "0+0x200",
            _within(DB, "1000"): "0+600x200",
            **_traffic("0x200", where=DB),
        },
        {"namespace": "shop", "workload": "db", "objective": "shop/db"},
        "100% of the requests to db in shop take longer than 100 ms",
        [{_within(DB, "100"): "0+300x200"}],
        name="own-objective",
    ),
]
