"""The keys of `observability.tracing` in the form of `test_config_effect`."""

from __future__ import annotations

from typing import Any

from tests.unit.stack_files import certificate

TRACING = "observability.tracing"
COLLECTOR = f"{TRACING}.collector"

CHANGES: dict[str, Any] = {
    f"{TRACING}.enabled": False,
    f"{TRACING}.serviceName": "proxy",
    f"{TRACING}.labels": {"team": "other"},
    f"{TRACING}.openCensus": "oc.tracing:55678",
    f"{COLLECTOR}.image": "mirror.example.com/collector:0.159.0",
    f"{COLLECTOR}.cpuRequest": "200m",
    f"{COLLECTOR}.memory": "1Gi",
    f"{COLLECTOR}.queries": True,
    f"{COLLECTOR}.sampling.perCent": 12.5,
    f"{COLLECTOR}.sampling.slow": "2s",
    f"{COLLECTOR}.sampling.wait": "20s",
    f"{COLLECTOR}.backend.endpoint": "https://other.example.com:4317",
    f"{COLLECTOR}.backend.protocol": "http",
    f"{COLLECTOR}.backend.caPem": certificate() + certificate(),
    f"{COLLECTOR}.backend.credentials.vaultPath": "other",
    f"{COLLECTOR}.backend.credentials.headers": {"authorization": "other"},
}
# What a key is changed in: as much of it as goes together. The others need a section of their own.
PLAN: dict[str, Any] = {
    "enabled": True,
    "collector": {
        "replicas": 1,
        "sampling": {"mode": "tail", "slow": "1s", "wait": "30s"},
        "backend": {
            "kind": "otlp",
            "endpoint": "https://traces.example.com:4317",
            "caPem": certificate(),
            "credentials": {"vaultPath": "tracing", "headers": {"authorization": "token"}},
        },
    },
}
ELSEWHERE = dict.fromkeys(
    [
        *(f"{COLLECTOR}.{key}" for key in ("source", "endpoint", "serviceAccount", "namespace")),
        f"{COLLECTOR}.replicas",
        f"{COLLECTOR}.sampling.mode",
        f"{COLLECTOR}.backend.kind",
        *(
            f"{COLLECTOR}.backend.jaeger.{key}"
            for key in ("image", "traces", "cpuRequest", "memory")
        ),
    ],
    "test_arguments_tracing.py",
)
