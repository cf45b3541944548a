"""Arguments of the component `Tracing`, for `samples` and its own tests."""

from __future__ import annotations

from typing import Any

from components.tracing.component import TracingArgs
from components.tracing.model import BackendArgs, JaegerArgs, SamplingArgs
from tests.unit.stack_files import certificate

JAEGER = JaegerArgs(image="jaeger:2.20.0", traces=10000, cpu_request="100m", memory="1Gi", viz=True)
BACKEND = BackendArgs(
    endpoint="https://traces.example.com:4317",
    protocol="grpc",
    ca_pem=certificate(),
    vault_path="tracing",
    headers={"x-team": "team", "authorization": "token"},
)
ALL = SamplingArgs(mode="probabilistic", per_cent=100)


def tracing_args(**changes: Any) -> TracingArgs:
    """A collector with Jaeger beside it, with some arguments changed."""
    made = TracingArgs(
        cluster_domain="cluster.local",
        image="collector:0.159.0",
        replicas=2,
        cpu_request="100m",
        memory="512Mi",
        queries=False,
        sampling=ALL,
        jaeger=JAEGER,
        backend=None,
        refresh_interval="10m0s",
    )
    return made.model_copy(update=changes)
