"""The stand-ins of the sandbox beside the plugins that they stand for, on one real Vault."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from bot.mesh.status.verification_vault import leaks
from sandbox import lifecycle, pki, providers, toolchain, vault, verify
from sandbox.processes import Supervisor
from sandbox.providers import random_kinds, vault_kinds
from sandbox.settings import Settings
from tests.e2e import project
from tests.e2e.project import Copy
from tests.e2e.provider_samples import IN_PLACE, MOUNT, SAMPLES
from tests.programs import ran

pytestmark = pytest.mark.e2e
_PLUGINS = tuple(f"pulumi-resource-{name}" for name in providers.NAMES)
# Two resources in one place of Vault, of which only one can be there: made with other names.
_OWN = ("accessor", "creation_time", "created_time", "id", "issuerId", "keyId", "public_key")
_OWN_VALUES = ("certificate", "issuingCa", "result", "serialNumber")


@dataclass
class Side:
    """One who makes the samples: the plugins, or the stand-ins."""

    name: str
    path: str
    folder: Path
    settings: Settings
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def program(self) -> None:
        """The samples, with what is `changed`."""
        address = self.settings.vault_addr
        authority = str(self.settings.pki_dir / "vault-ca.crt")
        config = {"address": address, "caCertFile": authority}
        provided = {
            name: pulumi.ProviderResource(name, name, config if name == "vault" else {})
            for name in providers.NAMES
        }
        made: dict[str, pulumi.Resource] = {}
        for sample in SAMPLES:
            wanted = {**sample.inputs, **self.changed.get(sample.name, {})}
            inputs = {
                key: pulumi.Output.secret(value) if key in sample.secret else value
                for key, value in self.own(wanted).items()
                if value is not None
            }
            opts = pulumi.ResourceOptions(
                provider=provided[sample.type.partition(":")[0]],
                depends_on=[made[name] for name in sample.after],
            )
            made[sample.name] = _Raw(sample.type, sample.name, inputs, opts)

    def own(self, values: Any) -> Any:
        """The values with this side's name."""
        return json.loads(json.dumps(values).replace("@", self.name))

    @property
    def stack(self) -> auto.Stack:
        """The stack of the samples, with this side's plugins on PATH."""
        token = (self.settings.state_dir / "vault" / "root-token").read_text().strip()
        self.folder.mkdir(exist_ok=True)
        return auto.create_or_select_stack(
            "samples",
            "samples",
            self.program,
            opts=auto.LocalWorkspaceOptions(
                work_dir=str(self.folder),
                pulumi_home=str(self.folder / "home"),
                env_vars={
                    "PATH": self.path,
                    "PULUMI_BACKEND_URL": self.folder.as_uri(),
                    "PULUMI_CONFIG_PASSPHRASE": "",
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                    "VAULT_TOKEN": token,
                },
            ),
        )

    def preview(self, **options: Any) -> dict[str, tuple[str, dict[str, bool]]]:
        """By resource: the operation, and the changed properties with whether they replace."""
        seen: dict[str, tuple[str, dict[str, bool]]] = {}

        def take(event: auto.EngineEvent) -> None:
            if event.resource_pre_event is None:
                return
            step = event.resource_pre_event.metadata
            name, operation = step.urn.rpartition("::")[2], step.op.value
            if name not in {sample.name for sample in SAMPLES}:
                return
            changed = {
                path.partition("[")[0].partition(".")[0]: diff.diff_kind.value.endswith("replace")
                for path, diff in (step.detailed_diff or {}).items()
            }
            # The plugin of random says no more than which.
            changed = changed or {path: path in (step.keys or []) for path in step.diffs or []}
            if operation in ("same", "update", "replace", "create", "delete"):
                seen[name] = operation, changed

        self.stack.preview(on_event=take, **options)
        return seen

    def left(self, **options: Any) -> dict[str, tuple[str, dict[str, bool]]]:
        """What a preview says is left to do."""
        steps = self.preview(**options)
        assert set(steps) == {sample.name for sample in SAMPLES}
        return {name: step for name, step in steps.items() if step[0] != "same"}

    def state(self) -> dict[str, dict[str, Any]]:
        """Id, inputs and outputs by resource, of what does not differ between two resources."""
        exported = self.stack.export_stack().deployment or {}
        return {
            each["urn"].rpartition("::")[2]: {
                part: _comparable(each.get(part, {}), self.name) for part in ("inputs", "outputs")
            }
            | {"id": _id(each["id"], each["type"], self.name)}
            for each in exported["resources"]
            if each["type"].startswith(("vault:", "random:"))
        }


def _id(id_: str, type_: str, own: str) -> str:
    made_by_chance = type_.startswith("random:") or "/issuer/" in id_
    return type_ if made_by_chance else id_.replace(own, "@")


class _Raw(pulumi.CustomResource):
    """A resource by its token: the SDK's classes would mark secrets for the provider."""

    def __init__(
        self, type_: str, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__(type_, name, dict(inputs), opts)


_MARK = "4dabf18193072939515e22adb298388d"


def _comparable(value: Any, own: str, name: str = "") -> Any:
    """Without what is never the same twice; sets in order, secrets marked."""
    if isinstance(value, dict) and _MARK in value:
        inner = _comparable(json.loads(value["plaintext"]), own, name)
        return None if inner is None else {"secret": inner}
    if isinstance(value, dict):
        made = {
            key: _comparable(item, own, key)
            for key, item in value.items()
            if key != "__pulumi_raw_state_delta"
        }
        return {key: item for key, item in made.items() if item is not None}
    if name in _OWN or name in _OWN_VALUES:
        return "its own"
    if isinstance(value, list):
        made_list = [_comparable(item, own) for item in value]
        return sorted(made_list) if all(isinstance(item, str) for item in value) else made_list
    return value.replace(own, "@") if isinstance(value, str) else value


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A Vault on loopback, and nothing else."""
    absent = [name for name in ("pulumi", "vault", *_PLUGINS) if toolchain.find(name) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not on PATH: the stand-ins cannot be compared")
    made = Settings.ephemeral(tmp_path_factory.mktemp("providers") / "sandbox")
    made.state_dir.mkdir(mode=0o700)
    pki.create(made.pki_dir)
    supervisor = Supervisor(made.run_dir, made.log_dir)
    tool = toolchain.find("vault")
    assert tool
    try:
        vault.start(supervisor, made, {vault.NAME: tool})
        vault.open_up(supervisor, made)
        yield made
    finally:
        supervisor.stop_all(lifecycle.GRACE_SECONDS)


@pytest.fixture(scope="module")
def sides(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    """The plugins' samples and the stand-ins' samples, made."""
    folder = tmp_path_factory.mktemp("sides")
    real = _programs(folder / "real", ("pulumi", *_PLUGINS))
    alone = _programs(folder / "alone", ("pulumi",))
    standins = providers.place(folder, providers.NAMES)
    made = (
        Side("plugins", _path(real), folder / "of-plugins", settings),
        Side("standins", _path(alone, standins), folder / "of-standins", settings),
    )
    for side in made:
        side.stack.up()
    return made


def _programs(folder: Path, names: Sequence[str]) -> Path:
    folder.mkdir()
    for name in names:
        found = toolchain.find(name)
        assert found
        (folder / name).symlink_to(found.resolve())
    return folder


def _path(*folders: Path) -> str:
    return os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])


def test_every_type_has_a_sample() -> None:
    """A type that is compared with nothing may be anything."""
    assert {each.type for each in SAMPLES} == {*vault_kinds.KINDS, *random_kinds.KINDS}
    for sample in SAMPLES:
        if sample.type != MOUNT:
            assert set(sample.changes) == set(sample.inputs), sample.name


def test_a_stand_in_makes_what_the_plugin_makes(sides: tuple[Side, Side]) -> None:
    """Ids, inputs, outputs and secrets are the same: who reads the state sees no difference."""
    plugins, standins = sides
    assert standins.state() == plugins.state()
    assert standins.left() == {}


@pytest.mark.parametrize("options", [{}, {"refresh": True}], ids=["state", "refreshed"])
def test_what_one_has_made_the_other_leaves_alone(
    sides: tuple[Side, Side], options: Mapping[str, Any]
) -> None:
    """A sandbox outlives the machine's lack of a plugin, and the other way round."""
    plugins, standins = sides
    for side in sides:
        path = side.path
        side.path = (standins if side is plugins else plugins).path
        try:
            assert side.left(**options) == {}
        finally:
            side.path = path


_ROUNDS = max(len(sample.changes) for sample in SAMPLES)


@pytest.mark.parametrize("number", range(_ROUNDS))
def test_a_change_is_the_same_kind_of_change(sides: tuple[Side, Side], number: int) -> None:
    """One property of each resource: a replacement that the sandbox shows as an update is a lie."""
    changed = {
        sample.name: dict([list(sample.changes.items())[number]])
        for sample in SAMPLES
        if number < len(sample.changes)
    }
    seen = []
    for side in sides:
        side.changed = changed
        try:
            seen.append(side.preview())
        finally:
            side.changed = {}
    plugins, standins = seen
    assert standins == plugins
    assert any(operation != "same" for operation, _ in plugins.values())


def test_updates_in_place_lead_to_the_same(sides: tuple[Side, Side]) -> None:
    """There and back: what is written and what is emptied, and nothing is left to do."""
    there = {
        sample.name: {name: sample.changes[name] for name in IN_PLACE.get(sample.name, ())}
        for sample in SAMPLES
    }
    back: Mapping[str, Mapping[str, Any]] = {}
    for changed in (there, back):
        for side in sides:
            side.changed = changed
            side.stack.up()
            assert side.left(refresh=True) == {}
        plugins, standins = sides
        assert standins.state() == plugins.state()


def test_what_others_have_changed_is_shown_after_a_refresh(sides: tuple[Side, Side]) -> None:
    """Drift that a stand-in hides would be found in production first."""
    seen = []
    for side in sides:
        own = side.name
        _write(side.settings, f"sys/policies/acl/policy-{own}", {"policy": "# nothing\n"})
        _write(side.settings, f"sys/mounts/kv-{own}/tune", {"description": "Other"})
        _write(side.settings, f"auth/kubernetes/{own}/role/one", {"token_ttl": 60})
        vault.request(side.settings, "DELETE", f"/v1/sys/mounts/transit-{own}")
        seen.append(side.preview(refresh=True))
        side.stack.up(refresh=True)
        assert side.left(refresh=True) == {}
    plugins, standins = seen
    assert standins == plugins
    assert plugins["policy"] == ("update", {"policy": False})
    assert plugins["transit"][0] == plugins["key"][0] == "create"


def test_what_a_stand_in_makes_it_removes(sides: tuple[Side, Side]) -> None:
    """Nothing is left that the plugin would not leave."""
    left = []
    for side in sides:
        # The plugins refuse as Vault does: a key that may not be deleted is kept.
        side.changed = {"key": {"deletionAllowed": True}}
        side.stack.up()
        side.stack.destroy()
        mounts: Any = vault.request(side.settings, "GET", "/v1/sys/mounts")
        logins: Any = vault.request(side.settings, "GET", "/v1/sys/auth")
        policies: Any = vault.request(side.settings, "GET", "/v1/sys/policy")
        named = [*mounts["data"], *logins["data"], *policies["data"]["policies"]]
        left.append([name for name in named if side.name in name])
    assert left == [[], []]


def _write(settings: Settings, path: str, body: Mapping[str, Any]) -> None:
    vault.request(settings, "POST", f"/v1/{path}", dict(body))


@pytest.fixture(scope="module")
def without_plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Copy, str, Path]]:
    """A sandbox that `make sandbox` has made on a machine without the two plugins."""
    reason = project.missing_engine(standins=True)
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("without")
    tools = folder / "tools"
    tools.mkdir()
    for name in toolchain.TOOLS:
        found = toolchain.find(name)
        if found and name not in _PLUGINS and shutil.which(name):
            (tools / name).symlink_to(found.resolve())
    copy = project.copy_to(folder / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", _path(tools))
        patch.setenv("PULUMI_HOME", str(folder / "home"))
        patch.setenv("SANDBOX_MIRROR", "off")
        try:
            done = copy.run("sandbox", "run", "--ephemeral", "--strict")
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            yield copy, done.stdout, tools
        finally:
            copy.down()


def test_the_sandbox_is_proven_with_stand_ins_and_says_so(
    without_plugins: tuple[Copy, str, Path],
) -> None:
    """The first line is read before, the last after the scrolling; the rest is as with plugins."""
    copy, output, _ = without_plugins
    lines = output.splitlines()
    assert lines[0] == lines[-1]
    assert lines[0].startswith("STAND-INS for pulumi-resource-random and pulumi-resource-vault")
    proofs = verify.prove(copy.target, copy.folder)
    assert len(proofs) > 20
    assert [proof for proof in proofs if not proof.ok] == []


def test_no_key_is_in_a_state_that_a_stand_in_has_made(
    without_plugins: tuple[Copy, str, Path],
) -> None:
    """What the plugin keeps out of the state, a stand-in keeps out too."""
    copy, output, _ = without_plugins
    sandbox = copy.folder / ".sandbox"
    token = (sandbox / "vault" / "root-token").read_text().strip()
    files = {"run": output.encode()}
    for part in ("state", "log", "stack", "plugins"):
        for file in (sandbox / part).rglob("*"):
            if file.is_file():
                files[str(file.relative_to(sandbox))] = file.read_bytes()
    assert leaks(files, [token]) == []
    assert (sandbox / "plugins").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("flags", [(), ("--refresh",)], ids=["state", "refreshed"])
def test_the_plugins_find_nothing_to_change_in_a_sandbox_of_stand_ins(
    without_plugins: tuple[Copy, str, Path], flags: Sequence[str], tmp_path: Path
) -> None:
    """Somebody installs Pulumi an hour later: the sandbox goes on as if it had been there."""
    copy, _, tools = without_plugins
    real = tmp_path / "real"
    real.mkdir()
    for name in _PLUGINS:
        (real / name).symlink_to(str(_of_the_machine(name)))
    command = ["bot", "preview", "--stack", "sandbox", "--expect-no-changes", *flags]
    for path in (_path(tools), _path(real, tools)):
        done = ran(
            [sys.executable, "-m", *command],
            cwd=copy.folder,
            env={**copy.environment(), "PATH": path},
            timeout=300,
        )
        assert done.returncode == 0, f"{path}: {done.stdout}\n{done.stderr}"


def _of_the_machine(name: str) -> Path:
    """A plugin of this machine, whatever PATH is now."""
    for folder in _MACHINE:
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"{name} is not on PATH")


_MACHINE = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
