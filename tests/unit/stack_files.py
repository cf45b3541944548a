"""A good stack file to be spoilt by a test, read as a file and as the engine hands it over."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from schema.faults import PROJECT, ConfigError
from stack.config import StackConfig
from stack.load import from_engine, from_file

REPO = Path(__file__).resolve().parents[2]
STACK_FILES = sorted(REPO.glob("Pulumi.*.yaml"))
STACKS = [file.name.split(".")[1] for file in STACK_FILES]
STACK = "test"

Sections = dict[str, Any]
KeyPath = tuple[str | int, ...]
REMOVE = object()


def certificate() -> str:
    """The public certificate in a real stack file."""
    config = yaml.safe_load((REPO / "Pulumi.staging.yaml").read_text(encoding="utf-8"))["config"]
    return str(config[f"{PROJECT}:cluster"]["caPem"])


def good(role: str = "cluster") -> Sections:
    """The least that a stack of this role must say."""
    made: Sections = {
        "role": role,
        "vault": {"address": "https://vault.example.com:8200"},
        "trust": {"generations": [{"name": "anchor-1"}], "signing": "anchor-1"},
    }
    if role != "owner":
        made["cluster"] = {
            "name": "test",
            "apiServer": "https://api.example.com:6443",
            "caPem": certificate(),
        }
    return made


def spoilt(changes: dict[KeyPath, Any], role: str = "cluster") -> Sections:
    """The good sections with some keys set, or removed with REMOVE."""
    made = copy.deepcopy(good(role))
    for path, value in changes.items():
        place: Any = made
        for part in path[:-1]:
            place = place[part] if isinstance(place, list) else place.setdefault(part, {})
        if value is REMOVE:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    return made


def write(folder: Path, sections: Sections) -> Path:
    """A stack file with these sections; keys with `:` are written as they are."""
    config = {key if ":" in str(key) else f"{PROJECT}:{key}": v for key, v in sections.items()}
    return write_text(folder, yaml.safe_dump({"config": config}, sort_keys=False))


def write_text(folder: Path, text: str) -> Path:
    """A stack file with this content."""
    file = folder / f"Pulumi.{STACK}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def engine_values(sections: Sections) -> dict[str, str]:
    """What the engine makes of the sections: text, and JSON for what has parts."""
    return {
        key if ":" in key else f"{PROJECT}:{key}": value
        if isinstance(value, str)
        else json.dumps(value)
        for key, value in sections.items()
    }


def lines_of_file(file: Path) -> list[str]:
    """The faults of a stack file, none when it loads."""
    try:
        from_file(file)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def lines_of_engine(folder: Path, sections: Sections) -> list[str]:
    """The faults of the same sections from the engine."""
    try:
        from_engine(engine_values(sections), STACK, folder)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def load(folder: Path, sections: Sections) -> StackConfig:
    """The config of these sections."""
    return from_file(write(folder, sections))
