"""What is needed of operators that somebody else installed: asked before anything changes.

`certManager.install: false` and the like leave ours out. Versions, served kinds, namespaces and
arguments are read from the cluster; a dry run of one object of each kind then shows that the kinds
have the fields that we write and that the webhooks answer.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bot.clients.connect import cluster
from bot.clients.https import Client
from bot.clients.kubernetes import Manifest, groups, list_objects
from bot.clients.target import Target
from bot.exit_codes import RefusedError
from components.external_secrets import HasOperators, external_secret, operators
from components.names import (
    CERT_MANAGER,
    CERT_MANAGER_PODS,
    EXTERNAL_SECRETS,
    EXTERNAL_SECRETS_PODS,
    TRUST_MANAGER_PODS,
    Operators,
)
from components.trust_bundle import bundle
from components.webhook_certificates import (
    WebhookCertificatesArgs,
    ca_certificate,
    self_signed_issuer,
)
from stack.config import StackConfig

TRUST_MANAGER = "trust-manager"
_NAME = "app.kubernetes.io/name"
_DRY_RUN = "dryRun=All&fieldValidation=Strict&fieldManager=linkerd-platform-check"
_PROBE = "linkerd-platform-check"
_CREATED, _FORBIDDEN, _THERE = range(200, 300), 403, 409


@dataclass(frozen=True)
class Needed:
    """What is needed of one operator, and the keys of the stack file that are about it.

    since: the oldest version that has all that we write. kinds: as the API server serves them.
    """

    switch: str
    place: str
    pods: tuple[str, ...]
    since: tuple[int, int]
    kinds: tuple[str, ...]


NEEDED: Mapping[str, Needed] = {
    # The audiences of a Vault login, https://github.com/cert-manager/cert-manager/pull/6718.
    CERT_MANAGER: Needed(
        "certManager.install",
        "certManager.namespace",
        CERT_MANAGER_PODS,
        (1, 15),
        ("certificates.cert-manager.io/v1", "clusterissuers.cert-manager.io/v1"),
    ),
    # The condition `Synced`, by which a Bundle is waited for.
    TRUST_MANAGER: Needed(
        "certManager.installTrustManager",
        "certManager.trustManagerNamespace",
        TRUST_MANAGER_PODS,
        (0, 7),
        ("bundles.trust.cert-manager.io/v1alpha1",),
    ),
    # The version v1 of its kinds.
    EXTERNAL_SECRETS: Needed(
        "externalSecrets.install",
        "externalSecrets.namespace",
        EXTERNAL_SECRETS_PODS,
        (0, 16),
        (
            "clustersecretstores.external-secrets.io/v1",
            "externalsecrets.external-secrets.io/v1",
        ),
    ),
}


def runs_in(places: Operators, operator: str) -> str:
    """The namespace of an operator."""
    return {
        CERT_MANAGER: places.cert_manager,
        TRUST_MANAGER: places.trust_manager,
        EXTERNAL_SECRETS: places.external_secrets,
    }[operator]


def refuse(target: Target) -> None:
    """Raise RefusedError where an operator of somebody else's lacks what we need of it.

    Nothing is asked where all are ours. Raises Unreadable where the cluster does not tell.
    """
    config = target.config
    if config.cluster is None or not operators(config).theirs:
        return
    with cluster(target) as api:
        found = list(_faults(api, config))
    if found:
        raise RefusedError("\n".join(f"stack {target.stack}: {each}" for each in found))


def _faults(api: Client, config: StackConfig) -> Iterator[str]:
    places = operators(config)
    deployments = [
        each
        for namespace in dict.fromkeys(runs_in(places, name) for name in sorted(places.theirs))
        for each in list_objects(api, f"/apis/apps/v1/namespaces/{namespace}/deployments")
    ]
    served = {
        f"{each['resource']}.{group['metadata'].get('name', '')}/{version['version']}"
        for group in groups(api, "/apis")
        for version in group.get("versions") or ()
        for each in version.get("resources") or ()
    }
    names = {each["metadata"]["name"] for each in list_objects(api, "/api/v1/namespaces")}
    told = list(judge(config, deployments, served, names))
    yield from told or _refused(api, config)


def judge(
    config: HasOperators,
    deployments: Collection[Manifest],
    served: Collection[str],
    namespaces: Collection[str],
) -> Iterator[str]:
    """What is wrong with operators that are somebody else's, a line each, by what was read."""
    places = operators(config)
    for operator in sorted(places.theirs):
        needed, namespace = NEEDED[operator], runs_in(places, operator)
        found = [
            each
            for each in deployments
            if each["metadata"].get("namespace") == namespace
            and (each["metadata"].get("labels") or {}).get(_NAME) in needed.pods
        ]
        if not found:
            yield (
                f"{needed.switch} is false, and no Deployment in namespace {namespace} has the "
                f"label {_NAME}={operator}: set {needed.place}, or {needed.switch}: true"
            )
        if missing := [kind for kind in needed.kinds if kind not in served]:
            yield (
                f"{needed.switch} is false, and the cluster does not serve "
                f"{', '.join(missing)}: install {operator} {_text(needed.since)} or newer"
            )
        main = next((each for each in found if _label(each) == operator), None)
        if main:
            yield from _of_deployment(places, operator, main)
    keys = {
        "certManager.clusterResourceNamespace": (CERT_MANAGER, places.issuer_secrets),
        "certManager.trustNamespace": (TRUST_MANAGER, places.trust),
        "externalSecrets.namespace": (EXTERNAL_SECRETS, places.external_secrets),
    }
    for key, (operator, namespace) in keys.items():
        if operator in places.theirs and namespace not in namespaces:
            yield f"{key}: there is no namespace {namespace}"


def _of_deployment(places: Operators, operator: str, found: Manifest) -> Iterator[str]:
    """Its version, and where it reads: what the stack file says must be what it was told."""
    needed, namespace = NEEDED[operator], found["metadata"]["namespace"]
    version = version_of(found)
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < needed.since:
        yield (
            f"{needed.switch} is false, and {operator} in {namespace} is {version}: "
            f"{_text(needed.since)} or newer is needed"
        )
    spec = found["spec"]["template"]["spec"]
    if operator == CERT_MANAGER:
        told = argument(spec, "--cluster-resource-namespace", namespace)
        if told != places.issuer_secrets:
            yield (
                f"certManager.clusterResourceNamespace is {places.issuer_secrets}, and "
                f"cert-manager reads the Secrets of ClusterIssuers in {told}: write {told}"
            )
        account = spec.get("serviceAccountName") or "default"
        if account != places.account:
            yield (
                f"certManager.serviceAccount is {places.account}, and cert-manager's controller "
                f"runs as {account}: write {account}"
            )
    if operator == TRUST_MANAGER:
        told = argument(spec, "--trust-namespace", namespace, CERT_MANAGER)
        if told != places.trust:
            yield (
                f"certManager.trustNamespace is {places.trust}, and trust-manager reads the "
                f"sources of Bundles in {told}: write {told}"
            )


def argument(spec: Manifest, name: str, namespace: str, default: str = "kube-system") -> str:
    """An argument of the first container, with the pod's own namespace put in.

    The default is the program's own.
    """
    container = spec["containers"][0]
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    for word, after in itertools.pairwise([*words, ""]):
        if word.startswith(f"{name}="):
            return _own(word.partition("=")[2], namespace)
        if word == name:
            return _own(after, namespace)
    return default


def _own(value: str, namespace: str) -> str:
    return namespace if re.fullmatch(r"\$\([A-Z_]*NAMESPACE\)", value) else value


def version_of(deployment: Manifest) -> str:
    """The version of an operator: its image's tag, or what its label says."""
    image = str(deployment["spec"]["template"]["spec"]["containers"][0].get("image", ""))
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    labelled = (deployment["metadata"].get("labels") or {}).get("app.kubernetes.io/version")
    return tag if re.match(r"v?\d+\.\d+", tag) else labelled or tag


def _label(deployment: Manifest) -> str:
    return str((deployment["metadata"].get("labels") or {}).get(_NAME, ""))


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def probes(places: Operators) -> Iterator[tuple[str, str, Manifest]]:
    """One object for each kind of an operator that is somebody else's: operator, path, object."""
    if CERT_MANAGER in places.theirs:
        base = "/apis/cert-manager.io/v1"
        yield CERT_MANAGER, f"{base}/clusterissuers", self_signed_issuer()
        made = ca_certificate(WebhookCertificatesArgs(namespace=places.issuer_secrets))
        yield CERT_MANAGER, f"{base}/namespaces/{places.issuer_secrets}/certificates", made
    if TRUST_MANAGER in places.theirs:
        yield TRUST_MANAGER, "/apis/trust.cert-manager.io/v1alpha1/bundles", bundle([_PROBE])
    if EXTERNAL_SECRETS in places.theirs:
        path = f"/apis/external-secrets.io/v1/namespaces/{places.trust}/externalsecrets"
        made = external_secret(_PROBE, places.trust, _PROBE, {"ca.crt": "certificate"}, "10m0s")
        yield EXTERNAL_SECRETS, path, made


def _refused(api: Client, config: StackConfig) -> Iterator[str]:
    """What the API server would refuse of our objects: nothing is made, the webhooks are asked.

    One that is there already has passed them all. Whether one may make them is asked by the
    engine, whose own dry run comes next.
    """
    for operator, path, manifest in probes(operators(config)):
        answer = api.request("POST", f"{path}?{_DRY_RUN}", manifest)
        if answer.status in (*_CREATED, _FORBIDDEN, _THERE):
            continue
        body = answer.body if isinstance(answer.body, dict) else {}
        said = str(body.get("message") or answer.why).splitlines()[0]
        yield (
            f"{NEEDED[operator].switch} is false, and {operator} does not take a "
            f"{manifest['kind']} of ours: {said}"
        )
