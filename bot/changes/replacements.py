"""Which properties a provider cannot change in place, so that the resource is made anew.

Kubernetes: pulumi-kubernetes provider/pkg/provider/diff.go (`forceNew`), with ConfigMaps and
Secrets mutable as stack/providers.py sets them. Vault: `willReplaceOnChanges` in the schema of
pulumi-vault 7.14. A preview asks the provider itself; this is for plans, which have none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.changes.paths import Part

_IDENTITY = ("metadata.name", "metadata.namespace")
_WORKLOAD = ("spec.selector",)
_KUBERNETES: Mapping[str, Collection[str]] = {
    "apps/v1:Deployment": _WORKLOAD,
    "apps/v1:StatefulSet": (
        *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector"),
        *("spec.serviceName", "spec.volumeClaimTemplates"),
    ),
    "batch/v1:Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    "core/v1:PersistentVolumeClaim": ("spec",),
    "core/v1:Pod": ("spec",),
    "core/v1:ResourceQuota": ("spec.scopes",),
    "core/v1:Secret": ("type",),
    "core/v1:Service": ("spec.clusterIP",),
    "rbac.authorization.k8s.io/v1:ClusterRoleBinding": ("roleRef",),
    "rbac.authorization.k8s.io/v1:RoleBinding": ("roleRef",),
    "storage.k8s.io/v1:StorageClass": ("parameters", "provisioner"),
}


@dataclass(frozen=True)
class _AllBut:
    """Every property replaces but these."""

    kept: frozenset[str]


_OTHERS: Mapping[str, Collection[str] | _AllBut] = {
    "helm.sh/v3:Release": ("name", "namespace"),
    # Any other setting of a provider is changed in place while `clusterIdentifier` stays.
    "pulumi:providers:kubernetes": ("clusterIdentifier",),
    "vault:index/authBackend:AuthBackend": ("local", "namespace", "type"),
    "vault:index/mount:Mount": ("externalEntropyAccess", "local", "namespace", "sealWrap", "type"),
    "vault:index/policy:Policy": ("name", "namespace"),
    "vault:kubernetes/authBackendConfig:AuthBackendConfig": ("backend", "namespace"),
    "vault:kubernetes/authBackendRole:AuthBackendRole": ("backend", "namespace", "roleName"),
    "vault:kv/secretV2:SecretV2": ("mount", "name", "namespace"),
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert": _AllBut(
        frozenset({"notAfter", "signatureBits", "ttl"})
    ),
    "vault:transit/secretBackendKey:SecretBackendKey": (
        *("backend", "convergentEncryption", "derived", "hybridKeyTypeEc", "hybridKeyTypePqc"),
        *("keySize", "name", "namespace", "parameterSet", "type"),
    ),
    "random:index/randomString:RandomString": _AllBut(frozenset()),
}


def replaces(type_: str, path: Sequence[Part]) -> bool:
    """True when a change of this property makes a resource of this type new.

    type_: the engine's token, such as `kubernetes:apps/v1:Deployment`.
    """
    provider, _, rest = type_.partition(":")
    if provider == "kubernetes" and rest not in _OTHERS:
        # Another apiVersion or kind is another type, and so another resource.
        return _within(path, (*_IDENTITY, *_KUBERNETES.get(rest, ())))
    known = _OTHERS.get(rest if provider == "kubernetes" else type_, ())
    if isinstance(known, _AllBut):
        return bool(path) and path[0] not in known.kept
    return _within(path, known)


def knows(type_: str) -> bool:
    """True when it is known what replaces a resource of this type."""
    return type_.startswith(("kubernetes:", "pulumi:providers:")) or type_ in _OTHERS


def _within(path: Sequence[Part], properties: Collection[str]) -> bool:
    keys = [str(part) for part in path]
    for named in properties:
        wanted = named.split(".")
        # What lies above is replaced as a whole, and what lies below is a part of it.
        if keys[: len(wanted)] == wanted or (keys and wanted[: len(keys)] == keys):
            return True
    return False
