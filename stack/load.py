"""Reads a stack's config, from the engine or the stack file; refuses it with all its faults."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stack import rules
from stack.config import StackConfig
from stack.faults import PROJECT, ConfigError, Fault, field_keys, from_pydantic

# `pulumi:` holds the engine's own settings; a key of a default provider would have no effect.
_KNOWN_NAMESPACES = (PROJECT, "pulumi")

ReadFile = Callable[[Path], str]


def read_text(path: Path) -> str:
    """Content of a UTF-8 file."""
    return path.read_text(encoding="utf-8")


def from_engine(values: Mapping[str, str], stack: str, project_dir: Path) -> StackConfig:
    """The config that the engine handed to the program; raises ConfigError.

    `values` maps full keys to strings, sections as JSON (environment variable `PULUMI_CONFIG`).
    """
    raw = {key: _from_json(text) for key, text in values.items()}
    return _load(raw, project_dir / f"Pulumi.{stack}.yaml", read_text)


def from_file(file: Path, read: ReadFile = read_text) -> StackConfig:
    """The config in a stack file, with `[secret]` for encrypted values; raises ConfigError.

    `read` gives the content of the CA files that the stack file names.
    """
    try:
        document = yaml.safe_load(read_text(file)) or {}
    except OSError as error:
        known = ", ".join(sorted(p.name for p in file.parent.glob("Pulumi.*.yaml")))
        raise ConfigError(
            file, [Fault((), f"{error.strerror}; stack files here: {known or 'none'}")]
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(file, [Fault((), " ".join(str(error).split()))]) from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise ConfigError(file, [Fault((), "has no `config:` section")])
    return _load(_without_ciphertext(config), file, read)


def _from_json(text: str) -> Any:
    if text[:1] not in "{[":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without_ciphertext(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return "[secret]"
        return {key: _without_ciphertext(item) for key, item in value.items()}
    return [_without_ciphertext(v) for v in value] if isinstance(value, list) else value


def _load(raw: Mapping[str, Any], file: Path, read: ReadFile) -> StackConfig:
    faults = list(_namespace_faults(raw))
    own = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in raw.items()
        if key.startswith(f"{PROJECT}:")
    }
    config, more = _validated(_tupled(own))
    faults += more
    if config is not None:
        faults += rules.check(config)
        config, more = _with_authorities(config, file.parent, read)
        faults += more
    if faults or config is None:
        raise ConfigError(file, faults)
    return config


def _namespace_faults(raw: Mapping[str, Any]) -> list[Fault]:
    faults = []
    for key in raw:
        namespace, _, name = key.partition(":")
        if namespace in _KNOWN_NAMESPACES and name:
            continue
        if not name:
            near = difflib.get_close_matches(key, field_keys(StackConfig), n=1)
            hint = f"write {PROJECT}:{near[0] if near else key}"
        elif difflib.get_close_matches(namespace, [PROJECT]):
            hint = f"did you mean {PROJECT}:{name}?"
        else:
            hint = f"remove it; ours begin with {PROJECT}:, and providers are set from those"
        faults.append(Fault((key if name else f"{key}:",), f"unknown key; {hint}"))
    return faults


def _tupled(value: Any) -> Any:
    # Strict models take tuples, so that a section stays frozen; YAML and JSON give lists.
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _validated(own: dict[str, Any]) -> tuple[StackConfig | None, list[Fault]]:
    """The config and its faults; with the faulty keys left out, so that the rules can look too."""
    faults: list[Fault] = []
    while True:
        try:
            return StackConfig.model_validate(own), faults
        except ValidationError as error:
            new = from_pydantic(error)
            known = {fault.path for fault in faults}
            if all(fault.path in known for fault in new):
                return None, faults
            faults += [fault for fault in new if fault.path not in known]
            for fault in new:
                own = _without(own, fault.path)


def _without(value: Any, path: tuple[str | int, ...]) -> Any:
    if isinstance(value, dict) and path[0] in value:
        if len(path) == 1:
            return {k: v for k, v in value.items() if k != path[0]}
        return {**value, path[0]: _without(value[path[0]], path[1:])}
    if isinstance(value, tuple) and isinstance(path[0], int) and path[0] < len(value):
        if len(path) == 1:
            return value[: path[0]] + value[path[0] + 1 :]
        changed = _without(value[path[0]], path[1:])
        return (*value[: path[0]], changed, *value[path[0] + 1 :])
    return value


def _with_authorities(
    config: StackConfig, folder: Path, read: ReadFile
) -> tuple[StackConfig, list[Fault]]:
    """The config with each `caFile` read into `caPem`."""
    faults: list[Fault] = []
    update = {}
    for name in ("cluster", "vault"):
        section = getattr(config, name)
        if section is None or section.ca_file is None:
            continue
        try:
            pem = read(folder / section.ca_file)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            faults.append(Fault((name, "caFile"), f"{section.ca_file}: {reason}"))
            continue
        update[name] = section.model_copy(update={"ca_pem": pem})
    return config.model_copy(update=update), faults
