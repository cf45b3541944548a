"""What cannot be made again is protected, and stays when its resource goes."""

from __future__ import annotations

from collections.abc import Iterator

from policies.model import CheckedResource, Context

_CRD_RELEASE = "kubernetes:helm.sh/v3:Release"
_CRD_GROUP = "kubernetes:apiextensions.k8s.io/"
_ROOTS = frozenset(
    {
        "vault:index/mount:Mount",
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        "vault:transit/secretBackendKey:SecretBackendKey",  # what approvals are verified with
    }
)
# A root in custody `cluster`: cert-manager keeps its key as long as the Certificate is there.
_ROOT_CERTIFICATE = ("kubernetes:cert-manager.io/v1:Certificate", "-origin")


def anchors_protected(subject: CheckedResource, context: Context) -> Iterator[str]:
    """The mounts that hold the trust anchor, and the anchors themselves."""
    type_, ending = _ROOT_CERTIFICATE
    if subject.type in _ROOTS or (subject.type == type_ and subject.name.endswith(ending)):
        yield from _unprotected(subject, context)


def crds_protected(subject: CheckedResource, context: Context) -> Iterator[str]:
    """CRDs, and the Helm releases that hold nothing else."""
    release = subject.type == _CRD_RELEASE and subject.name.endswith("-crds")
    object_ = subject.type.startswith(_CRD_GROUP) and not subject.options.released
    if release or (object_ and subject.of_kind("CustomResourceDefinition")):
        yield from _unprotected(subject, context)


def _unprotected(subject: CheckedResource, context: Context) -> Iterator[str]:
    if context.expendable:
        return
    if subject.options.protect is False:
        yield "is not protected"
    if subject.options.retain is False:
        yield "is deleted with its resource"
