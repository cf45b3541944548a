"""From the section `observability.tracing` to what collector, proxies and viz are told."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.plan import policy
from bot.plan.model import Plan
from components.tracing import arguments as arguments_tracing
from components.tracing.collector import collector_config
from schema.faults import PROJECT
from schema.values import Duration
from stack.config import StackConfig
from stack.load import from_file
from tests.unit.one_fault_tracing import EXISTING
from tests.unit.stack_files import REPO, good, spoilt, write
from tests.unit.tracing_samples import PLAN
from tests.unit.whole_program import Evaluated, evaluated_file, project


def config(folder: Path, **tracing: Any) -> StackConfig:
    """A stack with tracing on, and these keys."""
    made = spoilt({("observability",): {"tracing": {"enabled": True, **tracing}}})
    return from_file(write(folder, made), Path.read_text)


def cluster(made: StackConfig) -> Any:
    """Its cluster."""
    assert made.cluster is not None
    return made.cluster


def test_an_existing_collector_is_known_by_its_account(tmp_path: Path) -> None:
    """Whoever else answers at its address gets no span."""
    made = config(tmp_path, collector=EXISTING)
    told = arguments_tracing.proxy_tracing(made, cluster(made))
    assert told is not None
    assert (told.endpoint, told.service_account, told.namespace) == (
        EXISTING["endpoint"],
        "collector",
        "tracing",
    )
    assert arguments_tracing.arguments(made, cluster(made)) is None
    assert not made.observability.tracing.bundled
    assert arguments_tracing.jaeger_address(made, cluster(made)) is None


def test_spans_name_their_cluster_and_a_stack_may_say_more(tmp_path: Path) -> None:
    """One backend has the spans of the whole fleet."""
    made = config(tmp_path, labels={"team": "web", "k8s.cluster.name": "other"})
    told = arguments_tracing.proxy_tracing(made, cluster(made))
    assert told is not None
    assert told.labels == {"k8s.cluster.name": "other", "team": "web"}
    made = config(tmp_path)
    told = arguments_tracing.proxy_tracing(made, cluster(made))
    assert told is not None
    assert told.labels == {"k8s.cluster.name": "test"}


def test_jaeger_is_as_the_stack_says(tmp_path: Path) -> None:
    """Each of its keys reaches the pod."""
    keys = {"image": "a/jaeger:2.1", "traces": 500, "cpuRequest": "1", "memory": "2Gi"}
    made = config(tmp_path, collector={"replicas": 3, "backend": {"jaeger": keys}})
    args = arguments_tracing.arguments(made, cluster(made))
    assert args is not None
    assert args.viz is True
    assert args.collector.replicas == 3
    assert args.collector.sampling.mode == "probabilistic"
    assert args.collector.backend.kind == "jaeger"
    assert args.collector.backend.jaeger.model_dump() == {
        "image": "a/jaeger:2.1",
        "traces": 500,
        "cpu_request": "1",
        "memory": "2Gi",
    }
    address = arguments_tracing.jaeger_address(made, cluster(made))
    assert address == "jaeger.linkerd-tracing.svc.cluster.local:16686"


def test_another_backend_takes_the_place_of_jaeger(tmp_path: Path) -> None:
    """Two would each cost as much as one."""
    made = config(tmp_path, **{k: v for k, v in PLAN.items() if k != "enabled"})
    args = arguments_tracing.arguments(made, cluster(made))
    assert args is not None
    backend = args.collector.backend
    assert backend.kind == "otlp"
    assert backend.credentials is not None
    assert backend.credentials.headers == {"authorization": "token"}
    assert arguments_tracing.jaeger_address(made, cluster(made)) is None
    assert (args.collector.sampling.mode, args.collector.sampling.slow) == ("tail", Duration(1))
    tail = collector_config(args.collector, "a.b")["processors"]["tail_sampling"]
    assert tail["decision_wait"] == "30s"
    assert tail["policies"][2]["latency"] == {"threshold_ms": 1000}


def examples() -> list[str]:
    """The parts of stack files on the page."""
    page = (REPO / "docs" / "tracing.md").read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", examples())
def test_an_example_of_the_page_is_taken_as_it_stands(text: str, tmp_path: Path) -> None:
    """Somebody copies it."""
    sections = {k.removeprefix(f"{PROJECT}:"): v for k, v in yaml.safe_load(text).items()}
    made = from_file(write(tmp_path, {**good(), **sections}), Path.read_text)
    assert made.observability.tracing.enabled


@functools.cache
def program(preview: bool, elsewhere: bool) -> Evaluated:
    """The whole program with tracing on, with Jaeger or a backend elsewhere."""
    tracing = PLAN if elsewhere else {"enabled": True}
    made = spoilt({("observability",): {"tracing": tracing}})
    return evaluated_file(write(project(), made), preview)


@pytest.mark.parametrize("preview", [True, False])
def test_the_collector_comes_after_the_mesh_that_sends_to_it(preview: bool) -> None:
    """It has no identity before; and a proxy starts without it, see the page."""
    made = program(preview, elsewhere=False)
    pods = made.object("Deployment", "collector")
    for earlier in (
        made.named("linkerd-linkerd-control-plane"),
        made.object("Namespace", "linkerd-tracing"),
    ):
        assert made.comes_after(pods, earlier)
    control_plane = made.named("linkerd-linkerd-control-plane").inputs["values"]
    told = control_plane["proxy"]["tracing"]["collector"]
    account = made.object("ServiceAccount", "collector").inputs["metadata"]
    assert told["meshIdentity"] == {
        "serviceAccountName": account["name"],
        "namespace": account["namespace"],
    }
    service = made.object("Service", "collector").inputs
    host, _, port = told["endpoint"].partition(".:")
    assert host == f"collector.{account['namespace']}.svc.cluster.local"
    assert int(port) in [each["port"] for each in service["spec"]["ports"]]
    viz = made.named("viz-linkerd-viz").inputs["values"]["jaegerUrl"]
    ui = made.object("Service", "jaeger").inputs["spec"]["ports"]
    assert viz == "jaeger.linkerd-tracing.svc.cluster.local:16686"
    assert 16686 in [each["port"] for each in ui]


def test_credentials_may_be_read_by_the_store_and_used_in_that_namespace() -> None:
    """Vault refuses another path, the store another namespace."""
    made = program(preview=True, elsewhere=True)
    policies = [r.inputs["policy"] for r in made.resources if r.type.endswith(":Policy")]
    assert any("linkerd/kv/data/tracing" in str(policy) for policy in policies)
    store = made.object("ClusterSecretStore", "linkerd-platform-vault").inputs
    assert "linkerd-tracing" in store["spec"]["conditions"][0]["namespaces"]
    without = program(preview=True, elsewhere=False)
    store = without.object("ClusterSecretStore", "linkerd-platform-vault").inputs
    assert "linkerd-tracing" not in store["spec"]["conditions"][0]["namespaces"]
    assert "jaegerUrl" not in made.named("viz-linkerd-viz").inputs["values"]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_no_policy_is_broken_by_what_tracing_makes(elsewhere: bool) -> None:
    """Fixed versions, owner labels, explicit providers, no key in a ConfigMap."""
    made = program(preview=True, elsewhere=elsewhere)
    own = [r for r in made.resources if r.name.startswith("tracing-")]
    assert len(own) >= 10
    assert policy.of_plan(Plan(made.evaluation, (), (), ())) == ()
