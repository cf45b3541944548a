"""The fleet: the stack that makes the trust anchor, and the clusters that share it, in waves.

A change goes through the waves in the order of the file: the stacks of one wave may be applied
together, those of the next only when these are verified.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails

from schema.faults import ConfigError, Fault
from schema.input_file import read_text
from schema.section import Section
from schema.values import Environment, Name, StackName, shown
from schema.yaml_file import Document, Path_, parse
from stack.meant import UNKNOWN, choices, field_keys, nearest, section_of

FILE = "fleet.yaml"
REQUIRED = "required"
OWNER = "owner"
Approval = Literal["none", "required"]


class Cluster(Section):
    """A cluster of the fleet."""

    stack: StackName = Field(description="name the stack of the cluster, as in Pulumi.<stack>.yaml")
    environment: Environment = Field(
        description="name what the cluster is for: development, staging or production"
    )


class Owner(Section):
    """The stack that makes the trust anchor, where more is to be said than its name."""

    stack: StackName = Field(description="name the stack that makes the trust anchor")
    approval: Approval = "none"


class FleetWave(Section):
    """Stacks that get a change together."""

    name: Name = Field(description="give the wave a name, such as canary")
    approval: Approval = "none"
    clusters: tuple[Cluster, ...] = Field(description="list the clusters of the wave")

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks of the wave, in the order of the file."""
        return tuple(cluster.stack for cluster in self.clusters)


class Fleet(Section):
    """The stack that makes the anchor, and the waves of clusters that share it.

    The owner is in no wave: it is applied on its own, before the clusters that need what it makes.
    """

    owner: StackName = Field(description="name the stack that makes the trust anchor")
    waves: tuple[FleetWave, ...] = Field(
        description="list the waves of clusters that share the anchor"
    )
    # The file has it in the section `owner`, which may be the name alone.
    _owner_approval: Approval = PrivateAttr("none")

    @classmethod
    def alone(cls, stack: str) -> Fleet:
        """The fleet of a stack that shares its anchor with none."""
        return cls.model_construct(owner=stack, waves=())

    @property
    def clusters(self) -> tuple[str, ...]:
        """The stacks of the clusters, wave by wave."""
        return tuple(stack for wave in self.waves for stack in wave.stacks)

    @property
    def stacks(self) -> tuple[str, ...]:
        """Every stack, the owner first."""
        return (self.owner, *self.clusters)

    def wave(self, name: str) -> FleetWave | None:
        """The wave of that name."""
        return next((wave for wave in self.waves if wave.name == name), None)

    def wave_of(self, stack: str) -> FleetWave | None:
        """The wave that a stack is in; None for the owner and for a stack outside the fleet."""
        return next((wave for wave in self.waves if stack in wave.stacks), None)

    def before(self, stack: str) -> tuple[str, ...]:
        """The stacks of all waves before that of `stack`; none for a stack without a wave.

        A cluster for development is none that anything is proven on.
        """
        own = self.wave_of(stack)
        earlier = self.waves[: self.waves.index(own)] if own else ()
        every = (cluster for wave in earlier for cluster in wave.clusters)
        return tuple(each.stack for each in every if each.environment != "development")

    def approval_of(self, stack: str) -> Approval:
        """Whether a stack of the fleet needs an approval."""
        if stack == self.owner:
            return self._owner_approval
        wave = self.wave_of(stack)
        return wave.approval if wave else "none"

    def environment_of(self, stack: str) -> str | None:
        """The environment of a stack; None for the owner and for a stack outside the fleet."""
        every = (cluster for wave in self.waves for cluster in wave.clusters)
        return next((each.environment for each in every if each.stack == stack), None)


def read(project_dir: Path) -> Fleet | None:
    """The fleet file; None when the project has none. Raises ConfigError with every fault."""
    file = project_dir / FILE
    try:
        text = read_text(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(file, [Fault((), error.strerror or str(error))]) from None
    except UnicodeDecodeError:
        raise ConfigError(file, [Fault((), "is not UTF-8: save it as such")]) from None
    except ValueError as error:
        raise ConfigError(file, [Fault((), f"cannot be read: {error}")]) from None
    files = project_dir.glob("Pulumi.*.yaml")
    known = [each.name.removeprefix("Pulumi.").removesuffix(".yaml") for each in files]
    return parsed(text, file, known)


def parsed(text: str, file: Path, known: Sequence[str] | None) -> Fleet:
    """The fleet of a file's text; raises ConfigError with every fault.

    known: the stacks that have a file; None where that is not to be looked at.
    """
    try:
        document = parse(text)
    except ValueError as error:
        raise ConfigError(file, [Fault((), f"cannot be read: {error}")]) from None
    faults = [
        Fault((), f"{_key(path)} {said}".lstrip(), line) for path, line, said in document.faults
    ]
    content = _tupled(document.value or {})
    owner: Owner | None = None
    fleet: Fleet | None = None
    try:
        if isinstance(content, dict) and isinstance(content.get(OWNER), dict):
            owner = Owner.model_validate(content[OWNER])
            content = {**content, OWNER: owner.stack}
    except ValidationError as error:
        faults += [
            _fault(document, item, (OWNER, *item["loc"]))
            for item in error.errors(include_url=False)
        ]
        content = {**content, OWNER: "unknown"}
    try:
        fleet = Fleet.model_validate(content)
    except ValidationError as error:
        faults += [_fault(document, item, item["loc"]) for item in error.errors(include_url=False)]
    else:
        if owner is not None:
            fleet._owner_approval = owner.approval
        faults += [_at(document, path, said) for path, said in _contradictions(fleet, known)]
    if faults or fleet is None:
        raise ConfigError(file, faults)
    return fleet


def _tupled(value: Any) -> Any:
    # Strict models take tuples, so that the fleet stays frozen; YAML gives lists.
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _contradictions(fleet: Fleet, known: Sequence[str] | None) -> Iterator[tuple[Path_, str]]:
    """What no single value is to blame for; `known` are the stacks that have a file."""
    if known is None:
        known = fleet.stacks
    if not fleet.waves:
        yield ("waves",), f"is empty: list a wave, or remove {FILE} where one stack stands alone"
    if fleet.owner not in known:
        yield ("owner",), _no_such(fleet.owner, known)
    waves: set[str] = set()
    stacks: dict[str, str] = {}
    for index, wave in enumerate(fleet.waves):
        if wave.name in waves:
            yield ("waves", index, "name"), f"{wave.name!r} is a wave already: name each once"
        waves.add(wave.name)
        if not wave.clusters:
            yield ("waves", index, "clusters"), "is empty: list a cluster, or remove the wave"
        for place, stack in enumerate(wave.stacks):
            path = ("waves", index, "clusters", place, "stack")
            if stack == fleet.owner:
                yield path, f"{stack!r} is the owner, which is in no wave: remove it here"
            elif stack in stacks:
                yield path, f"{stack!r} is in wave {stacks[stack]!r} already: list it once"
            elif stack not in known:
                yield path, _no_such(stack, known)
            stacks.setdefault(stack, wave.name)


def _no_such(stack: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(stack, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = ", ".join(sorted(known)) or "none"
    return f"there is no file Pulumi.{stack}.yaml; {hint}stacks here: {listed}"


def _fault(document: Document, item: ErrorDetails, path: Path_) -> Fault:
    match item["type"]:
        case "extra_forbidden":
            return _at(document, path, f"{UNKNOWN}; {_suggestion(path)}")
        case "missing":
            field = next(f for n, f in _model(path[:-1]).model_fields.items() if n == path[-1])
            return _at(document, path, f"missing: {field.description}")
        case "value_error":
            return _at(document, path, str(item["ctx"]["error"]))
        case "literal_error":
            near = f" (did you mean {each!r}?)" if (each := nearest(item)) else ""
            said = f"should be {' or '.join(choices(item))}{near}"
        case "model_type":
            said = (
                f"should be a section with keys of its own: {', '.join(field_keys(_model(path)))}"
            )
        case "tuple_type":
            said = "should be a list"
        case "string_type":
            said = "should be text, in quotes where YAML takes it for something else"
        case _:
            said = item["msg"]
    if path == (OWNER,) and item["type"] == "string_type":
        said = f"{said}, or a section with keys of its own: {', '.join(field_keys(Owner))}"
    value = item["input"]
    given = "it is empty" if value is None else f"it is {shown(value)}"
    return _at(document, path, f"{said}, but {given}")


def _suggestion(path: Path_) -> str:
    name, keys = str(path[-1]), field_keys(_model(path[:-1]))
    if path == ("clusters",):
        # What the file looked like before there were waves.
        return "clusters are listed by wave: `waves: [{name: ..., clusters: [{stack: ...}]}]`"
    near = difflib.get_close_matches(name, keys, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(keys)}"


def _model(path: Path_) -> type[BaseModel]:
    model: type[BaseModel] = Fleet
    for part in path:
        if part == OWNER:
            model = Owner
        elif isinstance(part, str):
            model = section_of(model.model_fields[part].annotation) or model
    return model


def _at(document: Document, path: Path_, message: str) -> Fault:
    """A fault with its key, such as `waves[0].clusters[1].stack`, and the line of the nearest."""
    place = path
    while place and place not in document.lines:
        place = place[:-1]
    return Fault((), f"{_key(path)}: {message}".removeprefix(": "), document.lines.get(place))


def _key(path: Path_) -> str:
    text = ""
    for part in path:
        bare = part if isinstance(part, int) or part.isprintable() else shown(part)
        text += f"[{part}]" if isinstance(part, int) else f".{bare}"
    return text.removeprefix(".")
