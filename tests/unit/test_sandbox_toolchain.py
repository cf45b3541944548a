"""Which program the sandbox takes, and when it builds one."""

from __future__ import annotations

import json
import re

import pytest

from bot.exit_codes import BadInputError
from sandbox import toolchain, upstream
from sandbox.toolchain import MODULES, TOOLS, ToolMissing


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """No tool on PATH, an empty cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    toolchain._on_path.cache_clear()
    yield tmp_path / "bin"
    toolchain._on_path.cache_clear()


def install(folder, name, says):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def cached(name):
    path = toolchain._built_path(TOOLS[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_tool_on_path_of_the_right_version_comes_first(empty_machine):
    cached("vault")
    installed = install(empty_machine, "vault", "Vault v1.21.4 (abc), built 2026")
    assert toolchain.find("vault") == installed


def test_a_tool_on_path_of_another_version_is_passed_over(empty_machine):
    """An API server of another minor version answers differently: charts check it."""
    install(empty_machine, "kube-apiserver", "Kubernetes v1.33.1")
    built = cached("kube-apiserver")
    assert toolchain.find("kube-apiserver") == built


def test_a_tool_on_path_that_fails_is_passed_over(empty_machine):
    path = empty_machine / "etcd"
    path.write_text("not a program")
    path.chmod(0o755)
    assert toolchain.find("etcd") is None


def test_our_own_operators_are_never_taken_from_path(empty_machine):
    """A released cert-manager has other flags and listens on every interface."""
    install(empty_machine, "cert-manager", "v1.21.1")
    assert toolchain.find("cert-manager") is None


def test_a_job_may_take_nothing_from_path(empty_machine):
    """The helm of a runner's image is another one next week."""
    installed = install(empty_machine, "helm", "v3.22.0")
    assert toolchain.ensure(["helm"]) == {"helm": installed}
    with pytest.raises(ToolMissing, match="building needs Go"):
        toolchain.ensure(["helm"], own=True)
    built = cached("helm")
    assert toolchain.ensure(["helm"], own=True) == {"helm": built}


def test_find_never_builds(monkeypatch):
    monkeypatch.setattr(toolchain, "_build", lambda *_: pytest.fail("built"))
    assert toolchain.find("vault") is None


def test_without_go_the_reason_names_tools_and_remedy():
    reason = toolchain.missing_reason(["etcd", "vault"])
    assert reason is not None
    assert "etcd, vault" in reason
    assert "Go 1.26" in reason
    with pytest.raises(ToolMissing, match=re.escape(reason)):
        toolchain.ensure(["etcd", "vault"])


def test_nothing_is_missing_when_all_is_built():
    cached("etcd")
    assert toolchain.missing_reason(["etcd"]) is None


def test_ensure_builds_only_what_is_absent_and_says_so(empty_machine, monkeypatch):
    install(empty_machine, "go", "")
    kept = cached("etcd")
    monkeypatch.setattr(toolchain, "_build", lambda tool, _say: toolchain._built_path(tool))
    said = []
    paths = toolchain.ensure(["etcd", "vault"], said.append)
    assert paths["etcd"] == kept
    assert said[0] == "building vault 1.21.1 (1 of 1), about 8 min left"


@pytest.mark.parametrize(
    ("slower", "left"), [(1, [15, 13, 8]), (3, [15, 39, 24])], ids=["as planned", "three times"]
)
def test_the_whole_of_a_build_is_told_first_and_what_is_left_goes_by_what_was(
    slower, left, empty_machine, monkeypatch
):
    """A person decides at the start whether to wait; a loaded machine must not lie for an hour."""
    install(empty_machine, "go", "")
    clock = [0.0]
    monkeypatch.setattr(toolchain.time, "monotonic", lambda: clock[0])

    def build(tool, _say):
        clock[0] += tool.minutes * 60 * slower
        return toolchain._built_path(tool)

    monkeypatch.setattr(toolchain, "_build", build)
    said = []
    toolchain.ensure(["etcd", "kube-apiserver", "vault"], said.append)
    assert said[0].startswith("3 programs to build with Go, about 15 min on two cores; ")
    assert said[0].endswith("Ctrl-C keeps what is done")
    told = [text.partition("about ")[2] for text in said if text.startswith("building")]
    assert told == [f"{minutes} min left" for minutes in left]


def test_a_long_build_says_that_it_is_at_work(empty_machine, monkeypatch):
    """Ten silent minutes look like a hang."""
    path = empty_machine / "go"
    path.write_text("#!/bin/sh\n/bin/sleep 0.5; exit 1\n")
    path.chmod(0o755)
    monkeypatch.setattr(toolchain, "_STILL_SECONDS", 0.1)
    said = []
    with pytest.raises(ToolMissing, match="failed"):
        toolchain.ensure(["etcd"], said.append)
    assert [text for text in said if text.startswith("still building etcd, ")]


@pytest.mark.parametrize(("limit", "fits"), [("", True), ("10", True), ("9", False), ("0", False)])
def test_what_does_not_fit_into_the_time_for_building_is_not_begun(
    limit, fits, empty_machine, monkeypatch
):
    """A job of CI has an end: half a program at its end is no program."""
    install(empty_machine, "go", "")
    monkeypatch.setenv("SANDBOX_BUILD_MINUTES", limit)
    reason = toolchain.missing_reason(["etcd", "vault"])
    said = f"etcd, vault: building takes about 10 min, and SANDBOX_BUILD_MINUTES is {limit}"
    assert reason == (None if fits else said)


def test_a_limit_that_is_no_number_is_refused(empty_machine, monkeypatch):
    """It would otherwise be no limit."""
    install(empty_machine, "go", "")
    monkeypatch.setenv("SANDBOX_BUILD_MINUTES", "ten")
    with pytest.raises(BadInputError, match="SANDBOX_BUILD_MINUTES is 'ten'; write a number"):
        toolchain.missing_reason(["etcd"])


def test_a_failed_build_says_why_and_leaves_no_binary(empty_machine):
    path = empty_machine / "go"
    path.write_text("#!/bin/sh\necho 'go.mod: unknown directive' >&2; exit 1\n")
    path.chmod(0o755)
    with pytest.raises(ToolMissing, match=r"(?s)building etcd .* failed.*unknown directive"):
        toolchain.ensure(["etcd"], lambda _text: None)
    left = [path.name for path in toolchain.cache_dir().iterdir()]
    assert left == [".etcd.lock"]


def test_a_changed_module_gets_another_cache_entry(tmp_path, monkeypatch):
    module = tmp_path / "modules" / "etcd"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module one\n")
    monkeypatch.setattr(toolchain, "MODULES", tmp_path / "modules")
    toolchain._fingerprint.cache_clear()
    first = toolchain._built_path(TOOLS["etcd"])
    (module / "go.mod").write_text("module two\n")
    toolchain._fingerprint.cache_clear()
    second = toolchain._built_path(TOOLS["etcd"])
    toolchain._fingerprint.cache_clear()
    assert first != second


BUILT = [tool for tool in TOOLS.values() if tool.module]


def test_every_folder_of_the_toolchain_builds_a_tool():
    folders = {path.name for path in MODULES.iterdir() if path.is_dir()}
    assert {tool.module for tool in BUILT} == folders


@pytest.mark.parametrize("tool", BUILT, ids=lambda tool: tool.name)
def test_every_module_is_pinned_to_the_version_it_names(tool):
    folder = MODULES / tool.module
    assert (folder / "go.sum").is_file()
    pin = rf" {re.escape(tool.pin or f'v{tool.version}')}( // indirect)?$"
    assert re.search(pin, (folder / "go.mod").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["kube-apiserver", "kube-controller-manager", "kube-scheduler"])
def test_kubernetes_is_linked_with_its_version(name):
    """Without it the API server calls itself v0.0.0 and every chart with kubeVersion refuses it."""
    tool = TOOLS[name]
    assert f"gitVersion=v{tool.version} " in tool.ldflags
    assert "gitMajor=1 " in tool.ldflags
    assert f"gitMinor={tool.version.split('.')[1]}" in tool.ldflags


def test_external_secrets_registers_vault_and_no_cloud():
    registry = MODULES / "external-secrets/_patch/pkg/provider/register/register.go"
    imported = re.findall(r"pkg/provider/(\w+)", registry.read_text())
    assert imported == ["vault"]


@pytest.mark.parametrize("name", ["external-secrets", "pulumi-resource-kubernetes"])
def test_a_release_other_than_the_pinned_one_is_refused(empty_machine, name):
    """Go verifies what it builds from its cache, not a copy that we made of it."""
    install(empty_machine, "go", '{"Sum": "h1:other=", "Dir": "/nowhere"}')
    with pytest.raises(ToolMissing, match=rf"building {name} .* failed: .*h1:other="):
        toolchain.ensure([name], lambda _text: None)
    assert not list(toolchain.cache_dir().glob(f"{name}*"))


@pytest.mark.parametrize(
    ("name", "link"),
    [("pulumi", "sdk/v3/go/common/version"), ("pulumi-resource-kubernetes", "pkg/version")],
)
def test_engine_and_provider_are_linked_with_their_version(name, link):
    """Without it the engine prints none, and a provider panics."""
    tool = TOOLS[name]
    assert re.search(rf"{link}\.Version=v?{re.escape(tool.version)}$", tool.ldflags)


def test_the_provider_is_built_with_its_schema_from_the_pinned_module(empty_machine, tmp_path):
    """Its module has the files beside its command; ours has none of upstream's files at all."""
    command = tmp_path / "release" / "cmd" / "pulumi-resource-kubernetes"
    command.mkdir(parents=True)
    (command / "schema.json").write_text('{"name": "kubernetes"}')
    (command / "terraform-mapping.json").write_text("{ }")
    release = tmp_path / "release"
    for name in ("go.mod", "go.sum"):
        (release / name).touch()
    edited = release / "pkg" / "provider" / "yaml" / "v2" / "yaml.go"
    edited.parent.mkdir(parents=True)
    edited.write_text("kind(objs...)\n\t\tif err != nil {\n")
    _version, checksum = upstream.pinned(MODULES / command.name, upstream.KUBERNETES_PROVIDER)
    answer = json.dumps({"Sum": checksum, "Dir": str(tmp_path / "release")})
    install(empty_machine, "go", answer)
    (tmp_path / "scratch").mkdir()
    made = upstream.prepared(MODULES / command.name, tmp_path / "scratch", "4.25.0")
    assert json.loads((made / "schema.json").read_text()) == {
        "name": "kubernetes",
        "version": "4.25.0",
    }
    assert json.loads((made / "terraform-mapping.json").read_text()) == {}
    ours = {path.name for path in (MODULES / command.name).iterdir()}
    assert ours == {"go.mod", "go.sum", "main.go", "edits.json"}
    assert (
        "IsNoNamespaceInfoErr(err) {"
        in (made / "upstream" / edited.relative_to(release)).read_text()
    )
    assert (made / "go.mod").read_text().endswith(f"{upstream.KUBERNETES_PROVIDER} => ./upstream\n")
    edited.write_text("kind(objs...)\n\t\tif unknown(err) {\n")
    (tmp_path / "changed").mkdir()
    with pytest.raises(upstream.UpstreamChangedError, match=r"yaml\.go does not have"):
        upstream.prepared(MODULES / command.name, tmp_path / "changed", "4.25.0")
    (command / "terraform-mapping.json").unlink()
    (tmp_path / "again").mkdir()
    with pytest.raises(upstream.UpstreamChangedError, match=r"terraform-mapping\.json"):
        upstream.prepared(MODULES / command.name, tmp_path / "again", "4.25.0")


@pytest.mark.parametrize("name", ["pulumi-resource-vault", "linkerd2-proxy"])
def test_what_no_module_builds_is_said_to_come_from_upstream_alone(empty_machine, name):
    """With Go on PATH the advice to install Go would lead nowhere."""
    install(empty_machine, "go", "")
    with pytest.raises(ToolMissing, match=rf"{name}: .*no Go module builds it.*SANDBOX_MIRROR"):
        toolchain.ensure(["etcd", name], lambda _text: None)
