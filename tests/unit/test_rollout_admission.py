"""Before a wave is called safe, the API server is asked for its pods, and rules judge the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.clients.https import Answer
from bot.mesh.rollout import admission
from bot.mesh.rollout.check import judge
from bot.mesh.rollout.model import RolloutState, Surroundings, Template
from bot.mesh.rollout.step import choose
from tests.unit.admission_samples import (
    UNASKED,
    WAVE,
    Api,
    Judge,
    deployment,
    look,
    refuses,
)
from tests.unit.rollout_samples import config, namespace, pod, seen

LEVEL = admission.LEVEL
CNI = {("cniPlugin", "enabled"): True}


PSA = (
    'pods "web" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities '
    '(container "linkerd-init" must not include "NET_ADMIN", "NET_RAW")'
)
ANSWERS = {
    "pod-security": (PSA, "pod security level restricted:latest", "cniPlugin.enabled"),
    "talos-default": (
        PSA.replace("restricted", "baseline"),
        "pod security level baseline:latest",
        f"{LEVEL}: privileged",
    ),
    "gatekeeper": (
        'admission webhook "validation.gatekeeper.sh" denied the request: no capabilities',
        "webhook validation.gatekeeper.sh",
        "let it allow NET_ADMIN and NET_RAW",
    ),
    "kyverno": (
        'admission webhook "validate.kyverno.svc-fail" denied the request: policy Pod/shop',
        "webhook validate.kyverno.svc-fail",
        "cniPlugin.enabled",
    ),
    "policy": (
        "ValidatingAdmissionPolicy 'no-caps' with binding 'b' denied request: no",
        "ValidatingAdmissionPolicy no-caps",
        "cniPlugin.enabled",
    ),
    "openshift": (
        "unable to validate against any security context constraint: []",
        "security context constraints of OpenShift",
        "cniPlugin.enabled",
    ),
    "openshift's ranges of users": (
        (
            'unable to validate against any security context constraint: [provider "anyuid": '
            "Forbidden: not usable by user or serviceaccount, provider restricted-v2: "
            ".containers[1].runAsUser: Invalid value: 2102: must be in the ranges: [1000680000]]"
        ),
        "security context constraints of OpenShift",
        "grant nonroot-v2 to its accounts, for user 2102 (docs/clouds/openshift.md)",
    ),
    "quota-unsaid": (
        "failed quota: compute: must specify limits.cpu for: linkerd-proxy",
        "ResourceQuota compute",
        "workloads.namespaces.shop.proxyResources",
    ),
    "limit-range of a ratio": (
        "cpu max limit to request ratio per Container is 4, but provided ratio is 10.000000",
        "LimitRange (cpu max limit to request ratio)",
        "workloads.namespaces.shop.proxyResources",
    ),
    "limit-range of a pod": (
        "maximum memory usage per Pod is 1Gi, but limit is 1336934400",
        "LimitRange (maximum memory usage per Pod)",
        "workloads.namespaces.shop.proxyResources",
    ),
    "autopilot": (
        (
            'admission webhook "warden-validating.common-webhooks.networking.gke.io" denied the '
            "request: GKE Warden rejected the request because it violates one or more constraints. "
            'Violations details: {"[denied by autogke-default-linux-capabilities]":["linux '
            "capability 'NET_ADMIN' on container 'linkerd-init' not allowed\"]}"
        ),
        "webhook warden-validating.common-webhooks.networking.gke.io of GKE Autopilot",
        "--workload-policies=allow-net-admin",
    ),
    "registries that are allowed": (
        (
            'admission webhook "validation.gatekeeper.sh" denied the request: [repos] container '
            "<linkerd-proxy> has an invalid image repo <cr.l5d.io/linkerd/proxy:edge-26.6.3>"
        ),
        "webhook validation.gatekeeper.sh",
        "images.registries",
    ),
    "signatures": (
        (
            'admission webhook "mutate.kyverno.svc-fail" denied the request: resource Pod/shop/web '
            "was blocked due to the following policies verify: no matching signatures"
        ),
        "webhook mutate.kyverno.svc-fail",
        "let it allow the images of Linkerd",
    ),
    "limits that are wanted": (
        (
            'admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/x '
            "was blocked due to the following policies require-requests-limits: CPU and memory "
            "resource requests and limits are required"
        ),
        "webhook validate.kyverno.svc-fail",
        "workloads.namespaces.shop.proxyResources",
    ),
    "users": (
        "ValidatingAdmissionPolicy 'uids' with binding 'b' denied request: runAsUser must be 10000",
        "ValidatingAdmissionPolicy uids",
        "the users 2102 and 65534",
    ),
    "an image policy": (
        "image policy webhook backend denied one or more images: cr.l5d.io/linkerd/proxy",
        "image policy webhook",
        "images.registries",
    ),
    "limit-range": (
        "maximum memory usage per Container is 128Mi, but limit is 250Mi",
        "LimitRange (maximum memory usage per Container)",
        "workloads.namespaces.shop.proxyResources",
    ),
}


@pytest.mark.parametrize("injector", [True, False])
@pytest.mark.parametrize("name", ANSWERS)
def test_public_reports_what_refuses_a_meshed_pod_is_named(name: str, injector: bool) -> None:
    """linkerd2#10232, #11706: who says no, to which workload, and what to do."""
    said, who, fix = ANSWERS[name]
    found = look(Api(refuses(said), deployments=[deployment()]), injector=injector)
    (refusal,) = found.refusals
    assert (refusal.namespace, refusal.workload, refusal.who) == ("shop", "deployment/web", who)
    assert said in refusal.what
    assert fix in refusal.fix


def test_public_reports_an_injector_that_does_not_answer_is_a_refusal() -> None:
    """Every pod of the wave would wait for it."""
    said = 'Internal error: failed calling webhook "linkerd-proxy-injector.linkerd.io": timeout'
    (refusal,) = look(Api(refuses(said, 500), deployments=[deployment()])).refusals
    assert refusal.who == "webhook linkerd-proxy-injector.linkerd.io, which does not answer"


def test_public_reports_a_pod_that_the_injector_passes_by_is_not_safe() -> None:
    """A wave that is `on` with pods outside of the mesh: the next policy denies them."""
    plain: Judge = lambda body: Answer(201, body)  # noqa: E731
    (refusal,) = look(Api(plain, deployments=[deployment()])).refusals
    assert refusal.what == "its pods would come up without a proxy"


def test_a_pod_that_is_made_with_its_proxy_is_not_spoken_against() -> None:
    """And it was asked for with what the stack file puts on its namespace."""
    more = {("workloads", "namespaces"): {"shop": {"proxyResources": {"cpuLimit": "1"}}}}
    api = Api(deployments=[deployment()], cronjobs=[cron()])
    assert look(api, more=more) == admission.Admission()
    assert [each["metadata"]["generateName"] for each in api.asked] == ["web-", "night-"]
    annotations = api.asked[0]["metadata"]["annotations"]
    assert annotations["config.linkerd.io/proxy-cpu-limit"] == "1"
    assert annotations["linkerd.io/inject"] == "enabled"


def cron() -> dict[str, Any]:
    """A CronJob, whose template lies deeper."""
    template = deployment("night", restartPolicy="Never")["spec"]["template"]
    spec = {"jobTemplate": {"spec": {"template": template}}}
    return {"metadata": {"namespace": "shop", "name": "night"}, "spec": spec}


@pytest.mark.parametrize("cni", [True, False])
def test_before_there_is_an_injector_its_containers_are_put_in(cni: bool) -> None:
    """A first deployment is judged by the same admission as every later one."""
    api = Api(deployments=[deployment()])
    look(api, injector=False, more=CNI if cni else None)
    (asked,) = api.asked
    assert [each["name"] for each in asked["spec"]["containers"]] == ["a", "linkerd-proxy"]
    first = asked["spec"]["initContainers"]
    assert [each["name"] for each in first] == ([] if cni else ["linkerd-init"])
    assert asked["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def test_what_does_not_enter_is_not_asked_for() -> None:
    """An opt-out, the host's network, and with `opt-in` all that does not ask."""
    out, host = deployment("out"), deployment("host", hostNetwork=True)
    out["spec"]["template"]["metadata"]["annotations"] = {"linkerd.io/inject": "disabled"}
    api = Api(deployments=[out, host])
    assert look(api).refusals == ()
    look(Api(deployments=[deployment()]), state="opt-in")
    assert api.asked == []


def test_a_pod_of_an_operator_stands_for_its_kind() -> None:
    """No list has the templates of a kind that nobody knows."""
    own = {
        "metadata": {"name": "kafka-1", "namespace": "shop", "labels": {"a": "b"}},
        "spec": {
            "nodeName": "n",
            "containers": [{"name": "a", "volumeMounts": [{"name": "kube-api-access-x"}]}],
            "volumes": [{"name": "kube-api-access-x"}],
        },
    }

    class WithPod(Api):
        def request(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
            if path.endswith("/pods/kafka-1"):
                return Answer(200, own)
            return super().request(method, path, body, **more)

    api = WithPod(refuses(PSA))
    found = look(api, pods=(pod("shop", "kafka", kind="StrimziPodSet"),))
    assert found.refusals[0].workload == "strimzipodset/kafka"
    assert "nodeName" not in api.asked[0]["spec"]
    assert "kube-api-access" not in str(api.asked)


@pytest.mark.parametrize("name", UNASKED)
@pytest.mark.parametrize("level", ["restricted", "baseline", "privileged", ""])
def test_public_reports_without_a_dry_run_the_level_decides(name: str, level: str) -> None:
    """The report's own case: a label is there to read, whatever may be asked."""
    labels = {LEVEL: level} if level else {}
    api = Api(lambda _: UNASKED[name], deployments=[deployment()])
    found = look(api, labels=labels)
    assert any("no dry run of its pods" in note for note in found.notes)
    wanted = [f"pod security level {level}"] if level in ("restricted", "baseline") else []
    assert [each.who for each in found.refusals] == wanted
    assert look(api, labels=labels, more=CNI).refusals == ()


def test_public_reports_a_quota_that_is_used_up_anyhow_is_a_note() -> None:
    """A restart that takes a pod away first goes through; the mesh changes nothing of it."""
    said = "exceeded quota: pods, requested: pods=1, used: pods=10, limited: pods=10"
    found = look(Api(refuses(said, plain=False), deployments=[deployment()]))
    assert found.refusals == ()
    assert any("used up, with or without the mesh" in note for note in found.notes)


def policy(name: str = "default", **spec: Any) -> dict[str, Any]:
    """A NetworkPolicy of the wave's namespace."""
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"podSelector": {}, **spec},
    }


def at(*ports: Any) -> dict[str, Any]:
    """Rules for these ports."""
    return {"ports": [each if isinstance(each, dict) else {"port": each} for each in ports]}


CALLERS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "callers"}}}
SYSTEM = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
MESH = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "linkerd"}}}
WEB = {"matchLabels": {"app": "web"}}
FROM = {"from": [CALLERS]}
LIMITED = "allows 8080 and not 4143 from meshed clients"
ASKS = (8080, 8086, 8090)
POLICIES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "reported": ([policy(ingress=[FROM | at(8080)])], [LIMITED]),
    "from anybody": ([policy(ingress=[at(8080)])], [LIMITED]),
    "of one workload": ([policy(podSelector=WEB, ingress=[FROM | at(8080)])], [LIMITED]),
    "in a range": (
        [policy(ingress=[FROM | at({"port": 9000, "endPort": 9100})])],
        ["allows 9000-9100 and not 4143 from meshed clients"],
    ),
    "of a pod network": (
        [policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]} | at(8080)])],
        [LIMITED],
    ),
    "4143 too": ([policy(ingress=[FROM | at(8080, 4143)])], []),
    "4143 by a range": ([policy(ingress=[FROM | at({"port": 1, "endPort": 65535})])], []),
    "4143 by its name": ([policy(ingress=[FROM | at(8080, "linkerd-proxy")])], []),
    "4143 by UDP": (
        [policy(ingress=[FROM | at(8080, {"port": 4143, "protocol": "UDP"})])],
        [LIMITED],
    ),
    "4143 by another policy": (
        [policy(ingress=[FROM | at(8080)]), policy("mesh", ingress=[at(4143)])],
        [],
    ),
    "4143 for other pods": (
        [
            policy(ingress=[FROM | at(8080)]),
            policy("mesh", podSelector={"matchLabels": {"app": "x"}}, ingress=[at(4143)]),
        ],
        [LIMITED],
    ),
    "every port": ([policy(ingress=[FROM])], []),
    "nobody at all": ([policy(policyTypes=["Ingress"])], []),
    "UDP alone": ([policy(ingress=[FROM | at({"port": 53, "protocol": "UDP"})])], []),
    "from outside": (
        [policy(ingress=[{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]} | at(443)])],
        [],
    ),
    "from what is never meshed": ([policy(ingress=[{"from": [SYSTEM]} | at(8080)])], []),
    "of no workload": ([policy(podSelector={"matchLabels": {"app": "x"}}, ingress=[at(80)])], []),
    "egress closed": (
        [policy(policyTypes=["Egress"])],
        ["egress lets no proxy reach the control plane (TCP 8080, 8086, 8090)"],
    ),
    "egress to DNS alone": (
        [policy(policyTypes=["Egress"], egress=[{"to": [SYSTEM]} | at(53)])],
        ["egress lets no proxy reach the control plane (TCP 8080, 8086, 8090)"],
    ),
    "egress in part": (
        [policy(policyTypes=["Egress"], egress=[{"to": [MESH]} | at(8080, 8086)])],
        ["egress lets no proxy reach the control plane (TCP 8090)"],
    ),
    "egress open to the mesh": (
        [policy(policyTypes=["Egress"], egress=[{"to": [MESH]} | at(*ASKS)])],
        [],
    ),
    "egress to meshed pods": (
        [
            policy(
                policyTypes=["Egress"],
                egress=[{"to": [MESH]} | at(*ASKS), {"to": [{"podSelector": WEB}]} | at(8080)],
            )
        ],
        ["egress allows 8080 and not 4143 to meshed pods"],
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_public_reports_a_policy_that_leaves_4143_out_is_told(name: str) -> None:
    """linkerd2#15246, #12382: meshed calls go to one port, whatever port is called."""
    policies, wanted = POLICIES[name]
    found = look(Api(deployments=[deployment()], networkpolicies=policies))
    assert [each.what for each in found.refusals] == wanted
    for each in found.refusals:
        assert (each.namespace, each.who) == ("shop", "NetworkPolicy shop/default")
        assert each.workload == "deployment/web"


def _node(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "status": {}}


RULES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "windows": ({"nodeSelector": {"kubernetes.io/os": "windows"}}, {}, "Windows nodes"),
    "windows by its field": ({"os": {"name": "windows"}}, {}, "Windows nodes"),
    "another processor": ({"nodeSelector": {"kubernetes.io/arch": "s390x"}}, {}, "s390x nodes"),
    "virtual": ({"nodeSelector": {"type": "virtual-kubelet"}}, {}, "virtual nodes"),
    "gVisor": ({"runtimeClassName": "gvisor"}, {}, "gVisor has no iptables"),
    "a Fargate profile": (
        {},
        {"nodes": [_node("there", **{"eks.amazonaws.com/compute-type": "fargate"})]},
        "virtual nodes",
    ),
    "Windows by a runtime class": (
        {"runtimeClassName": "windows-2022", "tolerations": [{"key": "os", "value": "windows"}]},
        {"nodes": [_node("there", **{"kubernetes.io/os": "windows"})]},
        "Windows nodes",
    ),
    "an old node": (
        {},
        {
            "nodes": [
                {
                    "metadata": {"name": "old"},
                    "status": {"nodeInfo": {"kubeletVersion": "v1.28.3-eks"}},
                }
            ]
        },
        "knows no native sidecars",
    ),
    "a quota for the whole wave": (
        {},
        {
            "resourcequotas": [
                {
                    "metadata": {"namespace": "shop", "name": "cpu"},
                    "spec": {"hard": {"requests.cpu": "1"}},
                    "status": {"used": {"requests.cpu": "850m"}},
                }
            ]
        },
        "requests.cpu 1 is not enough for a proxy with 100m in each",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_public_reports_what_no_dry_run_tells(name: str) -> None:
    """The API server makes such a pod; the node, or the last pods of the wave, do not come up."""
    spec, lists, what = RULES[name]
    pods = (pod("shop", "web", node="there"), pod("shop", "web"))
    found = look(Api(deployments=[deployment(**spec)], **lists), pods=pods)
    assert any(what in each.what for each in found.refusals)


def test_public_reports_policies_for_the_whole_cluster_are_named_too() -> None:
    """A default deny of the platform team is in no namespace, and drops 4143 in all of them."""
    found = look(
        Api(
            deployments=[deployment()],
            adminnetworkpolicies=[{"metadata": {"name": "no-east-west"}}],
            ciliumclusterwidenetworkpolicies=[{"metadata": {"name": "deny"}}],
            globalnetworkpolicies=[{"metadata": {"name": "default-deny"}}],
        )
    )
    (note,) = found.notes
    assert note.startswith("not judged, see that they allow TCP 4143: ")
    for each in ("deny (CiliumClusterwide", "default-deny (Global", "no-east-west (Admin"):
        assert each in note


def test_linux_nodes_and_enough_quota_are_fine() -> None:
    """What nearly every cluster has must not stop a wave."""
    quota = {
        "metadata": {"namespace": "shop", "name": "cpu"},
        "spec": {"hard": {"requests.cpu": "4", "pods": "10"}},
        "status": {"used": {"requests.cpu": "850m", "pods": "2"}},
    }
    node = {
        "metadata": {"name": "n"},
        "status": {"nodeInfo": {"kubeletVersion": "v1.33.1+k3s1"}},
    }
    nodes = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"}
    api = Api(deployments=[deployment(nodeSelector=nodes)], resourcequotas=[quota], nodes=[node])
    assert look(api, pods=(pod("shop", "web"),)) == admission.Admission()


def test_public_reports_the_verdict_is_not_safe() -> None:
    """Exit code 4, and the notes beside it; a plugin's own policies are named."""
    made = config(WAVE)
    cluster: RolloutState = seen(replace(namespace("shop"), labels={LEVEL: "restricted"}))
    around = Surroundings(
        (Template("shop", "deployment/web", {}),), foreign=("shop/a (CiliumNetworkPolicy)",)
    )
    found = admission.judge(made, cluster, around, {"shop"})
    verdict = judge(made, cluster, choose(made, cluster, "next"), admission=found)
    assert not verdict.safe
    (against,) = [each for each in verdict.against if "NET_ADMIN" in each]
    assert against.startswith("shop/deployment/web: pod security level restricted: ")
    assert any("CiliumNetworkPolicy" in each for each in verdict.remarks)
