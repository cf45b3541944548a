"""Conditions of rules about trust: anchors, issuers, certificates, Vault, the stores of secrets.

Each takes a change and answers True, or words that belong to the reason.
"""

from __future__ import annotations

from bot.changes import label_changes
from bot.changes.model import Change, Op
from bot.changes.objects import (
    both,
    changed,
    goes,
    items,
    last_key,
    mapping,
    mesh_settings,
    seconds,
    shift,
    told,
)
from components.names import IDENTITY_ISSUER, LINKERD, TRUST_ROOTS_CONFIG_MAP

# A URN holds the types of all parents: what these components make is the trust's.
_ANCHOR_OWNERS = ("trust:TrustAnchor$", "trust:ClusterAnchor$", "trust:TrustBundle$")
_ISSUER_OWNERS = ("trust:IdentityIssuer$",)
_CERT_MANAGER = "cert-manager.io/"
_ESO = "external-secrets.io/"
_LIFETIMES = frozenset(
    {
        *("duration", "ttl", "maxTtl", "issuanceLifetime", "leafLifetime"),
        *("maxLeaseTtlSeconds", "defaultLeaseTtlSeconds", "renewBefore"),
    }
)
# Of these alone an object in Vault or in the cluster goes on as it was.
# What cert-manager does not issue a certificate anew for: pkg/controller/certificates/trigger.
NOT_ISSUED = frozenset({"renewBefore", "renewBeforePercentage", "revisionHistoryLimit"})
NOT_ISSUED |= frozenset({"secretTemplate", "additionalOutputFormats"})
_READ_AGAIN = frozenset({"refreshInterval"})
_MOUNT_LIFETIMES = frozenset({"maxLeaseTtlSeconds", "defaultLeaseTtlSeconds", "description"})
_TOKEN_LIFETIMES = frozenset({"tokenTtl", "tokenMaxTtl"})
# What a certificate may say in another way without being signed in another way.
_RENEWAL = NOT_ISSUED | {"duration"}
Answer = bool | str


def only(change: Change, keys: frozenset[str]) -> bool:
    """True for an update of properties with these names alone, labels that only tell aside."""
    told = [field for field in change.fields if not field.path.startswith("metadata.")]
    return (
        change.op is Op.UPDATE
        and bool(told)
        and all(last_key(field.path) in keys for field in told)
        and not label_changes.changed_keys(change)
    )


def read_again(change: Change) -> Answer:
    """Secrets are read at another interval; what is read is the same."""
    return change.api_version.startswith(_ESO) and only(change, _READ_AGAIN)


def mount_lifetimes(change: Change) -> Answer:
    """A mount may sign for longer, or is described in other words."""
    return (
        change.type.startswith("vault:index/mount:")
        and only(change, _MOUNT_LIFETIMES)
        and not lifetime_shortens(change)
    )


def token_lifetimes(change: Change) -> Answer:
    """Tokens of a login live for another time."""
    return change.type.startswith("vault:kubernetes/") and only(change, _TOKEN_LIFETIMES)


def is_anchor(change: Change) -> bool:
    """A part of the trust anchor: root, its mount and keys in Vault, what publishes it."""
    if change.type.startswith("vault:") and _is_pki(change):
        return True
    if any(owner in change.urn for owner in _ANCHOR_OWNERS):
        return True
    return is_bundle(change)


def is_bundle(change: Change) -> bool:
    """The roots that pods trust: the Bundle, or the ConfigMap itself."""
    return change.object_name == TRUST_ROOTS_CONFIG_MAP and change.kind in ("Bundle", "ConfigMap")


def is_issuer(change: Change) -> bool:
    """What signs workloads' certificates: the issuer's Certificate, its issuer, its Secret."""
    if any(owner in change.urn for owner in _ISSUER_OWNERS):
        return True
    named = change.object_name.startswith(IDENTITY_ISSUER)
    return named and change.kind in ("Certificate", "Issuer", "ClusterIssuer", "Secret")


def _is_pki(change: Change) -> bool:
    mount = change.type.startswith("vault:index/mount:") and change.inputs.get("type") == "pki"
    return mount or change.type.startswith("vault:pkiSecret/")


def anchor_goes(change: Change) -> Answer:
    """A part of the anchor goes."""
    return goes(change) and is_anchor(change)


def issuer_goes(change: Change) -> Answer:
    """What signs workloads' certificates goes, if only for a moment."""
    return goes(change) and is_issuer(change)


def pki_goes(change: Change) -> Answer:
    """A mount, root or login of Vault goes."""
    return goes(change) and change.type.startswith("vault:")


def anchor_changes(change: Change) -> Answer:
    """A part of the anchor changes in place, in more than labels that nothing reads."""
    if change.op is not Op.UPDATE or not is_anchor(change) or is_bundle(change):
        return False
    return not (label_changes.only_labels(change) or read_again(change) or mount_lifetimes(change))


def sources(change: Change) -> tuple[set[str], set[str]]:
    """Where the trusted roots come from, before and after."""
    names: list[set[str]] = []
    for side in both(change, "spec", "sources"):
        found = set()
        for item in items(side):
            for form, source in mapping(item).items():
                where = mapping(source)
                name = where.get("name") or where.get("selector") or "in line"
                found.add(
                    f"{form} {name}" if isinstance(source, dict) else f"{form} {told(source)}"
                )
        names.append(found)
    return names[0], names[1]


def root_goes(change: Change) -> Answer:
    """A trusted root leaves the bundle."""
    if not is_bundle(change) or change.op not in (Op.UPDATE, Op.REPLACE):
        return False
    if change.kind == "ConfigMap":
        return changed(change, "data") is not None
    before, after = sources(change)
    return ", ".join(sorted(before - after))


def root_comes(change: Change) -> Answer:
    """A trusted root joins the bundle."""
    if not is_bundle(change) or change.op not in (Op.UPDATE, Op.REPLACE):
        return False
    before, after = sources(change)
    return ", ".join(sorted(after - before))


def bundle_moves(change: Change) -> Answer:
    """The bundle is written elsewhere, or in another form."""
    return is_bundle(change) and change.op is Op.UPDATE and change.touches("spec.target")


def signer_changes(change: Change) -> Answer:
    """Another anchor signs the identity issuer."""
    if not is_issuer(change) or change.kind != "Certificate":
        return False
    found = changed(change, "spec", "issuerRef")
    return bool(found) and _names(found, "name")


def issuer_changes(change: Change) -> Answer:
    """How the issuer is signed, or what is in it, changes."""
    if change.op is not Op.UPDATE or not is_issuer(change) or not change.touches("spec", "data"):
        return False
    return not _issuer_lifetimes(change)


def issuer_reissued(change: Change) -> Answer:
    """The issuer is issued anew by the same signer, for another time."""
    return _issuer_lifetimes(change) and not renewal_time(change)


def renewal_time(change: Change) -> Answer:
    """A certificate is renewed at another time, and stays as it is until then."""
    certificate = change.kind == "Certificate" and change.api_version.startswith(_CERT_MANAGER)
    return certificate and only(change, NOT_ISSUED)


def _issuer_lifetimes(change: Change) -> bool:
    return is_issuer(change) and change.kind == "Certificate" and only(change, _RENEWAL)


def certificate_changes(change: Change) -> Answer:
    """cert-manager issues another certificate anew."""
    return (
        change.op is Op.UPDATE
        and change.kind == "Certificate"
        and change.api_version.startswith(_CERT_MANAGER)
        and change.touches("spec")
        and not is_issuer(change)
        and not renewal_time(change)
    )


def lifetime_shortens(change: Change) -> Answer:
    """Something is valid for less time, or renewed earlier or later before its end."""
    if change.op not in (Op.UPDATE, Op.REPLACE):
        return False
    shorter = []
    for field in (*change.fields, *mesh_settings(change)):
        if last_key(field.path) in _LIFETIMES:
            before, after = seconds(field.before), seconds(field.after)
            if before is not None and (after is None or after < before):
                shorter.append(shift(field))
    return "; ".join(dict.fromkeys(shorter))


def trust_domain_changes(change: Change) -> Answer:
    """Identities get other names."""
    names = ("identityTrustDomain", "clusterDomain")
    return "; ".join(shift(f) for f in mesh_settings(change) if f.path in names)


def vault_rights_change(change: Change) -> Answer:
    """Who may log in to Vault, and what they may do there, changes."""
    if change.op is not Op.UPDATE or token_lifetimes(change):
        return False
    return change.type.startswith(
        ("vault:index/policy:", "vault:kubernetes/", "vault:index/authBackend:")
    )


def vault_changes(change: Change) -> Answer:
    """Anything else in Vault changes."""
    if change.op is not Op.UPDATE or not change.type.startswith("vault:"):
        return False
    return not (vault_rights_change(change) or token_lifetimes(change) or mount_lifetimes(change))


def store_changes(change: Change) -> Answer:
    """Where secrets come from changes."""
    return (
        change.op is Op.UPDATE
        and change.api_version.startswith(_ESO)
        and change.kind in ("SecretStore", "ClusterSecretStore")
        and change.touches("spec")
        and not read_again(change)
    )


def synced_secret_changes(change: Change) -> Answer:
    """Another value, or another Secret, is what is synced."""
    return (
        change.op is Op.UPDATE
        and change.api_version.startswith(_ESO)
        and change.kind.endswith(("ExternalSecret", "PushSecret"))
        and change.touches("spec")
        and not read_again(change)
    )


def synced_secret_goes(change: Change) -> Answer:
    """The Secret goes with what syncs it, unless that keeps it."""
    if not goes(change) or not change.kind.endswith("ExternalSecret"):
        return False
    target = mapping(mapping(mapping(change.before).get("spec")).get("target"))
    if target.get("creationPolicy", "Owner") != "Owner":
        return False
    return f"Secret {told(target.get('name') or change.object_name)}"


def secret_changes(change: Change) -> Answer:
    """A Secret of the control plane gets another content."""
    return (
        change.op is Op.UPDATE
        and change.kind == "Secret"
        and change.namespace == LINKERD
        and change.touches("data", "stringData", "type")
    )


def _names(found: tuple[object, object] | None, key: str) -> str:
    before, after = found or (None, None)
    return f"{told(mapping(before).get(key))} to {told(mapping(after).get(key))}"
