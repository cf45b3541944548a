"""The folder of a plan: whatever names the charts have, and whatever lies there before."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cli import dispatch
from bot.exit_codes import BadInputError
from bot.plan import files as plan_files
from bot.plan.files import part, write
from bot.plan.html import page
from bot.plan.model import Object, Plan, plans
from bot.plan.render import Manifest, parse
from bot.plan.svg import svg
from bot.plan.text import text
from tests.unit import bot_project

ODD = (
    "../../..", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "a\0b", "a\nb", "-rf", ".git", "~",
    "x" * 5000, "\x1b]8;;http://evil.example\x07x", "\u202egnp.exe", "\u200b", "é", "_cluster",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "]]>", "&lt;", "::error::x",
    "##[error]x", "`" * 100, "\ud800",
)  # fmt: skip


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan of the smallest stack."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("plan")
        made = bot_project.use(folder, patch, trust=bot_project.stack_file("trust"))
        return plans([made / "Pulumi.trust.yaml"], made)[0]


def thing(namespace: str | None, kind: str, name: str) -> Object:
    content: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    made = Manifest(content, "kind: Thing\n")
    return Object("v1", kind, namespace, name, None, False, False, made)


def everything(plan: Plan) -> Plan:
    """The plan with an object for each odd name, at each place of one."""
    objects = [
        thing(*names)
        for odd in ODD
        for names in ((odd, "Thing", "a"), ("a", odd, "b"), ("a", "Thing", odd), (odd, odd, odd))
    ]
    objects += [thing("a", "Thing", name) for name in ("case", "Case", "CASE", "a_b", "a/b", "a?b")]
    return replace(plan, objects=tuple(objects), warnings=ODD)


def entries(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*")}


def test_every_object_lies_in_the_folder_whatever_it_is_called(plan: Plan, tmp_path: Path) -> None:
    """`metadata.namespace: ../../..` overwrote the project's fleet.yaml."""
    before = entries(tmp_path)
    out = tmp_path / "a" / "out"
    write([everything(plan)], out)
    assert {each for each in entries(tmp_path) - before if not each.startswith("a")} == set()
    files = [each for each in out.rglob("*") if each.is_file()]
    objects = len(everything(plan).objects)
    assert len([each for each in files if "manifests" in each.parts]) == objects
    assert len({str(each).casefold() for each in files}) == len(files), "some disks have one case"
    for each in files:
        assert each.resolve().is_relative_to(out.resolve())
        names = each.relative_to(out).parts
        assert all(name.isascii() and name.isprintable() and len(name) < 200 for name in names)
        assert not any(name.startswith((".", "-")) for name in names)


@pytest.mark.parametrize("name", ODD)
def test_a_part_of_a_path_is_one_part(name: str) -> None:
    made = part(name)
    assert Path(made).name == made
    assert made not in ("", ".", "..")
    assert len(os.fsencode(made)) < 200


@pytest.mark.parametrize("name", ODD)
def test_no_name_is_live_on_a_page_or_in_a_terminal(plan: Plan, name: str) -> None:
    """Whoever names an object in a chart must not write the lines, or run a script, of a plan."""
    first, *rest = plan.evaluation.resources
    odd = replace(first, name=name, inputs={name: name})
    evaluation = replace(plan.evaluation, resources=(odd, *rest), exports={name: name})
    made = replace(plan, evaluation=evaluation, warnings=(name,))
    shown = text(made)
    assert all(line.isprintable() for line in shown.splitlines())
    assert len(shown.splitlines()) == len(text(replace(made, warnings=("x",))).splitlines())
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]
    assert "##[" not in shown
    for markup in (page([made]), svg(made)):
        assert "<script" not in markup
        assert "<img" not in markup
        assert not [c for c in markup if not c.isprintable() and c not in "\n\t"]
    assert plan_files.as_json([made]).isascii()


def test_nothing_behind_a_link_is_emptied(plan: Plan, tmp_path: Path) -> None:
    """A committed `.plan/plan.json` with a link below it emptied what the link led to."""
    victim = tmp_path / "victim"
    for name in ("manifests/shop/Thing", "charts"):
        (victim / name).mkdir(parents=True)
        (victim / name / "a.yaml").write_text("mine")
    (victim / "graph.svg").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "plan.json").write_text('{"stacks": [{"stack": "evil"}, {"stack": "trust"}]}')
    listed = (
        "evil/manifests/shop/Thing/a.yaml evil/charts/a.yaml evil/graph.svg ../victim/graph.svg"
    )
    (out / "index.html").write_text(f'<meta name="plan-files" content="{listed}">')
    (out / "evil").symlink_to(victim)
    write([plan], out)
    assert sorted(each.read_text() for each in victim.rglob("*") if each.is_file()) == ["mine"] * 3
    (out / "trust" / "graph.svg").unlink()
    (out / "trust" / "graph.svg").symlink_to(victim / "graph.svg")
    with pytest.raises(BadInputError, match=r"graph\.svg: is a link: remove it"):
        write([plan], out)
    assert (victim / "graph.svg").read_text() == "mine"


@pytest.mark.parametrize("name", ["index.html", "plan.json", "trust", "trust/graph.svg"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_link_or_a_pipe_where_a_file_goes_is_refused(
    plan: Plan, tmp_path: Path, name: str, kind: str
) -> None:
    """Through a link the plan would be written over whatever it leads to."""
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.write_text("mine")
    write([plan], out)
    target = out / name
    if target.is_dir():
        target.rename(out.parent / "gone")
    else:
        target.unlink()
    if kind == "link":
        target.symlink_to(victim)
    else:
        os.mkfifo(target)
    with pytest.raises(BadInputError, match="out: "):
        write([plan], out)
    assert victim.read_text() == "mine"


def test_what_no_plan_has_listed_stays(plan: Plan, tmp_path: Path) -> None:
    """Also where it looks like a part of a plan, and where a list says so that is none."""
    out = tmp_path / "out"
    write([everything(plan)], out)
    mine = out / "trust" / "manifests" / "mine" / "Thing" / "a.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (out / "notes.txt").write_text("mine")
    listed = (out / "index.html").read_text().replace('content="trust', 'content="notes.txt trust')
    (out / "index.html").write_text(listed)
    write([plan], out)
    left = {str(each.relative_to(out)) for each in out.rglob("*") if each.is_file()}
    assert left == {
        "index.html", "plan.json", "notes.txt", "trust/graph.svg",
        "trust/manifests/mine/Thing/a.yaml",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        ("- a\n", "which is not an object"),
        ("text\n", "which is not an object"),
        ("kind: [a]\napiVersion: v1\n", "kind is not text"),
        ("kind: Secret\n", "apiVersion or kind is not text"),
        ("kind: A\napiVersion: v1\nmetadata: [a]\n", "metadata is not a mapping"),
        ("a: " + "[" * 300_000, "nested too deep"),
        ("a: *b\n", "alias"),
    ],
)
def test_what_a_chart_renders_may_be_anything(stream: str, why: str) -> None:
    """300,000 brackets ended the process in the C loader, and a list in an AttributeError."""
    with pytest.raises(ValueError, match=why):
        parse(stream)


def test_a_date_in_a_manifest_is_text() -> None:
    """As for the API server; JSON, in which renderings are kept, has no dates."""
    (made,) = parse("apiVersion: v1\nkind: A\ndata: {a: 2026-01-01}\n")
    assert made.content["data"] == {"a": "2026-01-01"}


def test_a_rendering_that_is_no_object_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bot_project.use(tmp_path, monkeypatch, staging=bot_project.stack_file("staging"))
    helm = tmp_path / "bin" / "helm"
    helm.write_text("#!/bin/sh\ncat > /dev/null\nhead -c 300000 /dev/zero | tr '\\0' '['\n")
    assert dispatch.main(["plan", "--stack", "staging"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the output of helm template is nested too deep" in line
