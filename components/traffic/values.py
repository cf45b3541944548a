"""Value types of the section `traffic`: each takes what Linkerd obeys, and no more.

Linkerd admits much that it then drops in silence: a duration of two units, a blank in a list, a
weight or limit of 0. The forms are those of linkerd2 policy-controller/k8s/index/src/outbound.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from schema.values import ValueKind, kubernetes_name, shown

# A digest of the rules that others move the weights of: one that differs makes the route anew.
RULES = "linkerd-platform.io/rules"
# Requests that change nothing, and have no body: they may be sent twice.
READS: tuple[Literal["GET", "HEAD", "OPTIONS"], ...] = ("GET", "HEAD", "OPTIONS")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TIME = re.compile(r"([1-9][0-9]{0,9})(ms|s|m|h|d)")
# The proxy counts milliseconds in 32 bits, linkerd2 `load-biaser-penalty`; no request lasts longer.
_LONGEST = 49 * _UNITS["d"]
_PATH = re.compile(r"/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*")
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,256}")
_STATUS = re.compile(r"[45][0-9]{2}")
GRPC_CONDITIONS = (
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
)


def mesh_time(text: str) -> str:
    """A time in one whole unit, such as `500ms` or `90s`; raises ValueError with what to write.

    Linkerd drops every setting of a family for one time that it cannot read, in silence.
    """
    if _TIME.fullmatch(text):
        if milliseconds(text) <= _LONGEST:
            return text
        raise ValueError(f"{shown(text)} is too long: write at most 49d")
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", text)
    whole = sum(float(number) * _UNITS[unit] for number, unit in parts)
    readable = whole > 0 and whole == int(whole) and "".join(map("".join, parts)) == text
    hint = repr(_in_one_unit(int(whole))) if readable else "it like 90s or 500ms"
    raise ValueError(
        f"{shown(text)} is no time that Linkerd reads (one whole number above 0, and one of ms, s, "
        f"m, h, d): write {hint}"
    )


def milliseconds(text: str) -> int:
    """The length of a `mesh_time`."""
    found = _TIME.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else 0


def _in_one_unit(whole: int) -> str:
    unit = next(each for each in ("d", "h", "m", "s", "ms") if whole % _UNITS[each] == 0)
    return f"{whole // _UNITS[unit]}{unit}"


def service_key(text: str) -> str:
    """A Service as `<namespace>/<name>`; raises ValueError otherwise."""
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise ValueError(f"{shown(text)} is no service: write <namespace>/<name>, like shop/cart")
    return f"{kubernetes_name(namespace)}/{kubernetes_name(name)}"


def backend(text: str) -> str:
    """A Service that requests go to: `<name>`, `<namespace>/<name>`, `:<port>` after either."""
    found = re.fullmatch(r"(?:([^/:]+)/)?([^/:]+)(?::([1-9][0-9]{0,4}))?", text)
    if found is None or int(found[3] or 1) > 65535:
        raise ValueError(
            f"{shown(text)} is no backend: write the name of a Service, like cart-canary, or "
            "<namespace>/<name>, with :<port> where it differs"
        )
    if "." in found[2]:
        name, namespace = found[2].split(".")[:2]
        hint = f", like {namespace}/{name}" if name.islower() and namespace.islower() else ""
        raise ValueError(
            f"{shown(text)} is an address: name the Service alone, with <namespace>/ before it "
            f"where that differs{hint}"
        )
    for part in filter(None, found.groups()[:2]):
        kubernetes_name(part)
    return text


def backend_parts(text: str, namespace: str, port: int) -> tuple[str, str, int]:
    """Namespace, name and port of a `backend`, where it does not say them those of its route."""
    place, _, own_port = text.partition(":")
    where, slash, name = place.partition("/")
    return (where if slash else namespace), (name if slash else where), int(own_port or port)


def route_path(text: str) -> str:
    """A path as the Gateway API takes it, or a regular expression of one.

    Which of them it is, `pathType` says, so both are checked by a rule of the section.
    """
    if 0 < len(text) <= 1024 and text.isprintable() and " " not in text:
        return text
    raise ValueError(f"{shown(text)} is no path: write it like /api, without blanks")


def path_fault(text: str) -> str | None:
    """Why the Gateway API takes a path not as exact or prefix; None where it does.

    https://gateway-api.sigs.k8s.io/reference/spec/#httppathmatch
    """
    if not text.startswith("/"):
        return f"does not begin with '/': write {'/' + text!r}"
    bad = next((part for part in ("//", "/./", "/../", "%2f", "%2F", "#") if part in text), None)
    if bad or text.endswith(("/..", "/.")):
        return f"has {bad or text[text.rindex('/') :]!r}, which no request has after its parsing"
    if "?" in text:
        return "has a query, which is no part of a path: write the parameters at query"
    if not _PATH.fullmatch(text):
        return "has a character that no path has: write it as a browser would send it, like %20"
    return None


def regex(text: str) -> str:
    """A regular expression that Rust's `regex` takes; raises ValueError otherwise.

    It has neither look-around nor back-references: https://docs.rs/regex/latest/regex/#syntax
    """
    foreign = re.search(r"\(\?(?:[=!#(>aL]|<[=!]|P=)|\\[1-9]|\\Z|[*+?}]\+", text)
    if foreign:
        raise ValueError(
            f"{shown(text)} has {foreign[0]!r}, which Linkerd's regular expressions do not know "
            "(no look-around, no back-references): write it without"
        )
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise ValueError(f"{shown(text)} is no regular expression") from None
    if not text or len(text) > 1024:
        raise ValueError("a regular expression has 1 to 1024 characters")
    return text


def header_name(text: str) -> str:
    """The name of a header in lower case; raises ValueError with what to write instead."""
    if not _TOKEN.fullmatch(text):
        hint = f": write {text.lower()!r}" if _TOKEN.fullmatch(text.lower()) else ""
        raise ValueError(f"{shown(text)} is no header name in lower case, like x-beta{hint}")
    if text == "host":
        raise ValueError("'host' is no header in HTTP/2, so requests would match by chance: remove")
    if text.startswith("l5d-"):
        raise ValueError(f"{shown(text)}: headers of l5d- are the proxies' own: take another")
    return text


def header_value(text: str) -> str:
    """The value of a header or of a parameter; raises ValueError otherwise."""
    if 0 < len(text) <= 1024 and text.isprintable() and text == text.strip():
        return text
    raise ValueError(f"{shown(text)} is no value on one line of 1 to 1024 characters")


def query_name(text: str) -> str:
    """The name of a parameter, as it stands in the query; raises ValueError otherwise."""
    if _TOKEN.fullmatch(text.lower()):
        return text
    raise ValueError(f"{shown(text)} is no name of a query parameter, like page")


def condition(text: str) -> str:
    """What is retried, in a form of Linkerd for HTTP or gRPC; raises ValueError otherwise.

    https://linkerd.io/2/reference/retries/
    """
    first, dash, last = text.partition("-")
    if text in ("5xx", "gateway-error", *GRPC_CONDITIONS) or _STATUS.fullmatch(text):
        return text
    if dash and _STATUS.fullmatch(first) and _STATUS.fullmatch(last) and int(first) <= int(last):
        return text
    near = text.strip().lower().replace("_", "-").replace(" ", "-")
    hint = f"write {near!r}" if near != text and near in ("5xx", "gateway-error") else ""
    hint = hint or (f"write {near!r}" if near in GRPC_CONDITIONS else "")
    raise ValueError(
        f"{shown(text)} is nothing that Linkerd retries on: "
        + (
            hint
            or "write 5xx, gateway-error, a status like 503 or a range like 502-504; with "
            f"gRPC one of {', '.join(GRPC_CONDITIONS)}"
        )
    )


def grpc_name(text: str) -> str:
    """The name of a gRPC service, with its package, or of a method; raises ValueError otherwise."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*", text):
        return text
    raise ValueError(f"{shown(text)} is no gRPC name: write it like shop.v1.Cart, without '/'")


def flagger_version(text: str) -> str:
    """A version of Flagger as its releases are called, without `v`; raises ValueError otherwise."""
    if re.fullmatch(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}", text):
        return text
    raise ValueError(f"{shown(text)} is no version of Flagger: write it like 1.41.0")


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


FlaggerVersion = Annotated[str, AfterValidator(flagger_version), ValueKind("version")]
MeshTime = Annotated[str, AfterValidator(mesh_time), ValueKind("time in one unit", "1s")]
ServiceKey = Annotated[str, AfterValidator(service_key), ValueKind("service", "shop/cart")]
Backend = Annotated[str, AfterValidator(backend), ValueKind("backend")]
Weight = Annotated[int, Field(ge=0, le=1_000_000)]
RoutePath = Annotated[str, AfterValidator(route_path), ValueKind("path", "/")]
Regex = Annotated[str, AfterValidator(regex), ValueKind("regular expression")]
HeaderName = Annotated[str, AfterValidator(header_name), ValueKind("header")]
HeaderValue = Annotated[
    str, BeforeValidator(_number_as_text), AfterValidator(header_value), ValueKind("text")
]
QueryName = Annotated[str, AfterValidator(query_name), ValueKind("parameter")]
Condition = Annotated[
    str, BeforeValidator(_number_as_text), AfterValidator(condition), ValueKind("condition", "5xx")
]
GrpcName = Annotated[str, AfterValidator(grpc_name), ValueKind("gRPC name")]
