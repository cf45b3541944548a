"""Stack files with one fault each in the sections about workloads, in the form of `one_fault`."""

from __future__ import annotations

from typing import Any

from tests.unit.stack_files import KeyPath

WAVES: KeyPath = ("rollout", "waves")
SHOP: KeyPath = ("workloads", "namespaces", "shop")


def waves(*given: dict[str, Any]) -> dict[KeyPath, Any]:
    """A plan with these waves; the first is called `w0`, and so on."""
    return {WAVES: [{"name": f"w{at}", **wave} for at, wave in enumerate(given)]}


IN = waves({"namespaces": ["shop"]})

FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    # the plan
    "namespace-in-two-waves": (
        waves({"namespaces": ["shop"]}, {"namespaces": ["pay", {"name": "shop"}]}),
        "rollout.waves[1].namespaces[1]",
        "'shop' is in wave 'w0' and in wave 'w1': keep one of the two",
    ),
    "namespace-twice": (
        waves({"namespaces": ["shop", "shop"]}),
        "rollout.waves[0].namespaces[1]",
        "'shop' is twice in wave 'w0'",
    ),
    "kube-system-meshed": (
        waves({"namespaces": ["kube-system"]}),
        "rollout.waves[0].namespaces[0]",
        "'kube-system' is never meshed: it runs what the mesh itself needs",
    ),
    "vault-meshed": (waves({"namespaces": ["vault"]}), "rollout.waves[0].namespaces[0]", "never"),
    "cert-manager-meshed": (
        waves({"namespaces": [{"name": "cert-manager"}]}),
        "rollout.waves[0].namespaces[0]",
        "never meshed",
    ),
    "linkerd-viz-meshed": (
        waves({"namespaces": ["linkerd-viz"]}),
        "rollout.waves[0].namespaces[0]",
        "is Linkerd's own",
    ),
    "monitoring-meshed": (
        {
            **waves({"namespaces": ["metrics"]}),
            ("viz", "prometheusUrl"): "http://prometheus.metrics.svc.cluster.local:9090",
        },
        "rollout.waves[0].namespaces[0]",
        "has the Prometheus of viz.prometheusUrl",
    ),
    "configured-vault-meshed": (
        {
            **waves({"namespaces": ["security"]}),
            ("vault", "address"): "https://vault.security.svc.cluster.local:8200",
        },
        "rollout.waves[0].namespaces[0]",
        "has the Vault of vault.address",
    ),
    "never-meshed": (
        {**waves({"namespaces": ["legacy"]}), ("rollout", "never"): ["legacy"]},
        "rollout.waves[0].namespaces[0]",
        "is in rollout.never",
    ),
    "two-waves-of-one-name": (
        {WAVES: [{"name": "a", "namespaces": ["x"]}, {"name": "a", "namespaces": ["y"]}]},
        "rollout.waves[1].name",
        "'a' is the name of two waves",
    ),
    "two-rests": (
        waves({"rest": True}, {"rest": True}),
        "rollout.waves[1].rest",
        "wave 'w0' takes the rest already",
    ),
    "empty-wave": (waves({}), "rollout.waves[0].namespaces", "list some, or give labels or rest"),
    "wave-on-without-names": (
        waves({"state": "on", "labels": {"team": "web"}}),
        "rollout.waves[0].namespaces",
        "`python -m bot rollout next` writes the names",
    ),
    "dates-backwards": (
        waves(
            {"rest": True, "date": "2026-12-10"},
            {"namespaces": ["a"]},
            {"namespaces": ["b"], "date": "2026-12-09"},
        ),
        "rollout.waves[2].date",
        "2026-12-09 is before 2026-12-10 of wave 'w0'",
    ),
    "date-no-day": (
        waves({"rest": True, "date": "2026-02-30"}),
        "rollout.waves[0].date",
        "is not a date: write it in quotes",
    ),
    "state-unknown": (
        waves({"rest": True, "state": "optin"}),
        "rollout.waves[0].state",
        "'off', 'opt-in' or 'on'",
    ),
    "namespace-name": (
        waves({"namespaces": ["My_Shop"]}),
        "rollout.waves[0].namespaces[0].name",
        "write 'my-shop'",
    ),
    "opt-out-key": (
        waves({"namespaces": [{"name": "shop", "optout": True}]}),
        "rollout.waves[0].namespaces[0].optout",
        "did you mean 'optOut'?",
    ),
    "workload-kind": (
        waves({"namespaces": [{"name": "shop", "workloads": {"optOut": ["pod/a"]}}]}),
        "rollout.waves[0].namespaces[0].workloads.optOut[0]",
        "write <kind>/<name>, with deploy, sts, ds, job or cronjob",
    ),
    "workload-twice": (
        waves(
            {"namespaces": [{"name": "s", "workloads": {"optOut": ["deploy/a", "deployment/a"]}}]}
        ),
        "rollout.waves[0].namespaces[0].workloads.optOut[1]",
        "'Deployment/a' is listed twice",
    ),
    "opted-out-twice": (
        waves(
            {"namespaces": [{"name": "s", "optOut": True, "workloads": {"optOut": ["deploy/a"]}}]}
        ),
        "rollout.waves[0].namespaces[0].workloads.optOut",
        "'s' is outside as a whole",
    ),
    "label-key": (
        waves({"labels": {"-team": "web"}}),
        "rollout.waves[0].labels.-team",
        "is not a label key",
    ),
    "label-value": (
        waves({"labels": {"team": "a b"}}),
        "rollout.waves[0].labels.team",
        "is not a label value",
    ),
    "soak-of-nothing": (
        waves({"rest": True, "soak": "0s"}),
        "rollout.waves[0].soak",
        "is zero",
    ),
    "success-rate": (
        {("rollout", "gates", "successRate"): 101},
        "rollout.gates.successRate",
        "but it is 101",
    ),
    "gate-window": (
        {("rollout", "gates", "window"): "1m"},
        "rollout.gates.window",
        "too short to measure in: write at least 2m",
    ),
    # workload defaults
    "defaults-of-no-wave": (
        {**IN, ("workloads", "namespaces", "pay", "accessLog"): "json"},
        "workloads.namespaces.pay",
        "no wave of rollout has the namespace 'pay'",
    ),
    "defaults-of-opted-out": (
        {
            **waves({"namespaces": [{"name": "shop", "optOut": True}]}),
            (*SHOP, "accessLog"): "json",
        },
        "workloads.namespaces.shop",
        "is outside the mesh (optOut)",
    ),
    "access-log": ({**IN, (*SHOP, "accessLog"): "xml"}, "workloads.namespaces.shop.accessLog", "'"),
    "port-zero": (
        {**IN, (*SHOP, "opaquePorts"): [0]},
        "workloads.namespaces.shop.opaquePorts[0]",
        "'0' is not a port: write 8080, or '8000-8100'",
    ),
    "port-too-high": (
        {**IN, (*SHOP, "skipInboundPorts"): ["1-65536"]},
        "workloads.namespaces.shop.skipInboundPorts[0]",
        "is not a port",
    ),
    "port-range-backwards": (
        {**IN, (*SHOP, "skipOutboundPorts"): ["9000-8000"]},
        "workloads.namespaces.shop.skipOutboundPorts[0]",
        "is not a port",
    ),
    "port-twice": (
        {**IN, (*SHOP, "opaquePorts"): [8080, "8080"]},
        "workloads.namespaces.shop.opaquePorts[1]",
        "8080 is listed twice",
    ),
    "port-opaque-and-skipped": (
        {
            **IN,
            (*SHOP, "opaquePorts"): [8080],
            (*SHOP, "skipInboundPorts"): [8080],
            (*SHOP, "skipOutboundPorts"): [8080],
        },
        "workloads.namespaces.shop.opaquePorts[0]",
        "8080 is skipped in both directions",
    ),
    "quantity": (
        {**IN, (*SHOP, "proxyResources"): {"cpuRequest": "0"}},
        "workloads.namespaces.shop.proxyResources.cpuRequest",
        "write it like 100m (CPU) or 64Mi (memory)",
    ),
    "misspelt-default": (
        {**IN, (*SHOP, "acessLog"): "json"},
        "workloads.namespaces.shop.acessLog",
        "did you mean 'accessLog'?",
    ),
    "namespace-key": (
        {**IN, ("workloads", "namespaces", "Shop"): {}},
        "workloads.namespaces.Shop",
        "write 'shop'",
    ),
    "override-kind": (
        {**IN, (*SHOP, "overrides"): {"cart": {"accessLog": "json"}}},
        "workloads.namespaces.shop.overrides.cart",
        "is not a workload",
    ),
    # guards
    "guard-mode": ({("guards", "optOut"): "warn"}, "guards.optOut", "'audit' or 'enforce'"),
}
