"""Stack files, charts.yaml and chart archives of any shape: a line, and never a traceback."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cli import fetch_charts
from bot.cli.fetch_charts import fault_in
from bot.exit_codes import BadInputError
from bot.plan.mock.engine import evaluate
from stack.charts import ChartError, Charts
from tests.unit import bot_project, policy_effect
from tests.unit.stack_files import REPO, good, lines_of_file, spoilt, write, write_text
from tests.unit.test_input_file import member, packed

EGRESS = ("egress", "hosts")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("config: {secure: x}", "secure: unknown key"),
        ("config: {secure: {a: b}}", "secure: unknown key"),
        ("config: {secure: {secure: x}}", "secure: unknown key"),
        ("config: {'linkerd-platform:cluster': {secure: x}}", "cluster"),
        ("config: {1: 2}", "unknown key"),
        ("config: {'': x}", "unknown key"),
        ("config: {':': x}", "unknown key"),
        ("- a", "has no section `config:`"),
        ("[" * 300_000, "nested too deep"),
    ],
)
def test_a_config_of_any_shape_is_told(text: str, part: str, tmp_path: Path) -> None:
    """`{secure: x}` in the place of all keys was taken for one encrypted value."""
    assert any(part in line for line in lines_of_file(write_text(tmp_path, text)))


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("pulumi:disable-default-provider", "did you mean pulumi:disable-default-providers?"),
        ("pulumi:autonamimg", "did you mean pulumi:autonaming?"),
        ("pulumi:zzz", "pulumi: has autonaming, disable-default-providers, tags, template"),
        ("pulumi:", "unknown key"),
    ],
)
def test_a_key_of_the_engine_is_one_that_it_knows(key: str, part: str, tmp_path: Path) -> None:
    """The engine passes over the others without a word, and a default provider is used again."""
    (line,) = lines_of_file(write(tmp_path, {**good(), key: ["*"]}))
    assert part in line
    known = {"pulumi:disable-default-providers": ["*"], "pulumi:autonaming": {"mode": "default"}}
    assert lines_of_file(write(tmp_path, {**good(), **known})) == []


def test_a_network_that_is_none_is_told_once_where_others_look_at_it(tmp_path: Path) -> None:
    """The rule about egress hosts read it again, and ended in a ValueError."""
    host = {"host": "a.example.com", "networks": ["203.0.113.0/24"]}
    for bad in ("10.0.0.1/8", "x", ""):
        made = spoilt({("cluster", "networks"): [bad], EGRESS: [host]})
        lines = lines_of_file(write(tmp_path, made))
        assert len([line for line in lines if "cluster.networks[0]" in line]) == 1, lines


def test_two_services_of_one_name_are_told(tmp_path: Path) -> None:
    """With other ports they were two resources of one URN, which the program ended at."""
    plan = copy.deepcopy(policy_effect.PLAN)
    (service,) = plan["namespaces"]["shop"]["services"]
    ports = service["ports"]
    plan["namespaces"]["shop"]["services"] = [
        {**service, "ports": ports[:1]},
        {**service, "ports": ports[1:2], "selector": {"app": "other"}},
    ]
    waves = {"waves": [{"name": "a", "state": "on", "namespaces": ["shop"]}]}
    made = {**good("standalone"), "policy": plan, "rollout": waves}
    lines = lines_of_file(write(tmp_path, made))
    found = [line for line in lines if "is a service of this namespace already" in line]
    assert len(found) == 1
    assert "services[1].name" in found[0]


def test_resources_of_one_name_are_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no rule has foreseen is still the fault of the stack file."""
    folder = bot_project.project(tmp_path, trust=bot_project.stack_file("trust"))

    async def twice(*_: Any) -> None:
        import pulumi_random

        for _ in range(2):
            pulumi_random.RandomId("a\x1b", byte_length=4)

    monkeypatch.setattr("stack.program.run", twice)
    with pytest.raises(BadInputError) as caught:
        evaluate(folder / "Pulumi.trust.yaml", folder)
    assert str(caught.value) == (
        "Pulumi.trust.yaml: two of its entries create the resource 'a\\x1b': rename one of them"
    )


def charts(**changes: Any) -> dict[str, Any]:
    listed = yaml.safe_load((REPO / "charts.yaml").read_text("utf-8"))
    return {**listed, **changes}


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ([], "charts.yaml"),
        (None, "charts.yaml"),
        ({"charts": [], "manifests": {}}, "charts"),
        ({"charts": {}, "manifests": {}}, "has no cert-manager, which the stack needs"),
        (charts(charts={"cert-manger": {"version": "1.2.3"}}), "'cert-manger' is there: is it mis"),
        (charts(charts={"a\x1b": {"version": "1.2.3"}}), r"charts.a\x1b"),
        (charts(charts={"a": {"\u202e": "1.2.3"}}), r"charts.a.\u202e: unknown key"),
        (charts(charts={"a": {"x" * 5000: "1.2.3"}}), "xxx...: unknown key"),
    ],
)
def test_charts_yaml_of_any_shape_is_told(document: Any, part: str, tmp_path: Path) -> None:
    """Without cert-manager it was a KeyError."""
    (tmp_path / "charts.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ChartError) as caught:
        Charts(tmp_path).chart("cert-manager")
    assert part in str(caught.value)
    assert all(line.isprintable() and len(line) < 500 for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    "content", [b"- a\n", b"text", b"", b"[" * 300_000, b"name: [a]\n", b"\xff"]
)
def test_a_chart_of_any_shape_is_told(content: bytes) -> None:
    """A Chart.yaml that is a list was an AttributeError."""
    wanted = fetch_charts.Wanted("mesh", "1.2.3", "mesh-1.2.3.tgz", None, None)
    said = fault_in(wanted, packed((member("mesh/Chart.yaml"), content)), None)
    assert said
    assert said.isprintable()
    assert len(said) < 300


def test_a_chart_that_is_a_link_is_told() -> None:
    """tarfile follows links, to a KeyError where there is nothing."""
    import tarfile

    wanted = fetch_charts.Wanted("mesh", "1.2.3", "mesh-1.2.3.tgz", None, None)
    link = packed((member("mesh/Chart.yaml", tarfile.SYMTYPE, "none"), b""))
    assert fault_in(wanted, link, None) == (
        "it is not an archive of the chart mesh: it has no mesh/Chart.yaml with keys"
    )
