"""Every fault of a stack file: one line each that names file, line, key and fix."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Any

import pytest

from schema.faults import PROJECT
from stack.config import StackConfig
from stack.meant import MAP_KEY, all_paths, field_keys, model_at
from tests.unit.one_fault import CREDENTIALS, ISSUER, ONE_FAULT
from tests.unit.stack_files import (
    lines_of_engine,
    lines_of_file,
    spoilt,
    write,
)


@pytest.mark.parametrize("name", ONE_FAULT)
def test_one_fault_is_one_line_with_file_line_key_and_fix(name: str, tmp_path: Path) -> None:
    """An operator mends it from that line alone, with no fault that only follows from it."""
    changes, key, part = ONE_FAULT[name]
    found = lines_of_file(write(tmp_path, spoilt(changes)))
    assert len(found) == 1, found
    full_key = key if ":" in key else f"{PROJECT}:{key}"
    assert re.fullmatch(rf"Pulumi\.test\.yaml(:\d+)?: {re.escape(full_key)}: .*", found[0])
    assert part in found[0]


@pytest.mark.parametrize("name", ONE_FAULT)
def test_engine_and_file_give_the_same_faults(name: str, tmp_path: Path) -> None:
    """A pull request's plan reads the file, the deployment gets the engine's values."""
    sections = spoilt(ONE_FAULT[name][0])
    from_file = lines_of_file(write(tmp_path, sections))
    from_engine = lines_of_engine(tmp_path, sections)
    if name == "null-section":  # JSON's null in a text is text
        assert [line.split(": ")[1] for line in from_engine] == [f"{PROJECT}:linkerd"]
    else:
        assert from_engine == from_file


def test_config_credentials_need_both_halves(tmp_path: Path) -> None:
    """Found at the agent's first call otherwise, long after the deployment."""
    changes = {("buoyantCloud", "enabled"): True, (*CREDENTIALS, "source"): "config"}
    found = lines_of_file(write(tmp_path, spoilt(changes)))
    assert [line.split(": ", 2)[1:] for line in found] == [
        [f"{PROJECT}:buoyantCloud.credentials.{key}", "missing: source 'config' needs it"]
        for key in ("clientId", "clientSecret")
    ]


def test_all_faults_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Six faults must not take six runs, whether of type or between keys."""
    changes = {
        ("role",): "clutser",
        ("vault", "address"): "vault",
        (*ISSUER, "duration"): "20h",
        ("trust", "signing"): "anchor-9",
        ("linkerd", "replicas"): 2,
        ("linkerd", "logLevel"): "inof",
        ("viz", "enabeld"): True,
        ("gatewayApi", "version"): "2.0.0",
        ("helm:repo",): "x",
    }
    found = lines_of_file(write(tmp_path, spoilt(changes)))
    keys = [line.split(": ")[1].removeprefix(f"{PROJECT}:") for line in found]
    assert sorted(keys) == sorted(
        [
            "role",
            "vault.address",
            "trust.issuer.leafLifetime",
            "trust.issuer.renewBefore",
            "trust.signing",
            "linkerd.replicas",
            "linkerd.logLevel",
            "viz.enabeld",
            "gatewayApi.version",
            "helm:repo",
        ]
    )
    numbers = [int(line.split(":")[1]) for line in found]
    assert numbers == sorted(numbers)


def test_a_rule_says_nothing_of_a_key_that_is_faulty_itself(tmp_path: Path) -> None:
    """It would speak of the default, which nobody wrote."""
    for wrong in ({"duratoin": "96h"}, {"duration": "96"}):
        issuer = {"renewBefore": "72h", **wrong}
        found = lines_of_file(write(tmp_path, spoilt({ISSUER: issuer})))
        assert len(found) == 1, found


def test_a_faulty_list_item_does_not_shift_the_others(tmp_path: Path) -> None:
    """Line and index of the later fault would name a healthy item."""
    generations = ["anchor-1", {"name": "anchor-1"}, {"name": "B"}, {"name": "c", "lifetime": "1h"}]
    found = lines_of_file(write(tmp_path, spoilt({("trust", "generations"): generations})))
    assert [line.split(": ")[1].removeprefix(f"{PROJECT}:") for line in found] == [
        "trust.generations[0]",
        "trust.generations[2].name",
        "trust.generations[3].lifetime",
    ]


SNAKE = re.compile(r"(?<=[a-z])([A-Z])")
CAMEL_PATHS = [path for path in all_paths(StackConfig) if SNAKE.search(path[-1])]


def below(path: tuple[str, ...]) -> Any:
    """What stands at the first key of a path so that the last one is there."""
    made: Any = {path[-1]: 1}
    for at in range(len(path) - 2, 0, -1):
        if path[at] != MAP_KEY:
            fields = model_at(path[:at]).model_fields.values()  # type: ignore[union-attr]
            annotation = next(field.annotation for field in fields if field.alias == path[at])
            made = [made] if typing.get_origin(annotation) is tuple else made
        made = {"shop" if path[at] == MAP_KEY else path[at]: made}
    return made


@pytest.mark.parametrize("path", CAMEL_PATHS, ids=".".join)
def test_snake_case_of_any_key_is_led_to_its_camel_case(
    path: tuple[str, ...], tmp_path: Path
) -> None:
    """The models are in snake case, so a reader of the code will write that first."""
    wrong = SNAKE.sub(lambda m: f"_{m[1].lower()}", path[-1])
    whole = (*path[:-1], wrong)
    changes = {whole[:1]: below(whole) if path[1:] else 1}
    found = lines_of_file(write(tmp_path, spoilt(changes)))
    assert any(f".{wrong}: " in f".{line}" or f":{wrong}: " in line for line in found)
    assert any(f"did you mean {path[-1]!r}?" in line for line in found), found


def test_every_key_is_camel_case_and_has_a_description() -> None:
    """docs/config.md would have an empty line."""
    for path in all_paths(StackConfig):
        assert re.fullmatch(r"[a-z][A-Za-z0-9]*", path[-1])
        model = model_at(path[:-1])
        assert model is not None
        field = next(f for f in model.model_fields.values() if f.alias == path[-1])
        assert field.description, path
        assert path[-1] in field_keys(model)
