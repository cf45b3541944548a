"""The belt: no secret in a comment, even where the change set has one in clear."""

from __future__ import annotations

import base64
import json
import re
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from bot.changes.masking import masked_field
from bot.changes.model import ChangeSet, FieldChange, Op
from bot.comments.render import render
from schema.masking import masked, masked_value
from tests.unit import comment_samples as samples
from tests.unit.secrecy import found_in


def _key(made: object, form: str, coding: str) -> bytes:
    return made.private_bytes(  # type: ignore[attr-defined]
        getattr(serialization.Encoding, coding),
        getattr(serialization.PrivateFormat, form),
        serialization.NoEncryption(),
    )


def secrets() -> dict[str, str]:
    """One of each kind, made here and now."""
    curve = ec.generate_private_key(ec.SECP256R1())
    keys = {"ec": curve, "ed25519": ed25519.Ed25519PrivateKey.generate()}
    keys["rsa"] = rsa.generate_private_key(65537, 2048)  # type: ignore[assignment]
    made = {}
    for name, key in keys.items():
        made[f"{name} pkcs8"] = _key(key, "PKCS8", "PEM").decode()
        made[f"{name} pkcs8 der"] = base64.b64encode(_key(key, "PKCS8", "DER")).decode()
    for name in ("ec", "rsa"):
        made[f"{name} old"] = _key(keys[name], "TraditionalOpenSSL", "PEM").decode()
        der = _key(keys[name], "TraditionalOpenSSL", "DER")
        made[f"{name} old der"] = base64.b64encode(der).decode()
    for name, strong in (
        ("p521", ec.generate_private_key(ec.SECP521R1())),
        ("rsa 3072", rsa.generate_private_key(65537, 3072)),
    ):
        for form in ("PKCS8", "TraditionalOpenSSL"):
            der = base64.b64encode(_key(strong, form, "DER")).decode()
            made[f"{name} {form} der"] = der
            made[f"{name} {form} der for addresses"] = der.translate(str.maketrans("+/", "-_"))
    made["in hexadecimal"] = _key(curve, "PKCS8", "DER").hex()
    made["OpenSSH without armour"] = "".join(
        _key(keys["ed25519"], "OpenSSH", "PEM").decode().splitlines()[1:-1]
    )
    made["in base64"] = base64.b64encode(made["ec pkcs8"].encode()).decode()
    made["twice in base64"] = base64.b64encode(made["in base64"].encode()).decode()
    made["three times in base64"] = base64.b64encode(made["twice in base64"].encode()).decode()
    wrapped = base64.encodebytes(made["rsa pkcs8"].encode()).decode()
    made["in base64 of 76 columns"] = wrapped
    made["in base64 of 76 columns in json"] = json.dumps({"tls.key": wrapped})
    made["twice in json"] = json.dumps(json.dumps({"tls.key": made["ec old"]}))
    der = made["rsa pkcs8 der"]
    lines = "\n".join(der[at : at + 64] for at in range(0, len(der), 64))
    made["der of 64 columns in json"] = json.dumps({"tls.key": lines})
    made["in json"] = json.dumps({"tls.key": made["rsa old"]})
    made["cut at its end"] = made["rsa pkcs8"][:300]
    made["Vault"] = "hvs." + "CAESI" * 6
    made["Vault batch"] = "hvb." + "AAAAA" * 6
    made["web token"] = ".".join("eyJ" + "hbGciOiJSUzI1" * 2 for _ in range(3))
    made["GitHub"] = "ghp_" + "a1B2" * 9
    made["engine"] = "pul-" + "0f" * 20
    made["address"] = "https://admin:correct-horse@vault.example/v1"
    made["header"] = "Authorization: Bearer " + "a1b2c3" * 5
    return made


SECRETS = secrets()


def essence(secret: str) -> str:
    """The part that must not be seen."""
    if secret.startswith("https"):
        return "correct-horse"
    if secret.startswith("30"):
        return secret[40:100]
    text = re.sub(r"\\+n", "\n", secret)
    lines = [line for line in text.splitlines() if "-----" not in line]
    # The last long one: a pattern that stops at the end of a line would leave it.
    longest = max(map(len, lines))
    return [line for line in lines if len(line) == longest][-1].rpartition(" ")[2][-60:]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_masked_by_its_look(name: str) -> None:
    secret = SECRETS[name]
    told = masked(f"before {secret} after")
    assert essence(secret) not in told
    assert "[secret]" in told
    assert told.startswith("before ")


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_a_coded_key_is_found_wherever_it_begins(before: str) -> None:
    """Nothing says that base64 begins at the first character of a word."""
    assert masked(f"{before}{SECRETS['in base64']}") == "[secret]"


@pytest.mark.parametrize("name", SECRETS)
def test_no_place_of_a_comment_shows_one(name: str) -> None:
    """Values, names, errors, reasons: whatever a program or a server put there."""
    secret = SECRETS[name]
    one = samples.change(
        "ConfigMap", "ns/x", Op.UPDATE,
        FieldChange(path="data.a", before="x", after=secret),
        FieldChange(path="data.b", before=f"x\n{secret}\ny", after=f"x\n{secret}z\ny"),
        FieldChange(path="data.c", before={"deep": [secret]}),
    )  # fmt: skip
    new = samples.change("ConfigMap", "ns/y", Op.CREATE, content={"data": {"a": [secret]}})
    changes = ChangeSet(
        stack="production", source="preview", changes=(one, new),
        errors=(f"failed: {secret}",), doubts=(secret,), warnings=(secret,),
    )  # fmt: skip
    found = (samples.finding(samples.Level.HIGH, f"because {secret}", one),)
    for part in render(changes, found, samples.impact(denied=(secret,)), samples.RUN):
        assert essence(secret) not in part
        assert not found_in(part)


@pytest.mark.parametrize(
    ("kind", "path", "value", "told"),
    [
        ("Secret", ("data", "password"), "aGk=", "[secret]"),
        ("Secret", ("data",), {"a": "aGk=", "b": "x"}, {"a": "[secret]", "b": "[secret]"}),
        ("Secret", ("stringData", "x"), "hi", "[secret]"),
        ("Secret", ("metadata", "name"), "webhook-tls", "webhook-tls"),
        ("Secret", ("type",), "kubernetes.io/tls", "kubernetes.io/tls"),
        ("SecretV2", ("dataJson",), '{"a": "hi"}', "[secret]"),
        ("ConfigMap", ("data", "password"), "hi", "[secret]"),
        ("ConfigMap", ("data", "clientSecret"), "hi", "[secret]"),
        ("Deployment", ("spec", "secretName"), "linkerd-identity-issuer", None),
        ("Deployment", ("spec", "automountServiceAccountToken"), False, None),
        ("ConfigMap", ("data", "token"), None, None),
        ("vault", ("skipChildToken",), "false", None),
        ("ConfigMap", ("data", "DB_PASSWORD"), "hi", "[secret]"),
        ("ConfigMap", ("data", "rootPassword"), "hi", "[secret]"),
        ("ConfigMap", ("data", "x-api-key"), "hi", "[secret]"),
        ("ConfigMap", ("data", "bearer_token_file"), "/var/run/token", None),
        (
            "Deployment",
            ("spec", "env"),
            [{"name": "DB_PASSWORD", "value": "hi"}, {"name": "LOG_LEVEL", "value": "hi"}],
            [{"name": "DB_PASSWORD", "value": "[secret]"}, {"name": "LOG_LEVEL", "value": "hi"}],
        ),
        ("ConfigMap", ("data", "x"), "[known after apply]", None),
    ],
)
def test_a_secret_is_masked_by_where_it_stands(
    kind: str, path: tuple[str, ...], value: object, told: object
) -> None:
    """`hi` is a password where a password stands; names of Secrets are no secrets."""
    assert masked_value(kind, path, value) == (value if told is None else told)


def test_the_copy_that_kubectl_keeps_of_a_secret_is_masked() -> None:
    key = "kubectl.kubernetes.io/last-applied-configuration"
    value = {"metadata": {"annotations": {key: '{"data": {"password": "aGk="}}'}}}
    assert "aGk=" not in str(masked_value("Secret", (), value))


@pytest.mark.parametrize(
    "text",
    [
        "cr.l5d.io/linkerd/controller:edge-26.11.2",
        "basic authentication",
        "https://vault.example:8200/v1/pki",
        "-----BEGIN CERTIFICATE-----\nMIIBjTCCATOgAwIBAgIRAKYv\n-----END CERTIFICATE-----",
        "sha256:" + "0123456789abcdef" * 4,
        "s.example.com",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A comment in which everything is masked tells nothing."""
    assert masked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "password: |",
        "automountServiceAccountToken: true",
        "privateKey:\n  rotationPolicy: Always",
        'bearer_token_file: /var/run/secrets/token, path "auth/token/create"',
        "the token: permission denied",
        "VAULT_TOKEN: set it to a token that may manage the mounts",
        "api_key={{ .Values.key }}",
    ],
)
def test_what_is_named_like_a_secret_and_is_none_stays(text: str) -> None:
    """The reason of an error must be read, and a preview must not be refused for a path."""
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"password": "hunter2"}', '{"password": "[secret]"}'),
        (
            '{"a": "{\\"clientSecret\\": \\"hunter2\\"}"}',
            '{"a": "{\\"clientSecret\\": \\"[secret]\\"}"}',
        ),
        ("kind: x\n  db_password: hunter2\n", "kind: x\n  db_password: [secret]\n"),
        ("--password=hunter2 --log=info", "--password=[secret] --log=info"),
        ("VAULT_TOKEN=hunter2", "VAULT_TOKEN=[secret]"),
        ("https://x/y?access_token=hunter2&z=1", "https://x/y?access_token=[secret]&z=1"),
        ("X-Vault-Token: hunter2", "X-Vault-Token: [secret]"),
        ("AccountKey=aHVudGVyMg==;Table=x", "AccountKey=[secret];Table=x"),
        ("authorization: token hunter2", "authorization: token [secret]"),
    ],
)
def test_a_secret_is_masked_by_its_name_in_a_text(text: str, told: str) -> None:
    """A JSON text within a ConfigMap, a flag, an address: there is no key to tell it by."""
    assert masked(text) == told


def test_the_value_of_an_environment_variable_is_masked_by_the_name_beside_it() -> None:
    """The path of the field ends in `value`; what it is called stands in the object alone."""
    env = [{"name": "API_TOKEN", "value": "new"}, {"name": "LEVEL", "value": "new"}]
    before, after = ({"spec": {"env": each}} for each in ([], env))
    fields = [FieldChange(path=f"spec.env[{at}].value", before="old", after="new") for at in (0, 1)]
    told = [masked_field("Deployment", field, before, after).after for field in fields]
    assert told == ["[secret]", "new"]


@pytest.mark.parametrize(
    "text",
    [
        "-----END " + "PRIVATE KEY" * 4_000,
        "-----BEGIN PRIVATE KEY" * 2_000,
        "://" + "a:" * 15_000,
        "-eyJaaaaaaaaaa" * 1_500,
        "A-" * 10_000,
        "MIIB" * 5_000,
        "b3BlbnNzaC1rZXktdjE" + "\\" * 20_000,
        'password="' * 1_000,
        "a.password" * 1_000 + ": x",
    ],
    ids=lambda text: text[:16],
)
def test_no_text_makes_the_look_slow(text: str) -> None:
    """A stranger's plan is looked at too; a pattern that is quadratic would take minutes."""
    began = time.process_time()
    masked(text)
    assert time.process_time() - began < 5


def test_a_text_that_was_seen_is_masked_again() -> None:
    """What is remembered is what was made of it, whatever was looked at since."""
    text = f"token={SECRETS['Vault']}"
    first = masked(text)
    assert SECRETS["Vault"] not in first
    for number in range(20_000):  # more than is remembered
        masked(f"web-{number}")
    assert masked(text) == first
