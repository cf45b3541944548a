"""Other weights of a route in the text of a stack file: comments and order stay as they are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bot.exit_codes import BadInputError, RefusedError
from components.traffic.matches import catches_all
from components.traffic.section import PortTraffic, ServiceTraffic
from components.traffic.values import backend
from schema.faults import PROJECT
from stack.config import StackConfig

WHOLE = 100
_SECTION = f"{PROJECT}:traffic"
_OWNERS = {
    "argo": "Argo Rollouts moves its weights: change the Rollout, or set delivery to none first",
    "flagger": "Flagger makes its route: change the Canary, or set delivery to none first",
}


@dataclass(frozen=True)
class Shift:
    """New weights of one route. index: where it is in its port; None for one that is added."""

    key: str
    port: PortTraffic
    other: int | None
    index: int | None
    name: str
    before: Mapping[str, int]
    after: Mapping[str, int]

    @property
    def jump(self) -> int:
        """By how many points of a hundred the share of one backend grows at most."""
        old, new = sum(self.before.values()) or 1, sum(self.after.values()) or 1
        return max(
            round(100 * weight / new - 100 * self.before.get(name, 0) / old)
            for name, weight in self.after.items()
        )


def weights(words: list[str]) -> dict[str, int]:
    """`cart-canary=20`, or several with commas between; raises BadInputError."""
    made: dict[str, int] = {}
    for each in ",".join(words).split(","):
        name, equals, text = each.strip().partition("=")
        if not equals or not (text.isascii() and text.isdigit()) or int(text[:5]) > WHOLE:
            raise BadInputError(f"--to {each!r}: write SERVICE=PER_CENT, like cart-canary=20")
        try:
            name = backend(name)
        except ValueError as error:
            raise BadInputError(f"--to {error}") from None
        if name in made:
            raise BadInputError(f"--to {name}: is given twice")
        made[name] = int(text)
    return made


def planned(
    config: StackConfig, key: str, number: int | None, route: str | None, to: dict[str, int]
) -> Shift:
    """The shift; raises BadInputError for what there is not, RefusedError for others' weights."""
    service = service_of(config, key)
    other, port = _port(key, service, number)
    if port.delivery in _OWNERS:
        raise RefusedError(
            f"traffic.services.{key}: delivery {port.delivery}: {_OWNERS[port.delivery]}"
        )
    index = _route(key, port, route)
    before: dict[str, int]
    name = key.partition("/")[2]
    if index is None:
        before, title = {name: WHOLE}, route or "all"
    else:
        found = port.routes[index]
        before, title = dict(found.to) or {name: WHOLE}, found.name
    after = _after(key, title, before, to)
    if after == before:
        raise RefusedError(f"route {title!r} of {key} has these weights already")
    return Shift(key, port, other, index, title, before, after)


def service_of(config: StackConfig, key: str) -> ServiceTraffic:
    """A service of the stack file; raises BadInputError with those that there are."""
    services = config.traffic.services
    if key not in services:
        near = difflib.get_close_matches(key, services, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(sorted(services)) or "none"
        raise BadInputError(f"--service {key}: not in traffic.services; {hint}known: {known}")
    return services[key]


def _port(key: str, service: ServiceTraffic, number: int | None) -> tuple[int | None, PortTraffic]:
    if number is None:
        return None, service
    for at, port in enumerate(service.ports):
        if port.port == number:
            return (at - 1 if at else None), port
    known = ", ".join(str(port.port) for port in service.ports)
    raise BadInputError(f"--port {number}: {key} has no such port in traffic; known: {known}")


def _route(key: str, port: PortTraffic, name: str | None) -> int | None:
    """Which route: the named one, the only one with weights, or that of every request."""
    names = [each.name for each in port.routes]
    if name is not None:
        if name in names:
            index = names.index(name)
            if port.routes[index].redirect is not None:
                raise BadInputError(f"--route {name}: is a redirect, which has no weights")
            return index
        raise BadInputError(
            f"--route {name}: {key} has no such route; known: {', '.join(names) or 'none'}"
        )
    rest = [i for i, each in enumerate(port.routes) if catches_all(each, port.protocol)]
    several = [i for i, each in enumerate(port.routes) if len(each.to) > 1]
    if len(several) > 1:
        told = ", ".join(names[i] for i in several)
        raise BadInputError(f"{key} has several routes with weights: name one by --route: {told}")
    return next(iter(several or rest), None)


def _after(key: str, title: str, before: Mapping[str, int], to: dict[str, int]) -> dict[str, int]:
    """The weights of the route, of those that were not given what is left to a hundred."""
    left = WHOLE - sum(to.values())
    others = [name for name in before if name not in to]
    if left < 0 or (left and not others):
        raise BadInputError(f"--to: the weights make {sum(to.values())}, and not {WHOLE}")
    if len(others) > 1 and left:
        raise BadInputError(
            f"--to: {', '.join(others)} of route {title!r} of {key} would share the other {left}: "
            f"give the weights of all, which make {WHOLE}"
        )
    made = {name: to.get(name, left) for name in before}
    return {**made, **{name: weight for name, weight in to.items() if name not in made}}


def edited(text: str, shift: Shift) -> str:
    """The text with the new weights, which has been read without a fault before."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    service = _at(_at(_at(_at(root, "config"), _SECTION), "services"), shift.key)
    port = service if shift.other is None else _at(service, "otherPorts").value[shift.other]
    weights_ = ", ".join(f"{name}: {weight}" for name, weight in shift.after.items())
    if shift.index is None:
        route = f"{{name: {shift.name}, to: {{{weights_}}}}}"
        routes = _find(port, "routes")
        if routes is None:
            return _with_key(text, port, "routes", route, item=True)
        return _with_item(text, routes, route)
    route_ = _at(port, "routes").value[shift.index]
    to = _find(route_, "to")
    if to is None or not to.value:
        if to is not None:
            return _replaced(text, to, f"{{{weights_}}}")
        return _with_key(text, route_, "to", f"{{{weights_}}}")
    known = {key.value: value for key, value in to.value}
    for name, weight in reversed(list(shift.after.items())):
        if name not in known:
            text = _with_key(text, to, name, str(weight))
    # From the end: what stands before keeps its place.
    for name, node in sorted(known.items(), key=lambda each: -each[1].start_mark.index):
        text = _replaced(text, node, str(shift.after[name]))
    return text


def _find(node: Any, key: str) -> Any:
    return next((value for each, value in node.value if each.value == key), None)


def _at(node: Any, key: str) -> Any:
    found = _find(node, key)
    if found is None:
        raise BadInputError(f"the stack file has no {key} where its weights are looked for")
    return found


def _replaced(text: str, node: Any, by: str) -> str:
    return text[: node.start_mark.index] + by + text[node.end_mark.index :]


def _with_key(text: str, node: Any, key: str, value: str, *, item: bool = False) -> str:
    """The text with one more key at the end of a mapping. item: the value is one of a list."""
    if node.flow_style:
        return _inside(text, node, f"{key}: {f'[{value}]' if item else value}")
    indent = " " * node.value[0][0].start_mark.column
    line = f"{indent}{key}:\n{indent}  - {value}\n" if item else f"{indent}{key}: {value}\n"
    return _below(text, node, line)


def _with_item(text: str, routes: Any, value: str) -> str:
    if routes.flow_style:
        return _inside(text, routes, value)
    # The column of a list is that of its first dash.
    return _below(text, routes, f"{' ' * routes.start_mark.column}- {value}\n")


def _inside(text: str, node: Any, words: str) -> str:
    """The text with more before the closing bracket, which is the node's last character."""
    end = node.end_mark.index - 1
    body = text[:end].rstrip()
    comma = "" if body.endswith(("{", "[", ",")) else ","
    space = "" if body.endswith(("{", "[")) else " "
    return f"{body}{comma}{space}{words}{text[end:]}"


def _below(text: str, node: Any, lines: str) -> str:
    """The text with lines after that of the last value, whose comment stays where it is."""
    last = _last(node)
    end = text.find("\n", last.end_mark.index)
    if "\r\n" in text:
        lines = lines.replace("\n", "\r\n")
    if end < 0:
        return f"{text}\n{lines}"
    return text[: end + 1] + lines + text[end + 1 :]


def _last(node: Any) -> Any:
    """The value that a block ends with; the end of the block itself is behind later comments."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        found = node.value[-1]
        node = found[1] if isinstance(found, tuple) else found
    return node


def diff(before: str, after: str, name: str) -> str:
    """What changes in a file, as `diff -u` shows it."""
    lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    return "".join(difflib.unified_diff(*lines, name, name))
