"""The types of pulumi_vault that the program registers, and the functions that it calls.

The API is described at https://developer.hashicorp.com/vault/api-docs
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.providers.kinds import Field, Form, ResourceKind


def _seconds_text(seconds: float) -> str:
    for unit, name in ((3600, "h"), (60, "m")):
        if seconds % unit == 0:
            return f"{seconds / unit:.0f}{name}"
    return f"{seconds:.0f}s"


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """A map of strings, as the provider makes one of what a server answers."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def _tune(tune: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "allowedResponseHeaders": tune.get("allowed_response_headers") or [],
        "auditNonHmacRequestKeys": tune.get("audit_non_hmac_request_keys") or [],
        "auditNonHmacResponseKeys": tune.get("audit_non_hmac_response_keys") or [],
        "defaultLeaseTtl": _seconds_text(tune["default_lease_ttl"]),
        "listingVisibility": tune.get("listing_visibility") or "",
        "maxLeaseTtl": _seconds_text(tune["max_lease_ttl"]),
        "passthroughRequestHeaders": tune.get("passthrough_request_headers") or [],
        "tokenType": tune.get("token_type") or "",
    }


def _custom_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "casRequired": bool(metadata.get("cas_required")),
        "data": metadata.get("custom_metadata") or {},
        "deleteVersionAfter": _go_seconds(metadata.get("delete_version_after") or "0s"),
        "maxVersions": metadata.get("max_versions") or 0,
    }


def _go_seconds(text: str) -> int:
    """The seconds of `3h12m10s`."""
    total, number = 0, ""
    for letter in text:
        if letter.isdigit():
            number += letter
        else:
            total, number = total + int(number) * {"h": 3600, "m": 60, "s": 1}[letter], ""
    return total


def _lease(name: str) -> Field:
    # Vault's own limits where the program says nothing.
    api = f"{name}_lease_ttl"
    return Field(
        f"{name}LeaseTtlSeconds",
        f"config.{api}",
        {"mount": f"config.{api}", "tune": api},
        computed=True,
        absent=0,
        form=Form.SECONDS,
    )


def _read_only(name: str, api: str | None = None, **more: Any) -> Field:
    return Field(name, api, given=False, **more)


def _both(name: str, **more: Any) -> Field:
    """A property that one path takes, in a creation and in an update."""
    return Field(name, sent={"": _snake_of(name)}, **more)


def _snake_of(name: str) -> str:
    return Field(name).place


_MOUNT = ResourceKind(
    "vault:index/mount:Mount",
    "{path}",
    (
        Field("path", ""),
        Field("type", sent={"mount": "type"}, replaces=True),
        Field("description", sent={"mount": "description", "tune": "description"}, absent=""),
        Field(
            "options",
            sent={"mount": "options", "tune": "options"},
            decode=lambda options: options or None,
        ),
        _lease("default"),
        _lease("max"),
        _read_only("accessor"),
        _read_only("auditNonHmacRequestKeys", "config.audit_non_hmac_request_keys", absent=[]),
        _read_only("auditNonHmacResponseKeys", "config.audit_non_hmac_response_keys", absent=[]),
        _read_only("externalEntropyAccess", absent=False),
        _read_only("forceNoCache", "config.force_no_cache", absent=False),
        _read_only("identityTokenKey", "config.identity_token_key", absent=""),
        _read_only("listingVisibility", "config.listing_visibility", absent=""),
        _read_only("local", absent=False),
        _read_only("sealWrap", absent=False),
    ),
    create={"sys/mounts/{id}": "mount"},
    update={"sys/mounts/{id}/tune": "tune"},
    reads={"": "sys/mounts/{id}"},
    delete="sys/mounts/{id}",
)
_AUTH = ResourceKind(
    "vault:index/authBackend:AuthBackend",
    "{path}",
    (
        Field("path", ""),
        Field("type", sent={"mount": "type"}, replaces=True),
        Field("description", sent={"mount": "description", "tune": "description"}, absent=""),
        _read_only("accessor"),
        _read_only("disableRemount", "", absent=False),
        _read_only("local", absent=False),
        _read_only("tune", decode=_tune),
    ),
    create={"sys/auth/{id}": "mount"},
    update={"sys/mounts/auth/{id}/tune": "tune"},
    reads={"": "sys/auth/{id}", "tune": "sys/mounts/auth/{id}/tune"},
    delete="sys/auth/{id}",
    version=1,
)
_POLICY = ResourceKind(
    "vault:index/policy:Policy",
    "{name}",
    (Field("name", "", replaces=True), _both("policy")),
    create={"sys/policies/acl/{id}": ""},
    update={"sys/policies/acl/{id}": ""},
    reads={"": "sys/policies/acl/{id}"},
    delete="sys/policies/acl/{id}",
)
_SECRET = ResourceKind(
    "vault:kv/secretV2:SecretV2",
    "{mount}/data/{name}",
    (
        Field("mount", "", replaces=True),
        Field("name", "", replaces=True),
        # Not read back, as the provider does not: what others write there is no drift.
        Field("dataJson", "", {"": "data"}, secret=True, form=Form.JSON),
        _read_only("path", "id"),
        _read_only("data", "", absent={}, secret=True),
        _read_only("metadata", "metadata", decode=_texts),
        _read_only("customMetadata", "custom", decode=_custom_metadata),
        _read_only("deleteAllVersions", "", absent=False),
        _read_only("disableRead", "", absent=False),
    ),
    create={"{id}": ""},
    update={"{id}": ""},
    reads={"": "{id}", "custom": "{mount}/metadata/{name}"},
    delete="{id}",
)
_ROOT = ResourceKind(
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    "{backend}/issuer/{issuerId}",
    (
        Field("backend", "", replaces=True),
        Field("type", "", replaces=True),
        _both("commonName", replaces=True),
        _both("excludeCnFromSans", replaces=True),
        _both("keyType", default="rsa", replaces=True),
        _both("keyBits", default=2048, replaces=True),
        _both("maxPathLength", default=-1, replaces=True),
        _both("ttl"),
        _both("format", default="pem", replaces=True),
        _both("privateKeyFormat", default="der", replaces=True),
        _both("issuerName", replaces=True, computed=True),
        _both("keyName", replaces=True, computed=True),
        *(
            _read_only(name)
            for name in ("certificate", "issuingCa", "serialNumber", "issuerId", "keyId")
        ),
    ),
    create={"{backend}/issuers/generate/root/{type}": ""},
    # With the mount it goes; an issuer that was deleted is made again.
    reads={"": "sys/mounts/{backend}"},
    delete="{id}",
    returned=True,
    version=1,
)
_AUTH_CONFIG = ResourceKind(
    "vault:kubernetes/authBackendConfig:AuthBackendConfig",
    "auth/{backend}/config",
    (
        Field("backend", "", default="kubernetes", replaces=True),
        _both("kubernetesHost"),
        _both("kubernetesCaCert", computed=True, absent=""),
        _both("disableLocalCaJwt", computed=True, absent=False),
        # Vault's own default is another than the provider's.
        _both("disableIssValidation", given=False, absent=False),
        _read_only("issuer", absent=""),
        _read_only("useAnnotationsAsAliasMetadata", absent=False),
    ),
    create={"{id}": ""},
    update={"{id}": ""},
    reads={"": "{id}"},
)
_AUTH_ROLE = ResourceKind(
    "vault:kubernetes/authBackendRole:AuthBackendRole",
    "auth/{backend}/role/{roleName}",
    (
        Field("backend", "", default="kubernetes", replaces=True),
        Field("roleName", "", replaces=True),
        _both("boundServiceAccountNames", form=Form.SET),
        _both("boundServiceAccountNamespaces", form=Form.SET),
        _both("audience", absent=""),
        _both("tokenPolicies", form=Form.SET),
        _both("tokenTtl", absent=0),
        _both("tokenMaxTtl", absent=0),
        _both("tokenType", default="default"),
        _read_only("aliasNameSource"),
        _read_only("boundServiceAccountNamespaceSelector", absent=""),
        *(
            _read_only(name, absent=0)
            for name in ("tokenExplicitMaxTtl", "tokenNumUses", "tokenPeriod")
        ),
        _read_only("tokenNoDefaultPolicy", absent=False),
    ),
    create={"{id}": ""},
    update={"{id}": ""},
    reads={"": "{id}"},
    delete="{id}",
)
_TRANSIT_KEY = ResourceKind(
    "vault:transit/secretBackendKey:SecretBackendKey",
    "{backend}/keys/{name}",
    (
        Field("backend", "", replaces=True),
        Field("name", "", replaces=True),
        Field("type", sent={"key": "type"}, default="aes256-gcm96", replaces=True),
        *(
            Field(name, sent={"config": _snake_of(name)}, absent=False)
            for name in ("exportable", "allowPlaintextBackup", "deletionAllowed")
        ),
        Field("minDecryptionVersion", sent={"config": "min_decryption_version"}, default=1),
        _read_only("keys", decode=lambda keys: [_texts(key) for key in keys.values()]),
        *(
            _read_only(name, absent=0)
            for name in (
                *("autoRotatePeriod", "latestVersion", "minAvailableVersion"),
                *("minEncryptionVersion", "keySize"),
            )
        ),
        *(
            _read_only(name, absent=False)
            for name in (
                *("convergentEncryption", "derived", "supportsDecryption"),
                *("supportsDerivation", "supportsEncryption", "supportsSigning"),
            )
        ),
    ),
    create={"{id}": "key", "{id}/config": "config"},
    update={"{id}/config": "config"},
    reads={"": "{id}"},
    delete="{id}",
)
KINDS = {
    kind.token: kind
    for kind in (
        *(_MOUNT, _AUTH, _POLICY, _SECRET, _ROOT),
        *(_AUTH_CONFIG, _AUTH_ROLE, _TRANSIT_KEY),
    )
}


@dataclass(frozen=True)
class Function:
    """A function of the provider: arguments, id and path of what is read, and its results."""

    token: str
    arguments: tuple[str, ...]
    path: str
    results: tuple[Field, ...]


FUNCTIONS = {
    each.token: each
    for each in (
        Function(
            "vault:kv/getSecretV2:getSecretV2",
            ("mount", "name"),
            "{mount}/data/{name}",
            (
                Field("data", secret=True, decode=_texts),
                Field(
                    "dataJson",
                    "data",
                    secret=True,
                    decode=lambda data: json.dumps(data, sort_keys=True, separators=(",", ":")),
                ),
                Field("createdTime", "metadata.created_time"),
                Field("deletionTime", "metadata.deletion_time"),
                Field("destroyed", "metadata.destroyed"),
                Field("version", "metadata.version"),
            ),
        ),
        Function(
            "vault:pkiSecret/getBackendIssuer:getBackendIssuer",
            ("backend", "issuerRef"),
            "{backend}/issuer/{issuerRef}",
            (
                *(
                    Field(name)
                    for name in (
                        *("issuerName", "issuerId", "keyId", "certificate"),
                        *("leafNotAfterBehavior", "usage"),
                    )
                ),
                Field("caChains", "ca_chain"),
                Field("manualChains", "manual_chain", absent=[]),
                *(
                    Field(name, absent=False)
                    for name in (
                        *("disableCriticalExtensionChecks", "disablePathLengthChecks"),
                        *("disableNameChecks", "disableNameConstraintChecks"),
                    )
                ),
            ),
        ),
    )
}
