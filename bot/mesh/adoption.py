"""A Linkerd that is there already: what it is.

Reads alone. Of Helm's records (https://helm.sh/docs/topics/advanced/#storage-backends) come the
values that somebody gave and the objects that were made; `linkerd install` leaves its values in
Secret `linkerd-config-overrides`, and labels on its objects.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from bot.clients.https import Client
from bot.clients.kubernetes import Manifest, get_object, list_objects, secret_data
from bot.mesh.existing import NEEDED, version_of
from bot.mesh.trust.chain import signed
from components.cni_plugin import LINKERD_CNI
from components.gateway_api import SUPPORTED
from components.names import (
    CERT_MANAGER,
    IDENTITY_ISSUER,
    LINKERD,
    LINKERD_VIZ,
    TRUST_ROOTS_CONFIG_MAP,
)
from components.webhook_certificates import CONTROL_PLANE_WEBHOOKS, VIZ_WEBHOOKS
from schema.certificates import certificates_in
from schema.safe_yaml import load as load_yaml
from schema.safe_yaml import load_all

CHARTS = ("linkerd-crds", "linkerd-control-plane", "linkerd-viz", "linkerd2-cni")
_CORE, _APPS = "/api/v1", "/apis/apps/v1"
_NAME = "app.kubernetes.io/name"
_BUNDLE = "gateway.networking.k8s.io/bundle-version"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PROXY_LABEL = "linkerd.io/control-plane-ns"
# Where the public guides put an anchor with its key. `linkerd install` alone makes no issuer below
# an anchor: the anchor itself signs (linkerd2 cli/cmd/options.go), and its key is the issuer's.
_ANCHOR_SECRETS = (
    *((LINKERD, "linkerd-trust-anchor"), (CERT_MANAGER, "linkerd-trust-anchor")),
    *((CERT_MANAGER, "linkerd-identity-trust-roots"), (LINKERD, TRUST_ROOTS_CONFIG_MAP)),
    (LINKERD, IDENTITY_ISSUER),
)
_PAIRS = (("tls.crt", "tls.key"), ("crt.pem", "key.pem"))

_RECORD = re.compile(r"sh\.helm\.release\.v1\.(.+)\.v\d+")

Object = tuple[str, str, str, str]  # API version, kind, namespace (or empty), name


@dataclass(frozen=True)
class HelmRecord:
    """A Helm release of Linkerd's: the values that were given, and what it made.

    records: what knows of it besides, and goes when it is adopted. by: who installed it.
    """

    name: str
    namespace: str
    chart: str
    version: str
    values: Mapping[str, Any]
    objects: tuple[Object, ...]
    records: tuple[str, ...]
    by: str = "Helm"


@dataclass(frozen=True)
class FoundMesh:
    """What is in the cluster.

    values: all of the control plane's. signs: the anchor that signed the issuer, by its place in
    `anchors`. keys: Secrets that have the key of an
    anchor beside it. gateway: version of the
    Gateway API CRDs. operators: the controller's Deployment of each one that runs. managers: the
    field managers of who installed it. deployer: what of Argo CD or Flux deploys it. same, others:
    what writes a Secret or ConfigMap that ours will, under the name of ours or under another one.
    staying: releases of Linkerd's extensions that no stack has.
    """

    releases: tuple[HelmRecord, ...]
    values: Mapping[str, Any]
    anchors: tuple[x509.Certificate, ...]
    signs: int | None
    keys: tuple[str, ...]
    gateway: str | None
    operators: Mapping[str, Manifest]
    meshed: int
    managers: tuple[str, ...] = ("helm",)
    deployer: str = ""
    same: tuple[Object, ...] = ()
    others: tuple[tuple[Object, str], ...] = ()
    staying: tuple[HelmRecord, ...] = ()

    def release(self, chart: str) -> HelmRecord | None:
        """The release of a chart."""
        return next((each for each in self.releases if each.chart == chart), None)


def read(api: Client) -> FoundMesh | None:
    """What is there; None where there is no Linkerd. Raises Unreadable."""
    config = get_object(api, f"{_CORE}/namespaces/{LINKERD}/configmaps/linkerd-config")
    if config is None:
        return None
    values = load_yaml((config.get("data") or {}).get("values", "")) or {}
    helms = tuple(_releases(api))
    releases = tuple(each for each in helms if each.chart in CHARTS)
    missing = set(CHARTS) - {each.chart for each in releases}
    releases = (*releases, *_installed(api, _chart_version(values), missing))
    roots = get_object(api, f"{_CORE}/namespaces/{LINKERD}/configmaps/{TRUST_ROOTS_CONFIG_MAP}")
    text = ((roots or {}).get("data") or {}).get("ca-bundle.crt", "")
    anchors = tuple(certificates_in((text or values.get("identityTrustAnchorsPEM", "")).encode()))
    issuer = get_object(api, f"{_CORE}/namespaces/{LINKERD}/secrets/{IDENTITY_ISSUER}")
    chain = certificates_in(secret_data(issuer, "crt.pem") or secret_data(issuer, "tls.crt"))
    signers = [at for at, each in enumerate(anchors) if chain and signed(chain[-1], each)]
    bundles = {
        (each["metadata"].get("annotations") or {}).get(_BUNDLE, "").removeprefix("v")
        for each in list_objects(api, _CRDS, metadata=True)
        if each["metadata"]["name"] == "httproutes.gateway.networking.k8s.io"
    }
    pods = list_objects(api, f"{_CORE}/pods", label=f"{_PROXY_LABEL}={LINKERD}", metadata=True)
    same, others = writers(api)
    return FoundMesh(
        releases=releases,
        values=values,
        anchors=anchors,
        signs=signers[0] if signers else None,
        keys=tuple(_keys(api, anchors)),
        gateway=next(iter(bundles), None),
        operators=dict(_operators(api)),
        meshed=sum(each["metadata"]["namespace"] not in (LINKERD, LINKERD_VIZ) for each in pods),
        managers=_managers(config) or ("helm",),
        deployer=_deployer(config),
        same=same,
        others=others,
        staying=tuple(each for each in helms if each not in releases),
    )


def _managers(made: Manifest) -> tuple[str, ...]:
    """Who wrote an object's data: `helm`, but also the name of a program that has Helm in it."""
    return tuple(
        dict.fromkeys(
            each["manager"]
            for each in made["metadata"].get("managedFields") or ()
            if "f:data" in (each.get("fieldsV1") or {})
        )
    )


# What marks an object, and who puts the mark there.
_DEPLOYERS = {
    "argocd.argoproj.io/tracking-id": "Argo CD application",
    "argocd.argoproj.io/instance": "Argo CD application",
    "helm.toolkit.fluxcd.io/name": "Flux HelmRelease",
    "kustomize.toolkit.fluxcd.io/name": "Flux Kustomization",
}


def _deployer(made: Manifest) -> str:
    """Who would put back what we change."""
    marks = {**(made["metadata"].get("labels") or {})}
    marks |= made["metadata"].get("annotations") or {}
    found = (
        f"{who} {marks[key].partition(':')[0]}" for key, who in _DEPLOYERS.items() if key in marks
    )
    return next(found, "")


# What writes a Secret, and the name of that.
WRITERS: Mapping[tuple[str, str], Callable[[Manifest], str]] = {
    ("cert-manager.io/v1", "Certificate"): lambda it: it["spec"]["secretName"],
    ("external-secrets.io/v1", "ExternalSecret"): lambda it: (
        it["spec"].get("target", {}).get("name") or it["metadata"]["name"]
    ),
}
# The Secrets that our Certificates write, each from a Certificate of that name.
OUR_SECRETS = (
    (LINKERD, IDENTITY_ISSUER),
    *((LINKERD, name) for name in CONTROL_PLANE_WEBHOOKS),
    *((LINKERD_VIZ, name) for name in VIZ_WEBHOOKS),
)


def writers(api: Client) -> tuple[tuple[Object, ...], tuple[tuple[Object, str], ...]]:
    """What writes Linkerd's Secrets by the public guides: two for one Secret undo each other."""
    same: list[Object] = []
    others: list[tuple[Object, str]] = []
    for (version, kind), target in WRITERS.items():
        for each in list_objects(api, f"/apis/{version}/{_plural(kind)}"):
            place = each["metadata"]["namespace"], target(each)
            it = (version, kind, each["metadata"]["namespace"], each["metadata"]["name"])
            if place in OUR_SECRETS:
                if kind == "Certificate" and it[2:] == place:
                    same.append(it)
                else:
                    others.append((it, place[1]))
    bundle = ("trust.cert-manager.io/v1alpha1", "Bundle", "", TRUST_ROOTS_CONFIG_MAP)
    if get_object(api, f"/apis/{bundle[0]}/bundles/{bundle[3]}") is not None:
        same.append(bundle)
    return tuple(same), tuple(others)


def _releases(api: Client) -> Iterator[HelmRecord]:
    """Each release of Linkerd's as it was last deployed, with the records of all its revisions."""
    revisions: dict[tuple[str, str, str], list[Manifest]] = {}
    for kind in ("secrets", "configmaps"):
        for each in list_objects(api, f"{_CORE}/{kind}", label="owner=helm", metadata=True):
            it = each["metadata"]
            # Whatever else somebody has given this label is no record.
            if record := _RECORD.fullmatch(it["name"]):
                revisions.setdefault((kind, it["namespace"], record[1]), []).append(it)
    for (kind, namespace, _), found in revisions.items():
        found.sort(key=lambda it: int(it["name"].rpartition(".v")[2]))
        deployed = [it for it in found if (it.get("labels") or {}).get("status") == "deployed"]
        name = (deployed or found)[-1]["name"]
        held = get_object(api, f"{_CORE}/namespaces/{namespace}/{kind}/{name}")
        if held is None:
            continue
        text = secret_data(held, "release") if kind == "secrets" else held["data"]["release"]
        record = json.loads(gzip.decompress(base64.b64decode(text)))
        chart = record["chart"]["metadata"]
        if chart["name"].startswith("linkerd"):
            yield HelmRecord(
                record["name"],
                record["namespace"],
                chart["name"],
                chart["version"],
                record.get("config") or {},
                tuple(objects(record.get("manifest", ""), record["namespace"])),
                tuple(f"{kind} {namespace}/{it['name']}" for it in found),
            )


def objects(manifest: str, namespace: str) -> Iterator[Object]:
    """The objects of a rendered chart, as Helm keeps it."""
    for each in load_all(manifest):
        if isinstance(each, dict) and "kind" in each:
            metadata = each["metadata"]
            cluster_wide = each["kind"] in _CLUSTER_WIDE
            place = "" if cluster_wide else metadata.get("namespace") or namespace
            yield each["apiVersion"], each["kind"], place, metadata["name"]


_CLUSTER_WIDE = frozenset(
    {
        *("Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService"),
    }
)
# What `linkerd install` makes, by the label that it puts on everything.
_INSTALLED = {
    "/api/v1": ("ConfigMap", "Secret", "Service", "ServiceAccount"),
    "/apis/apps/v1": ("Deployment", "DaemonSet"),
    "/apis/batch/v1": ("CronJob",),
    "/apis/policy/v1": ("PodDisruptionBudget",),
    "/apis/rbac.authorization.k8s.io/v1": (
        *("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    ),
    "/apis/admissionregistration.k8s.io/v1": (
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
    ),
    "/apis/apiregistration.k8s.io/v1": ("APIService",),
    "/apis/policy.linkerd.io/v1beta3": ("Server",),
    "/apis/policy.linkerd.io/v1alpha1": (
        *("AuthorizationPolicy", "MeshTLSAuthentication", "NetworkAuthentication"),
    ),
    "/apis/linkerd.io/v1alpha2": ("ServiceProfile",),
    "/apis/monitoring.coreos.com/v1": ("PodMonitor",),
}
# What was given to `linkerd install`, the key of the issuer among it.
_OVERRIDES = "linkerd-config-overrides"


def _chart_version(values: Mapping[str, Any]) -> str:
    """The version of the charts: edge-26.6.3 is 2026.6.3, another one says what it is."""
    name, _, number = str(values.get("linkerdVersion", "")).partition("-")
    return {"edge": f"20{number}", "stable": number}.get(name, f"{name}-{number}")


def _installed(api: Client, version: str, missing: Collection[str]) -> Iterator[HelmRecord]:
    """What the CLI installed, as if it were releases, for the charts that are none of Helm's."""
    overrides = get_object(api, f"{_CORE}/namespaces/{LINKERD}/secrets/{_OVERRIDES}")
    given = load_yaml(secret_data(overrides, _OVERRIDES).decode()) or {}
    record = f"secrets {LINKERD}/{_OVERRIDES}"
    for namespace, chart, label in (
        (LINKERD, CHARTS[1], f"{_PROXY_LABEL}={LINKERD}"),
        (LINKERD_VIZ, CHARTS[2], "linkerd.io/extension=viz"),
        (LINKERD_CNI, CHARTS[3], "linkerd.io/cni-resource=true"),
    ):
        if chart not in missing:
            continue
        made = [
            (base.removeprefix("/apis/").removeprefix("/api/"), kind, where, name)
            for base, names in _INSTALLED.items()
            for kind in names
            for each in list_objects(api, f"{base}/{_plural(kind)}", label=label, metadata=True)
            for where, name in [(each["metadata"].get("namespace", ""), each["metadata"]["name"])]
            # An extension has a Role in Linkerd's namespace, too.
            if where in ("", LINKERD, namespace, "kube-system") and name != _OVERRIDES
        ]
        if made:
            told = (given, (record,) if overrides else ()) if chart == CHARTS[1] else ({}, ())
            yield HelmRecord(chart, namespace, chart, version, told[0], tuple(made), told[1], "CLI")


def _plural(kind: str) -> str:
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"


def _keys(api: Client, anchors: tuple[x509.Certificate, ...]) -> Iterator[str]:
    """The Secrets with the key of an anchor beside it, and the commands that write its files."""
    for namespace, name in _ANCHOR_SECRETS:
        found = get_object(api, f"{_CORE}/namespaces/{namespace}/secrets/{name}")
        for pair in _PAIRS:
            held = certificates_in(secret_data(found, pair[0]))
            if held and held[0] in anchors and secret_data(found, pair[1]):
                files = zip(pair, ("ca.crt", "ca.key"), strict=True)
                commands = (_into_file(namespace, name, key, file) for key, file in files)
                yield f"Secret {namespace}/{name}: umask 077; {'; '.join(commands)}"


def _into_file(namespace: str, name: str, key: str, file: str) -> str:
    path = key.replace(".", "\\.")
    get = f"kubectl -n {namespace} get secret {name} -o jsonpath='{{.data.{path}}}'"
    return f"{get} | base64 -d > {file}"


def _operators(api: Client) -> Iterator[tuple[str, Manifest]]:
    for each in list_objects(api, f"{_APPS}/deployments"):
        name = (each["metadata"].get("labels") or {}).get(_NAME, "")
        if name in NEEDED:
            yield name, each


def supported(version: str | None) -> bool:
    """Whether these Gateway API CRDs may stay as they are."""
    parts = (version or "").split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return False
    return SUPPORTED[0] <= tuple(map(int, parts)) <= SUPPORTED[1]


def told(found: FoundMesh) -> Iterator[str]:
    """What is there, in plain lines."""
    for each in found.releases:
        release = f"Helm, release {each.namespace}/{each.name}"
        by = f"by {release if each.by == 'Helm' else 'the CLI'}"
        yield f"{each.chart} {each.version} {by}: {len(each.objects)} objects"
    for each in found.staying:
        yield f"{each.chart} {each.version} stays Helm's, release {each.namespace}/{each.name}"
    for index, anchor in enumerate(found.anchors):
        signs = ", signs the identity issuer" if index == found.signs else ""
        ends = f"{anchor.not_valid_after_utc:%Y-%m-%d}"
        yield f"anchor {anchor.subject.rfc4514_string()}, ends {ends}{signs}"
    for place in found.keys:
        yield f"key of an anchor: {place}"
    if not found.keys:
        yield "key of the anchor: in no Secret that the guides name; you need its file"
    for name, runs in sorted(found.operators.items()):
        yield f"{name} {version_of(runs)} in {runs['metadata']['namespace']} stays, as it is"
    if found.gateway:
        stay = "stay" if supported(found.gateway) else "are replaced by ours: Linkerd reads newer"
        yield f"Gateway API CRDs {found.gateway} {stay}"
    yield f"{found.meshed} meshed pods of workloads"
    if found.deployer:
        yield f"deployed by {found.deployer}, which undoes changes: take Linkerd out of it first"
    for it, secret in found.others:
        yield f"delete before `up`: {duplicate(it, secret)}"


def duplicate(it: Object, secret: str) -> str:
    """A writer of a Secret that has another one from us, and the command that ends it."""
    _, kind, namespace, name = it
    command = f"kubectl -n {namespace} delete {kind.lower()} {name} --cascade=orphan"
    return f"{kind} {namespace}/{name} writes Secret {secret}, as ours will: {command}"
