"""The collector and Jaeger: their configs, their pods, and who may call them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from components.names import LINKERD_TRACING
from components.tracing import collector as config
from components.tracing import objects, policy
from components.tracing.component import Tracing, collector, headers, jaeger
from components.tracing.section import Collector, Sampling
from policies.images import pinned
from schema.values import Duration
from tests.recorder import Recording
from tests.unit.samples import made
from tests.unit.stack_files import certificate
from tests.unit.tracing_samples import BACKEND, JAEGER, tracing_args

TRACING = "observability.tracing"
COLLECTOR = f"{TRACING}.collector"
# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
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

OTLP = {"backend": BACKEND}
WITH_OTLP = {"collector": tracing_args(**OTLP).collector}


def settings(**changes: Any) -> dict[str, Any]:
    """The collector's config as its pods read it."""
    return dict(yaml.safe_load(collector(tracing_args(**changes)).files[objects.CONFIG_FILE]))


def processors(**changes: Any) -> list[str]:
    """Names of the processors, in the order of the pipeline."""
    made_ = settings(**changes)
    order = list(made_["service"]["pipelines"]["traces"]["processors"])
    assert order == list(made_["processors"])
    return order


def test_spans_come_in_by_both_forms_of_otlp_and_no_other() -> None:
    """Proxies speak gRPC, many applications HTTP; each receiver more is one more to guard."""
    protocols = settings()["receivers"]["otlp"]["protocols"]
    assert protocols == {
        "grpc": {"endpoint": "0.0.0.0:4317"},
        "http": {"endpoint": "0.0.0.0:4318"},
    }
    assert list(settings()["receivers"]) == ["otlp"]


@pytest.mark.parametrize("changes", [{}, OTLP, {"sampling": Sampling(mode="tail", per_cent="1")}])
def test_what_is_too_much_is_refused_first_and_batches_are_made_last(
    changes: dict[str, Any],
) -> None:
    """A batch that is made before sampling holds what is thrown away."""
    order = processors(**changes)
    assert (order[0], order[-1]) == ("memory_limiter", "batch")
    limits = settings(**changes)["processors"]["memory_limiter"]
    assert limits["limit_percentage"] + limits["spike_limit_percentage"] > 100 > 80
    assert limits["limit_percentage"] == 80


def test_queries_go_with_every_attribute_that_holds_them() -> None:
    """A token in an address would be on everybody's screen."""
    actions = settings()["processors"]["attributes/without-queries"]["actions"]
    assert {a["key"] for a in actions} == {"url.query", "url.full", "http.url", "http.target"}
    assert {a["action"] for a in actions} == {"delete"}
    assert "attributes/without-queries" not in processors(queries=True)


def test_all_traces_are_kept_without_a_sampler() -> None:
    """One that keeps everything is work for nothing."""
    assert processors(queries=True) == ["memory_limiter", "batch"]


def test_a_share_is_taken_by_the_traces_id() -> None:
    """Each replica decides like the others, so that a trace stays whole."""
    made_ = settings(sampling=Sampling(mode="probabilistic", per_cent="12.5"))
    assert made_["processors"]["probabilistic_sampler"] == {"sampling_percentage": 12.5}


def test_tail_sampling_knows_how_a_proxy_tells_an_error() -> None:
    """It sets no status, and its code is text: by status alone no error of a proxy is kept."""
    tail = settings(
        sampling=Sampling(mode="tail", per_cent="5", slow=Duration(2), wait=Duration(20))
    )
    found = tail["processors"]["tail_sampling"]
    assert found["decision_wait"] == "20s"
    policies = {each["name"]: each for each in found["policies"]}
    assert list(policies) == ["errors", "server-errors", "slow", "share"]
    codes = policies["server-errors"]["string_attribute"]
    (pattern,) = codes["values"]
    assert codes["key"] == "http.response.status_code"
    assert [bool(re.search(pattern, code)) for code in ("500", "503", "404", "250")] == [
        True,
        True,
        False,
        False,
    ]
    assert policies["slow"]["latency"] == {"threshold_ms": 2000}
    assert policies["share"]["probabilistic"] == {"sampling_percentage": 5.0}
    without = settings(sampling=Sampling(mode="tail", per_cent="5"))
    names = [each["name"] for each in without["processors"]["tail_sampling"]["policies"]]
    assert names == ["errors", "server-errors", "share"]


def test_jaeger_is_reached_in_the_mesh() -> None:
    """The proxies encrypt; TLS of its own would hide the calls from them."""
    exporter = settings()["exporters"]
    address = "jaeger.linkerd-tracing.svc.cluster.local:4317"
    assert exporter == {"otlp_grpc/jaeger": {"endpoint": address, "tls": {"insecure": True}}}


def test_no_credential_is_in_a_config_map() -> None:
    """Everybody who may look at a namespace reads them."""
    workload = collector(tracing_args(**OTLP))
    exporter = settings(**OTLP)["exporters"]["otlp_grpc/backend"]
    assert exporter["headers"] == {
        "authorization": "${env:TRACE_BACKEND_HEADER_0}",
        "x-team": "${env:TRACE_BACKEND_HEADER_1}",
    }
    container = objects.deployment(workload)["spec"]["template"]["spec"]["containers"][0]
    references = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"]}
    assert references == {
        name: {"name": "trace-backend-headers", "key": name}
        for name in ("TRACE_BACKEND_HEADER_0", "TRACE_BACKEND_HEADER_1")
    }
    (secret,) = headers(tracing_args(**OTLP))
    assert secret["spec"]["data"] == [
        {"secretKey": f"TRACE_BACKEND_HEADER_{n}", "remoteRef": {"key": "tracing", "property": p}}
        for n, p in ((1, "team"), (0, "token"))
    ]
    assert headers(tracing_args()) == []


def test_a_backend_has_its_own_authority_or_the_public_ones() -> None:
    """A backend in the company has a certificate that nobody else trusts."""
    workload = collector(tracing_args(**OTLP))
    assert workload.files["backend-ca.crt"] == certificate()
    assert settings(**OTLP)["exporters"]["otlp_grpc/backend"]["tls"] == {
        "ca_file": "/etc/trace-collector/backend-ca.crt"
    }
    public = BACKEND.model_copy(update={"ca_pem": None, "credentials": None, "protocol": "http"})
    exporter = settings(backend=public)["exporters"]
    assert exporter == {"otlp_http/backend": {"endpoint": "https://traces.example.com:4317"}}
    plain = public.model_copy(update={"endpoint": "http://tempo.monitoring:4318"})
    exporter = settings(backend=plain)["exporters"]["otlp_http/backend"]
    assert exporter["tls"] == {"insecure": True}


@pytest.mark.parametrize("workload", [collector(tracing_args()), jaeger(JAEGER)])
def test_pods_may_do_nothing_but_run(workload: objects.CollectorWorkload) -> None:
    """They are asked by every pod of the mesh."""
    pod = objects.deployment(workload)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pinned(container["image"])
    assert container["resources"]["limits"]["memory"] == workload.memory
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


def test_a_changed_config_makes_new_pods() -> None:
    """The collector reads it when it starts."""
    before, after = (
        objects.deployment(collector(tracing_args(queries=queries))) for queries in (True, False)
    )
    key = ("spec", "template", "metadata", "annotations", "checksum/config")
    sums = []
    for place in (before, after):
        for part in key:
            place = place[part]
        sums.append(place)
    assert sums[0] != sums[1]


def test_a_drain_takes_one_pod_after_the_other() -> None:
    """A budget for one replica would keep a node from ever being drained."""
    (budget,) = objects.disruption_budget(collector(tracing_args(replicas=2)))
    assert budget["spec"]["maxUnavailable"] == 1
    assert objects.disruption_budget(collector(tracing_args(replicas=1))) == []
    several, single = (
        objects.deployment(collector(tracing_args(replicas=n)))["spec"]["template"]["spec"]
        for n in (2, 1)
    )
    assert "topologySpreadConstraints" in several
    assert "topologySpreadConstraints" not in single


def test_the_service_has_a_protocol_that_linkerd_knows_and_an_address_of_its_own() -> None:
    """`grpc` is opaque to it; and a headless Service sends gRPC to the port of HTTP too."""
    spec = objects.service(collector(tracing_args()))["spec"]
    assert {port["port"]: port["appProtocol"] for port in spec["ports"]} == {
        4317: "kubernetes.io/h2c",
        4318: "http",
    }
    assert "clusterIP" not in spec


def servers(recording: Recording) -> dict[str, dict[str, Any]]:
    """The Servers by name, with the accounts and authentications that each lets in."""
    found = {
        server.inputs["metadata"]["name"]: {"spec": server.inputs["spec"], "clients": []}
        for server in recording.of_kind(":Server")
    }
    for rule in recording.of_kind(":AuthorizationPolicy"):
        spec = rule.inputs["spec"]
        (client,) = spec["requiredAuthenticationRefs"]
        found[spec["targetRef"]["name"]]["clients"].append((client["kind"], client["name"]))
    return found


def test_spans_are_taken_from_the_mesh_and_shown_to_the_dashboard() -> None:
    """Traces tell more about a system than its metrics do."""
    found = servers(made(Tracing))
    assert {name: each["clients"] for name, each in found.items()} == {
        "collector-otlp-grpc": [("MeshTLSAuthentication", "meshed")],
        "collector-otlp-http": [("MeshTLSAuthentication", "meshed")],
        "jaeger-otlp-grpc": [("ServiceAccount", "collector")],
        "jaeger-ui": [("ServiceAccount", "web")],
    }
    assert {each["spec"]["accessPolicy"] for each in found.values()} == {"deny"}
    without_viz = servers(made(Tracing, viz=False))
    assert without_viz["jaeger-ui"]["clients"] == []
    (anybody,) = policy.authentications()
    assert anybody["spec"] == {"identities": ["*"]}


def test_every_port_of_a_server_is_one_of_its_pods() -> None:
    """A Server of a port that is not there guards nothing, without a word."""
    recording = made(Tracing)
    ports = {
        deployment.inputs["metadata"]["name"]: {
            port["name"]
            for port in deployment.inputs["spec"]["template"]["spec"]["containers"][0]["ports"]
        }
        for deployment in recording.of_kind(":Deployment")
    }
    for name, each in servers(recording).items():
        (label,) = each["spec"]["podSelector"]["matchLabels"].values()
        assert each["spec"]["port"] in ports[label], name


def test_pods_come_after_their_policies_and_a_server_after_its_own() -> None:
    """A Server denies from its first second on, whoever is not allowed by then."""
    recording = made(Tracing)
    for workload in ("collector", "jaeger"):
        pods = recording.named(f"x-{workload}-deployment")
        for kind in (":Server", ":AuthorizationPolicy", ":ConfigMap", ":ServiceAccount"):
            own = [r for r in recording.of_kind(kind) if r.name.startswith(f"x-{workload}")]
            assert own
            assert all(recording.comes_after(pods, each) for each in own)
    server = recording.named("x-collector-otlp-grpc-server")
    rule = recording.named("x-collector-otlp-grpc-meshed-authorizationpolicy")
    assert recording.comes_after(server, rule)
    assert recording.comes_after(rule, recording.named("x-meshed"))


def test_the_collector_waits_for_its_credentials() -> None:
    """Without the Secret its pods do not start."""
    recording = made(Tracing, **WITH_OTLP)
    secret = recording.named("x-headers")
    assert secret.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"
    assert recording.comes_after(recording.named("x-collector-deployment"), secret)
    assert not [r for r in recording.resources if "jaeger" in r.name]
    outputs = recording.outputs[recording.named("x").urn]
    assert outputs == {
        "endpoint": "collector.linkerd-tracing.svc.cluster.local.:4317",
        "backend": "https://traces.example.com:4317",
    }


def test_jaeger_keeps_what_it_is_told_and_is_one_pod() -> None:
    """Of two, each would have half of the traces."""
    made_ = yaml.safe_load(jaeger(JAEGER).files[objects.CONFIG_FILE])
    backends = made_["extensions"]["jaeger_storage"]["backends"]
    assert [each["memory"]["max_traces"] for each in backends.values()] == [10000]
    assert jaeger(JAEGER).replicas == 1
    query = made_["extensions"]["jaeger_query"]
    # As the dashboard asks: it hands the path on.
    assert query["base_path"] == "/jaeger"
    assert query["grpc"]["endpoint"].startswith("127.0.0.1:")
    assert set(made_["service"]["extensions"]) == set(made_["extensions"])


def test_everything_is_in_the_one_namespace() -> None:
    """It is meshed as a whole."""
    objects_ = [r.inputs for r in made(Tracing, **WITH_OTLP).resources if "kind" in r.inputs]
    assert len(objects_) == 11
    assert {each["metadata"]["namespace"] for each in objects_} == {LINKERD_TRACING}


def test_the_same_arguments_give_the_same_text() -> None:
    """An unchanged program previews as no change."""
    made_ = Collector(backend=BACKEND)
    first, second = (objects.as_yaml(config.collector_config(made_, "a.b")) for _ in range(2))
    assert first == second
