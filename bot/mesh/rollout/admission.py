"""Whether the pods of a wave would be made at all: the API server is asked, and rules say the rest.

A dry run goes through every admission controller and webhook, and stores nothing:
https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from bot.clients.https import Answer, Client, Unreadable
from bot.clients.kubernetes import Manifest, dry_run, get_object, list_objects, place
from bot.mesh.rollout import network_policies, nodes, quotas, reader
from bot.mesh.rollout.model import Refusal, RolloutState, Surroundings, Template
from components.namespaces import NO_WEBHOOKS
from components.rollout import plan
from components.rollout.arguments import wishes
from components.rollout.component import INJECT
from stack.config import StackConfig

LEVEL = "pod-security.kubernetes.io/enforce"
_REFUSING = ("baseline", "restricted")
_TEMPLATES = {
    "deployment": "/apis/apps/v1/deployments",
    "statefulset": "/apis/apps/v1/statefulsets",
    "daemonset": "/apis/apps/v1/daemonsets",
    "cronjob": "/apis/batch/v1/cronjobs",
}
# What a plugin reads beside NetworkPolicies, or in their place; below, what is for all namespaces.
_FOREIGN = {
    "CiliumNetworkPolicy": "/apis/cilium.io/v2/ciliumnetworkpolicies",
    "NetworkPolicy of Calico": "/apis/crd.projectcalico.org/v1/networkpolicies",
    "NetworkPolicy of Antrea": "/apis/crd.antrea.io/v1beta1/networkpolicies",
}
_ADMIN = "/apis/policy.networking.k8s.io/v1alpha1"
_FOREIGN_FOR_ALL = {
    "CiliumClusterwideNetworkPolicy": "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies",
    "GlobalNetworkPolicy of Calico": "/apis/crd.projectcalico.org/v1/globalnetworkpolicies",
    "ClusterNetworkPolicy of Antrea": "/apis/crd.antrea.io/v1beta1/clusternetworkpolicies",
    "AdminNetworkPolicy": f"{_ADMIN}/adminnetworkpolicies",
    "BaselineAdminNetworkPolicy": f"{_ADMIN}/baselineadminnetworkpolicies",
}
_PARALLEL = 8
_CNI = "set cniPlugin.enabled: true (Linkerd's CNI plugin, which needs no init container)"
# Who says so in an answer of the API server, what it is called, and what to do.
_ANSWERS = (
    (
        r'violates PodSecurity "(?P<name>[^"]+)"',
        "pod security level {name}",
        f"{_CNI}, or label the namespace {LEVEL}: privileged",
    ),
    (
        r"(exceeded|failed) quota: (?P<name>[^:, ]+)",
        "ResourceQuota {name}",
        "raise the quota, or set workloads.namespaces.{namespace}.proxyResources",
    ),
    (
        r"(?P<name>(maximum|minimum) \w+ usage per \w+|\w+ max limit to request ratio)",
        "LimitRange ({name})",
        "change it, or set workloads.namespaces.{namespace}.proxyResources to fit",
    ),
    (
        r'failed calling webhook "(?P<name>[^"]+)"',
        "webhook {name}, which does not answer",
        "mend what serves it",
    ),
    (
        r'admission webhook "(?P<name>warden-validating\.[^"]+)" denied',
        "webhook {name} of GKE Autopilot",
        "let the cluster take --workload-policies=allow-net-admin (docs/clouds/gke-autopilot.md)",
    ),
    (r'admission webhook "(?P<name>[^"]+)" denied', "webhook {name}", ""),
    (r"ValidatingAdmissionPolicy '(?P<name>[^']+)'", "ValidatingAdmissionPolicy {name}", ""),
    (r"(?P<name>image policy webhook) backend denied", "{name}", ""),
    (
        r"(?P<name>security context constraint)(?=.*runAsUser: Invalid value: 2102)",
        "{name}s of OpenShift",
        f"grant nonroot-v2 to its accounts, for user 2102 (docs/clouds/openshift.md), and {_CNI}",
    ),
    (
        r"(?P<name>security context constraint)",
        "{name}s of OpenShift",
        f"{_CNI}, or grant the service account an SCC with NET_ADMIN and NET_RAW",
    ),
    (
        r"error looking up service account (?P<name>\S+?):",
        "service account {name}, which is not there",
        "make it",
    ),
)
# What a policy of somebody's is about, by its words, and what to do; else it is the capabilities.
_POLICIES = (
    (
        r"\bimages?\b|registr|\brepos?(itory|itories)?\b|signature|\bdigest",
        "let it allow the images of Linkerd, or set images.registries to a registry that it allows",
    ),
    (
        r"\b(cpu|memory|resources?|limits?|requests?)\b",
        "set workloads.namespaces.{namespace}.proxyResources to what it wants",
    ),
    (
        r"runAs(User|NonRoot|Group)|\buid\b|\buser\b",
        "let it allow the users 2102 and 65534 of the proxy's containers",
    ),
    (r"probe", "let it pass containers called linkerd-init and linkerd-proxy by"),
)


@dataclass(frozen=True)
class Admission:
    """What was found for some namespaces. notes: what could not be asked, and what to know."""

    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def look(
    api: Client, config: StackConfig, seen: RolloutState, names: Collection[str], state: str = "on"
) -> Admission:
    """Ask for each workload of these namespaces, and judge by rules what no dry run tells."""
    around = read(api, seen, names)
    templates = [each for each in around.templates if enters(each, state)]
    injector = bool(seen.version) and not config.sandbox.open_webhooks
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        answers = list(pool.map(lambda each: _ask(api, config, each, injector=injector), templates))
    told = [each for each in answers if isinstance(each, Refusal)]
    notes = sorted({each for each in answers if isinstance(each, str) and each})
    asked = {
        str(t) for t, each in zip(templates, answers, strict=True) if not isinstance(each, str)
    }
    found = judge(config, seen, around, names, state, asked)
    return Admission((*told, *found.refusals), (*notes, *found.notes))


def again(api: Client, config: StackConfig, window: timedelta) -> Admission:
    """What speaks against the next restart of what is in the mesh already: rules, no dry run."""
    seen = reader.read(api, window)
    found: list[Refusal] = []
    notes: list[str] = []
    for state in ("on", "opt-in"):
        names = {
            each.name
            for wave, each in plan.named(config)
            if wave.state == state and not each.opt_out and each.name in seen.namespaces
        }
        if names:
            judged = judge(config, seen, read(api, seen, names), names, state)
            found += judged.refusals
            notes += judged.notes
    return Admission(tuple(found), tuple(dict.fromkeys(notes)))


def read(api: Client, seen: RolloutState, names: Collection[str]) -> Surroundings:
    """What is in these namespaces; a list that is not readable is told, and stops nothing."""
    unread: list[str] = []

    def listed(path: str, *, everywhere: bool = False) -> list[Manifest]:
        try:
            found = list_objects(api, path)
        except Unreadable as error:
            unread.append(f"not looked at: {error}")
            return []
        return [each for each in found if everywhere or each["metadata"]["namespace"] in names]

    templates = [template(kind, each) for kind, path in _TEMPLATES.items() for each in listed(path)]
    known = {str(each) for each in templates}
    templates += _of_pods(api, seen, names, unread, known)
    return Surroundings(
        templates=tuple(templates),
        policies=tuple(listed("/apis/networking.k8s.io/v1/networkpolicies")),
        quotas=tuple(listed("/api/v1/resourcequotas")),
        limits=tuple(listed("/api/v1/limitranges")),
        nodes=tuple(listed("/api/v1/nodes", everywhere=True)),
        foreign=tuple(
            f"{place(each)} ({kind})"
            for kinds, everywhere in ((_FOREIGN, False), (_FOREIGN_FOR_ALL, True))
            for kind, path in kinds.items()
            for each in listed(path, everywhere=everywhere)
        ),
        unread=tuple(dict.fromkeys(unread)),
    )


def _of_pods(
    api: Client,
    seen: RolloutState,
    names: Collection[str],
    unread: list[str],
    known: Collection[str],
) -> Iterator[Template]:
    """Pods of other kinds, such as an operator's: one of each stands for the rest."""
    done = set()
    for each in seen.pods:
        kind = each.owner.kind
        if each.namespace not in names or each.proxy or each.owner in done:
            continue
        if f"{each.namespace}/{kind.lower()}/{each.owner.name}" in known or kind == "Job":
            continue
        done.add(each.owner)
        try:
            found = get_object(api, f"/api/v1/namespaces/{each.namespace}/pods/{each.name}")
        except Unreadable as error:
            unread.append(f"not looked at: {error}")
            continue
        if found and "spec" in found:
            metadata = found["metadata"]
            yield Template(
                each.namespace,
                f"{kind.lower()}/{each.owner.name}",
                _made_anew(found["spec"]),
                metadata.get("labels") or {},
                metadata.get("annotations") or {},
            )


def _made_anew(spec: Manifest) -> Manifest:
    """A pod's spec without what admission and the scheduler have added."""
    made = {key: value for key, value in spec.items() if key not in ("nodeName", "priority")}
    token = "kube-api-access-"  # noqa: S105
    made["volumes"] = [v for v in spec.get("volumes") or () if not v["name"].startswith(token)]
    for key in ("containers", "initContainers"):
        made[key] = [
            {
                **each,
                "volumeMounts": [
                    m for m in each.get("volumeMounts") or () if not m["name"].startswith(token)
                ],
            }
            for each in spec.get(key) or ()
        ]
    return made


def template(kind: str, manifest: Manifest) -> Template:
    """The pod template of a workload."""
    spec = manifest["spec"]
    inner = (spec["jobTemplate"]["spec"] if kind == "cronjob" else spec)["template"]
    metadata = inner.get("metadata") or {}
    return Template(
        manifest["metadata"]["namespace"],
        f"{kind}/{manifest['metadata']['name']}",
        inner.get("spec") or {},
        metadata.get("labels") or {},
        metadata.get("annotations") or {},
    )


def enters(each: Template, state: str) -> bool:
    """Whether the injector would be meant to take the pods of a template."""
    inject = each.annotations.get(INJECT, "enabled" if state == "on" else "")
    return inject in ("enabled", "ingress") and not each.spec.get("hostNetwork")


def _ask(
    api: Client, config: StackConfig, each: Template, *, injector: bool
) -> Refusal | str | None:
    """A refusal; why it could not be asked; None where the pod would be made."""
    answer = dry_run(api, "pods", each.namespace, pod(config, each, injector=injector))
    if not answer.ok:
        unasked, said = _unasked(answer), _message(answer)
        if unasked:
            return (
                f"{each.namespace}: no dry run of its pods, rules alone were looked at: {unasked}"
            )
        plain = dry_run(api, "pods", each.namespace, pod(config, each, injector=None))
        if "exceeded quota" in said and not plain.ok and "exceeded quota" in _message(plain):
            return f"{each}: the quota is used up, with or without the mesh: {said}"
        also = "" if plain.ok or _unasked(plain) else " (without the mesh, too)"
        who, fix = _who(said, each.namespace)
        return Refusal(each.namespace, each.workload, who, f"refuses its pods{also}: {said}", fix)
    spec = answer.body.get("spec") if isinstance(answer.body, dict) else None
    if not isinstance(spec, dict) or "containers" not in spec:
        return f"{each.namespace}: no dry run of its pods: the API server answered something else"
    if reader.proxy(spec) is None:
        return Refusal(
            each.namespace,
            each.workload,
            "the injector",
            "its pods would come up without a proxy",
            f"take the label {next(iter(NO_WEBHOOKS))} off the namespace, a second mesh's sidecar "
            "or automountServiceAccountToken: false off the pod, or name it in optOut",
        )
    return None


def _unasked(answer: Answer) -> str:
    """Why an answer says nothing of the pod; empty where it does."""
    said = _message(answer)
    if answer.status == 403 and "cannot create resource" in said:
        return "this account needs the right to `create` pods"
    if "does not support dry run" in said:
        return said
    known = any(re.search(pattern, said) for pattern, *_ in _ANSWERS)
    return "" if known or answer.status in (400, 403, 409, 422) else f"{answer.why} {said}".strip()


def _message(answer: Answer) -> str:
    said = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
    return " ".join(str(said).split())


def _who(said: str, namespace: str) -> tuple[str, str]:
    for pattern, who, fix in _ANSWERS:
        if found := re.search(pattern, said):
            name = found["name"]
            fix = fix or _of_policy(said[found.end() :])
            return who.format(name=name), fix.format(namespace=namespace)
    return "the API server", "change what it names, or name the workload in optOut"


def _of_policy(said: str) -> str:
    """What to do about a policy, by what it says of the pod."""
    if not re.search(r"NET_ADMIN|NET_RAW|capabilit", said, re.IGNORECASE):
        said = re.sub(r"(denied|the) request", "", said)
        for pattern, fix in _POLICIES:
            if re.search(pattern, said, re.IGNORECASE):
                return fix
    return f"let it allow NET_ADMIN and NET_RAW of linkerd-init, or {_CNI}"


def pod(config: StackConfig, each: Template, *, injector: bool | None) -> Manifest:
    """A pod of a template as it would be made in the mesh; with None, outside of it.

    Without an injector the two containers that it would add are put in here.
    """
    asked = "enabled" if injector else "disabled"
    annotations = {**wishes(config, each.namespace), **each.annotations, INJECT: asked}
    spec = dict(each.spec)
    if injector is False:
        spec = _with_proxy(config, each)
    prefix = each.workload.rpartition("/")[2][:50]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{prefix}-",
            "namespace": each.namespace,
            "labels": dict(each.labels),
            "annotations": annotations,
        },
        "spec": {**spec, "restartPolicy": spec.get("restartPolicy") or "Always"},
    }


def _with_proxy(config: StackConfig, each: Template) -> Manifest:
    """Follows linkerd2 charts/partials/templates/_proxy-init.tpl and _proxy.tpl."""
    rights: Manifest = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    resources = quotas.proxy_resources(config, each.namespace)
    image = config.linkerd.image_registry
    made = [
        {
            "name": reader.PROXY,
            "image": f"{image}/proxy",
            "securityContext": rights,
            "resources": resources,
        }
    ]
    first = []
    if not config.cni_plugin.enabled:
        more = {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}
        first.append(
            {
                "name": "linkerd-init",
                "image": f"{image}/proxy",
                "securityContext": {**rights, **more},
                "resources": resources,
            }
        )
    spec = each.spec
    return {
        **spec,
        "initContainers": [*first, *(spec.get("initContainers") or ())],
        "containers": [*(spec.get("containers") or ()), *made],
    }


def judge(
    config: StackConfig,
    seen: RolloutState,
    around: Surroundings,
    names: Collection[str],
    state: str = "on",
    asked: Collection[str] = (),
) -> Admission:
    """The same by rules. asked: workloads of which the API server would make the pods, or not."""
    inside = [each for each in around.templates if enters(each, state)]
    found: list[Refusal] = []
    for name in sorted(names):
        here = [each for each in inside if each.namespace == name]
        open_ = [each for each in here if str(each) not in asked]
        if open_ or not here:
            found += _pod_security(config, seen, name, open_)
        found += quotas.find(config, seen, around, name, open_)
    found += [refusal for each in inside for refusal in nodes.unfit(each, seen, around)]
    found += network_policies.find(config, seen, [dict(p) for p in around.policies], inside, names)
    if (old := nodes.too_old(config, around)) and inside:
        each = inside[0]
        found.append(
            Refusal(
                each.namespace,
                each.workload,
                f"the kubelet of {old}",
                "knows no native sidecars, so its pods would never get past the proxy",
                "upgrade the nodes to 1.29, or set linkerd.nativeSidecar: false",
            )
        )
    notes = [*around.unread]
    if around.foreign:
        told = ", ".join(around.foreign)
        notes.append(f"not judged, see that they allow TCP {network_policies.INBOUND}: {told}")
    return Admission(tuple(found), tuple(notes))


def _pod_security(
    config: StackConfig, seen: RolloutState, name: str, templates: Iterable[Template]
) -> Iterator[Refusal]:
    """`linkerd-init` sets up iptables, which takes NET_ADMIN and NET_RAW."""
    there = seen.namespaces.get(name)
    level = there.labels.get(LEVEL, "") if there else ""
    if config.cni_plugin.enabled or level not in _REFUSING:
        return
    for workload in [each.workload for each in templates] or ["every pod"]:
        yield Refusal(
            name,
            workload,
            f"pod security level {level}",
            "refuses NET_ADMIN and NET_RAW of linkerd-init",
            f"{_CNI}, or label the namespace {LEVEL}: privileged",
        )
