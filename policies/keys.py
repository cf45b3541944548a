"""No private key passes through the engine: it would stay in the state for good."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.key_forms import keys_in
from policies.model import CheckedResource, Context
from policies.values import SECRET, mapping, strings, value

# Names under which Secrets hold keys: tls.key, ca-key.pem, id_ed25519, privateKey, keystore.p12.
_KEY_NAME = re.compile(
    r"((^|[._-])(key|key\.(pem|der)|id_(rsa|dsa|ecdsa|ed25519))|private[._-]?key([._-](pem|der))?"
    r"|\.(p12|pfx|jks|keystore|ppk|p8|pk8))$",
    re.IGNORECASE,
)
_TLS = "kubernetes.io/tls"
_CRD = "CustomResourceDefinition"
_CHARTS = "kubernetes:helm.sh/"
# Names of entries, which look like secrets by the name of their field: they refer to one.
_REFERS = "external-secrets.io/"
_NAMES_OF_ENTRIES = ("secretKey",)
# What makes a key and hands it back as an output, whatever it is asked.
_RETURNS_KEY = frozenset(
    {
        "tls:index/privateKey:PrivateKey",
        "vault:pkiSecret/secretBackendCert:SecretBackendCert",
    }
)
# What hands its key back when its `type` says so.
_MAY_RETURN_KEY = frozenset(
    {
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
        "vault:pkiSecret/secretBackendKey:SecretBackendKey",
    }
)


def no_private_key(subject: CheckedResource, context: Context) -> Iterator[str]:  # noqa: ARG001
    """A private key in an input, or a resource that hands one back."""
    # The texts in the spec of a CRD are documentation, and there are megabytes of them.
    crd = subject.kind == _CRD and subject.is_object
    props = {k: v for k, v in subject.props.items() if not (crd and k == "spec")}
    yield from (f"{path or 'the whole'} holds a private key" for path in keys_in(props))
    if crd:
        return
    if subject.is_object and subject.kind == "Secret":
        yield from _in_secret(subject)
    elif subject.is_object or subject.type.startswith(_CHARTS):
        yield from (
            f"{path} is masked: a private key, or a secret that belongs in a Secret"
            for path in _hidden(subject)
        )
    if subject.type in _RETURNS_KEY:
        yield "returns its private key to the engine"
    if subject.type in _MAY_RETURN_KEY and value(subject.props, "type") == "exported":
        yield "is of type 'exported', so Vault returns its private key to the engine"


def _hidden(subject: CheckedResource) -> Iterator[str]:
    """What was masked before it got here, as plans and change sets mask every key."""
    by_name = _NAMES_OF_ENTRIES if _REFERS in subject.type else ()
    for path, text in strings(subject.props):
        if SECRET in text and path.rpartition(".")[2] not in by_name:
            yield path


def _in_secret(subject: CheckedResource) -> Iterator[str]:
    """Entries that are keys by their name: their values are masked, or only known later."""
    for part in ("data", "stringData"):
        if subject.props.get(part) == SECRET and value(subject.props, "type") == _TLS:
            yield f"is a Secret of type {_TLS}"
            continue
        entries = mapping(subject.props, part)
        yield from (
            f"{part}.{name} holds a private key"
            for name, content in entries.items()
            if content and _KEY_NAME.search(str(name))
        )
