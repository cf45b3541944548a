"""Everything has one owner, and says which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.model import NOT_APPLIED, OWNER_LABEL, CheckedResource, Context, holds, sorted_out
from policies.values import value

NAMESPACE = "linkerd"
ISSUER_SECRET = "linkerd-identity-issuer"  # noqa: S105  (its name)
TRUST_ROOTS = "linkerd-identity-trust-roots"
# What writes a Secret or ConfigMap of a name that its spec gives: the kind, and where that stands.
_WRITERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ExternalSecret": (("spec", "target", "name"),),
    "ClusterExternalSecret": (
        ("spec", "externalSecretSpec", "target", "name"),
        ("spec", "externalSecretName"),
    ),
}


def explicit_provider(subject: CheckedResource, context: Context) -> Iterator[str]:  # noqa: ARG001
    """A default provider is configured by whoever runs the engine."""
    if not subject.custom or subject.is_provider or subject.options.provider is None:
        return
    urn = subject.options.provider
    # `urn:...::pulumi:providers:kubernetes::default_4_34_2`, in the engine's records with an id.
    name = next((part for part in reversed(urn.split("::")) if not _is_id(part)), "")
    if not urn:
        yield "has no explicit provider"
    elif name.startswith("default"):
        yield f"uses the default provider {name!r}"


def _is_id(part: str) -> bool:
    """True for what a reference to a provider ends in: an id, which is a UUID or unknown."""
    return part.count("-") == 4 and len(part) == 36


def owner_label(subject: CheckedResource, context: Context) -> Iterator[str]:
    """The label that tells whose an object is; what Helm applies says so by Helm's own labels."""
    if not subject.is_object or subject.options.released or subject.type.startswith(NOT_APPLIED):
        return
    if subject.type.endswith("Patch"):  # The object is somebody else's.
        return
    found = value(subject.props, "metadata", "labels", OWNER_LABEL)
    if found != context.stack:
        yield f"label {OWNER_LABEL} is {found!r}, not {context.stack!r}"


def sole_owner(
    subjects: Sequence[CheckedResource],
    context: Context,  # noqa: ARG001
) -> Iterator[tuple[CheckedResource, str]]:
    """The issuer's Secret is cert-manager's, the trust roots' ConfigMap is trust-manager's."""
    makers, unknown = sorted_out(subjects, _makes_issuer)
    yield from unknown
    bundles, unknown = sorted_out(
        subjects,
        lambda each: holds(
            lambda: each.of_kind("Bundle", "ClusterBundle"), lambda: each.named(TRUST_ROOTS)
        ),
    )
    yield from unknown
    for claimed, owners in ((f"Secret {ISSUER_SECRET}", makers), (TRUST_ROOTS, bundles)):
        for second in owners[1:]:
            yield second, f"is a second owner of {claimed}, besides {owners[0].place}"


def _makes_issuer(subject: CheckedResource) -> bool:
    return holds(
        lambda: subject.of_kind("Certificate"),
        lambda: value(subject.props, "spec", "secretName") == ISSUER_SECRET,
        lambda: subject.within(NAMESPACE),
    )


def not_ours_to_write(subject: CheckedResource, context: Context) -> Iterator[str]:  # noqa: ARG001
    """Neither is written directly, or by another operator: two writers undo each other."""
    for kind, name in (("Secret", ISSUER_SECRET), ("ConfigMap", TRUST_ROOTS)):
        if _is_in_linkerd(subject, kind, name):
            yield (
                "belongs to another owner: cert-manager writes the Secret, trust-manager the "
                "ConfigMap"
            )
    for kind, paths in _WRITERS.items():
        if _writes_one(subject, kind, paths):
            yield "writes the issuer's Secret or the trust roots, which have another owner"


def _is_in_linkerd(subject: CheckedResource, kind: str, name: str) -> bool:
    return holds(
        lambda: subject.of_kind(kind),
        lambda: subject.named(name),
        lambda: subject.within(NAMESPACE),
    )


def _writes_one(subject: CheckedResource, kind: str, paths: tuple[tuple[str, ...], ...]) -> bool:
    return holds(
        lambda: subject.of_kind(kind),
        lambda: _writes(subject, paths),
        # One for the whole cluster writes into namespaces that it selects.
        lambda: kind.startswith("Cluster") or subject.within(NAMESPACE),
    )


def _writes(subject: CheckedResource, paths: tuple[tuple[str, ...], ...]) -> bool:
    """Whether it writes one of the two; without a target it is called like the object itself."""
    found = next((found for path in paths if (found := value(subject.props, *path))), None)
    ours = (ISSUER_SECRET, TRUST_ROOTS)
    return subject.named(*ours) if found is None else found in ours
