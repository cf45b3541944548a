"""Reads a stack's config, from the engine or the stack file; refuses it with all its faults."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schema.archive import ArchiveError
from schema.certificates import certificate_fault
from schema.faults import PROJECT, ConfigError, Fault, own_path
from schema.input_file import read_bytes, read_text
from schema.values import shown
from schema.yaml_file import Path_, parse
from stack import rollout_file, rules
from stack.charts import ChartError, Charts
from stack.charts.values import unknown
from stack.config import StackConfig
from stack.meant import SECRETS, UNKNOWN, field_keys, from_pydantic
from stack.mended import mended
from stack.renamed import renamed

# The engine's own settings: it reads these, and passes over any other without a word.
_ENGINES = ("autonaming", "disable-default-providers", "tags", "template")

_ENGINES_LISTED = ", ".join(_ENGINES)

ReadFile = Callable[[Path], str]


def from_engine(values: Mapping[str, str], stack: str, project_dir: Path) -> StackConfig:
    """The config that the engine handed to the program; raises ConfigError.

    `values` maps full keys to strings, sections as JSON (environment variable `PULUMI_CONFIG`).
    """
    raw = {key: _from_json(text) for key, text in values.items()}
    return _load(raw, project_dir / f"Pulumi.{stack}.yaml", project_dir, read_text)


def from_file(
    file: Path, read: ReadFile = read_text, project_dir: Path | None = None
) -> StackConfig:
    """The config in a stack file, with `[secret]` for encrypted values; raises ConfigError.

    `read` gives the content of the CA files that the stack file names, or text in brackets for one
    that is not there yet. `project_dir` is where those that it names are; default its own folder.
    """
    folder = project_dir or file.parent
    try:
        document = parse(read_text(file))
    except OSError as error:
        known = ", ".join(sorted(p.name for p in file.parent.glob("Pulumi.*.yaml")))
        message = f"{error.strerror}; stack files here: {known or 'none'}"
        raise ConfigError(file, [Fault((), message)]) from None
    except UnicodeDecodeError:
        raise ConfigError(file, [Fault((), "is not UTF-8: save it as such")]) from None
    except ValueError as error:
        raise ConfigError(file, [Fault((), str(error))]) from None
    faults = [_form_fault(*found) for found in document.faults]
    top = document.value if isinstance(document.value, dict) else {}
    faults += [_top_fault(key, document.lines[key,]) for key in top if key not in _TOP_KEYS]
    config = top.get("config")
    if not isinstance(config, dict):
        raise ConfigError(file, [*faults, Fault((), "has no section `config:` with keys")])
    config, more = _without_ciphertext(config, ())
    return _load(config, file, folder, read, [*faults, *more])


# What the engine itself keeps in a stack file.
_TOP_KEYS = ("config", "environment", "encryptedkey", "encryptionsalt", "secretsprovider")


def _form_fault(path: Path_, line: int, message: str) -> Fault:
    if path[:1] == ("config",) and path[1:]:
        return Fault(own_path(path[1:]), message, line)
    return Fault((), f"{'.'.join(map(str, path))} {message}".lstrip(), line)


def _top_fault(key: str, line: int) -> Fault:
    near = difflib.get_close_matches(key, _TOP_KEYS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "settings of the stack stand under `config:`"
    return Fault((), f"{UNKNOWN} {shown(key)}; {hint}", line)


def _from_json(text: str) -> Any:
    if text[:1] not in "{[":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without_ciphertext(value: Any, path: Path_) -> tuple[Any, list[Fault]]:
    """The value with `[secret]` for what is encrypted, and what is secret and clear, or reverse."""
    own = own_path(path) if path else ()
    names = tuple(part for part in own if isinstance(part, str))
    if own and isinstance(value, dict) and set(value) == {"secure"}:
        if names in SECRETS or ":" in str(own[0]):
            return "[secret]", []
        secrets = ", ".join(".".join(secret) for secret in sorted(SECRETS))
        return "[secret]", [Fault(own, f"is encrypted, which only {secrets} may be: set it anew")]
    if names in SECRETS and isinstance(value, str) and not isinstance(own[-1], int):
        message = f"is in clear: `pulumi config set --secret --path {Fault(own, '').key}`"
        return "[secret]", [Fault(own, message)]
    faults: list[Fault] = []
    if not isinstance(value, dict | list):
        return value, faults
    made: dict[str | int, Any] = {}
    items: Iterable[tuple[str | int, Any]]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        made[key], more = _without_ciphertext(item, (*path, key))
        faults += more
    return made if isinstance(value, dict) else list(made.values()), faults


def _load(
    raw: Mapping[str, Any], file: Path, folder: Path, read: ReadFile, found: Sequence[Fault] = ()
) -> StackConfig:
    faults = [*found, *_namespace_faults(raw)]
    own = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in raw.items()
        if key.startswith(f"{PROJECT}:") and key != f"{PROJECT}:"
    }
    plan = rollout_file.read(own.get(rollout_file.SECTION), folder)
    if plan:
        own[rollout_file.SECTION] = {**plan.content, rollout_file.KEY[-1]: plan.name}
        faults += plan.faults
    own, old = renamed(_tupled(own), StackConfig)
    _tell(file, old)
    config, faults = _validated(own, faults)
    if config is not None:
        more = rules.check(config)
        config, unread = _with_authorities(config, folder, read)
        # What a key decides is told with that key alone.
        told = {fault.path[:end] for fault in more for end in range(len(fault.path) + 1)}
        more += [each for each in _values_of_charts(config, folder) if each.path not in told]
        faults += [fault for fault in (*more, *unread) if not _follows(fault, faults)]
    if faults or config is None:
        raise ConfigError(file, [plan.placed(fault) for fault in faults] if plan else faults)
    return config


_TOLD: set[tuple[Path, str]] = set()


def _tell(file: Path, old: Sequence[Fault]) -> None:
    """Name the keys with an old name, each once in a command that reads the file several times."""
    for fault in old:
        if (file, fault.key) not in _TOLD:
            _TOLD.add((file, fault.key))
            line = f"{file.name}: {fault.key} {fault.message}; the old name works for one release"
            print(line, file=sys.stderr)


def _values_of_charts(config: StackConfig, folder: Path) -> Iterable[Fault]:
    """Values that a chart does not have; of a chart whose archive is not there nothing is told."""
    if not any(section.values for section in config.charts.values()):
        return
    try:
        charts = Charts(folder)
    except ChartError:
        return  # its own error tells of it
    for name, section in config.charts.items():
        source = charts.source(name) if name in charts.entries else None
        if source is None or not source.is_file():
            continue
        try:
            found = list(unknown(read_bytes(source), section.values))
        except ArchiveError:
            continue  # the chart's own error tells of it
        for path, near in found:
            hint = f"; did you mean {near!r}?" if near else ": see its values.yaml"
            message = f"{name} {charts.entries[name].version} has no such value{hint}"
            yield Fault(("charts", name, "values", *path), message)


def _follows(fault: Fault, known: Sequence[Fault]) -> bool:
    """True for a fault of a rule that looks at a key which was mended, or which is misspelt."""
    looked = (fault.path, *fault.looks_at)
    for other in known:
        misspelt = other.message.startswith(UNKNOWN)
        # Without its file, the whole section is not what was written.
        place = other.path[:1] if other.path == rollout_file.KEY else other.path
        for path in looked:
            length = min(len(path), len(place))
            if path[:length] == place[:length] or (misspelt and path[:-1] == place[:-1]):
                return True
    return False


def _namespace_faults(raw: Mapping[str, Any]) -> list[Fault]:
    faults = []
    for key in raw:
        namespace, _, name = key.partition(":")
        if (namespace == PROJECT and name) or (namespace == "pulumi" and name in _ENGINES):
            continue
        if namespace == "pulumi" and name:
            near = difflib.get_close_matches(name, _ENGINES, n=1, cutoff=0.5)
            hint = f"did you mean pulumi:{near[0]}?" if near else f"pulumi: has {_ENGINES_LISTED}"
        elif not name:
            near = difflib.get_close_matches(key, field_keys(StackConfig), n=1)
            hint = f"write {PROJECT}:{near[0] if near else '<section>'}"
        elif difflib.get_close_matches(namespace, [PROJECT]):
            hint = f"did you mean {PROJECT}:{name}?"
        else:
            hint = f"remove it; ours begin with {PROJECT}:, and providers are set from those"
        faults.append(Fault(own_path((key,)), f"{UNKNOWN}; {hint}"))
    return faults


def _tupled(value: Any) -> Any:
    # Strict models take tuples, so that a section stays frozen; YAML and JSON give lists.
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _validated(own: dict[str, Any], found: list[Fault]) -> tuple[StackConfig | None, list[Fault]]:
    """The config and its faults, with what is faulty mended, so that the rules can look too."""
    faults, new = list(found), list(found)
    while True:
        for fault in new:
            own = mended(own, fault.path)
        try:
            return StackConfig.model_validate(own, by_alias=True, by_name=False), faults
        except ValidationError as error:
            known = {fault.path for fault in faults}
            new = [fault for fault in from_pydantic(error) if fault.path not in known]
            if not new:
                return None, faults
            faults += new


def _with_authorities(
    config: StackConfig, folder: Path, read: ReadFile
) -> tuple[StackConfig, list[Fault]]:
    """The config with each `caFile` read into `caPem`."""
    faults: list[Fault] = []
    update = {}
    for name in ("cluster", "vault"):
        section = getattr(config, name)
        if section is None or section.ca_file is None or section.ca_pem is not None:
            continue
        message = None
        try:
            pem = read(folder / section.ca_file)
            message = None if pem[:1] == "[" else certificate_fault(pem)
        except OSError as error:
            message = error.strerror or type(error).__name__
        except UnicodeDecodeError:
            message = certificate_fault("")
        if message:
            faults.append(Fault((name, "caFile"), f"{section.ca_file}: {message}"))
        else:
            update[name] = section.model_copy(update={"ca_pem": pem})
    return config.model_copy(update=update), faults
