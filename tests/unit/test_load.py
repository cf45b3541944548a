"""A stack's config from its file and from the engine: the same, and never a secret shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from schema.faults import PROJECT, ConfigError
from schema.values import Duration
from stack.config import StackConfig
from stack.load import from_engine, from_file
from stack.meant import SECRETS
from tests.unit.stack_files import (
    REPO,
    STACK_FILES,
    certificate,
    good,
    lines_of_engine,
    lines_of_file,
    load,
    spoilt,
    write,
    write_text,
)

CREDENTIALS = ("buoyantCloud", "credentials")
SECRET = "hunter2"  # noqa: S105


def not_there_yet(path: Path) -> str:
    """CA files that the sandbox makes."""
    return f"[content of {path.name}]"


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda f: f.name)
def test_every_real_stack_file_loads(file: Path) -> None:
    """They are what is deployed."""
    assert from_file(file, not_there_yet).trust.generations


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda f: f.name)
def test_engine_and_file_agree_on_a_real_stack(file: Path, tmp_path: Path) -> None:
    """The plan of a pull request would show another stack than the one that is deployed."""
    document = yaml.safe_load(file.read_text("utf-8"))["config"]
    for key in ("cluster", "vault"):
        if ca := document.get(f"{PROJECT}:{key}", {}).get("caFile"):
            (tmp_path / ca).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / ca).write_text(certificate(), encoding="utf-8")
    copy = tmp_path / file.name
    copy.write_text(file.read_text("utf-8"), encoding="utf-8")
    values = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in document.items()
    }
    values["pulumi:disable-default-providers"] = '["*"]'
    engine = from_engine(values, file.name.split(".")[1], tmp_path)
    assert engine == from_file(copy)


def test_the_least_that_a_stack_says_gives_production_defaults(tmp_path: Path) -> None:
    """What nobody wrote must be the safe choice."""
    config = load(tmp_path, good())
    assert config.linkerd.ha
    assert config.linkerd.replicas == 3
    assert config.linkerd.default_inbound_policy == "all-unauthenticated"
    assert config.linkerd.webhook_failure_policy == "Fail"
    assert config.protection.protect
    assert not config.sandbox.open_webhooks
    assert not config.buoyant_cloud.enabled
    assert config.trust.issuer.duration == Duration(48 * 3600)
    assert config.trust.issuer.renew_before == Duration(25 * 3600)
    assert config.trust.generations[0].lifetime == Duration(10 * 365 * 86400)


@pytest.mark.parametrize("role", ["owner", "cluster", "standalone"])
def test_each_role_has_a_least_stack_file(role: str, tmp_path: Path) -> None:
    """The anchor is made by owners and standalone stacks alone."""
    config = load(tmp_path, good(role))
    assert config.owns_anchor == (role != "cluster")
    assert (config.cluster is None) == (role == "owner")


def test_the_config_cannot_be_changed_once_loaded(tmp_path: Path) -> None:
    """Two components would see two configs."""
    config = load(tmp_path, good())
    with pytest.raises(ValidationError, match="frozen"):
        config.linkerd.replicas = 1
    hash(config)  # lists inside would make it fail


def test_a_missing_file_lists_the_stacks_there_are(tmp_path: Path) -> None:
    """A misspelt stack name is the usual reason."""
    write(tmp_path, good())
    with pytest.raises(ConfigError) as caught:
        from_file(tmp_path / "Pulumi.prodction.yaml")
    expected = "Pulumi.prodction.yaml: No such file or directory; stack files here: "
    assert str(caught.value) == f"{expected}Pulumi.test.yaml"


def test_an_authority_is_read_from_its_file(tmp_path: Path) -> None:
    """Whoever reads the config wants the certificate, wherever it stood."""
    (tmp_path / "ca.crt").write_text(certificate(), encoding="utf-8")
    sections = spoilt({("vault", "caFile"): "ca.crt"})
    assert load(tmp_path, sections).vault.ca_pem == certificate()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing", "is not a PEM certificate"),
        (b"\xff\xfe\x00", "is not a PEM certificate"),
        (b"-----BEGIN PRIVATE " + b"KEY-----", "holds a private key"),
    ],
)
def test_an_authority_from_a_file_is_checked_as_well(
    content: bytes, message: str, tmp_path: Path
) -> None:
    """A key there would be written into the cluster's objects, in clear."""
    (tmp_path / "ca.crt").write_bytes(content)
    (found,) = lines_of_file(write(tmp_path, spoilt({("vault", "caFile"): "ca.crt"})))
    assert found.split(": ", 2)[1:] == [f"{PROJECT}:vault.caFile", found.split(": ", 2)[2]]
    assert f"ca.crt: {message}" in found


def encrypted(**more: Any) -> dict[Any, Any]:
    """Credentials in encrypted stack config."""
    return {
        ("buoyantCloud", "enabled"): True,
        CREDENTIALS: {
            "source": "config",
            "clientId": "a",
            "clientSecret": {"secure": "v1:abc:def"},
            **more,
        },
    }


def test_an_encrypted_secret_is_there_and_not_readable(tmp_path: Path) -> None:
    """The plan needs to know that there is one, not what it is."""
    config = load(tmp_path, spoilt(encrypted()))
    secret = config.buoyant_cloud.credentials.client_secret
    assert secret is not None
    assert secret.get_secret_value() == "[secret]"


def test_the_engine_hands_the_secret_over_decrypted(tmp_path: Path) -> None:
    """And its text is in no representation of the config."""
    sections = spoilt(encrypted(clientSecret=SECRET))
    values = {k: v if isinstance(v, str) else json.dumps(v) for k, v in sections.items()}
    config = from_engine({f"{PROJECT}:{k}": v for k, v in values.items()}, "test", tmp_path)
    secret = config.buoyant_cloud.credentials.client_secret
    assert secret is not None
    assert secret.get_secret_value() == SECRET
    assert SECRET not in f"{config!r}{config}{config.model_dump()}{config.model_dump_json()}"


def test_a_secret_in_clear_is_refused(tmp_path: Path) -> None:
    """It would be in git for good."""
    (found,) = lines_of_file(write(tmp_path, spoilt(encrypted(clientSecret=SECRET))))
    assert "is in clear: `pulumi config set --secret --path linkerd-platform:buoyant" in found
    assert SECRET not in found


SPOILT_SECRETS: list[dict[Any, Any]] = [
    {(*CREDENTIALS, "clientSecret"): [SECRET]},
    {(*CREDENTIALS, "clientSecret"): {"value": SECRET}},
    {(*CREDENTIALS, "clientSecret"): {"secure": SECRET, "more": SECRET}},
    {(*CREDENTIALS, "clientSecret"): 112233},
    {(*CREDENTIALS, "clientSecrt"): SECRET},
    {CREDENTIALS: SECRET},
    {CREDENTIALS: [SECRET]},
    {("buoyantCloud",): SECRET},
    {("buoyantCloud",): '{"credentials": {"clientSecret": "' + SECRET},
    {("clientSecret",): SECRET},
    {("credentials",): {"clientSecret": SECRET}},
    {("buoyant:clientSecret",): SECRET},
    {("vault", "address"): f"https://root:{SECRET}@vault"},
    {("viz", "prometheusUrl"): f"http://root:{SECRET}@prometheus"},
    {("vault", "token"): SECRET},
]


@pytest.mark.parametrize("changes", SPOILT_SECRETS, ids=str)
def test_a_secret_in_the_wrong_form_or_place_is_never_shown(
    changes: dict[Any, Any], tmp_path: Path
) -> None:
    """These lines end in CI logs and pull request comments."""
    sections = spoilt(changes)
    for found in (lines_of_file(write(tmp_path, sections)), lines_of_engine(tmp_path, sections)):
        assert found
        assert not [line for line in found if SECRET in line or "112233" in line]


@pytest.mark.parametrize(
    "changes",
    [
        {("cluster", "name"): {"secure": "v1:a"}},
        {("trust", "generations", 0, "name"): {"secure": "v1:a"}},
        {("linkerd", "replicas"): {"secure": "v1:a"}},
        {("linkerd",): {"secure": "v1:a"}},
        {("role",): {"secure": "v1:a"}},
        {("cluster", "networks"): [{"secure": "v1:a"}]},
    ],
    ids=str,
)
def test_encryption_elsewhere_is_a_fault(changes: dict[Any, Any], tmp_path: Path) -> None:
    """A plan without credentials could not be made, and nothing there is secret."""
    (found,) = lines_of_file(write(tmp_path, spoilt(changes)))
    assert "is encrypted, which only buoyantCloud.credentials.clientSecret may be" in found


def test_the_secrets_are_found_from_the_models() -> None:
    """A new one is guarded by its type alone."""
    assert {("buoyantCloud", "credentials", "clientSecret")} == SECRETS
    assert StackConfig.model_fields


@pytest.mark.parametrize("text", ["{", "[1", "{}", "[]", "null", "", '"a"', "{" * 5000])
@pytest.mark.parametrize("key", ["role", "vault", "linkerd", "buoyantCloud"])
def test_any_text_from_the_engine_is_a_fault_or_a_value(
    key: str, text: str, tmp_path: Path
) -> None:
    """`pulumi config set` takes any text."""
    good_ones = {("linkerd", "{}"), ("buoyantCloud", "{}")}
    found = lines_of_engine(tmp_path, {**good(), key: text})
    assert bool(found) == ((key, text) not in good_ones)
    assert all(line.startswith("Pulumi.test.yaml: ") for line in found)


def test_a_fault_from_the_engine_has_the_line_of_the_file(tmp_path: Path) -> None:
    """The engine gives values without places; the file is there all the same."""
    text = write(tmp_path, spoilt({("linkerd", "replicas"): 2})).read_text("utf-8")
    write_text(tmp_path, f"# a comment\n{text}")
    (found,) = lines_of_engine(tmp_path, spoilt({("linkerd", "replicas"): 2}))
    number = next(n for n, row in enumerate(text.splitlines(), 2) if "replicas: 2" in row)
    assert found.startswith(f"Pulumi.test.yaml:{number}: {PROJECT}:linkerd.replicas: ")


def test_every_stack_of_design_has_a_file() -> None:
    """A stack without its file cannot be planned."""
    assert {file.name for file in STACK_FILES} >= {
        f"Pulumi.{name}.yaml" for name in ("production", "sandbox", "staging", "trust")
    }
    assert (REPO / "Pulumi.yaml").is_file()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_webhooks_can_be_open_in_a_cluster_of_this_machine(host: str, tmp_path: Path) -> None:
    """A second embedded cluster shares the first one's anchor, and runs no pod either."""
    changes: dict[Any, Any] = {
        ("sandbox", "openWebhooks"): True,
        ("cluster", "apiServer"): f"https://{host}:16443",
        ("vault", "address"): f"https://{host}:18200",
    }
    config = load(tmp_path, spoilt(changes))
    assert config.role == "cluster"
    assert config.sandbox.open_webhooks


def test_a_key_by_its_old_name_is_taken_and_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stack files of an earlier release go on working for one more."""
    changes = {
        ("rollout",): {"waves": [{"name": "a", "state": "on", "namespaces": ["shop"]}]},
        ("policy",): {
            "namespaces": {
                "shop": {
                    "rung": "audit",
                    "services": [
                        {
                            "name": "web",
                            "selector": {"app": "web"},
                            "rung": "deny",
                            "ports": [{"port": 80, "allow": [{"serviceAccounts": ["a"]}]}],
                        }
                    ],
                }
            }
        },
    }
    file = write(tmp_path, spoilt(changes))
    for _ in range(2):
        shop = from_file(file, Path.read_text).policy.namespaces["shop"]
        assert shop.default_inbound_policy == "audit"
        assert shop.services[0].default_inbound_policy == "deny"
    assert capsys.readouterr().err.splitlines() == [
        f"Pulumi.test.yaml: linkerd-platform:policy.namespaces.shop{key} is called "
        "defaultInboundPolicy now: rename it; the old name works for one release"
        for key in (".rung", ".services[0].rung")
    ]


def test_a_key_by_both_names_is_a_fault(tmp_path: Path) -> None:
    """Which of two values holds is nothing to guess."""
    changes = {
        ("rollout",): {"waves": [{"name": "a", "state": "on", "namespaces": ["shop"]}]},
        ("policy",): {"namespaces": {"shop": {"rung": "audit", "defaultInboundPolicy": "deny"}}},
    }
    (line,) = lines_of_file(write(tmp_path, spoilt(changes)))
    assert "policy.namespaces.shop.rung: unknown key" in line
