"""What `make sandbox` has in place before it deploys, and what it says while somebody waits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
import yaml

from bot.engine import sandbox_stack
from bot.exit_codes import BadInputError
from sandbox import module_charts, prepare, providers, toolchain
from sandbox.module_charts import NoModuleError
from sandbox.outline import outline
from stack.charts import ChartError, Charts
from tests.unit.stack_files import REPO

PLUGINS = ("pulumi-resource-random", "pulumi-resource-vault")
LINKERD = ("linkerd-crds", "linkerd-control-plane", "linkerd-viz")
OF_MODULES = ("cert-manager", "trust-manager", "external-secrets", "gateway-api")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose charts are nowhere, on a machine with an empty cache."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in (sandbox_stack.TRACKED, "charts.yaml", "Pulumi.yaml"):
        shutil.copyfile(REPO / name, folder / name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "charts"))
    (tmp_path / "location").mkdir()
    monkeypatch.setenv("CHARTS_LOCATION", str(tmp_path / "location"))
    return folder


def _modules(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def make(names: Iterable[str], _folder: Path) -> dict[str, str]:
        asked.extend(names)
        return dict.fromkeys(asked, "0.1.0")

    monkeypatch.setattr(module_charts, "make", make)
    return asked


def test_charts_that_no_repository_gives_come_out_of_modules_and_linkerd_is_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that reaches package registries alone still sees something real, and is told."""
    asked = _modules(monkeypatch)
    notes = prepare.charts_ready(project, lambda _text: None)
    assert sorted(asked) == sorted(OF_MODULES)
    assert sandbox_stack.charts_in_use(project) == {
        "charts": dict.fromkeys(asked, "0.1.0"),
        "linkerd": False,
    }
    missing, made = notes
    assert missing.startswith(f"WITHOUT LINKERD: {', '.join(LINKERD)} cannot be had (")
    assert "CHARTS_LOCATION=" in missing
    assert made.startswith("CHARTS OUT OF GO MODULES, for the sandbox alone: ")
    assert "cert-manager 0.1.0" in made


def test_charts_that_can_be_had_are_those_of_charts_yaml(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What production runs comes first; what stood in for it is forgotten."""
    sandbox_stack.use_charts(project, {"cert-manager": "v0.0.1"}, linkerd=False)
    asked = _modules(monkeypatch)
    monkeypatch.setattr(Charts, "link", lambda *_: None)
    assert prepare.charts_ready(project, lambda _text: None) == ()
    assert asked == []
    assert sandbox_stack.charts_in_use(project) == {}


def test_with_linkerd_alone_missing_the_other_charts_are_those_of_charts_yaml(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each chart by itself: a mirror often has some and not all."""
    asked = _modules(monkeypatch)

    def link(_charts: Charts, ref: object) -> None:
        if getattr(ref, "name", "").startswith("linkerd-"):
            raise ChartError("missing")

    monkeypatch.setattr(Charts, "link", link)
    [note] = prepare.charts_ready(project, lambda _text: None)
    assert note.startswith("WITHOUT LINKERD: ")
    assert asked == []
    assert sandbox_stack.charts_in_use(project) == {"linkerd": False}


def test_a_damaged_archive_is_no_missing_one(project: Path, tmp_path: Path) -> None:
    """Something else in its place would hide that somebody changed it."""
    charts = Charts(project)
    (tmp_path / "charts").mkdir()
    charts.source("cert-manager").write_bytes(b"not an archive")
    with pytest.raises(ChartError, match="cert-manager"):
        prepare.charts_ready(project, lambda _text: None)


def test_a_location_of_charts_that_is_none_is_bad_input(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt folder must not read as a machine without a network."""
    monkeypatch.setenv("CHARTS_LOCATION", "/no/such/folder")
    with pytest.raises(BadInputError, match="CHARTS_LOCATION: '/no/such/folder' is no folder"):
        prepare.charts_ready(project, lambda _text: None)


def test_without_repository_and_module_both_reasons_are_given(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is what remains; the line must say what would change that."""

    def none(*_: object) -> dict[str, str]:
        raise NoModuleError("its Go module needs Go (go.dev/doc/install)")

    monkeypatch.setattr(module_charts, "make", none)
    with pytest.raises(ChartError, match=r"(?s)cert-manager.*No such file.*needs Go.*LOCATION"):
        prepare.charts_ready(project, lambda _text: None)


def _programs(monkeypatch: pytest.MonkeyPatch, absent: Iterable[str]) -> list[str]:
    """A machine with all programs but some; returns what is done, in order."""
    done: list[str] = []
    gone = set(absent)
    monkeypatch.setattr(toolchain, "find", lambda name: None if name in gone else Path(name))
    monkeypatch.setattr(toolchain, "missing_reason", lambda _names: None)
    monkeypatch.setattr(prepare, "charts_ready", lambda *_: ())
    monkeypatch.setattr(prepare, "_absent", lambda _project: [])
    monkeypatch.setattr(prepare, "outline", lambda _project: ["what it makes"])

    def download(names: Iterable[str], _say: Callable[[str], None]) -> dict[str, Path]:
        done.append(f"download {' '.join(names)}")
        return {}

    def ensure(names: Iterable[str], _say: Callable[[str], None]) -> dict[str, Path]:
        done.append(f"build {' '.join(names)}")
        return {}

    monkeypatch.setattr(toolchain, "download", download)
    monkeypatch.setattr(toolchain, "ensure", ensure)
    return done


@pytest.mark.parametrize(
    "servers", [toolchain.SERVERS, ("vault",)], ids=["embedded", "a cluster of the user's"]
)
def test_what_will_be_made_is_shown_before_anything_is_fetched(
    servers: Sequence[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour without a word is when people leave; servers of their own need none of ours."""
    done = _programs(monkeypatch, ["pulumi"])
    found = prepare.prepare(project, servers, done.append)
    assert found.whole
    shown, download, build = done
    assert shown == "what it makes"
    assert ("etcd" in download) == ("etcd" in build) == ("etcd" in servers)
    assert build.endswith(" ".join(prepare.ENGINE))
    assert "pulumi-resource-vault" in download


def test_a_second_run_shows_no_plan(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits any more: it would be three seconds for what is known."""
    done = _programs(monkeypatch, [])
    prepare.prepare(project, toolchain.SERVERS, done.append)
    assert "what it makes" not in done


def test_what_cannot_be_had_ends_it_before_it_is_built(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty minutes of building, and then no engine, would be twenty minutes lost."""
    done = _programs(monkeypatch, ["pulumi"])
    monkeypatch.setattr(toolchain, "missing_reason", lambda _names: "pulumi: needs Go")
    with pytest.raises(toolchain.ToolMissing, match="needs Go"):
        prepare.prepare(project, toolchain.SERVERS, done.append)
    assert not [each for each in done if each.startswith("build")]


def test_the_cache_is_on_path_behind_everything_else(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user installed comes first."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    _programs(monkeypatch, [])
    prepare.prepare(project, toolchain.SERVERS, lambda _text: None)
    *first, own = os.environ["PATH"].split(os.pathsep)
    assert first == ["/usr/bin", "/bin"]
    assert Path(own).parent == tmp_path / "cache" / "linkerd-platform" / "path"


@pytest.mark.parametrize("absent", [(), PLUGINS[1:], PLUGINS], ids=["plugins", "one", "none"])
def test_stand_ins_are_used_for_what_is_missing_alone(
    absent: tuple[str, ...], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has a plugin gets it, and who has none must know that this is the sandbox's own way."""
    providers.place(project, ["random", "vault"])
    _programs(monkeypatch, absent)
    found = prepare.prepare(project, toolchain.SERVERS, lambda _text: None)
    placed = (project / ".sandbox" / "plugins").iterdir()
    assert sorted(file.name for file in placed) == list(absent)
    said = f"STAND-INS for {' and '.join(absent)}, "
    assert [note.startswith(said) for note in found.notes] == ([True] if absent else [])


def test_the_outline_has_every_component_in_order_with_its_charts() -> None:
    """It is what a new user reads first: names, versions and nothing that needs explaining."""
    said = outline(REPO)
    version = yaml.safe_load((REPO / "charts.yaml").read_text())["charts"]["linkerd-crds"][
        "version"
    ]
    assert "bot plan --stack sandbox" in said[0]
    names = [line.split()[0] for line in said[1:]]
    assert {"trust-anchor", "cert-manager", "identity-issuer", "linkerd", "viz"} <= set(names)
    assert names.index("cert-manager") < names.index("identity-issuer") < names.index("linkerd")
    [linkerd] = [line for line in said if line.startswith("  linkerd ")]
    assert linkerd.split(maxsplit=1)[1].startswith(f"linkerd-crds {version}, linkerd-control-plane")
    assert all(len(line) < 130 for line in said)


def test_an_outline_of_a_faulty_stack_file_is_none(project: Path) -> None:
    """Its fault is told by the deployment, once."""
    (project / sandbox_stack.TRACKED).write_text("config: {linkerd-platform:role: nonsense}\n")
    assert outline(project) == []
