"""TLS material and kubeconfig of the sandbox."""

from __future__ import annotations

import json
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sandbox import pki


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pki") / "pki"
    pki.create(made)
    return made


def certificate(folder, name):
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def test_every_key_is_readable_by_its_owner_alone(folder):
    keys = list(folder.glob("*.key"))
    assert len(keys) >= 9
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("leaf", "issuer"),
    [
        ("kube-apiserver", "ca"),
        ("etcd", "ca"),
        ("admin", "ca"),
        ("front-proxy-client", "front-proxy-ca"),
        ("vault", "vault-ca"),
    ],
)
def test_a_leaf_verifies_against_its_own_authority(folder, leaf, issuer):
    certificate(folder, leaf).verify_directly_issued_by(certificate(folder, issuer))


def test_the_front_proxy_has_an_authority_of_its_own(folder):
    """Shared, any client certificate could claim to be any user through request headers."""
    with pytest.raises(Exception):  # noqa: B017, PT011  (the library's own error)
        certificate(folder, "front-proxy-client").verify_directly_issued_by(
            certificate(folder, "ca")
        )


def test_the_api_server_is_valid_for_loopback_and_service_name(folder):
    names = (
        certificate(folder, "kube-apiserver")
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert {str(each) for each in names.get_values_for_type(x509.IPAddress)} == {
        "127.0.0.1",
        "10.96.0.1",
    }
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_authority_keys_nobody_needs_are_not_written(folder):
    """Only the controller manager signs later; the other authorities' keys die with `create`."""
    assert sorted(path.name for path in folder.glob("*ca.key")) == ["ca.key"]


def test_the_administrator_is_in_the_masters_group(folder):
    subject = certificate(folder, "admin").subject
    organisation = subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    assert [each.value for each in organisation] == ["system:masters"]


def test_creating_twice_changes_nothing(folder):
    """New keys under a running API server would cut everybody off."""
    before = (folder / "ca.crt").read_bytes()
    pki.create(folder)
    assert (folder / "ca.crt").read_bytes() == before


def test_kubeconfig_is_self_contained(folder):
    document = json.loads(pki.kubeconfig(folder, "admin", "https://127.0.0.1:1"))
    user = document["users"][0]["user"]
    assert set(user) == {"client-certificate-data", "client-key-data"}
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"


def test_a_private_file_replaces_a_public_one_of_the_same_name(tmp_path):
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    pki.write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_service_account_key_pair_matches(folder):
    key = serialization.load_pem_private_key(
        (folder / "service-account.key").read_bytes(), password=None
    )
    public = serialization.load_pem_public_key((folder / "service-account.pub").read_bytes())
    assert key.public_key() == public
