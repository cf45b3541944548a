"""What a stand-in knows of a type of resource: a table, and what follows from it.

Names, defaults and what a change does are those of the providers' schemas:
https://www.pulumi.com/registry/packages/vault/ and https://www.pulumi.com/registry/packages/random/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Values = Mapping[str, Any]
# What only the update will tell.
UNKNOWN = object()


class Refused(Exception):  # noqa: N818  (an answer of the stand-in)
    """What was asked cannot be done; the text is one line for the user."""


def is_unknown(value: Any) -> bool:
    """True where the value, or a part of it, is known after the update alone."""
    if isinstance(value, Mapping):
        return any(map(is_unknown, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_unknown, value))
    return value is UNKNOWN


class Form(Enum):
    """How values of a property are compared, and written to Vault."""

    PLAIN = "as it is"
    SET = "a list in any order"
    JSON = "a JSON document in any format"
    SECONDS = "a number, which the API wants with its unit"


# The provider keeps these in one order and format.
_KEPT_NORMAL = (Form.SET, Form.JSON)


@dataclass(frozen=True)
class Field:
    """A property of a resource.

    api: where it is in an answer of Vault, levels with dots (default: the name in snake case; empty
    where no answer has it). sent: the same for each part of the API that it is written to.
    default: what the program's inputs get. absent: the output where Vault says nothing. computed:
    where the program says nothing, Vault's word stands. given: whether the program may set it; what
    it may not set and is sent is written as it was, or as `absent`.
    """

    name: str
    api: str | None = None
    sent: Mapping[str, str] = field(default_factory=dict)
    default: Any = None
    absent: Any = None
    replaces: bool = False
    computed: bool = False
    given: bool = True
    secret: bool = False
    form: Form = Form.PLAIN
    decode: Callable[[Any], Any] = lambda value: value

    @property
    def place(self) -> str:
        """Where an answer has it."""
        return snake(self.name) if self.api is None else self.api

    def normal(self, value: Any) -> Any:
        """The value as it is compared: Vault makes no difference between empty and absent."""
        if is_unknown(value):
            return UNKNOWN
        if self.form is Form.SET and value:
            return sorted(value)
        if self.form is Form.JSON and value:
            return normal_json(value)
        return value or None

    def encode(self, value: Any) -> Any:
        """The value as the API wants it."""
        if self.form is Form.JSON:
            return json.loads(value or "{}")
        return f"{value:.0f}s" if self.form is Form.SECONDS else value


@dataclass(frozen=True)
class ResourceKind:
    """A type of resource.

    id: made of properties. create, update: paths in Vault's API, in order, and which part of the
    properties goes there. reads: paths of what is read back, by where it goes in the answer; the
    first tells whether it is still there. delete: its path; empty where nothing is deleted.
    returned: the outputs are what the creation has answered, and an update writes nothing.
    version: of the provider's schema, where it has one; it is in the state. marks_defaults: whether
    the provider notes in the inputs which of them are defaults.
    """

    token: str
    id: str
    fields: tuple[Field, ...]
    create: Mapping[str, str] = field(default_factory=dict)
    update: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    delete: str = ""
    returned: bool = False
    version: int = 0
    marks_defaults: bool = True

    def checked(self, inputs: Values) -> tuple[dict[str, Any], dict[str, str]]:
        """The inputs with defaults, and what is wrong with them, by property."""
        given = {each.name for each in self.fields if each.given}
        faults = {
            name: f"{self.token}: the sandbox's stand-in does not know the property {name}; "
            "install the plugin"
            for name in inputs
            if name not in given and not name.startswith("__")
        }
        faults |= {
            name: f"{self.token}: {name} is not set, and makes its id"
            for name in re.findall(r"{(\w+)}", self.id)
            if name in given and name not in inputs
        }
        defaults = {
            each.name: each.default
            for each in self.fields
            if each.default is not None and inputs.get(each.name) is None
        }
        kept = {name: value for name, value in inputs.items() if value is not None}
        if self.marks_defaults:
            kept["__defaults"] = sorted(defaults)
        return {**kept, **defaults}, faults

    def changes(self, state: Values, inputs: Values) -> Iterator[Field]:
        """The properties that the program wants otherwise than they are."""
        for each in self.fields:
            wanted = inputs.get(each.name)
            if not each.given or (wanted is None and each.computed):
                continue
            wanted = each.absent if wanted is None else wanted
            if each.normal(wanted) != each.normal(state.get(each.name)):
                yield each

    def body(self, part: str, inputs: Values, state: Values) -> dict[str, Any]:
        """What is written to one part of the API; what the program no longer says is emptied."""
        body: dict[str, Any] = {}
        for each in self.fields:
            if part not in each.sent:
                continue
            value, old = inputs.get(each.name), state.get(each.name)
            if not each.given:
                value = each.absent if old is None else old
            if value is None and (each.computed or not old):
                continue
            empty = None if old is None else type(old)()
            put(body, each.sent[part], each.encode(empty if value is None else value))
        return body

    def outputs(self, answer: Values, state: Values) -> dict[str, Any]:
        """The outputs, from what Vault has answered; the state has what it does not answer."""
        made: dict[str, Any] = {}
        for each in self.fields:
            value = dig(answer, each.place) if each.place else None
            if value is not None:
                value = each.decode(value)
            elif self.returned or not each.place:
                value = state.get(each.name)
            if value is None:
                value = each.absent
            if value is not None:
                made[each.name] = each.normal(value) if each.form in _KEPT_NORMAL else value
        return self._with_version(made)

    def planned(self, inputs: Values, state: Values | None) -> dict[str, Any]:
        """The outputs as far as a preview can tell; state: None for a new resource."""
        made: dict[str, Any] = {}
        for each in self.fields:
            value = inputs.get(each.name) if each.given else None
            if value is None and state is not None and (each.computed or not each.given):
                value = state.get(each.name)
            elif value is None and (each.computed or not each.given):
                value = UNKNOWN if each.absent is None else each.absent
            if value is None:
                value = each.absent
            if value is not None:
                made[each.name] = value
        return self._with_version(made)

    def named(self, id_: str) -> dict[str, Any]:
        """The properties that make the id."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(self.id))
        found = re.fullmatch(pattern, id_)
        return found.groupdict() if found else {}

    def _with_version(self, made: dict[str, Any]) -> dict[str, Any]:
        if self.version:
            # The provider would take the state for one of its first release.
            made["__meta"] = f'{{"schema_version":"{self.version}"}}'
        return made


def snake(name: str) -> str:
    """`tokenTtl` as the API has it: `token_ttl`."""
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def normal_json(text: str) -> str:
    """A JSON document as the provider keeps it: on one line, keys in order, as Go writes it."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Refused(f"dataJson is no JSON: {error}") from None
    made = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", made)


def dig(answer: Values, place: str) -> Any:
    """The value at a place with dots; None where there is none."""
    found: Any = answer
    for name in place.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def put(body: dict[str, Any], place: str, value: Any) -> None:
    """Set the value at a place with dots."""
    *levels, last = place.split(".")
    for name in levels:
        body = body.setdefault(name, {})
    body[last] = value
