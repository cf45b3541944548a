"""Versions and their skew: control plane, proxies, CLI, CRDs, operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bot.clients.kubernetes import Manifest, place
from bot.mesh.status.facts import Facts, NoAnswerError
from bot.mesh.status.linkerd_config import version_of
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import (
    annotations_of,
    bot_up,
    images,
    meshed_pods,
    proxy_version,
    some,
    tag,
)
from bot.mesh.status.pinned import pinned
from components.external_secrets import operators as operators_of
from components.gateway_api import SUPPORTED
from components.names import LINKERD, LINKERD_BUOYANT, LINKERD_VIZ

SUBJECT = Subject("versions")
# Deployments whose containers are of Linkerd's own version: linkerd2 charts/linkerd-control-plane.
_OWN = ("controller", "proxy", "policy-controller")
_GATEWAY_GROUP = ".gateway.networking.k8s.io"
_BUNDLE = "gateway.networking.k8s.io/bundle-version"


@SUBJECT.check("control-plane")
def control_plane(facts: Facts) -> CheckResult:
    """It runs the version that charts.yaml pins."""
    found, wanted = version_of(facts), pinned(facts.target.project_dir).linkerd
    if found != wanted:
        return warn(f"{found}, charts.yaml pins {wanted}", bot_up(facts))
    return ok(f"{found}, as pinned")


@SUBJECT.check("control-plane-images")
def control_plane_images(facts: Facts) -> CheckResult:
    """No Deployment was left behind by an upgrade."""
    wanted = version_of(facts)
    workloads = facts.objects("deployments", LINKERD)
    odd = {
        f"{each['metadata']['name']} ({tag(image)})"
        for each in workloads
        for image in images(each).values()
        if image.rpartition("/")[2].partition(":")[0] in _OWN and tag(image) != wanted
    }
    if not workloads:
        return fail(f"no Deployment in {LINKERD}", bot_up(facts))
    if odd:
        return fail(f"{some(odd)}: not {wanted}", bot_up(facts))
    return ok(f"{len(workloads)} Deployments of {wanted}")


@SUBJECT.check("control-plane-proxies")
def control_plane_proxies(facts: Facts) -> CheckResult:
    """The control plane's proxies are of its version."""
    return _proxies(facts, meshed_pods(facts, LINKERD), "kubectl -n linkerd rollout restart deploy")


@SUBJECT.check("proxies")
def proxies(facts: Facts) -> CheckResult:
    """The data plane's proxies are of the control plane's version."""
    pods = [
        each
        for each in meshed_pods(facts)
        if each["metadata"]["namespace"] not in (LINKERD_VIZ, LINKERD_BUOYANT)
    ]
    return _proxies(facts, pods, f"python -m bot rollout status --stack {facts.target.stack}")


@SUBJECT.check("cli")
def cli(facts: Facts) -> CheckResult:
    """The CLI on this machine is of the control plane's version."""
    found, wanted = facts.cli.version, version_of(facts)
    if found != wanted:
        return warn(f"linkerd {found}, control plane {wanted}", f"install linkerd {wanted}")
    return ok(f"linkerd {found}")


@SUBJECT.check("gateway-api")
def gateway_api(facts: Facts) -> CheckResult:
    """The Gateway API CRDs are of one version, which the stack file names and Linkerd reads."""
    bundles = {
        annotations_of(each).get(_BUNDLE, "unknown").removeprefix("v")
        for each in facts.objects("crds")
        if each["metadata"]["name"].endswith(_GATEWAY_GROUP)
    }
    wanted = facts.config.gateway_api.version
    low, high = (".".join(map(str, each)) for each in SUPPORTED)
    if not bundles:
        return fail("the Gateway API CRDs are not there", "docs/components/gateway_api.md")
    if len(bundles) > 1:
        return fail(f"CRDs of {', '.join(sorted(bundles))}", "docs/components/gateway_api.md")
    (found,) = bundles
    if not _within(found):
        return fail(f"{found}: Linkerd reads {low} to {high}", "docs/components/gateway_api.md")
    if found != wanted:
        return warn(f"{found}, the stack file says {wanted}", "docs/components/gateway_api.md")
    return ok(f"{found}, within {low} to {high}")


@SUBJECT.check("operators")
def operators(facts: Facts) -> CheckResult:
    """cert-manager, trust-manager and External Secrets run what charts.yaml pins, where ours."""
    known = pinned(facts.target.project_dir)
    places = operators_of(facts.config)
    wanted = {
        (places.cert_manager, "cert-manager"): known.cert_manager,
        (places.trust_manager, "trust-manager"): known.trust_manager,
        (places.external_secrets, "external-secrets"): known.external_secrets,
    }
    odd, seen = [], []
    for (namespace, name), version in wanted.items():
        if name in places.theirs:
            # `operators/existing` judges these, which others upgrade.
            seen.append(f"{name} of another owner")
            continue
        deployment = facts.named("deployments", name, namespace)
        if deployment is None:
            odd.append(f"{name} is not there")
            continue
        # The operator is the first container; what else runs there has versions of its own.
        found = tag(next(iter(images(deployment).values()))).removeprefix("v")
        seen.append(f"{name} {found}")
        if found != version:
            odd.append(f"{name} {found or 'without a tag'} (pinned {version})")
    return warn(", ".join(odd), bot_up(facts)) if odd else ok(", ".join(seen))


def extension_proxies(facts: Facts, namespace: str) -> CheckResult:
    """The proxies of an extension are of the control plane's version."""
    pods = meshed_pods(facts, namespace)
    return _proxies(facts, pods, f"kubectl -n {namespace} rollout restart deploy")


def _proxies(facts: Facts, pods: Iterable[Manifest], next_: str) -> CheckResult:
    wanted = version_of(facts)
    versions = {place(each): proxy_version(each) for each in pods}
    odd = {name: version for name, version in versions.items() if version != wanted}
    if odd:
        counts = Counter(version or "no tag" for version in odd.values())
        told = ", ".join(f"{number} of {version}" for version, number in sorted(counts.items()))
        return warn(f"{told}, control plane {wanted}: {some(odd)}", next_)
    return ok(f"{len(versions)} of {wanted}" if versions else "there is none")


def _within(version: str) -> bool:
    try:
        parts = tuple(int(each) for each in version.split("."))
    except ValueError:
        raise NoAnswerError(f"the CRDs name no version ({_BUNDLE}: {version})") from None
    return SUPPORTED[0] <= parts <= SUPPORTED[1]
