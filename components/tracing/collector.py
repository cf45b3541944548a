"""The configs of the collector and of Jaeger, which is a collector itself, as plain data.

Follows https://opentelemetry.io/docs/collector/configuration/ and
https://www.jaegertracing.io/docs/2.20/deployment/configuration/
"""

from __future__ import annotations

from typing import Any

from components.names import LINKERD_TRACING
from components.tracing.objects import COLLECTOR, HEALTH, JAEGER, METRICS, OTLP_GRPC, OTLP_HTTP
from components.tracing.section import Backend, Collector, Jaeger, Sampling
from schema.values import Duration

Config = dict[str, Any]
ALL = "0.0.0.0"  # noqa: S104  (a pod's own address is not known here)
CA_FILE = "/etc/trace-collector/backend-ca.crt"
# The dashboard of viz hands requests for /jaeger on as they are: linkerd2 web/srv/server.go.
JAEGER_PATH, JAEGER_UI = "/jaeger", 16686
JAEGER_HEALTH_PATH = "/status"
_STORE = "memory"
# A proxy holds spans back for up to 10 s.
_WAIT = Duration(30)


def collector_config(args: Collector, cluster_domain: str) -> Config:
    """Config of the collector.

    memory_limiter comes first, so that what is refused costs nothing more, and batch last, as
    https://github.com/open-telemetry/opentelemetry-collector/tree/main/processor says.
    """
    processors: Config = {
        "memory_limiter": {
            "check_interval": "1s",
            "limit_percentage": 80,
            "spike_limit_percentage": 25,
        }
    }
    if not args.queries:
        # The full address holds the query too; the path has an attribute of its own.
        keys = ("url.query", "url.full", "http.url", "http.target")
        actions = [{"key": key, "action": "delete"} for key in keys]
        processors["attributes/without-queries"] = {"actions": actions}
    processors |= _sampling(args.sampling)
    processors["batch"] = {}
    own = args.backend.kind == "jaeger"
    exporters = _jaeger(cluster_domain) if own else _backend(args.backend)
    return {
        "extensions": {"health_check": {"endpoint": f"{ALL}:{HEALTH}"}},
        "receivers": _receivers(),
        "processors": processors,
        "exporters": exporters,
        "service": {
            "extensions": ["health_check"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": list(processors),
                    "exporters": list(exporters),
                }
            },
            "telemetry": _telemetry(),
        },
    }


def _receivers() -> Config:
    grpc, http = {"endpoint": f"{ALL}:{OTLP_GRPC}"}, {"endpoint": f"{ALL}:{OTLP_HTTP}"}
    return {"otlp": {"protocols": {"grpc": grpc, "http": http}}}


def _telemetry() -> Config:
    reader = {"pull": {"exporter": {"prometheus": {"host": ALL, "port": METRICS}}}}
    return {"metrics": {"readers": [reader]}}


def _sampling(args: Sampling) -> Config:
    """The processor that keeps some traces whole and drops the others.

    By a hash of the trace's id, so that all replicas decide alike; `tail` looks at the whole trace.
    """
    share = {"sampling_percentage": float(args.per_cent)}
    if args.mode == "probabilistic":
        return {"probabilistic_sampler": share} if share["sampling_percentage"] < 100 else {}
    code = "http.response.status_code"
    policies: list[Config] = [
        {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        # Proxies set no status, and the code is text: linkerd2-proxy
        # linkerd/opentelemetry/src/lib.rs and linkerd/trace-context/src/service.rs.
        {
            "name": "server-errors",
            "type": "string_attribute",
            "string_attribute": {
                "key": code,
                "values": ["^5[0-9][0-9]"],
                "enabled_regex_matching": True,
            },
        },
    ]
    if args.slow is not None:
        latency = {"threshold_ms": args.slow.seconds * 1000}
        policies.append({"name": "slow", "type": "latency", "latency": latency})
    policies.append({"name": "share", "type": "probabilistic", "probabilistic": share})
    return {"tail_sampling": {"decision_wait": (args.wait or _WAIT).go, "policies": policies}}


def _jaeger(cluster_domain: str) -> Config:
    host = f"{JAEGER}.{LINKERD_TRACING}.svc.{cluster_domain}"
    # Both are in the mesh: its proxies encrypt what leaves here in clear.
    return {"otlp_grpc/jaeger": {"endpoint": f"{host}:{OTLP_GRPC}", "tls": {"insecure": True}}}


def _backend(args: Backend) -> Config:
    # The rules see to it that it is there.
    endpoint = args.endpoint or ""
    exporter: Config = {"endpoint": endpoint}
    if endpoint.startswith("http://"):
        exporter["tls"] = {"insecure": True}
    elif args.ca_pem:
        exporter["tls"] = {"ca_file": CA_FILE}
    if args.variables:
        # Read from the environment at the start: no credential is in this config.
        exporter["headers"] = {k: f"${{env:{v}}}" for k, v in args.variables.items()}
    return {f"{'otlp_grpc' if args.protocol == 'grpc' else 'otlp_http'}/backend": exporter}


def jaeger_config(args: Jaeger) -> Config:
    """Config of a Jaeger that keeps its traces in memory.

    Its gRPC query port listens on loopback alone: a port that nobody needs, and that no policy of
    ours guards. It does not trace the queries that it answers: their spans would go to its own
    receiver, and take the place of those of the mesh.
    """
    return {
        "extensions": {
            "jaeger_storage": {"backends": {_STORE: {"memory": {"max_traces": args.traces}}}},
            "jaeger_query": {
                "base_path": JAEGER_PATH,
                "enable_tracing": False,
                "storage": {"traces": _STORE},
                "http": {"endpoint": f"{ALL}:{JAEGER_UI}"},
                "grpc": {"endpoint": "127.0.0.1:16685"},
            },
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{ALL}:{HEALTH}"}},
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{ALL}:{OTLP_GRPC}"}}}},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": _STORE}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
            "telemetry": {"resource": {"service.name": JAEGER}, **_telemetry()},
        },
    }


def address(name: str, cluster_domain: str, port: int) -> str:
    """Host and port of a Service beside the collector.

    With a dot at its end, so that no search domain is asked first.
    """
    return f"{name}.{LINKERD_TRACING}.svc.{cluster_domain}.:{port}"


def collector_address(cluster_domain: str) -> str:
    """Where proxies send spans to."""
    return address(COLLECTOR, cluster_domain, OTLP_GRPC)
