"""What a change set means to whoever is on call: the questions they ask, answered from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.changes import conditions_mesh as mesh
from bot.changes import conditions_trust as trust
from bot.changes import label_changes
from bot.changes.model import Change, ChangeSet, Op
from bot.changes.objects import (
    PROVIDER,
    RELEASE,
    WEBHOOKS,
    WORKLOADS,
    both,
    is_crd_release,
    is_platform,
    is_policy,
    settings_below,
    told,
)
from bot.changes.paths import parts
from bot.changes.risk import assess
from bot.changes.rules import RiskFinding
from bot.text.lists import listed
from components.names import LINKERD, LINKERD_EGRESS

_CALLERS = "callers of pods in {where} that no policy matches"
_PEERS = "meshed pods whose certificate their peers do not trust"
_OUT = "pods in {where} that call hosts outside the cluster which no route allows"
# Rules of the risk table after which some calls may be refused: whose, in a few words.
_DENYING: Mapping[str, str] = {
    "default-policy-denies": f"{_CALLERS}, after these pods restart",
    "default-policy-tightens": f"{_CALLERS}, after these pods restart",
    "server-denies": _CALLERS,
    "server-selects": _CALLERS,
    "server-goes": "callers of the ports of {objects}, by the default inbound policy",
    "route-changes": "callers whose requests {objects} no longer matches",
    "authorization-goes": "callers that {objects} allowed",
    "authorization-changes": "callers that {objects} no longer allows",
    "rate-limit": "callers above the rate of {objects}",
    "egress-denied": _OUT,
    "egress-changes": _OUT,
    "egress-goes": "pods in {where} that call hosts outside the cluster",
    "egress-route-goes": "pods in {where} that call the host of {objects}",
    "network-policy": "pods in {where} whose packets a NetworkPolicy drops",
    "trusted-root-goes": _PEERS,
    "signer-changes": _PEERS,
    "anchor-goes": _PEERS,
    "trust-domain-changes": "every caller that a policy names by its identity",
    "issuer-goes": "pods that start while no issuer signs certificates",
}
_ALIKE = 3  # from this many on, objects of which the same is said are named together
_READ_AT_INJECTION = ("linkerd.io/inject", "config.linkerd.io/", "config.alpha.linkerd.io/")


@dataclass(frozen=True)
class Impact:
    """Answers in words, each empty for `no`.

    restarts: workloads of the control plane, extensions and operators whose pods are made anew.
    reissued: certificates that are re-issued. need_restart: pods that keep what they have until
    somebody restarts them, and why. denied: callers that may lose access. touched: CRDs,
    namespaces, anchors, PKI, webhooks and providers that change, by these names. moves: versions
    of charts.
    """

    restarts: tuple[str, ...]
    reissued: tuple[str, ...]
    need_restart: tuple[str, ...]
    denied: tuple[str, ...]
    touched: Mapping[str, tuple[str, ...]]
    moves: tuple[str, ...]


def impact(changes: ChangeSet, found: Sequence[RiskFinding] | None = None) -> Impact:
    """The answers for a change set; of one that is not complete they are what is known of it.

    found: what `assess` says of it, where that is known already.
    """
    ordered = sorted(changes.changes, key=lambda c: (c.namespace != LINKERD, c.kind, c.place))
    return Impact(
        restarts=_once(text for change in ordered for text in _restarts(change)),
        reissued=_once(text for change in ordered for text in _reissued(change)),
        need_restart=_once(_need_restart(changes, ordered)),
        denied=_once(_denied(ordered, assess(changes) if found is None else found)),
        touched=_touched(ordered),
        moves=_once(
            f"{move.chart} {move.before or 'not there'} to {move.after or 'gone'}"
            for move in changes.moves
        ),
    )


def _once(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _restarts(change: Change) -> Iterator[str]:
    if mesh.restarts(change):
        yield f"{change.place.removeprefix(f'{LINKERD}/')} ({_pods(change)})"
    elif change.op is Op.DELETE and change.kind in WORKLOADS and is_platform(change):
        yield f"{change.place.removeprefix(f'{LINKERD}/')} (gone)"
    elif change.type == RELEASE and not is_crd_release(change) and change.op is not Op.CREATE:
        yield f"Helm release {change.inputs.get('name') or change.name} (its pods are not known)"


def _pods(change: Change) -> str:
    if change.kind == "DaemonSet":
        return "one on each node"
    before, after = both(change, "spec", "replicas")
    replicas = 1 if after is None else after
    if change.op is Op.UPDATE and before not in (None, after):
        return f"{told(before)} to {told(replicas)} replicas"
    return f"{told(replicas)} replica{'' if replicas == 1 else 's'}"


def _reissued(change: Change) -> Iterator[str]:
    if change.op is Op.REPLACE and change.type.startswith("vault:pkiSecret/secretBackendRootCert:"):
        yield f"root {change.inputs.get('issuerName') or change.name} in Vault"
    if change.kind != "Certificate" or "cert-manager.io/" not in change.api_version:
        return
    keys = {_second(field.path) for field in change.fields if field.path.startswith("spec")}
    if change.op is Op.REPLACE or (change.op is Op.UPDATE and keys - trust.NOT_ISSUED):
        yield change.place


def _second(path: str) -> str:
    keys = parts(path)
    return str(keys[1]) if len(keys) > 1 else ""


def _need_restart(changes: ChangeSet, ordered: list[Change]) -> Iterator[str]:
    versions = False
    marked: dict[str, list[str]] = {}
    for change in ordered:
        if text := mesh.proxy_version(change):
            versions = True
            yield f"every meshed pod keeps its proxy until it restarts ({text})"
        version_paths = {field.path for field in settings_below(change, *mesh.VERSION_SETTINGS)}
        others = [
            field.path
            for field in settings_below(change, "proxy", *mesh.NETWORK_SETTINGS)
            if field.path not in version_paths
        ]
        if others:
            yield f"every meshed pod keeps its settings until it restarts ({_some(others)})"
        if trust.trust_domain_changes(change):
            yield "every meshed pod keeps its identity's old name until it restarts"
        if trust.root_comes(change) or trust.root_goes(change) or _root_replaced(change):
            yield "the control plane, then every meshed pod: pods read roots at start"
        if read := _injection_marks(change):
            marked.setdefault(f"{_some(read)} is read at a pod's start", []).append(
                change.object_name
            )
    for why, names in marked.items():
        if len(names) < _ALIKE:
            yield from (f"pods in namespace {name}: {why}" for name in names)
        else:
            yield f"pods in {len(names):,} namespaces: {why}: {', '.join(names)}"
    moved = {move.chart for move in changes.moves if move.before is not None}
    if not versions and "linkerd-control-plane" in moved:
        yield "every meshed pod keeps its proxy until it restarts (the control plane's chart moves)"
    if _new_routes(changes, ordered):
        yield "linkerd-destination: it looks up kinds of routes at start"


def _root_replaced(change: Change) -> bool:
    return change.op is Op.REPLACE and trust.is_anchor(change)


def _injection_marks(change: Change) -> list[str]:
    return [key for key in label_changes.of_namespace(change) if key.startswith(_READ_AT_INJECTION)]


def _new_routes(changes: ChangeSet, ordered: list[Change]) -> bool:
    """True when CRDs of the Gateway API change below a control plane that stays as it is."""
    moved = any(
        change.object_name.endswith("gateway.networking.k8s.io") and change.op is Op.CREATE
        if change.kind == "CustomResourceDefinition"
        else change.type == RELEASE and "gateway-api" in change.name
        for change in ordered
    )
    made = any(
        change.object_name == "linkerd-destination" and change.kind == "Deployment"
        and (change.op is Op.CREATE or mesh.restarts(change))
        for change in ordered
    )  # fmt: skip
    return moved and not made and changes.unchanged > 0


def _some(names: list[str]) -> str:
    return listed(names, 4)


def _denied(ordered: list[Change], found: Sequence[RiskFinding]) -> Iterator[str]:
    """One text for each rule, the worst first, with the namespaces or objects that it is about."""
    by_urn = {change.urn: change for change in ordered}
    denying: dict[str, list[Change]] = {}
    for finding in found:
        words, change = _DENYING.get(finding.rule), by_urn.get(finding.urn or "")
        # What goes drops no packet any more.
        if words and change and (finding.rule, change.op) != ("network-policy", Op.DELETE):
            denying.setdefault(words, []).append(change)
    for words, changes in denying.items():
        where = sorted({place for change in changes for place in _namespace(change)})
        yield words.format(
            where=_counted_names(where, "namespace"),
            objects=_objects(changes),
        )


def _namespace(change: Change) -> Iterator[str]:
    """Whose pods a policy is about: a namespace, or the whole mesh."""
    if change.kind in (label_changes.PATCH, "Namespace"):
        yield change.object_name
    elif change.namespace == LINKERD and not is_policy(change):
        yield "the whole mesh"
    elif change.namespace == LINKERD_EGRESS:
        yield "every namespace without its own rules"
    elif change.namespace:
        yield change.namespace


def _counted_names(names: Sequence[str], what: str) -> str:
    if "the whole mesh" in names:
        return "the whole mesh"
    if len(names) < _ALIKE:
        return " and ".join(names)
    return f"{len(names):,} {what}s ({', '.join(names)})"


def _objects(changes: Sequence[Change]) -> str:
    kinds: dict[str, list[str]] = {}
    for change in changes:
        kinds.setdefault(change.kind, []).append(change.place)
    return "; ".join(
        f"{kind} {' and '.join(places)}"
        if len(places) < _ALIKE
        else f"{len(places):,} x {kind} ({', '.join(places)})"
        for kind, places in kinds.items()
    )


def _touched(ordered: list[Change]) -> dict[str, tuple[str, ...]]:
    tests: dict[str, Callable[[Change], bool]] = {
        "CRDs": mesh.is_crd,
        "namespaces": lambda change: change.kind in (label_changes.PATCH, "Namespace"),
        "anchors": trust.is_anchor,
        "PKI": lambda change: change.type.startswith("vault:") or trust.is_issuer(change),
        "webhooks": lambda change: change.kind in WEBHOOKS,
        "providers": lambda change: change.type.startswith(PROVIDER),
    }
    return {
        what: _once(_touch(change) for change in ordered if test(change))
        for what, test in tests.items()
    }


def _touch(change: Change) -> str:
    """A patch of ours comes and goes on a namespace that is there and stays."""
    if change.kind != label_changes.PATCH:
        return f"{change.place} ({change.op})"
    done = {Op.CREATE: "set", Op.DELETE: "removed (the namespace stays)"}
    return f"labels of namespace {change.place} {done.get(change.op, 'changed')}"
