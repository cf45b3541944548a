"""The sandbox's stand-ins for the plugins of vault and random: their table, and what follows."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from bot.clients import environment
from bot.clients.https import Answer
from bot.engine import target
from bot.plan.mock import monitor as mock_monitor
from sandbox import providers
from sandbox.providers import random_kinds, vault_kinds
from sandbox.providers.kinds import UNKNOWN, Refused, normal_json
from sandbox.providers.random import Random
from sandbox.providers.standin import StandIn, properties
from sandbox.providers.vault import Vault
from tests.unit.stack_files import REPO, STACKS
from tests.unit.whole_program import evaluated

KINDS = {**vault_kinds.KINDS, **random_kinds.KINDS}
_VAULT = "pulumi:providers:vault"
_MOUNT = "vault:index/mount:Mount"
_POLICY = "vault:index/policy:Policy"
_ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
_CONFIG = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
_ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
_ENTRY = "vault:kv/secretV2:SecretV2"
_STRING = "random:index/randomString:RandomString"


@pytest.mark.parametrize("stack", STACKS)
def test_every_type_and_property_of_the_program_is_in_the_table(stack: str) -> None:
    """A new one would deploy with the plugins, and fail for who has none: here it has its name."""
    found = [
        resource
        for preview in (True, False)
        for resource in evaluated(stack, preview).resources
        if resource.type.startswith(("vault:", "random:"))
    ]
    assert found
    assert sorted({each.type for each in found} - set(KINDS)) == []
    for each in found:
        assert KINDS[each.type].checked(each.inputs)[1] == {}, each.urn


def test_the_configuration_of_the_program_is_taken(tmp_path: Path) -> None:
    """A new setting of the provider would fail for who has no plugin, and for nobody else."""
    authority = tmp_path / "ca.pem"
    authority.touch()
    for stack in STACKS:
        found = [each for each in evaluated(stack, preview=False).resources if each.type == _VAULT]
        assert len(found) == 1, stack
        config = {**found[0].inputs, "caCertFile": str(authority), "token": "t"}
        args = properties({name: _as_text(config[name]) for name in config}, {})
        asyncio.run(Vault().configure(sdk.ConfigureRequest({}, args, True, True)))


def _as_text(value: Any) -> str:
    """A setting as the engine hands it to a provider."""
    return value if isinstance(value, str) else str(value).lower()


def test_the_sandbox_uses_every_type_of_the_table() -> None:
    """What nothing uses is compared with nothing that matters."""
    used = {resource.type for resource in evaluated("sandbox", preview=False).resources}
    assert sorted(set(KINDS) - used) == []


def test_every_function_that_the_program_calls_is_in_the_table() -> None:
    """The plan's own monitor answers the same ones."""
    assert set(vault_kinds.FUNCTIONS) == set(mock_monitor._READS)


_ROLE_STATE = {
    "backend": "kubernetes/a",
    "roleName": "r",
    "audience": "vault",
    "boundServiceAccountNames": ["a", "b"],
    "boundServiceAccountNamespaces": ["n"],
    "tokenPolicies": ["p"],
    "tokenTtl": 600,
    "tokenMaxTtl": 600,
    "tokenType": "default",
}
_ROOT_STATE = {
    "backend": "pki",
    "type": "internal",
    "commonName": "root",
    "keyType": "ec",
    "keyBits": 256,
    "maxPathLength": 1,
    "format": "pem",
    "privateKeyFormat": "der",
    "keyName": "k",
    "issuerName": "one",
    "ttl": "60",
    "issuerId": "1",
    "certificate": "public",
}
_ALL = dict.fromkeys(("lower", "number", "numeric", "upper"), True)
_CHANGES = {
    "nothing": (_ROLE, _ROLE_STATE, {}, {}),
    "order of a set": (_ROLE, _ROLE_STATE, {"boundServiceAccountNames": ["b", "a"]}, {}),
    "member of a set": (
        *(_ROLE, _ROLE_STATE, {"boundServiceAccountNames": ["b"]}),
        {"boundServiceAccountNames": False},
    ),
    "name": (_ROLE, _ROLE_STATE, {"roleName": "s"}, {"roleName": True}),
    "no longer set": (_ROLE, _ROLE_STATE, {"audience": None}, {"audience": False}),
    "empty is as good as not set": (
        *(_MOUNT, {"path": "a", "type": "kv", "description": ""}),
        *({"description": None}, {}),
    ),
    "Vault's word stands where nothing is said": (
        *(_CONFIG, {"backend": "k", "kubernetesHost": "h", "disableLocalCaJwt": True}),
        *({"disableLocalCaJwt": None}, {}),
    ),
    "a default that is true": (
        *(_STRING, {"length": 8, "special": False, **_ALL}, {"special": None}, {"special": True}),
    ),
    "format of a document": (
        *(_ENTRY, {"mount": "m", "name": "n", "dataJson": '{"a":1,"b":2}'}),
        *({"dataJson": '{"b": 2, "a": 1}'}, {}),
    ),
    "not known yet": (_ROOT, _ROOT_STATE, {"keyName": UNKNOWN}, {"keyName": True}),
    "lifetime of a root": (_ROOT, _ROOT_STATE, {"ttl": "61"}, {"ttl": False}),
}


@pytest.mark.parametrize("case", _CHANGES)
def test_a_change_is_what_the_plugin_takes_for_one(case: str) -> None:
    """Which of them replace is compared with the plugins in tests/e2e/test_sandbox_providers.py."""
    token, state, changed, expected = _CHANGES[case]
    kind = KINDS[token]
    given = {each.name for each in kind.fields if each.given}
    inputs = {name: value for name, value in {**state, **changed}.items() if name in given}
    checked, faults = kind.checked(inputs)
    assert faults == {}
    assert {each.name: each.replaces for each in kind.changes(state, checked)} == expected


def test_documents_are_written_as_go_writes_them() -> None:
    """The state is read by the plugin too, which would see another text as a change."""
    assert normal_json('{"b": "<é&>", "a": [1, {}]}') == '{"a":[1,{}],"b":"\\u003cé\\u0026\\u003e"}'
    with pytest.raises(Refused, match="dataJson is no JSON"):
        normal_json("{")


class _Memory(Vault):
    """A Vault that keeps what is written, and what it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    def _request(self, method: str, path: str, body: object = None) -> Answer:
        self.asked.append((method, path, body))
        found = self.answers.get(f"{method} {path}")
        absent = found is None and method != "POST"
        return Answer(404, {"errors": []}) if absent else Answer(200, {"data": found})


def _urn(token: str) -> str:
    return f"urn:pulumi:sandbox::p::linkerd-platform:trust:TrustAnchor${token}::one"


def test_a_preview_says_what_is_known_and_asks_nobody() -> None:
    """A root's certificate is known after the update; Vault may not even be there yet."""
    vault = _Memory({})
    inputs = properties({**_ROOT_STATE, "keyName": UNKNOWN}, {})
    request = sdk.CreateRequest(_urn(_ROOT), inputs, 0, True)
    made = asyncio.run(vault.create(request)).properties
    assert made["certificate"].value == made["keyName"].value == rpc.UNKNOWN
    assert made["commonName"].value == "root"
    assert vault.asked == []


def test_an_update_in_place_keeps_what_it_does_not_touch() -> None:
    """An unknown certificate would have the preview re-issue all that is made of it."""
    request = sdk.UpdateRequest(
        *(_urn(_ROOT), "pki/issuer/1", properties(_ROOT_STATE, {})),
        *(properties({**_ROOT_STATE, "ttl": "61"}, {}), 0, [], True),
    )
    made = asyncio.run(_Memory({}).update(request)).properties
    assert (made["certificate"].value, made["ttl"].value) == ("public", "61")


def test_an_issuer_that_was_deleted_is_made_again_unless_that_is_ignored() -> None:
    """Our program ignores it: the provider would make another root in its place."""

    class Lost(_Memory):
        def _request(self, method: str, path: str, body: object = None) -> Answer:
            del method, path, body
            return Answer(500, {"errors": ["unable to find PKI issuer for reference: 1"]})

    state = properties(_ROOT_STATE, {})
    inputs = {name: each for name, each in state.items() if name not in ("issuerId", "certificate")}
    for ignored, expected in (([], ["issuerId"]), (["issuerId"], [])):
        request = sdk.DiffRequest(_urn(_ROOT), "pki/issuer/1", state, inputs, ignored)
        answer = asyncio.run(Lost({}).diff(request))
        assert (answer.replaces, answer.changes) == (expected, bool(expected))


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        ("vault:index/token:Token", {}, "vault:index/token:Token: .* does not know this type"),
        ("random:index/randomPet:RandomPet", {}, "install the plugin pulumi-resource-random"),
    ],
)
def test_an_unknown_type_is_refused_by_its_name(
    token: str, inputs: Mapping[str, Any], reason: str
) -> None:
    """A stand-in that guesses would make something else than the plugin."""
    request = sdk.CheckRequest(_urn(token), {}, properties(inputs, {}), b"")
    standin: StandIn = Random() if token.startswith("random:") else _Memory({})
    with pytest.raises(Refused, match=reason):
        asyncio.run(standin.check(request))


def test_an_unknown_property_is_refused_by_its_name() -> None:
    """Left out, it would look as if it had been done."""
    inputs = properties({"path": "a", "type": "kv", "sealWrap": True}, {})
    answer = asyncio.run(_Memory({}).check(sdk.CheckRequest(_urn(_MOUNT), {}, inputs, b"")))
    [failure] = answer.failures or []
    assert failure.property == "sealWrap"
    assert failure.reason.startswith(f"{_MOUNT}: the sandbox's stand-in does not know the property")


def test_a_mount_is_not_moved_in_silence() -> None:
    """The plugin moves it; a state that says so while nothing moved would be a lie."""
    state = {"path": "a", "type": "kv", "id": "a"}
    vault = _Memory({})
    with pytest.raises(Refused, match="does not move a to b"):
        vault.write(KINDS[_MOUNT], "a", {**state, "path": "b"}, state)
    assert vault.asked == []


def test_what_is_gone_is_gone_after_a_refresh_and_deletes_without_an_error() -> None:
    """Else a sandbox whose Vault was emptied by hand can be neither mended nor taken down."""
    vault = _Memory({})
    kind = KINDS[_POLICY]
    assert vault.read_back(kind, "p", {"name": "p"}) is None
    vault.remove(kind, "p", {"name": "p"})
    assert vault.asked[-1][:2] == ("DELETE", "sys/policies/acl/p")


def test_drift_is_in_inputs_and_outputs_after_a_refresh() -> None:
    """The next preview compares with both."""
    vault = _Memory({"GET sys/policies/acl/p": {"policy": "theirs"}})
    ours = properties({"name": "p", "policy": "ours", "__defaults": []}, {})
    answer = asyncio.run(vault.read(sdk.ReadRequest(_urn(_POLICY), "p", ours, ours)))
    assert answer.inputs["policy"].value == answer.properties["policy"].value == "theirs"


@pytest.mark.parametrize("marked", [True, False])
def test_secrets_stay_secrets(marked: bool) -> None:
    """By their type, and where the program has marked another value as one."""
    data, text = '{"a":"b"}', "x"
    vault = _Memory({"GET m/data/n": {"metadata": {"version": 1}}, "GET m/metadata/n": {}})
    inputs = {
        "mount": PropertyValue("m"),
        "name": PropertyValue("n"),
        "dataJson": PropertyValue(data, is_secret=marked),
    }
    made = asyncio.run(vault.create(sdk.CreateRequest(_urn(_ENTRY), inputs, 0, False)))
    assert made.resource_id == "m/data/n"
    assert made.properties["dataJson"].is_secret
    assert vault.asked[0] == ("POST", "m/data/n", {"data": {"a": "b"}})
    policy = {"name": PropertyValue("p"), "policy": PropertyValue(text, is_secret=marked)}
    vault = _Memory({"GET sys/policies/acl/p": {"policy": text}})
    made = asyncio.run(vault.create(sdk.CreateRequest(_urn(_POLICY), policy, 0, False)))
    assert made.properties["policy"].is_secret is marked


def test_a_random_string_is_of_the_characters_asked_for() -> None:
    """It names a key in Vault, which takes no others."""
    made = asyncio.run(
        Random().create(
            sdk.CreateRequest(
                _urn(_STRING),
                properties({"length": 200, "special": False, "upper": False}, {}),
                *(0, False),
            )
        )
    )
    result = made.properties["result"].value
    assert isinstance(result, str)
    assert len(result) == 200
    assert made.resource_id == result
    assert result.isalnum()
    assert result == result.lower()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """The stand-in for Vault's plugin as the engine starts it, from a folder with an odd name."""
    folder = tmp_path / 'it\'s a "project" $HOME'
    program = providers.place(folder, ["vault"]) / "pulumi-resource-vault"
    process = subprocess.Popen(
        [str(program), "127.0.0.1:1"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_refusal_is_one_line_for_the_engine(
    served: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    """The SDK adds its own traceback, which is no help to who runs the sandbox."""
    for answer in (
        lambda: served.Create(provider_pb2.CreateRequest(urn=_urn("vault:index/token:Token"))),
        lambda: served.Delete(provider_pb2.DeleteRequest(urn=_urn(_POLICY), id="p")),
        lambda: served.Invoke(provider_pb2.InvokeRequest(tok="vault:index/getNamespace:get")),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            answer()
        assert "\n" not in caught.value.details()
    assert "vault:index/getNamespace:get: the sandbox's stand-in" in caught.value.details()


def test_only_stand_ins_that_are_needed_are_placed(tmp_path: Path) -> None:
    """One left from before would hide a plugin that the engine has installed since."""
    folder = providers.place(tmp_path, ["vault", "random"])
    assert folder == tmp_path / ".sandbox" / "plugins"
    assert folder.stat().st_mode & 0o777 == 0o700
    providers.place(tmp_path, ["vault"])
    assert [file.name for file in folder.iterdir()] == ["pulumi-resource-vault"]
    assert os.access(folder / "pulumi-resource-vault", os.X_OK)


def test_the_sandbox_alone_has_stand_ins_behind_everything_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real plugin on PATH comes first; no other stack is deployed by a stand-in."""
    monkeypatch.setenv("PATH", "/first:/second")
    (tmp_path / "Pulumi.yaml").write_bytes((REPO / "Pulumi.yaml").read_bytes())
    text = (REPO / "Pulumi.trust.yaml").read_text()
    assert "PATH" not in target.sandbox(tmp_path, text, {}).environment
    folder = providers.place(tmp_path, ["vault"])
    made = target.sandbox(tmp_path, text, {})
    assert made.environment["PATH"] == f"/first:/second:{folder}"
    assert made.full_environment()["PATH"] == made.environment["PATH"]
    (tmp_path / "Pulumi.other.yaml").write_text(text)
    other = target.of("other", tmp_path)
    assert other.full_environment()["PATH"] == "/first:/second"


def test_plugins_that_a_stack_brings_along_are_on_path(tmp_path: Path) -> None:
    """Else the engine asks the network for what lies there."""
    for name in environment.PROVIDERS:
        program = tmp_path / f"pulumi-resource-{name}"
        program.touch(0o700)
    name = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
    assert name not in environment.of({}, {"PATH": "/nowhere"}).values
    assert environment.of({"PATH": str(tmp_path)}, {"PATH": "/nowhere"}).values[name] == "true"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"skipTlsVerify": True}, "does not take: skipTlsVerify"),
        ({"setNamespaceFromToken": "true"}, "does not take: setNamespaceFromToken"),
        ({"authLogin": "x"}, "does not take: authLogin"),
        ({"caCertFile": "/nowhere/ca.pem"}, "no CA certificate for Vault at /nowhere/ca.pem"),
        ({"token": ""}, "no token for Vault: set VAULT_TOKEN"),
    ],
)
def test_a_configuration_that_it_cannot_follow_is_refused(
    config: Mapping[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin would follow it; a stand-in that does not must not go on as if it did."""
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    args = properties({"address": "https://127.0.0.1:1", "token": "t", **config}, {})
    with pytest.raises(Refused, match=reason):
        asyncio.run(Vault().configure(sdk.ConfigureRequest({}, args, True, True)))
