"""Stack files with one fault each in `observability.tracing`, in the form of `one_fault`."""

from __future__ import annotations

from typing import Any

from tests.unit.stack_files import KeyPath, certificate

TRACING = "observability.tracing"
COLLECTOR = f"{TRACING}.collector"
BACKEND = f"{COLLECTOR}.backend"
HTTPS = "https://traces.example.com:4317"
EXISTING = {
    "source": "existing",
    "endpoint": "collector.tracing.svc.cluster.local:4317",
    "serviceAccount": "collector",
    "namespace": "tracing",
}


def on(**section: Any) -> dict[KeyPath, Any]:
    """Tracing that is on, with these keys."""
    return {("observability",): {"tracing": {"enabled": True, **section}}}


def collector(**section: Any) -> dict[KeyPath, Any]:
    """A collector with these keys."""
    return on(collector=section)


def existing(without: str = "", **section: Any) -> dict[KeyPath, Any]:
    """An existing collector, with a key left out or others besides."""
    given = {**EXISTING, **section}
    return collector(**{key: value for key, value in given.items() if key != without})


def sampling(**section: Any) -> dict[KeyPath, Any]:
    """Sampling with these keys, on a single replica."""
    return collector(replicas=1, sampling=section)


def otlp(**section: Any) -> dict[KeyPath, Any]:
    """A backend elsewhere with these keys."""
    return collector(backend={"kind": "otlp", "endpoint": HTTPS, **section})


def credentials(**section: Any) -> dict[KeyPath, Any]:
    """Credentials with these keys."""
    given = {"vaultPath": "tracing", "headers": {"authorization": "token"}, **section}
    return otlp(credentials=given)


FAULTS: dict[str, tuple[dict[KeyPath, Any], str, str]] = {
    "tracing-misspelt": (on(servicename="a"), f"{TRACING}.servicename", "'serviceName'?"),
    "tracing-domain": (
        {**on(), ("trust", "domain"): "mesh.example"},
        f"{TRACING}.enabled",
        "below cluster.domain (cluster.local), and it is below trust.domain (mesh.example)",
    ),
    "tracing-service": (
        on(labels={"service.name": "a"}),
        f"{TRACING}.labels.service.name",
        "is what serviceName is for",
    ),
    "tracing-pod": (
        on(labels={"k8s.pod.ip": "a"}),
        f"{TRACING}.labels.k8s.pod.ip",
        "set by the chart: remove it",
    ),
    "tracing-label": (on(labels={"a b": "c"}), f"{TRACING}.labels.a b", "not a label key"),
    "tracing-census": (
        on(openCensus="http://oc:55678"),
        f"{TRACING}.openCensus",
        "is no host and port: write it like",
    ),
    "tracing-existing-endpoint": (
        existing("endpoint"),
        f"{COLLECTOR}.endpoint",
        "missing: source 'existing' needs it",
    ),
    "tracing-existing-account": (
        existing("serviceAccount"),
        f"{COLLECTOR}.serviceAccount",
        "missing: source 'existing' needs it",
    ),
    "tracing-existing-namespace": (
        existing("namespace"),
        f"{COLLECTOR}.namespace",
        "missing: source 'existing' needs it",
    ),
    "tracing-existing-port": (
        existing(endpoint="collector.tracing"),
        f"{COLLECTOR}.endpoint",
        "is no host and port",
    ),
    "tracing-existing-high-port": (
        existing(endpoint="collector.tracing:65536"),
        f"{COLLECTOR}.endpoint",
        "is no host and port",
    ),
    "tracing-existing-sampling": (
        existing(sampling={"perCent": 5}),
        f"{COLLECTOR}.sampling",
        "is for source 'bundled': remove it",
    ),
    "tracing-bundled-endpoint": (
        collector(endpoint="collector.tracing:4317"),
        f"{COLLECTOR}.endpoint",
        "is for source 'existing': remove it",
    ),
    "tracing-latest": (
        collector(image="otel/opentelemetry-collector-k8s:latest"),
        f"{COLLECTOR}.image",
        "is no fixed version",
    ),
    "tracing-untagged": (
        collector(backend={"jaeger": {"image": "jaegertracing/jaeger"}}),
        f"{BACKEND}.jaeger.image",
        "is no fixed version",
    ),
    "tracing-memory": (collector(memory="512 MB"), f"{COLLECTOR}.memory", "is not a quantity"),
    "tracing-share-none": (sampling(perCent=0), f"{COLLECTOR}.sampling.perCent", "0.01 to 100"),
    "tracing-share-much": (sampling(perCent=101), f"{COLLECTOR}.sampling.perCent", "0.01 to 100"),
    "tracing-tail-replicas": (
        collector(sampling={"mode": "tail"}),
        f"{COLLECTOR}.replicas",
        "each would see a part of a trace: write 1",
    ),
    "tracing-slow": (
        sampling(slow="2s"),
        f"{COLLECTOR}.sampling.slow",
        "is for mode 'tail': remove it",
    ),
    "tracing-wait": (
        sampling(mode="tail", wait="10s"),
        f"{COLLECTOR}.sampling.wait",
        "10s is out of range: write 15s to 5m",
    ),
    "tracing-backend-missing": (
        collector(backend={"kind": "otlp"}),
        f"{BACKEND}.endpoint",
        "missing: kind 'otlp' needs it",
    ),
    "tracing-backend-jaeger": (
        collector(backend={"endpoint": HTTPS}),
        f"{BACKEND}.endpoint",
        "is for kind 'otlp': remove it",
    ),
    "tracing-backend-both": (
        otlp(jaeger={"traces": 100}),
        f"{BACKEND}.jaeger",
        "is for kind 'jaeger': remove it",
    ),
    "tracing-backend-login": (
        otlp(endpoint="https://me:word@traces.example.com:4317"),
        f"{BACKEND}.endpoint",
        "not an address without credentials",
    ),
    "tracing-backend-path": (
        otlp(endpoint="https://traces.example.com/otlp"),
        f"{BACKEND}.endpoint",
        "over gRPC it has a port and no path",
    ),
    "tracing-backend-plain": (
        otlp(
            endpoint="http://tempo.monitoring:4317",
            credentials={"vaultPath": "tracing", "headers": {"a": "b"}},
        ),
        f"{BACKEND}.endpoint",
        "would send credentials in clear: write https",
    ),
    "tracing-backend-ca": (otlp(caPem="x"), f"{BACKEND}.caPem", "is not a PEM certificate"),
    "tracing-backend-ca-plain": (
        otlp(endpoint="http://tempo.monitoring:4317", caPem=certificate()),
        f"{BACKEND}.caPem",
        "is for https: remove it",
    ),
    "tracing-vault-path": (
        otlp(credentials={"headers": {"a": "b"}}),
        f"{BACKEND}.credentials.vaultPath",
        "missing: Path below the KV mount",
    ),
    "tracing-vault-anchors": (
        credentials(vaultPath="anchors/tracing"),
        f"{BACKEND}.credentials.vaultPath",
        "every cluster may read what is below anchors/",
    ),
    "tracing-headers": (
        credentials(headers={}),
        f"{BACKEND}.credentials.headers",
        "names none",
    ),
    "tracing-header": (
        credentials(headers={"Authorization": "token"}),
        f"{BACKEND}.credentials.headers.Authorization",
        "is no header: write it in lower case",
    ),
    "tracing-property": (
        credentials(headers={"authorization": "a b"}),
        f"{BACKEND}.credentials.headers.authorization",
        "is no property of an entry",
    ),
    "tracing-egress": (
        {
            **otlp(),
            ("egress",): {"default": "deny", "hosts": [{"host": "traces.example.com"}]},
        },
        f"{BACKEND}.endpoint",
        "egress denies traces.example.com at port 4317 to the collector",
    ),
}
