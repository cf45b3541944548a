"""Resources of vault and random as our components make them, with other values of each property."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOUNT = "vault:index/mount:Mount"
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n".format(
    base64.b64encode(b"no certificate, and Vault does not ask").decode()
)


@dataclass(frozen=True)
class Sample:
    """A resource as our components make it, other values of its properties, and what it needs.

    `@` in a value becomes the name of who makes it, so that both find place in one Vault.
    """

    name: str
    type: str
    inputs: Mapping[str, Any]
    changes: Mapping[str, Any]
    after: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()


SAMPLES = (
    Sample(
        "kv",
        MOUNT,
        {"path": "kv-@", "type": "kv", "options": {"version": "2"}, "description": "One"},
        {
            "description": "Two",
            "options": {"version": "1"},
            "type": "pki",
            "path": "moved-@",
        },
    ),
    Sample(
        "pki",
        MOUNT,
        {
            "path": "pki-@",
            "type": "pki",
            "description": "One",
            "maxLeaseTtlSeconds": 7200,
            "defaultLeaseTtlSeconds": 7200,
        },
        {
            "maxLeaseTtlSeconds": 7300,
            "defaultLeaseTtlSeconds": 3600,
            "description": None,
            "type": "kv",
        },
    ),
    Sample(
        "transit",
        MOUNT,
        {"path": "transit-@", "type": "transit", "description": "One"},
        {"description": "Two", "type": "kv"},
    ),
    Sample(
        "policy",
        "vault:index/policy:Policy",
        {"name": "policy-@", "policy": 'path "a/*" { capabilities = ["read"] }\n'},
        {"policy": 'path "b/*" { capabilities = ["read"] }\n', "name": "other-@"},
    ),
    Sample(
        "suffix",
        "random:index/randomString:RandomString",
        {"length": 8, "special": False, "upper": False, "keepers": {"generation": "one"}},
        {
            "length": 9,
            "special": True,
            "upper": None,
            "keepers": {"generation": "two"},
        },
    ),
    Sample(
        "root",
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        {
            "backend": "pki-@",
            "type": "internal",
            "commonName": "root.example",
            "excludeCnFromSans": True,
            "keyType": "ec",
            "keyBits": 256,
            "maxPathLength": 1,
            "ttl": "3600",
            "issuerName": "one",
            "keyName": "one-key",
        },
        {
            "ttl": "1800",
            "backend": "kv-@",
            "type": "exported",
            "commonName": "other.example",
            "excludeCnFromSans": None,
            "keyType": "rsa",
            "keyBits": 384,
            "maxPathLength": None,
            "issuerName": "two",
            "keyName": "two-key",
        },
        after=("pki",),
    ),
    Sample(
        "entry",
        "vault:kv/secretV2:SecretV2",
        {"mount": "kv-@", "name": "anchors/one", "dataJson": '{"b": "<1>", "a": [1, "ü"]}'},
        {"dataJson": '{"b": "2"}', "name": "anchors/two", "mount": "pki-@"},
        after=("kv",),
        secret=("dataJson",),
    ),
    Sample(
        "login",
        "vault:index/authBackend:AuthBackend",
        {"type": "kubernetes", "path": "kubernetes/@", "description": "One"},
        {"description": "Two", "type": "approle", "path": "kubernetes/moved-@"},
    ),
    Sample(
        "login-config",
        "vault:kubernetes/authBackendConfig:AuthBackendConfig",
        {
            "backend": "kubernetes/@",
            "kubernetesHost": "https://127.0.0.1:1",
            "kubernetesCaCert": _CERTIFICATE,
            "disableLocalCaJwt": True,
        },
        {
            "kubernetesHost": "https://127.0.0.1:2",
            "kubernetesCaCert": _CERTIFICATE.replace("A", "B"),
            "disableLocalCaJwt": None,
            "backend": "kubernetes/other",
        },
        after=("login",),
    ),
    Sample(
        "role",
        "vault:kubernetes/authBackendRole:AuthBackendRole",
        {
            "backend": "kubernetes/@",
            "roleName": "one",
            "audience": "vault",
            "boundServiceAccountNames": ["b", "a"],
            "boundServiceAccountNamespaces": ["x"],
            "tokenPolicies": ["p", "c"],
            "tokenTtl": 600,
            "tokenMaxTtl": 600,
        },
        {
            "audience": "another",
            "boundServiceAccountNames": ["a", "c"],
            "boundServiceAccountNamespaces": ["x", "y"],
            "tokenPolicies": ["p"],
            "tokenTtl": 300,
            "tokenMaxTtl": 900,
            "roleName": "two",
            "backend": "kubernetes/other",
        },
        after=("login-config",),
    ),
    Sample(
        "key",
        "vault:transit/secretBackendKey:SecretBackendKey",
        {
            "backend": "transit-@",
            "name": "approvals",
            "type": "ecdsa-p256",
            "exportable": False,
            "allowPlaintextBackup": False,
            "deletionAllowed": False,
        },
        {
            "deletionAllowed": True,
            "exportable": True,
            "allowPlaintextBackup": True,
            "type": "ed25519",
            "name": "other",
            "backend": "kv-@",
        },
        after=("transit",),
    ),
)
# What Vault can do in place, as one update; and as another one, taken back again.
IN_PLACE = {
    "kv": ("description",),
    "pki": ("maxLeaseTtlSeconds", "defaultLeaseTtlSeconds", "description"),
    "policy": ("policy",),
    "root": ("ttl",),
    "entry": ("dataJson",),
    "login": ("description",),
    "login-config": ("kubernetesHost", "kubernetesCaCert"),
    "role": (
        *("audience", "boundServiceAccountNames", "boundServiceAccountNamespaces"),
        *("tokenPolicies", "tokenTtl", "tokenMaxTtl"),
    ),
    "key": ("deletionAllowed",),
}
