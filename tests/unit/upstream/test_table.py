"""The table of sources itself, its digests, the order of sources, and the progress display."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sandbox import toolchain
from sandbox.download import cached
from sandbox.registry import Image
from sandbox.sources import FILE, Sources, SourcesFileError
from sandbox.toolchain_command import download_for, lock
from sandbox.tools import ENGINE_TOOLS, MESH_TOOLS, SERVERS, TOOLS, Tool
from tests.unit.upstream.conftest import Sandbox
from tests.unit.upstream.server import Server, digest, program, tar

PROJECT = Path(__file__).resolve().parents[3]
PLATFORMS = ("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64")
VAULT = program("vault", 100_000)


def test_the_table_is_in_the_form_in_which_digests_are_written() -> None:
    """Else the first `make toolchain-lock` would bury the digests in changes of form."""
    assert Sources().text() == FILE.read_text(encoding="utf-8")


def test_every_program_can_be_had_from_upstream_or_is_built_for_a_reason() -> None:
    """A program nobody thought of would be built, in minutes, and nobody would know why."""
    sources = Sources()
    assert set(sources.names) <= set(TOOLS)
    for name in (*SERVERS, *ENGINE_TOOLS, *MESH_TOOLS, "helm"):
        places = sources.of(name, TOOLS[name].upstream_version, "linux/amd64")
        reasons = sources.unusable(name)
        assert bool(places) != bool(reasons), name
        assert places or TOOLS[name].module, name


@pytest.mark.parametrize("machine", PLATFORMS)
def test_every_place_names_one_version_and_comes_over_tls(machine: str) -> None:
    """A forgotten {version} would serve an old program for ever."""
    sources = Sources()
    for name in sources.names:
        version = TOOLS[name].upstream_version
        for source in sources.of(name, version, machine):
            assert version in source.place
            assert "{" not in source.place + source.member
            if source.kind == "image":
                assert machine.startswith("linux/"), "no other system runs what is in an image"
                assert Image.at(source.place).api.startswith("https://")
            else:
                assert source.place.startswith("https://")


@pytest.mark.parametrize("name", ["kubernetes", "vault", "random"])
def test_a_provider_is_the_one_that_its_sdk_asks_for(name: str) -> None:
    """The engine would download its own beside it, or take ours with other properties."""
    pins = (PROJECT / "requirements.txt").read_text()
    found = re.search(rf"^pulumi-{name}==(.+)$", pins, re.MULTILINE)
    assert found is not None
    assert TOOLS[f"pulumi-resource-{name}"].upstream_version == found[1]


def test_the_mesh_is_of_the_release_that_the_charts_are_of() -> None:
    """A control plane and a proxy of two releases would prove a mesh that nobody runs."""
    charts = yaml.safe_load((PROJECT / "charts.yaml").read_text())["charts"]
    chart = charts["linkerd-control-plane"]["version"].removeprefix("20")
    assert {TOOLS[name].version for name in MESH_TOOLS} == {f"edge-{chart}"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "bin/x"}, "write either image and path, or url"),
        ({"image": "a.io/b:1", "url": "https://a.io", "path": "x"}, "write either image"),
        ({"image": "a.io/b:1"}, "path is missing"),
        ({"url": "https://a.io", "platforms": []}, "platforms is missing"),
        ({"url": "https://a.io", "platforms": ["linux/x86_64"]}, "linux/x86_64 is no platform"),
        ({"url": "https://a.io/{versoin}"}, "'versoin' is no word to fill in; there are version"),
        ({"url": "https://a.io/{}"}, "is no word to fill in"),
        ({"url": "https://a.io", "memeber": "x"}, "memeber is no key; there are"),
        ({"url": "https://a.io", "digests": {"linux/amd64": {"program": "abc"}}}, "no digest"),
        ({"url": "https://a.io", "digests": {"linux/amd64": {"layer": digest(b"")}}}, "no digest"),
    ],
)
def test_a_fault_in_the_table_names_the_program_and_the_fix(
    sandbox: Sandbox, entry: dict[str, object], words: str
) -> None:
    """A misspelt digest, taken as none, would switch the check off in silence."""
    with pytest.raises(SourcesFileError, match=r"sources\.yaml: vault: ") as raised:
        sandbox.table(vault=[entry])
    assert words in str(raised.value)


def test_a_table_that_is_no_yaml_is_one_line(sandbox: Sandbox) -> None:
    """A conflict of a merge, left in the file."""
    sandbox.file.write_text("vault:\n<<<<<<< HEAD\n")
    with pytest.raises(SourcesFileError, match=r"^sources\.yaml cannot be read: .*line 3"):
        Sources(sandbox.file)


def test_a_cache_that_cannot_be_written_is_one_line(
    upstream: Server, two_tools: Sandbox, machine: Path
) -> None:
    """A file in its place, a full disk, a home of root's: the way out is another folder."""
    pushed(upstream, two_tools)
    (machine / "cache").write_text("")
    for use in (lambda: toolchain.download(["vault"]), lambda: toolchain.path_folder(["vault"])):
        with pytest.raises(toolchain.ToolMissing, match=r"the cache .* set XDG_CACHE_HOME$"):
            use()


def pushed(server: Server, sandbox: Sandbox) -> Sources:
    server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT})])
    server.files["/dl/kwok"] = VAULT
    return sandbox.table(
        vault=[{"image": f"{server.host}/acme/vault:{{version}}", "path": "bin/vault"}],
        kwok=[{"url": f"{server.address}/dl/kwok"}],
    )


@pytest.fixture
def two_tools(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Sandbox:
    """A toolchain of two programs, whose table is the sandbox's."""
    tools = {name: Tool(name, name, "1.2.3") for name in ("vault", "kwok")}
    monkeypatch.setattr(toolchain, "TOOLS", tools)
    monkeypatch.setattr(toolchain, "_sources", lambda: Sources(sandbox.file))
    monkeypatch.setattr(toolchain, "_fingerprint", lambda _tool: "0")
    return sandbox


def test_digests_of_what_came_are_written_and_then_checked(
    upstream: Server, two_tools: Sandbox
) -> None:
    """As `make charts-lock`: the file is the only place of them, and keeps what else it says."""
    sandbox = two_tools
    pushed(upstream, sandbox)
    assert set(sandbox.download("vault", "kwok")) == {"vault", "kwok"}
    assert lock([], sandbox.file) == 0
    text = sandbox.file.read_text()
    assert text.startswith("# Kept.\n")
    sources = Sources(sandbox.file)
    [source] = sources.of("vault", "1.2.3")
    assert source.digests["program"] == digest(VAULT)
    assert set(source.digests) == {"manifest", "layer", "program"}
    # What is pinned is what the cache has, and the table stays as it is.
    assert cached(Tool("vault", "", "1.2.3"), [source])
    assert lock([], sandbox.file) == 0
    assert sandbox.file.read_text() == text
    # Another version is another program.
    assert not sources.of("vault", "1.2.4")[0].pinned
    # From another cache the same must come again, and it does not.
    for path in sandbox.cache.iterdir():
        path.unlink()
    upstream.files["/dl/kwok"] = VAULT + b"evil"
    assert set(sandbox.download("vault", "kwok")) == {"vault"}
    assert any("wrong digest: the program is" in line for line in sandbox.said)


def test_another_machines_programs_are_locked_beside_ours(
    upstream: Server, two_tools: Sandbox
) -> None:
    """Whoever raises a version has one machine, and the file is for four."""
    sandbox = two_tools
    both = ["linux/amd64", "linux/arm64"]
    upstream.files.update({"/dl/kwok-amd64": VAULT, "/dl/kwok-arm64": VAULT + b"arm"})
    table = sandbox.table(kwok=[{"url": f"{upstream.address}/dl/kwok-{{arch}}", "platforms": both}])
    sandbox.download("kwok")
    assert download_for("linux/arm64", ["kwok"], table) == 0
    assert lock([], sandbox.file) == 0
    sources = Sources(sandbox.file)
    found = {each: sources.of("kwok", "1.2.3", each)[0].digests["program"] for each in both}
    assert found == {"linux/amd64": digest(VAULT), "linux/arm64": digest(VAULT + b"arm")}
    assert toolchain.find("kwok").read_bytes() == VAULT, "only ours is run"
    with pytest.raises(ValueError, match="no program is there for plan9/mips; there are linux"):
        download_for("plan9/mips", ["kwok"], table)


def test_a_program_of_another_digest_in_the_cache_is_not_used(
    upstream: Server, sandbox: Sandbox
) -> None:
    """It came before the digest was pinned: nobody vouches for it."""
    pushed(upstream, sandbox)
    sandbox.download("kwok")
    tool, table = Tool("kwok", "", "1.2.3"), Sources(sandbox.file)
    assert cached(tool, table.of("kwok", "1.2.3"))
    place = table.of("kwok", "1.2.3")[0].place
    assert table.pin("kwok", "1.2.3", place, "linux/amd64", {"program": digest(b"x")})
    assert cached(tool, table.of("kwok", "1.2.3")) is None


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"place": 1, "platform": 1, "digests": []}'])
def test_a_note_that_cannot_be_read_makes_a_program_unknown(
    upstream: Server, sandbox: Sandbox, note: str
) -> None:
    """A disk that was full while it was written: the program is had again."""
    pushed(upstream, sandbox)
    path = sandbox.download("kwok")["kwok"]
    (path.parent / f".{path.name}.json").write_text(note)
    assert cached(Tool("kwok", "", "1.2.3"), Sources(sandbox.file).of("kwok", "1.2.3")) is None
    assert sandbox.download("kwok") == {"kwok": path}


def test_locking_what_was_not_downloaded_or_has_changed_fails(
    upstream: Server, two_tools: Sandbox
) -> None:
    """A digest of something else would vouch for it from then on."""
    pushed(upstream, two_tools)
    before = two_tools.file.read_text()
    assert lock([], two_tools.file) == 1
    path = two_tools.download("vault")["vault"]
    assert lock([toolchain.TOOLS["kwok"]], two_tools.file) == 1
    path.write_bytes(b"changed since")
    assert lock([], two_tools.file) == 1
    assert two_tools.file.read_text() == before


def test_sources_come_in_order_path_cache_upstream_build(
    upstream: Server, two_tools: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever costs less and is as good comes first; each stands in for the ones before."""
    sandbox = two_tools
    pushed(upstream, sandbox)
    monkeypatch.setattr(toolchain, "missing_reason", lambda _names, **_own: None)
    built: list[str] = []

    def build(tool: Tool, _say: object) -> Path:
        built.append(tool.name)
        return Path("/built")

    monkeypatch.setattr(toolchain, "_build", build)
    assert toolchain.ensure(["vault"], sandbox.said.append)["vault"].read_bytes() == VAULT
    asked = len(upstream.asked)
    toolchain.ensure(["vault"], sandbox.said.append)
    assert len(upstream.asked) == asked, "what is in the cache is not asked for"
    on_path = {"vault": Path("/usr/bin/vault")}
    monkeypatch.setattr(toolchain, "_on_path", lambda tool: on_path.get(tool.name))
    assert toolchain.ensure(["vault"], sandbox.said.append) == on_path
    assert built == []
    del upstream.files["/dl/kwok"]
    assert toolchain.ensure(["kwok"], sandbox.said.append) == {"kwok": Path("/built")}


def test_what_is_downloaded_is_put_on_path_under_its_plain_name(
    upstream: Server, two_tools: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine looks for its plugins by name; what the user installed is never hidden."""
    pushed(upstream, two_tools)
    vault = two_tools.download("vault")["vault"]
    folder = toolchain.path_folder(["vault", "kwok"])
    assert {path.name: path.resolve() for path in folder.glob("[a-z]*")} == {"vault": vault}
    assert (folder / "vault").read_bytes() == VAULT
    assert toolchain.path_folder(["kwok", "vault"]) == folder
    monkeypatch.setattr(toolchain, "_on_path", lambda _tool: Path("/usr/bin/vault"))
    assert list(toolchain.path_folder(["vault"]).iterdir()) == []
    assert (folder / "vault").exists(), "who runs with another PATH still has what it found"


def test_a_program_on_path_because_of_us_does_not_count_as_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second look would take the link away, and the engine with it."""
    own, users = toolchain._path_folder() / "0123", tmp_path / "users"
    tool = Tool("pulumi-resource-x", "", "1", on_path=("", ""))
    for folder in (own, users):
        folder.mkdir(parents=True)
        (folder / tool.name).write_text("")
        (folder / tool.name).chmod(0o755)
    monkeypatch.setenv("PATH", str(own))
    assert toolchain._on_path.__wrapped__(tool) is None
    monkeypatch.setenv("PATH", f"{own}:{users}")
    assert toolchain._on_path.__wrapped__(tool) == users / tool.name


def test_a_provider_that_the_engine_installed_for_itself_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The engine prefers PATH whatever version lies there: ours would hide it."""
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    tool = TOOLS["pulumi-resource-kubernetes"]
    path = tmp_path / "plugins" / f"resource-kubernetes-v{tool.released}" / tool.name
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert toolchain._on_path.__wrapped__(tool) == path
