"""Everything has one owner, and says which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.model import OWNER_LABEL, Context, Subject, objects
from policies.values import mapping, value

NAMESPACE = "linkerd"
ISSUER_SECRET = "linkerd-identity-issuer"  # noqa: S105  (its name)
TRUST_ROOTS = "linkerd-identity-trust-roots"
_NOT_APPLIED = ("kubernetes:helm.sh/", "kubernetes:yaml", "kubernetes:kustomize")


def explicit_provider(subject: Subject, context: Context) -> Iterator[str]:  # noqa: ARG001
    """A default provider is configured by whoever runs the engine."""
    if not subject.custom or subject.is_provider or subject.options.provider is None:
        return
    urn = subject.options.provider
    # `urn:...::pulumi:providers:kubernetes::default_4_34_2`, in the engine's records with an id.
    name = next((part for part in reversed(urn.split("::")) if not _is_id(part)), "")
    if not urn:
        yield "has no provider of its own"
    elif name.startswith("default"):
        yield f"is made by the default provider {name!r}"


def _is_id(part: str) -> bool:
    """True for what a reference to a provider ends in: an id, which is a UUID or unknown."""
    return part.count("-") == 4 and len(part) == 36


def owner_label(subject: Subject, context: Context) -> Iterator[str]:
    """The label that tells whose an object is; what Helm applies says so by Helm's own labels."""
    if not subject.is_object or subject.options.released or subject.type.startswith(_NOT_APPLIED):
        return
    if subject.type.endswith("Patch"):  # The object is somebody else's.
        return
    found = value(subject.props, "metadata", "labels", OWNER_LABEL)
    if found != context.stack:
        yield f"label {OWNER_LABEL} is {found!r}, not {context.stack!r}"


def sole_owner(subjects: Sequence[Subject], context: Context) -> Iterator[tuple[Subject, str]]:  # noqa: ARG001
    """The issuer's Secret is cert-manager's, the trust roots' ConfigMap is trust-manager's."""
    makers = list(_issuer_makers(subjects))
    bundles = [b for b in objects(subjects, "Bundle") if b.object_name == TRUST_ROOTS]
    for claimed, owners in ((f"Secret {ISSUER_SECRET}", makers), (TRUST_ROOTS, bundles)):
        for second in owners[1:]:
            yield second, f"is a second owner of {claimed}, beside {owners[0].place}"


def _issuer_makers(subjects: Sequence[Subject]) -> Iterator[Subject]:
    for each in objects(subjects, "Certificate"):
        if each.namespace == NAMESPACE and value(each.props, "spec", "secretName") == ISSUER_SECRET:
            yield each


def not_ours_to_write(subject: Subject, context: Context) -> Iterator[str]:  # noqa: ARG001
    """Neither is written directly, or by another operator: two writers undo each other."""
    written = (ISSUER_SECRET, TRUST_ROOTS)
    if not subject.is_object or subject.namespace != NAMESPACE:
        return
    kind, name = subject.kind, subject.object_name
    if (kind, name) in (("Secret", ISSUER_SECRET), ("ConfigMap", TRUST_ROOTS)):
        yield "is written by another: cert-manager makes the Secret, trust-manager the ConfigMap"
    if kind == "ExternalSecret":
        spec = mapping(subject.props, "spec")
        # Without a target it is called like the ExternalSecret.
        target = value(spec, "target", "name") or name
        if target in written:
            yield f"writes {target}, which another makes"
