"""How far the rollout is: what is meshed of what the plan names, which proxies, the injector."""

from __future__ import annotations

from components.alerts.groups import overview
from components.alerts.groups.control_plane import INJECTOR_WEBHOOK
from components.alerts.groups.model import either
from components.dashboards.grafana.model import (
    HEALTHY,
    NEUTRAL,
    Column,
    Dashboard,
    Metrics,
    Panel,
    Query,
    Row,
    Steps,
    View,
    WaveView,
    at_least,
    at_most,
    stat,
)
from components.names import LINKERD

_HOOK = f'name="{INJECTOR_WEBHOOK}"'
_RATE = "$__rate_interval"
_NO_PODS = "No pods"


def rollout(view: View) -> Dashboard:
    """The dashboard of the rollout."""
    metrics = Metrics(view)
    waves = [wave for wave in view.waves if wave.namespaces]
    rows = [Row("Now", _now(view, metrics))]
    if waves:
        rows.append(Row("Waves", [_waves(waves, metrics)]))
    rows += [
        Row("Namespaces", _namespaces(waves, metrics)),
        Row("Injector", _injector(metrics)),
    ]
    return Dashboard(
        "rollout",
        "Linkerd / Rollout",
        "How much of the cluster is in the mesh, wave by wave, and with which proxy.",
        rows,
    )


def _in(namespaces: tuple[str, ...] | list[str]) -> str:
    return f'namespace=~"{either(namespaces)}"'


def _now(view: View, metrics: Metrics) -> list[Panel]:
    pods, meshed = metrics(overview.PODS), metrics(overview.MESHED_PODS)
    on = [each for wave in view.waves if wave.state == "on" for each in wave.namespaces]
    due = _missing(metrics, _in(on)) if on else "vector(0)"
    system = metrics(overview.PROXIES, f'namespace="{LINKERD}"')
    others = metrics(overview.PROXIES, f'namespace!="{LINKERD}"')
    stale = f"sum({others} unless on (version) {system}) or vector(0)"
    rejected = metrics("apiserver_admission_webhook_rejection_count", _HOOK)
    return [
        stat("Pods with a proxy", "In all namespaces.", f"sum({meshed})", "short", NEUTRAL,
             empty=_NO_PODS),
        stat("Running pods", "In all namespaces, host network left out.", f"sum({pods})",
             "short", NEUTRAL, empty=_NO_PODS),
        stat("Namespaces in the mesh", "With a pod that has a proxy.",
             f"count({meshed} > 0)", "short", NEUTRAL, empty=_NO_PODS),
        stat(
            "Pods without a proxy",
            "In namespaces of waves that are `on`. Opt-outs of the plan are among them.",
            due,
            "short",
            at_most(1, "orange"),
            runbook="control-plane.md#linkerdpodsunmeshed",
            empty=_NO_PODS,
        ),
        stat(
            "Proxies of another version",
            "Than those in the control plane. Their pods need a restart.",
            stale,
            "short",
            at_most(1, "orange"),
            runbook="control-plane.md#linkerdproxyversionskew",
        ),
        stat(
            "Refused within 10 minutes",
            "Pods that the API server refused for the injector's sake.",
            f"sum(increase({rejected}[10m])) or vector(0)",
            "short",
            at_most(1),
            decimals=0,
            runbook="control-plane.md#linkerdinjectorrejections",
        ),
    ]  # fmt: skip


def _missing(metrics: Metrics, where: str) -> str:
    pods, meshed = metrics(overview.PODS, where), metrics(overview.MESHED_PODS, where)
    return f"sum({pods}) - (sum({meshed}) or vector(0))"


def _waves(waves: list[WaveView], metrics: Metrics) -> Panel:
    """A bar for each wave, its state beside its name."""
    return Panel(
        "bargauge",
        "Pods with a proxy, by wave",
        "Of the running pods of its namespaces, as the stack file names them. A wave that is `on` "
        "is to be full.",
        [
            Query(
                f"(sum({metrics(overview.MESHED_PODS, _in(wave.namespaces))}) or vector(0)) / "
                f"(sum({metrics(overview.PODS, _in(wave.namespaces))}) > 0)",
                f"{wave.name} ({wave.state})",
            )
            for wave in waves
        ],
        24,
        2 + 2 * len(waves),
        unit="percentunit",
        steps=Steps("blue", [(1, "green")]),
        limits=(0, 1),
        empty=_NO_PODS,
    )


def _planned(waves: list[WaveView], metrics: Metrics) -> str:
    """The pods of each namespace, with its wave as a label."""
    named = [
        f'label_replace({metrics(overview.PODS, _in(wave.namespaces))}, "wave", '
        f'"{wave.name} ({wave.state})", "", "")'
        for wave in waves
    ]
    # What a wave names comes first; `on` keeps the others from coming twice.
    return " or on (namespace) ".join([*named, metrics(overview.PODS)])


def _namespaces(waves: list[WaveView], metrics: Metrics) -> list[Panel]:
    planned = _planned(waves, metrics)
    meshed = metrics(overview.MESHED_PODS)
    share = f"(({meshed}) or on (namespace) 0 * {metrics(overview.PODS)})"
    joined = f"group_left () {share}"
    by = "max by (namespace, wave)"
    return [
        Panel(
            "table",
            "By namespace",
            "Without a wave: the plan does not name it.",
            [
                Query(f"{by} ({planned})"),
                Query(f"{by} (0 * ({planned}) + on (namespace) {joined})"),
                Query(f"{by} (0 * ({planned}) + on (namespace) {joined} / on (namespace) "
                      f"{metrics(overview.PODS)})"),
            ],
            12,
            10,
            columns=[
                Column("wave", "Wave"),
                Column("namespace", "Namespace"),
                Column(0, "Pods"),
                Column(1, "With a proxy"),
                Column(2, "Share", "percentunit", at_least(1, 0.001)),
            ],
            sort="Wave",
            empty=_NO_PODS,
        ),
        Panel(
            "timeseries",
            "Pods with a proxy",
            "The largest namespaces.",
            [Query(f"topk(15, {meshed})", "{{namespace}}")],
            12,
            10,
            stacked=True,
            limits=(0, None),
            empty=_NO_PODS,
        ),
        Panel(
            "table",
            "Proxies by version",
            "An old proxy goes with its pod: `python -m bot rollout restart` makes them anew, one "
            "workload after another.",
            [Query(f"sum by (namespace, version) ({metrics(overview.PROXIES)})")],
            24,
            columns=[
                Column("namespace", "Namespace"),
                Column("version", "Version"),
                Column(0, "Proxies"),
            ],
            runbook="control-plane.md#linkerdproxyversionskew",
            empty="No proxies",
        ),
    ]  # fmt: skip


def _injector(metrics: Metrics) -> list[Panel]:
    asked = metrics("apiserver_admission_webhook_request_total", _HOOK)
    done = metrics("proxy_inject_admission_responses_total")
    reasons = metrics("proxy_inject_admission_responses_total", 'skip="true"')
    passed = metrics("apiserver_admission_webhook_fail_open_count", _HOOK)
    rejected = metrics("apiserver_admission_webhook_rejection_count", _HOOK)
    graphs = (
        (
            "Requests of the API server",
            "By the answer it had.",
            [(asked, "code", "code {{code}}")],
            "No pods were made",
        ),
        (
            "Pods injected and left out",
            "As the injector counts them.",
            [(done, "skip", "left out {{skip}}")],
            "No pods were made",
        ),
        (
            "Why pods were left out",
            "As the injector tells it.",
            [(reasons, "skip_reason", "{{skip_reason}}")],
            HEALTHY,
        ),
        (
            "Refused, or past the injector",
            "Pods that did not start, or started outside the mesh.",
            [(rejected, "error_type", "refused: {{error_type}}"), (passed, "name", "past it")],
            HEALTHY,
        ),
    )
    return [
        Panel(
            "timeseries",
            title,
            description,
            [
                Query(f"sum by ({by}) (rate({series}[{_RATE}]))", legend)
                for series, by, legend in of
            ],
            6,
            unit="reqps",
            limits=(0, None),
            runbook="control-plane.md#linkerdinjectorrejections",
            empty=empty,
        )
        for title, description, of, empty in graphs
    ]
