"""No private key passes through the engine."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from policies.values import SECRET, UNKNOWN
from tests.unit.policy_samples import private_key, subject, texts, thing
from tests.unit.stack_files import certificate

ID = "no-private-key"
ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"


def encoded(text: str) -> str:
    """A text as the data of a Secret hold it."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("form", ["PKCS8", "SEC1", "OpenSSH"])
def test_a_key_is_found_in_any_form_and_place(form: str) -> None:
    """PKCS8, SEC1 and OpenSSH differ in the header alone; a values file holds one anywhere."""
    props: dict[str, Any] = {"values": {"identity": [{"issuer": {"pem": private_key(form)}}]}}
    (text,) = texts(ID, subject("kubernetes:helm.sh/v4:Chart", **props))
    assert text == "values.identity[0].issuer.pem holds a private key"


@pytest.mark.parametrize("text", [encoded(private_key()), f"a\n{encoded(private_key())}\n"])
def test_a_key_in_base64_is_found(text: str) -> None:
    """The usual form in a Secret, or in the data of a webhook."""
    assert texts(ID, thing("ConfigMap", data={"bundle": text}))


def test_a_key_behind_a_certificate_is_found() -> None:
    """Vault's `pem_bundle` has both, one after the other."""
    both = certificate() + private_key()
    assert texts(ID, subject("vault:pkiSecret/x:X", pemBundle=both))
    assert texts(ID, thing("ConfigMap", data={"bundle": encoded(both)}))


def test_a_certificate_is_no_key() -> None:
    """Anchors are public; a policy that cries wolf gets switched off."""
    data = {"ca.crt": certificate(), "ca": encoded(certificate())}
    assert texts(ID, thing("ConfigMap", data=data)) == []
    assert texts(ID, thing("Secret", data={"ca.crt": SECRET, "client_secret": SECRET})) == []


def test_documentation_that_names_the_header_is_no_key() -> None:
    """External Secrets' CRDs explain what goes where."""
    described = {"description": "PEM, starts with -----BEGIN PRIVATE KEY-----"}
    assert texts(ID, subject("vault:index/mount:Mount", **described)) == []
    crd = thing("CustomResourceDefinition", spec={"description": SECRET})
    assert texts(ID, crd) == []


@pytest.mark.parametrize("name", ["tls.key", "ca.key", "ca-key.pem", "id_ed25519", "KEY"])
@pytest.mark.parametrize("content", ["c2VjcmV0", SECRET, UNKNOWN])
def test_an_entry_that_is_called_like_a_key_is_one(name: str, content: str) -> None:
    """What it holds is masked in a plan, and not known before an apply."""
    for part in ("data", "stringData"):
        found = texts(ID, thing("Secret", **{part: {name: content}}))
        assert found == [f"{part}.{name} holds a private key"]


def test_an_empty_entry_is_filled_by_another() -> None:
    """A chart makes the Secret, a controller puts the key into it."""
    assert texts(ID, thing("Secret", data={"tls.key": ""})) == []
    assert texts(ID, thing("Secret")) == []


def test_hidden_data_of_a_secret_cannot_be_judged() -> None:
    """The engine may mask all of them at once."""
    (text,) = texts(ID, thing("Secret", data=SECRET))
    assert "cannot be checked" in text
    assert texts(ID, thing("Secret", type="kubernetes.io/tls", data=SECRET)) == [
        "is a Secret of type kubernetes.io/tls"
    ]


@pytest.mark.parametrize("text", [SECRET, f"-----BEGIN CERTIFICATE-----\n{SECRET}\n"])
def test_what_was_masked_before_is_one(text: str) -> None:
    """Plans and change sets mask every key before a policy sees it, alone or within a text."""
    masked = "is masked: a private key, or a secret that belongs in a Secret"
    assert texts(ID, thing("ConfigMap", data={"a": {"b": text}})) == [f"data.a.b {masked}"]
    values = {"identity": {"issuer": {"key": text}}}
    release = subject("kubernetes:helm.sh/v3:Release", values=values)
    assert texts(ID, release) == [f"values.identity.issuer.key {masked}"]


def test_what_refers_to_a_secret_holds_none() -> None:
    """Change sets mask a field called `secretKey`; for External Secrets that is an entry's name."""
    spec = {"data": [{"secretKey": SECRET, "remoteRef": {"key": "k"}}]}
    group = "external-secrets.io/v1"
    assert texts(ID, thing("ExternalSecret", group=group, spec=spec)) == []
    assert texts(ID, thing("ConfigMap", data=spec))
    template = {"target": {"template": {"data": {"a": SECRET}}}}
    assert texts(ID, thing("ExternalSecret", group=group, spec=template))


def test_an_entry_in_vault_is_secret_as_a_whole() -> None:
    """The engine marks it so, whatever it holds: ours is a certificate."""
    assert texts(ID, subject("vault:kv/secretV2:SecretV2", dataJson=SECRET)) == []


def test_a_root_whose_key_leaves_vault_is_refused() -> None:
    """`exported` writes the key into the state of the stack."""
    assert texts(ID, subject(ROOT, type="internal")) == []
    assert "exported" in texts(ID, subject(ROOT, type="exported"))[0]
    assert "cannot be checked" in texts(ID, subject(ROOT, type=UNKNOWN))[0]


@pytest.mark.parametrize(
    "type_",
    ["tls:index/privateKey:PrivateKey", "vault:pkiSecret/secretBackendCert:SecretBackendCert"],
)
def test_a_resource_that_hands_its_key_back_is_refused(type_: str) -> None:
    """Its inputs are harmless; its outputs are in the state."""
    assert texts(ID, subject(type_)) == ["returns its private key to the engine"]
