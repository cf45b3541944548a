"""Pods as processes: what of a Pod object becomes of a process, as data in and data out."""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.clients.https import Answer
from sandbox import cluster
from sandbox.node import dns, kubelets, load, node, objects, shop, spec
from sandbox.node.linux import NodeError
from sandbox.node.spec import HostPlace, Mount, Probe, UnsupportedError
from sandbox.node.volumes import NotThereError, Volumes, deliver
from stack.transforms import ANSWERED

PLACE = HostPlace("10.245.0.1", "10.96.0.1")
POD: dict[str, Any] = {
    "metadata": {
        "name": "cart-1",
        "namespace": "shop",
        "uid": "u1",
        "labels": {"app": "cart"},
        "annotations": {"b": "2", "a": "1"},
    },
    "spec": {"nodeName": "sandbox-a", "serviceAccountName": "cart", "containers": []},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status.podIP", "10.245.0.1"),
        ("spec.nodeName", "sandbox-a"),
        ("spec.serviceAccountName", "cart"),
        ("metadata.uid", "u1"),
        ("metadata.labels['app']", "cart"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations", 'a="1"\nb="2"'),
    ],
)
def test_a_field_is_that_of_the_pod(path: str, value: str) -> None:
    """The proxy's identity and its policy's workload are made of these."""
    assert spec.field(POD, path, PLACE) == value


def test_environment_fills_names_in_and_reads_config_maps() -> None:
    """The injector writes `$(_pod_ns)` into a proxy's variables, and relies on their order."""
    container = {
        "env": [
            {"name": "ns", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "roots", "valueFrom": {"configMapKeyRef": {"name": "r", "key": "ca"}}},
            {"name": "word", "valueFrom": {"secretKeyRef": {"name": "s", "key": "ca"}}},
            {"name": "cores", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "id", "value": "cart.$(ns).$(later)"},
            {"name": "later", "value": "x"},
        ]
    }
    given = {
        ("configmaps", "r"): {"ca": "of r"},
        ("secrets", "s"): {"ca": base64.b64encode(b"of s").decode()},
    }
    found = spec.environment(POD, container, PLACE, lambda kind, name: given[kind, name])
    assert {each: found[each] for each in ("ns", "roots", "word", "cores", "id")} == {
        "ns": "shop",
        "roots": "of r",
        "word": "of s",
        "cores": "1",
        "id": "cart.shop.$(later)",
    }
    assert (found["HOSTNAME"], found["KUBERNETES_SERVICE_HOST"]) == ("cart-1", "10.96.0.1")


@pytest.mark.parametrize(
    ("container", "line"),
    [
        ({"image": "cr.l5d.io/linkerd/proxy:v1"}, ["/usr/lib/linkerd/linkerd2-proxy-identity"]),
        (
            {"image": "cr.l5d.io/linkerd/controller:v1", "args": ["identity", "-x=$(A)"]},
            ["/usr/lib/linkerd/linkerd-controller", "identity", "-x=1"],
        ),
        (
            {"image": "x", "command": ["/usr/lib/linkerd/linkerd2-proxy-init"], "args": ["-p"]},
            ["/usr/lib/linkerd/linkerd2-proxy-init", "-p"],
        ),
        ({"image": "x", "command": ["python3", "-V"]}, [sys.executable, "-V"]),
        ({"image": "x", "command": ["sleep", "1"]}, ["sleep", "1"]),
        ({"image": "x", "command": ["/bin/envoy"]}, ["/usr/lib/linkerd/envoy"]),
    ],
)
def test_a_container_starts_the_program_of_its_image(
    container: dict[str, Any], line: list[str]
) -> None:
    """There are no images: programs are found by their name in one place."""
    found = spec.command({"name": "c", **container}, {"A": "1"}, programs=("envoy",))
    assert found == line


def test_what_a_process_pod_has_not_is_refused_by_name() -> None:
    """A pod that would run otherwise than in a cluster must not look as if it ran."""
    faults = [
        lambda: spec.command({"name": "c", "image": "nginx:1"}, {}),
        lambda: spec.field(POD, "status.hostIP", PLACE),
        lambda: spec.environment(
            POD, {"env": [{"name": "K", "valueFrom": {"fileKeyRef": {}}}]}, PLACE, _none
        ),
    ]
    said = []
    for fault in faults:
        with pytest.raises(UnsupportedError) as caught:
            fault()
        said.append(str(caught.value))
    for text, part in zip(said, ["nginx:1", "status.hostIP", "fileKeyRef"], strict=True):
        assert part in text


def _none(_kind: str, _name: str) -> Mapping[str, str]:
    return {}


@pytest.mark.parametrize(
    ("pod", "container", "ids"),
    [
        ({}, {}, (0, 0)),
        ({"runAsUser": 5}, {}, (5, 5)),
        ({"runAsUser": 5}, {"runAsUser": 2102, "runAsGroup": 7}, (2102, 7)),
        ({}, {"runAsUser": 65534, "capabilities": {"add": ["NET_ADMIN"]}}, (0, 0)),
    ],
)
def test_a_container_runs_as_its_user(
    pod: dict[str, Any], container: dict[str, Any], ids: tuple[int, int]
) -> None:
    """proxy-init's rules leave out the proxy's traffic by its uid; its own needs rights."""
    assert spec.user({"spec": {"securityContext": pod}}, {"securityContext": container}) == ids


def test_probes_drains_and_mounts_are_read() -> None:
    """Who is ready, and how long a deleted pod goes on, decides what a rollout loses."""
    container: dict[str, Any] = {
        "name": "c",
        "ports": [{"name": "admin", "containerPort": 4191}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "admin"}},
        "startupProbe": {"tcpSocket": {"port": 80}, "initialDelaySeconds": 2},
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "volumeMounts": [
            {"name": "a", "mountPath": "/run"},
            {"name": "b", "mountPath": "/var/run/linkerd/x", "subPath": "y"},
            {"name": "c", "mountPath": "/certs"},
        ],
    }
    assert spec.probe(container, "readinessProbe") == Probe(4191, "/ready")
    assert spec.probe(container, "startupProbe") == Probe(80, None, 2)
    assert spec.probe(container, "livenessProbe") is None
    assert spec.mounts(container) == [Mount("b", "/var/run/linkerd/x", "y"), Mount("c", "/certs")]
    assert spec.drain({"spec": {"containers": [container]}}, 1.5) == 3
    assert spec.drain({"spec": {"containers": [{"name": "c"}]}}, 1.5) == 1.5


def test_a_status_is_one_that_controllers_can_read() -> None:
    """Deployments and EndpointSlices go by conditions; a time changes only with its condition."""
    pod = {**POD, "spec": {**POD["spec"], "containers": [{"name": "c", "image": "i"}]}}

    def status(now: str, *, ready: bool) -> dict[str, Any]:
        return spec.status(
            pod,
            PLACE,
            "192.0.2.10",
            now,
            phase="Running",
            ready=ready,
            states={"c": {"running": {}}},
            restarts={"c": 2},
        )

    first = status("t1", ready=False)
    pod["status"] = first
    second = status("t2", ready=True)
    times = {each["type"]: each["lastTransitionTime"] for each in second["conditions"]}
    assert (times["PodScheduled"], times["Ready"]) == ("t1", "t2")
    assert second["podIPs"] == [{"ip": "10.245.0.1"}]
    (only,) = second["containerStatuses"]
    assert (only["ready"], only["restartCount"]) == (True, 2)


# Volumes.


class _Cluster:
    """Objects and tokens; `maps` may change between two looks."""

    def __init__(self) -> None:
        self.maps: dict[str, dict[str, str]] = {}
        self.tokens = 0

    def data(self, kind: str, namespace: str, name: str) -> Mapping[str, str] | None:
        assert namespace == "shop"
        return self.maps.get(f"{kind}/{name}")

    def token(self, _pod: object, audience: str, _seconds: int) -> str:
        self.tokens += 1
        return f"{audience}-{self.tokens}"


def test_volumes_follow_their_objects_and_renew_their_tokens(tmp_path: Path) -> None:
    """An identity controller re-reads its issuer's Secret; a proxy's token ends after a while."""
    token = {"serviceAccountToken": {"path": "t", "audience": "a", "expirationSeconds": 100}}
    pod = {
        **POD,
        "spec": {
            "volumes": [
                {"name": "issuer", "secret": {"secretName": "s"}},
                {"name": "all", "projected": {"sources": [token, {"configMap": {"name": "c"}}]}},
            ]
        },
    }
    servers, now = _Cluster(), 0.0
    volumes = Volumes(pod, PLACE, servers, tmp_path, lambda: now)
    with pytest.raises(NotThereError):
        volumes.refresh()
    servers.maps = {"secrets/s": {"tls.crt": "b25l"}, "configmaps/c": {"ca": "x"}}
    volumes.refresh()
    assert (tmp_path / "issuer/tls.crt").read_text() == "one"
    assert (tmp_path / "all/t").read_text() == "a-1"
    servers.maps["secrets/s"] = {"tls.crt": "dHdv"}
    now = 79.0
    volumes.refresh()
    assert (tmp_path / "issuer/tls.crt").read_text() == "two"
    assert (tmp_path / "all/t").read_text() == "a-1"
    now = 81.0
    volumes.refresh()
    assert (tmp_path / "all/t").read_text() == "a-2"


def test_a_volume_changes_at_once_and_loses_what_is_gone(tmp_path: Path) -> None:
    """Linkerd watches `..data`; a certificate beside another's key would end an identity issuer."""
    deliver(tmp_path / "v", {"a": b"1", "b": b"1"})
    first = (tmp_path / "v/..data").readlink()
    deliver(tmp_path / "v", {"a": b"2"})
    assert (tmp_path / "v/..data").readlink() != first
    assert (tmp_path / "v/a").read_bytes() == b"2"
    assert sorted(each.name for each in (tmp_path / "v").iterdir() if each.name[0] != ".") == ["a"]


# kwok, Services and Deployments.


def test_kwok_leaves_a_nodes_pods_alone_and_no_others() -> None:
    """Two that write one pod's status make it ready before it runs."""
    before = list(yaml.safe_load_all(cluster.STAGES.read_text()))
    after = list(yaml.safe_load_all(kubelets.stages(cluster.STAGES.read_text(), ["a", "b"])))
    rule = {"key": ".metadata.namespace", "operator": "NotIn", "values": ["a", "b"]}
    changed = 0
    for old, new in zip(before, after, strict=True):
        if new["spec"]["resourceRef"]["kind"] == "Pod":
            assert new["spec"]["selector"]["matchExpressions"].pop() == rule
            changed += 1
        assert new == old
    assert changed


@pytest.mark.parametrize("runs", [True, False], ids=["goes on", "was stopped meanwhile"])
def test_kwok_takes_the_namespaces_back_when_the_node_is_gone(
    runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard reads the end of a pipe, whoever killed the node: its pods are simulated again."""
    said: list[tuple[str, str]] = []

    class Api:
        def request(self, method: str, path: str, _body: object = None) -> Answer:
            said.append((method, path))
            return Answer(200, {"items": [POD]})

    monkeypatch.setattr(kubelets.sys, "stdin", io.StringIO())
    monkeypatch.setattr(kubelets.lifecycle, "adopted", lambda settings: settings)
    monkeypatch.setattr(kubelets.Supervisor, "record", lambda *_: runs or None)
    monkeypatch.setattr(kubelets.cluster, "client", lambda _settings: Api())
    monkeypatch.setattr(kubelets, "restart", lambda _settings: said.append(("restart", "kwok")))
    kubelets.main(tmp_path, ["shop"])
    pods = "/api/v1/namespaces/shop/pods"
    again = [("restart", "kwok"), ("GET", pods), ("DELETE", f"{pods}/cart-1")]
    assert said == (again if runs else [])


@pytest.mark.parametrize(
    ("status", "done"),
    [
        (
            {"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2},
            True,
        ),
        (
            {"observedGeneration": 1, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2},
            False,
        ),
        (
            {"observedGeneration": 2, "updatedReplicas": 2, "replicas": 3, "availableReplicas": 2},
            False,
        ),
        (
            {"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1},
            False,
        ),
        ({}, False),
    ],
)
def test_a_rollout_is_over_when_only_new_pods_are_left(status: dict[str, int], done: bool) -> None:
    """A restart that counted as over while old pods served would prove nothing."""
    deployment = {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}
    assert node.rolled_out(deployment) is done


def test_a_service_has_its_ready_pods_and_their_ports() -> None:
    """A pod that is not ready, as one being drained, is asked no more."""
    slices = [
        {
            "endpoints": [
                {"addresses": ["10.245.0.1"], "conditions": {"ready": True}},
                {"addresses": ["10.245.0.2"], "conditions": {"ready": False}},
            ],
            "ports": [{"name": "https", "port": 8443}, {"name": "none", "port": None}],
        },
        {"endpoints": None, "ports": None},
    ]
    made = node.service_of({"spec": {"clusterIP": "10.96.0.9"}}, slices)
    assert made == dns.DnsService("10.96.0.9", ("10.245.0.1",), {"https": 8443})
    assert node.service_of({"spec": {"clusterIP": "None"}}, []) == dns.DnsService("", (), {})


@pytest.mark.parametrize(
    ("platform", "uid", "lost", "said"),
    [
        ("darwin", 0, (), "need Linux"),
        ("linux", 1000, (), "need root"),
        ("linux", 0, ("iptables-nft",), "iptables-nft: not on PATH (apt-get install iptables)"),
        ("linux", 0, ("linkerd2-proxy",), "linkerd2-proxy: neither on PATH nor downloaded"),
    ],
)
def test_why_there_can_be_no_node_is_one_line(
    platform: str, uid: int, lost: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for traffic has to know what to install, and nothing was begun."""
    monkeypatch.setattr(node.sys, "platform", platform)
    monkeypatch.setattr(node.os, "geteuid", lambda: uid)
    here = Path(sys.executable)
    monkeypatch.setattr(
        node.shutil, "which", lambda name, path: None if name in lost else f"{path}{here}"
    )
    monkeypatch.setattr(node.toolchain, "find", lambda name: None if name in lost else here)
    reason = node.missing()
    assert reason
    assert said in reason
    assert "\n" not in reason


# The shop, and requests to it.


def test_the_shops_pods_are_seen_by_the_sandboxs_webhooks() -> None:
    """Its webhooks look at no other object, so without the label no pod would have a proxy."""
    made = objects.shop("shop", replicas=2, stock={"a": "b"})
    deployments = {each["metadata"]["name"]: each for each in made if each["kind"] == "Deployment"}
    assert sorted(deployments) == ["cart", "client", "front", "plain", "stock"]
    for each in deployments.values():
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert labels.items() >= ANSWERED.items()
    assert deployments["stock"]["spec"]["replicas"] == 2
    assert deployments["stock"]["spec"]["template"]["metadata"]["annotations"] == {"a": "b"}
    outside = deployments["plain"]["spec"]["template"]["metadata"]["annotations"]
    assert outside == {objects.INJECT: "disabled"}


@pytest.fixture
def server() -> Iterator[str]:
    """A server of the shop without a following one."""
    made = shop.server("127.0.0.1", 0, "stock-1", "stock")
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_address[1]}"
    finally:
        made.shutdown()
        made.server_close()


def _ask(server: str, path: str, **settings: object) -> load.HttpReply:
    sent = json.dumps(settings) if settings else ""
    method = "POST" if settings else "GET"
    wanted = load.LoadPlan(f"{server}{path}", rps=1, seconds=0, method=method, body=sent)
    return load.Report.read(json.loads(json.dumps(load.Sender(wanted).run()))).replies[0]


def _knobs(server: str, **settings: object) -> int:
    return _ask(server, "/knobs", **settings).status


def test_knobs_decide_what_a_server_answers_and_counts_tell_what_it_saw(server: str) -> None:
    """Retries and breakers are proven by what reached the server, not by what the client saw."""
    assert _knobs(server, unknown=1) == 400
    assert _knobs(server, fail_every=2, fail_status=500, size=5) == 200
    wanted = load.LoadPlan(f"{server}/", rps=1000, seconds=0.004, headers={"x-request-key": "k"})
    report = load.Report.read(json.loads(json.dumps(load.Sender(wanted).run())))
    assert report.statuses == {200: 2, 500: 2}
    assert (report.sent, report.good, report.failed) == (4, 2, 2)
    assert report.by == {"stock-1": 4}
    assert len(report.failures) == 2
    good = next(each for each in report.replies if each.status == 200)
    assert good.json()["filling"] == "xxxxx"
    assert _ask(server, "/counts").json() == {
        "total": 4,
        "failed": 2,
        "statuses": {"200": 2, "500": 2},
        "ids": {"k": 4},
    }


def test_a_request_without_an_answer_in_time_is_a_failure_of_status_0(server: str) -> None:
    """A proxy whose control plane is away makes requests hang: they must not wait for ever."""
    assert _knobs(server, slow=2.0) == 200
    sender = load.Sender(load.LoadPlan(f"{server}/", rps=1, seconds=0, timeout=0.1))
    report = load.Report.read(json.loads(json.dumps(sender.run())))
    assert report.statuses == {0: 1}
    assert report.failed == 1


def test_an_ended_load_sends_no_more(server: str) -> None:
    """A load in a context ends with it, whatever time it was given."""
    sender = load.Sender(load.LoadPlan(f"{server}/", rps=50, seconds=600))
    threading.Timer(0.3, sender.stop.set).start()
    report = load.Report.read(json.loads(json.dumps(sender.run())))
    assert 1 < report.sent < 100
    assert report.failed == 0


def test_a_percentile_is_of_all_requests() -> None:
    """Each of 100 requests counts once; without any there is nothing to divide."""
    report = load.Report({200: 100}, tuple(float(each) for each in range(100)), 0, (), {}, ())
    assert (report.ms(50), report.ms(99), report.ms(100)) == (50.0, 99.0, 99.0)
    assert load.Report({}, (), 0, (), {}, ()).ms(50) == 0.0


def test_until_says_whether_it_came() -> None:
    """Whoever waits for a policy to be in force must see that it never was."""
    assert node.until(lambda: True, 0)
    assert not node.until(lambda: False, 0)
    assert issubclass(NodeError, Exception)
