"""charts.yaml and the archives: what is listed, where it lies, and what is linked."""

from __future__ import annotations

import errno
import os
import tarfile
import threading
from pathlib import Path

import pytest
import yaml

from components.chart import ChartRef
from stack.arguments import chart_refs
from stack.charts import ChartError, Charts, cache_dir, unchecked
from stack.load import from_file
from tests.unit.stack_files import REPO, STACK_FILES
from tests.unit.test_crd_charts import CHART, MANIFEST, archive

LISTED = {
    "charts": {"a": {"version": "1.0.0", "repository": "https://charts.example.com"}},
    "manifests": {"m": {"version": "2.0.0", "url": "https://example.com/m.yaml"}},
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds everything in LISTED."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "a-1.0.0.tgz").write_bytes(archive(CHART))
    (folder / "m-2.0.0.yaml").write_text(MANIFEST, encoding="utf-8")
    monkeypatch.setenv("CHARTS_DIR", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with charts.yaml alone."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "charts.yaml").write_text(yaml.safe_dump(LISTED), encoding="utf-8")
    return folder


def error_of(project: Path, text: str) -> str:
    """What is said of a charts.yaml with this text."""
    (project / "charts.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ChartError) as caught:
        Charts(project)
    return str(caught.value)


def test_the_real_list_has_all_that_any_stack_needs() -> None:
    """A version that is missing shows at the first deployment otherwise."""
    charts = Charts(REPO)
    for file in STACK_FILES:
        refs = chart_refs(from_file(file, lambda path: f"[{path}]"), charts)
        for name, ref in refs.items():
            assert ref.path == f"./.local/{name}-{ref.version}.tgz"
    for name, entry in charts.entries.items():
        assert entry.repository or entry.url, name


def test_every_hold_gives_its_reason() -> None:
    """A version without one is raised by the next person."""
    entries = Charts(REPO).entries
    held = {name for name, entry in entries.items() if entry.held is not None}
    assert {"linkerd-crds", "linkerd-control-plane", "linkerd-viz", "gateway-api"} <= held
    assert all(len(entries[name].held or "") > 10 for name in held)
    versions = {entries[name].version for name in held if name.startswith("linkerd")}
    assert len(versions) == 1


def test_an_archive_is_linked_with_a_path_that_is_the_same_everywhere(
    project: Path, cache: Path
) -> None:
    """The path of a release's chart is in the state."""
    ref = Charts(project).chart("a")
    assert ref == ChartRef(name="a", version="1.0.0", path="./.local/a-1.0.0.tgz")
    Charts(project).link(ref)
    assert (project / ref.path).read_bytes() == (cache / "a-1.0.0.tgz").read_bytes()


@pytest.mark.parametrize("name", ["a", "m"])
@pytest.mark.usefixtures("cache")
def test_crds_are_cut_from_archive_and_manifest(name: str, project: Path) -> None:
    """Both kinds of source give the same kind of chart."""
    charts = Charts(project)
    charts.link(charts.crds(name))
    with tarfile.open(project / charts.crds(name).path) as tar:
        assert [n for n in tar.getnames() if "crd" in n or "routes" in n]


def test_a_chart_made_for_the_sandbox_lies_in_its_folder_and_is_named_when_it_does_not(
    project: Path,
) -> None:
    """charts.yaml cannot vouch for it: a path of its own keeps it from every other stack."""
    charts = Charts(project)
    made = charts.made("a-crds", "0.9.0")
    assert made.path == "./.sandbox/charts/a-crds-0.9.0.tgz"
    with pytest.raises(ChartError, match=r"a-crds 0\.9\.0"):
        charts.link(made)
    (project / made.path).parent.mkdir(parents=True)
    (project / made.path).write_bytes(b"an archive")
    charts.link(made)


def test_missing_archives_are_named_all_at_once_with_the_way_to_get_them(
    project: Path, cache: Path
) -> None:
    """One at a time would be eight runs."""
    (cache / "a-1.0.0.tgz").unlink()
    (cache / "m-2.0.0.yaml").unlink()
    charts = Charts(project)
    assert charts.missing() == ["a", "m"]
    with pytest.raises(ChartError) as caught:
        charts.link(charts.chart("a"), charts.crds("m"))
    message = str(caught.value)
    assert message.startswith("chart archives missing: a 1.0.0, m-crds 2.0.0. Run `make charts`")
    assert f"CHARTS_DIR to a folder that has them (now {cache})" in message
    assert "\n" not in message


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_a_local_folder_that_cannot_be_written_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A full disk or a read-only checkout must say so, and leave no part of an archive."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), ".local/a-1.0.0.tgz")

    charts = Charts(project)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ChartError) as caught:
        charts.link(charts.chart("a"))
    assert str(caught.value) == (
        f".local/a-1.0.0.tgz: {os.strerror(code)}: .local must be a folder that can be written to, "
        "with room for the chart archives"
    )
    assert list((project / ".local").iterdir()) == []


def test_a_link_outlives_the_cache(project: Path, cache: Path) -> None:
    """A cleaned cache must not stop a preview."""
    charts = Charts(project)
    charts.link(charts.chart("a"))
    (cache / "a-1.0.0.tgz").unlink()
    charts.link(charts.chart("a"))


@pytest.mark.parametrize("age", [-1000, 1000])
def test_another_archive_of_that_version_replaces_the_link(
    age: int, project: Path, cache: Path
) -> None:
    """A mirror's archive may be older than the link that was made from the public one."""
    charts = Charts(project)
    charts.link(charts.chart("a"))
    source = cache / "a-1.0.0.tgz"
    before = source.stat().st_mtime
    source.write_bytes(archive({**CHART, "a/new": "x"}))
    os.utime(source, (before + age, before + age))
    charts.link(charts.chart("a"))
    assert (project / charts.chart("a").path).read_bytes() == source.read_bytes()


def test_an_archive_that_is_linked_already_is_not_written_again(project: Path, cache: Path) -> None:
    """Every preview would pay for it."""
    charts = Charts(project)
    charts.link(charts.chart("a"))
    target = project / charts.chart("a").path
    before = target.stat().st_ino
    charts.link(charts.chart("a"))
    assert target.stat().st_ino == before
    assert (cache / "a-1.0.0.tgz").is_file()


@pytest.mark.usefixtures("cache")
def test_runs_at_the_same_time_do_not_disturb_each_other(project: Path) -> None:
    """CI plans all stacks at once; half an archive would fail one of them."""
    failures: list[BaseException] = []

    def link() -> None:
        try:
            charts = Charts(project)
            for _ in range(5):
                for ref in (charts.chart("a"), charts.crds("a"), charts.crds("m")):
                    (project / ref.path).unlink(missing_ok=True)
                    charts.link(ref)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=link) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(list((project / ".local").iterdir())) <= 3  # no part is left behind


@pytest.mark.parametrize("name", ["a", "m"])
@pytest.mark.parametrize("content", [b"", b"nothing", b"\x1f\x8b\x08\x00cut", b"a: [\n"])
def test_a_damaged_source_is_one_line(
    name: str, content: bytes, project: Path, cache: Path
) -> None:
    """A download that was cut off must not end in a traceback of tarfile's."""
    charts = Charts(project)
    charts.source(name).write_bytes(content)
    assert charts.source(name).parent == cache
    with pytest.raises(ChartError, match="delete it and run `make charts`") as caught:
        charts.link(charts.crds(name))
    assert "\n" not in str(caught.value)
    assert not (project / charts.crds(name).path).exists()


@pytest.mark.usefixtures("cache")
def test_an_archive_with_another_digest_is_not_linked(project: Path) -> None:
    """The list is reviewed, the cache is not."""
    listed = {**LISTED, "charts": {"a": {"version": "1.0.0", "digest": f"sha256:{'0' * 64}"}}}
    (project / "charts.yaml").write_text(yaml.safe_dump(listed), encoding="utf-8")
    charts = Charts(project)
    for ref in (charts.chart("a"), charts.crds("a")):
        with pytest.raises(ChartError, match=r"its digest is .*, charts.yaml has sha256:000"):
            charts.link(ref)


def test_the_cache_is_the_users_unless_charts_dir_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CI keeps it between runs, a mirror puts it anywhere."""
    monkeypatch.delenv("CHARTS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "linkerd-platform" / "charts"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path("~/.cache/linkerd-platform/charts").expanduser()
    monkeypatch.setenv("CHARTS_DIR", "~/charts")
    assert cache_dir() == Path("~/charts").expanduser()


FAULTS = {
    "misspelt": (
        "charts:\n  a:\n    versoin: 1.0.0\nmanifests: {}\n",
        "charts.yaml:3: charts.a.versoin: unknown key; did you mean 'version'?",
    ),
    "number": (
        "charts:\n  a:\n    version: 1.0\nmanifests: {}\n",
        "charts.yaml:3: charts.a.version: input should be a valid string",
    ),
    "no-version": (
        "charts:\n  a:\n    version: latest\nmanifests: {}\n",
        "charts.yaml:3: charts.a.version: 'latest' is no version like 1.2.3",
    ),
    "path-as-version": (
        "charts:\n  a:\n    version: 1.0.0/../x\nmanifests: {}\n",
        "charts.yaml:3: charts.a.version: '1.0.0/../x' is no version",
    ),
    "path-as-name": (
        "charts:\n  ../a:\n    version: 1.0.0\nmanifests: {}\n",
        "charts.yaml:2: charts.../a: '../a' is no version like 1.2.3, or no name",
    ),
    "twice": (
        "charts:\n  a: {version: 1.0.0}\n  a: {version: 2.0.0}\nmanifests: {}\n",
        "charts.yaml:3: charts.a: is a duplicate (first in line 2)",
    ),
    "both": (
        "charts:\n  a: {version: 1.0.0}\nmanifests:\n  a: {version: 1.0.0}\n",
        "charts.yaml: a: is a chart and a manifest",
    ),
    "section": ("charts: {}\n", "charts.yaml: manifests: field required"),
    "unknown-section": (
        "charts: {}\nmanifests: {}\nchart: {}\n",
        "charts.yaml:3: chart: unknown key; did you mean 'charts'?",
    ),
    "no-yaml": ("charts: [\n", "charts.yaml: while parsing"),
    "empty": ("", "charts.yaml: "),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_list_is_one_line_with_its_place(name: str, project: Path) -> None:
    """It is edited at every upgrade."""
    text, start = FAULTS[name]
    (first, *_) = found = error_of(project, text).splitlines()
    assert any(line.startswith(start) for line in found), found
    assert "pydantic" not in first


def test_a_list_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """As every fault."""
    with pytest.raises(ChartError, match=r"^charts.yaml: No such file or directory$"):
        Charts(tmp_path)


def test_what_has_no_digest_is_told_in_one_line_with_the_command(project: Path) -> None:
    """Of charts and manifests; nothing is said once all have one, or of a faulty list."""
    file = project / "charts.yaml"
    text = file.read_text()
    told = unchecked(project)
    assert told is not None
    assert "\n" not in told
    assert "make charts charts-lock" in told
    count = len(Charts(project).entries)
    assert f"{count} of {count} have no digest (" in told
    digest = f"    digest: sha256:{'0' * 64}\n"
    lines = [f"{line}\n" + (digest if line.startswith("    version:") else "")
             for line in text.splitlines()]  # fmt: skip
    file.write_text("".join(lines))
    assert unchecked(project) is None
    file.write_text("".join(lines).replace(digest, "", 1))
    assert f"1 of {count} have no digest (" in (unchecked(project) or "")
    file.write_text("charts: 1\n")
    assert unchecked(project) is None
