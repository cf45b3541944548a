"""Which program the sandbox takes, and when it builds one."""

from __future__ import annotations

import re

import pytest

from sandbox import toolchain, upstream
from sandbox.toolchain import MODULES, TOOLS, ToolMissing


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """No tool on PATH, an empty cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
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
    monkeypatch.setattr(toolchain, "_build", lambda _tool: pytest.fail("built"))
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
    monkeypatch.setattr(toolchain, "_build", lambda tool: toolchain._built_path(tool))
    said = []
    paths = toolchain.ensure(["etcd", "vault"], said.append)
    assert paths["etcd"] == kept
    assert said[0] == "building vault 1.21.1 (1 of 1), about 8 min on two cores"


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


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_every_module_is_pinned_to_the_version_it_names(tool):
    folder = MODULES / tool.module
    assert (folder / "go.sum").is_file()
    pin = rf" v{re.escape(tool.version)}( // indirect)?$"
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


def test_a_release_other_than_the_pinned_one_is_refused(empty_machine, tmp_path):
    """Go verifies what it builds from its cache, not a copy that we made of it."""
    install(empty_machine, "go", '{"Sum": "h1:other=", "Dir": "/nowhere"}')
    with pytest.raises(upstream.UpstreamChangedError, match="h1:other="):
        upstream.prepare_external_secrets(MODULES / "external-secrets", tmp_path)
