"""What the collector is set to."""

from __future__ import annotations

from typing import Literal

from components.base import Args
from components.tracing.section import JaegerSection

# The collector's own names for its ports, and those of OTLP:
# https://opentelemetry.io/docs/specs/otlp/
OTLP_GRPC, OTLP_HTTP, HEALTH, METRICS = 4317, 4318, 13133, 8888
COLLECTOR, JAEGER = "collector", "jaeger"
# Entries of the Secret with the backend's headers; the collector reads them as variables.
HEADERS_SECRET = "trace-backend-headers"  # noqa: S105


class SamplingArgs(Args):
    """Which traces are kept. per_cent: of all. slow and wait, as Go writes them, are for `tail`.

    slow: traces that take longer are kept in any case; None for no such rule.
    """

    mode: Literal["probabilistic", "tail"]
    per_cent: float
    slow_ms: int | None = None
    wait: str = "30s"


class BackendArgs(Args):
    """A backend that speaks OTLP.

    endpoint: with `https://` or `http://`. headers: by name the property of the entry at
    vault_path, below the KV mount. ca_pem: the authority of its certificate, where it is no public
    one.
    """

    endpoint: str
    protocol: Literal["grpc", "http"]
    ca_pem: str | None = None
    vault_path: str | None = None
    headers: dict[str, str]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variable of each header."""
        names = sorted(self.headers)
        return {name: f"TRACE_BACKEND_HEADER_{index}" for index, name in enumerate(names)}


class JaegerArgs(JaegerSection, Args):
    """The section as it is. viz: whether viz links to it."""

    viz: bool
