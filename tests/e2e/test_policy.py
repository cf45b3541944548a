"""Authorization with a real Prometheus, API server, and Linkerd's own policy controller.

docs/runbooks/deny.md is followed: its `yaml` is the stack file, its commands are run, and after
each step the policy controller says who gets in.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cli.dispatch import main
from bot.clients.prometheus import PrometheusApi
from bot.clients.target import Target
from bot.exit_codes import BAD_INPUT, DONE, REFUSED
from stack.load import from_file
from tests.charts.program import PROJECT
from tests.e2e import real_prometheus
from tests.e2e.mesh_objects import Manifest, planned
from tests.e2e.mesh_processes import Controllers
from tests.e2e.policy_grpc import UNAUTHENTICATED
from tests.e2e.real_prometheus import Exporter
from tests.e2e.runbook import blocks
from tests.e2e.test_mesh_controllers import namespace, pod

pytestmark = pytest.mark.e2e
PAGE = "deny.md"
INSIDE, PORT = "shop", 8080
ROLLOUT = {"waves": [{"name": "w", "state": "on", "namespaces": ["shop", "callers"]}]}


def identity(account: str, inside: str = "callers") -> str:
    return f"{account}.{inside}.serviceaccount.identity.linkerd.cluster.local"


BAR, STRANGER = identity("bar"), identity("stranger")


def audited(client: str, port: int = PORT) -> dict[str, str]:
    """The labels of a request that the audit let in, as Prometheus has them of a proxy."""
    return {
        "namespace": INSIDE,
        "deployment": "foo",
        "pod": "foo-1",
        "target_addr": f"10.1.2.3:{port}",
        "srv_kind": "default",
        "srv_name": "audit",
        "authz_kind": "default",
        "authz_name": "audit",
        "tls": "true" if client else "no_identity",
        **({"client_id": client} if client else {}),
    }


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, PrometheusApi]]:
    """A Prometheus that scrapes."""
    if reason := real_prometheus.missing():
        pytest.skip(reason)
    with real_prometheus.running(tmp_path_factory.mktemp("prometheus")) as made:
        yield made


class Operator:
    """Who follows the page: a stack file, the bot's commands, and what the program makes."""

    def __init__(self, linkerd: Controllers, url: str, folder: Path, patch: Any) -> None:
        self.linkerd, self.url, self.folder, self.patch = linkerd, url, folder, patch
        self.sections: dict[str, Any] = {"rollout": ROLLOUT}

    def write(self, text: str) -> None:
        """Put a block of the page, or of the bot, in place of the stack file's section."""
        for key, section in yaml.safe_load(text).items():
            self.sections[key.removeprefix("linkerd-platform:")] = section

    def deploy(self) -> None:
        """What `bot up` brings to the cluster for the namespace."""
        self.linkerd.objects.apply(*planned(self.sections))

    def bot(self, *words: str) -> int:
        """Run a command of the page's on this cluster and Prometheus; its exit code."""
        stack = yaml.safe_load((PROJECT / "Pulumi.sandbox.yaml").read_text())
        for name, section in self.sections.items():
            stack["config"][f"linkerd-platform:{name}"] = section
        stack["config"]["linkerd-platform:cluster"] |= {
            "kubeconfig": str(self.linkerd.cluster.settings.kubeconfig)
        }
        stack["config"]["linkerd-platform:cluster"].pop("context", None)
        file = self.folder / "Pulumi.sandbox.yaml"
        file.write_text(yaml.safe_dump(stack, sort_keys=False))
        target = Target("sandbox", PROJECT, from_file(file, lambda _: "[elsewhere]"), file, {})
        self.patch.setattr("bot.engine.target.of", lambda _: target)
        return main([w.replace("http://127.0.0.1:9090", self.url) for w in words])

    def follow(self, heading: str) -> list[int]:
        """Every block under a heading: sections, deployments and commands; the exit codes."""
        codes = []
        for block in blocks(PAGE):
            if block.heading == heading and block.language == "yaml":
                self.write(block.text)
            elif block.heading == heading:
                for line in block.text.splitlines():
                    words = line.removeprefix("python -m bot ").split()
                    if words[0] == "policy":
                        codes.append(self.bot(*words))
                    elif words[0] == "up":
                        self.deploy()
                    else:
                        assert words[0] == "preview", line
        return codes


@pytest.fixture
def operator(
    linkerd: Controllers,
    metrics: tuple[Exporter, PrometheusApi],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Operator:
    """An operator with a namespace in the mesh, in which foo runs."""
    linkerd.objects.apply(namespace(INSIDE), *shop())
    return Operator(linkerd, metrics[1].url, tmp_path, monkeypatch)


def shop() -> list[Manifest]:
    """foo, without replicas: no node runs them, the pod is made by the tests."""
    labels = {"app": "foo"}
    probe = {"httpGet": {"path": "/healthz", "port": "http"}}
    container = {
        "name": "foo",
        "image": "example.invalid/foo",
        "ports": [{"containerPort": PORT, "name": "http"}],
        "readinessProbe": probe,
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    metadata = {"name": "foo", "namespace": INSIDE}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]},
        },
    ]


def test_a_namespace_goes_to_deny_and_back_as_the_page_says(
    operator: Operator, metrics: tuple[Exporter, PrometheusApi], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever called and was allowed gets in, whoever was not is named before, and then is not."""
    exporter, prometheus = metrics
    policy = operator.linkerd.policy
    operator.follow("Audit")
    made = operator.linkerd.objects.create(pod(INSIDE, app="foo"))
    name = made["metadata"]["name"]
    policy.watch(INSIDE, name, 9999, lambda each: each.server == "default audit")
    check = ("policy", "check", "--stack", "sandbox", "--namespace", INSIDE)
    where = ("--prometheus", operator.url)
    assert operator.bot(*check, *where) == REFUSED
    assert "no call was seen" in capsys.readouterr().out

    exporter.count("inbound_http_authz_allow_total", audited(BAR))
    real_prometheus.wait_scraped(prometheus, exporter)
    suggestion = next(b for b in blocks(PAGE) if b.language == "sh" and "suggest" in b.text)
    words = suggestion.text.removeprefix("python -m bot ").split()
    assert operator.bot(*words) == DONE
    printed = capsys.readouterr().out
    pasted = [b.text for b in blocks(PAGE) if b.heading == "Write the rules"][1]
    assert yaml.safe_load(printed) == yaml.safe_load(pasted)

    operator.write(printed)
    operator.deploy()
    policy.watch(INSIDE, name, PORT, lambda each: each.clients == {BAR, UNAUTHENTICATED})
    exporter.count("inbound_http_authz_allow_total", audited(STRANGER))
    real_prometheus.wait_scraped(prometheus, exporter)
    assert operator.bot(*check, *where, "--default-inbound-policy", "deny") == REFUSED
    assert f"denied: {STRANGER} -> shop deployment/foo:8080, 1 requests" in capsys.readouterr().out
    assert operator.bot(*check, *where) == DONE

    # Somebody asks the stranger, who stops for good; Prometheus forgets with the window.
    assert operator.follow("Deny") == [REFUSED]
    policy.watch(INSIDE, name, PORT, lambda each: each.clients == {BAR})
    operator.follow("Back")
    policy.watch(INSIDE, name, PORT, lambda each: each.clients == {BAR, UNAUTHENTICATED})


def test_policies_that_do_not_fit_the_cluster_are_bad_input(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Service's own port, and a probe that nobody listed, on real objects."""
    rule = {"serviceAccounts": ["callers/bar"]}
    port: dict[str, Any] = {"port": 80, "allow": [rule]}
    foo = {"name": "foo", "selector": {"app": "foo"}, "ports": [port]}
    operator.sections["policy"] = {
        "namespaces": {INSIDE: {"defaultInboundPolicy": "deny", "services": [foo]}}
    }
    check = ("policy", "check", "--stack", "sandbox", "--prometheus", operator.url)
    assert operator.bot(*check) == BAD_INPUT
    assert "no Service has port 80 of 'foo'" in capsys.readouterr().err
    port |= {"port": PORT, "probes": ["/other"]}
    assert operator.bot(*check) == BAD_INPUT
    assert (
        "the kubelet probes /healthz, which default inbound policy 'deny' would deny"
        in capsys.readouterr().err
    )
