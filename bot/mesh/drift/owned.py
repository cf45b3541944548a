"""Which objects are the platform's to declare, and which of them nobody declared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bot.mesh.drift.declared import Declared
from bot.mesh.drift.discovery import ListedKind
from bot.mesh.drift.inventory import Inventory, Item, Key
from bot.mesh.drift.known import RECORDS, Scene, accounts_for
from components.names import CERT_MANAGER, EXTERNAL_SECRETS, LINKERD

# Without a namespace only what bears a name or label of ours is ours: a cluster has other tenants.
_OPERATORS = (CERT_MANAGER, EXTERNAL_SECRETS, "trust-manager")
_LABELS = (
    "linkerd.io/control-plane-ns",
    "linkerd.io/control-plane-component",
    "linkerd.io/is-control-plane",
    "linkerd.io/extension",
)
_CRD = "CustomResourceDefinition.apiextensions.k8s.io"
_API_SERVICE = "APIService.apiregistration.k8s.io"
_CLUSTER_KINDS = frozenset(
    {
        _CRD,
        _API_SERVICE,
        "Namespace",
        "PriorityClass.scheduling.k8s.io",
        "ClusterRole.rbac.authorization.k8s.io",
        "ClusterRoleBinding.rbac.authorization.k8s.io",
        "MutatingWebhookConfiguration.admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
        "MutatingAdmissionPolicy.admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
        "ClusterIssuer.cert-manager.io",
        "Bundle.trust.cert-manager.io",
        "ClusterSecretStore.external-secrets.io",
        "ClusterExternalSecret.external-secrets.io",
        "ClusterPushSecret.external-secrets.io",
    }
)


@dataclass(frozen=True)
class UndeclaredItem:
    """An object of ours that nobody declared. children: kinds that controllers made from it."""

    item: Item
    children: Counter[str]


def wanted(kind: ListedKind) -> bool:
    """True for a kind whose objects could be ours."""
    return kind.title not in RECORDS if kind.namespaced else kind.title in _CLUSTER_KINDS


def undeclared(
    declared: Declared, inventory: Inventory, label: str | None = None
) -> tuple[UndeclaredItem, ...]:
    """Every object that is ours, in no state, and made by no controller that we know.

    What controllers made from such an object is told with it, and not by itself. label: as in
    `is_ours`.
    """
    scene = Scene(declared, inventory)
    roots: dict[Key, Item] = {}
    children: dict[Key, Counter[str]] = {}
    for item in inventory.items:
        if not is_ours(item, declared, label):
            continue
        root = _root(item, scene, label)
        if root.key in declared or accounts_for(root, scene):
            continue
        roots[root.key] = root
        counted = children.setdefault(root.key, Counter())
        if root is not item:
            counted[item.kind.title] += 1
    return tuple(UndeclaredItem(roots[key], children[key]) for key in sorted(roots, key=str))


def _root(item: Item, scene: Scene, label: str | None) -> Item:
    """The object of ours at the upper end of the controllers that made this one."""
    seen = {item.uid}
    while item.key not in scene.declared:
        above = scene.maker(item)
        if above is None or above.uid in seen or not _known(above, scene, label):
            break
        seen.add(above.uid)
        item = above
    return item


def _known(item: Item, scene: Scene, label: str | None) -> bool:
    return item.key in scene.declared or is_ours(item, scene.declared, label)


def is_ours(item: Item, declared: Declared, label: str | None = None) -> bool:
    """True where the platform decides what there is.

    label: `key=value` that marks an object as ours wherever it is.
    """
    if label:
        key, _, value = label.partition("=")
        if item.labels.get(key) == value:
            return True
    if item.namespace is not None:
        return item.namespace in declared.namespaces
    if item.kind.title == _CRD:
        return item.name.partition(".")[2] in declared.crd_groups
    if item.kind.title == _API_SERVICE:
        return item.name.partition(".")[2] in declared.crd_groups | {"tap.linkerd.io"}
    # An operator of somebody else's has names that ours would have.
    names = (LINKERD, *(each for each in _OPERATORS if each not in declared.operators.theirs))
    named = any(item.name == name or item.name.startswith(f"{name}-") for name in names)
    return named or any(label in item.labels for label in _LABELS)


def missing(declared: Declared, inventory: Inventory) -> tuple[tuple[Key, str], ...]:
    """The objects of our Helm releases that are gone, with the release's URN.

    The engine itself looks at a release as Helm remembers it, and at no object of it.
    """
    there = {each.key for each in inventory.items}
    gone = []
    for key, urn in declared.inside.items():
        group, kind, namespace, _ = key
        namespaced = inventory.scopes.get((group, kind))
        if namespaced is None or namespaced != (namespace is not None) or key in there:
            continue
        if namespace is None or namespace in declared.namespaces:
            gone.append((key, urn))
    return tuple(sorted(gone, key=str))
