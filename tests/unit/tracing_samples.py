"""Arguments of the component `Tracing`, for `samples` and its own tests."""

from __future__ import annotations

from typing import Any

from components.tracing.component import TracingArgs
from components.tracing.section import Backend, BackendCredentials, Collector, Jaeger, Sampling
from tests.unit.stack_files import certificate

JAEGER = Jaeger(image="jaeger:2.20.0")
CREDENTIALS = BackendCredentials(
    vault_path="tracing", headers={"x-team": "team", "authorization": "token"}
)
BACKEND = Backend(
    kind="otlp",
    endpoint="https://traces.example.com:4317",
    ca_pem=certificate(),
    credentials=CREDENTIALS,
)
ALL = Sampling()


def tracing_args(*, viz: bool = True, **changes: Any) -> TracingArgs:
    """A collector with Jaeger beside it, with some keys of its section changed."""
    section = Collector(image="collector:0.159.0", backend=Backend(jaeger=JAEGER))
    return TracingArgs(collector=section.model_copy(update=changes), viz=viz)


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
