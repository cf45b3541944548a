"""Labels and annotations of an object: which of those that change are read, and which only tell."""

from __future__ import annotations

from bot.changes.model import Change, FieldChange, Op
from bot.changes.objects import mapping
from bot.changes.paths import parts

# Keys that only tell: nothing selects by them or is configured.
_TELLING = ("helm.sh/chart", "linkerd.io/created-by", "linkerd.io/helm-release-version")
_TELLING_PREFIXES = (
    *("app.kubernetes.io/", "pulumi.com/", "meta.helm.sh/"),
    "kubernetes.io/description",
)
# Those that something in the platform reads.
_READ = ("linkerd.io/", "cert-manager.io/", "external-secrets.io/", "pod-security.kubernetes.io/")
# A namespace of somebody else's, with a few keys of ours.
PATCH = "NamespacePatch"
# What a patch is on, which stays when it goes.
PATCHED = {PATCH: "namespace", "ServicePatch": "Service"}
# Of these a proxy costs more or less, or says more or less: no caller notices.
_MILD = (
    *("config.linkerd.io/proxy-cpu-", "config.linkerd.io/proxy-memory-"),
    *("config.linkerd.io/proxy-ephemeral-storage-", "config.linkerd.io/proxy-log-"),
    *("config.linkerd.io/access-log", "config.linkerd.io/proxy-await"),
    *("config.linkerd.io/proxy-metrics-", "config.linkerd.io/proxy-wait-before-exit-seconds"),
    *("config.alpha.linkerd.io/proxy-wait-before-exit-seconds", "config.linkerd.io/trace"),
    *("config.linkerd.io/close-wait-timeout", "viz.linkerd.io/"),
)
# Told by the rules of the default inbound policy.
_POLICY = "config.linkerd.io/default-inbound-policy"
Answer = bool | str


def namespace_labels_read(change: Change) -> Answer:
    """Labels or annotations of a namespace by which the mesh knows what to do there."""
    return ", ".join(key for key in _read(change) if not key.startswith((*_MILD, _POLICY)))


def proxy_labels(change: Change) -> Answer:
    """Those by which proxies of the namespace cost or say more or less."""
    return ", ".join(key for key in _read(change) if key.startswith(_MILD))


def _read(change: Change) -> list[str]:
    return [key for key in of_namespace(change) if any(word in key for word in _READ)]


def patch_removed(change: Change) -> bool:
    """A patch of ours goes, and the namespace or Service that it is on stays."""
    return change.op is Op.DELETE and change.kind in PATCHED


def labels_removed(change: Change) -> Answer:
    """Which keys of ours go then."""
    return patch_removed(change) and ", ".join(of_namespace(change))


def of_namespace(change: Change) -> list[str]:
    """Keys that change on a namespace that stays, by an update of it or by a patch of ours."""
    if change.kind == PATCH and change.op is not Op.UPDATE:
        tables = (mapping(change.metadata.get(name)) for name in ("labels", "annotations"))
        return [key for table in tables for key in table if not key.startswith(_TELLING_PREFIXES)]
    if change.kind not in (PATCH, "Namespace") or change.op is not Op.UPDATE:
        return []
    return changed_keys(change)


def traffic_keys(change: Change) -> list[str]:
    """Annotations by which the mesh or an operator treats an object in another way."""
    if change.op is not Op.UPDATE or change.kind in (PATCH, "Namespace"):
        return []
    return [key for key in changed_keys(change) if any(word in key for word in _READ)]


def only_labels(change: Change) -> bool:
    """True for an update of labels and annotations that nothing reads."""
    if change.op is not Op.UPDATE or not change.fields:
        return False
    if any(_keys_of(field) is None for field in change.fields):
        return False
    return not any(word in key for key in changed_keys(change) for word in _READ)


def changed_keys(change: Change) -> list[str]:
    """Keys of the object's own labels and annotations that change, without those that only tell."""
    return [
        key
        for field in change.fields
        for key in _keys_of(field) or ()
        if key not in _TELLING and not key.startswith(_TELLING_PREFIXES)
    ]


def _keys_of(field: FieldChange) -> list[str] | None:
    """The labels or annotations of which a field tells; None where it is anything else."""
    keys = parts(field.path)
    if keys[:1] != ("metadata",) or keys[1:2] not in (("labels",), ("annotations",)):
        return None
    if len(keys) > 2:
        return [str(keys[2])]
    return [*dict.fromkeys([*mapping(field.before), *mapping(field.after)])]
