"""The value types of a stack file: durations and names, each refused with what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


def shown(value: object) -> str:
    """`value` in quotes, on one line, and cut where it is long: for an error message.

    What looks like a secret is described, as it is beside credentials: an error ends in logs.
    """
    # Here: what looks for secrets takes a while to load, and most files have no fault.
    from schema.masking import looks_secret

    if isinstance(value, str) and looks_secret(value):
        return described(value)
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 80 else f"{text[:76]}...{text[-1]}"


def printable(value: object, limit: int = 80) -> str:
    """`value` as text without quotes, on one line, that no terminal obeys."""
    text = str(value)
    seen = text if text.isprintable() else ascii(text)[1:-1]
    return seen if len(seen) <= limit else f"{seen[: limit - 3]}..."


def described(value: object) -> str:
    """What kind of value it is, and how long: for an error about what may be a credential."""
    if isinstance(value, str):
        kind = "an address" if "://" in value else "a text"
        return f"{kind} of {len(value)} character{'' if len(value) == 1 else 's'}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a value of another type"
    return "a number"


_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:[0-9]{1,12}[dhms])+")
_PART = re.compile(r"([0-9]+)([dhms])")
# Go counts nanoseconds in 64 bits: cert-manager and Linkerd read nothing beyond 292 years.
_LONGEST = 100 * 365 * 86400


@total_ordering
@dataclass(frozen=True)
class Duration:
    """A length of time in whole seconds.

    Written as in Go (`48h`, `1h30m`, `90s`), and with `d` for 24 hours. `str()` is short,
    for people; `go` is for objects in the cluster.
    """

    seconds: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read `text`; raises ValueError with an example when it is no duration."""
        if not _DURATION.fullmatch(text):
            raise ValueError(
                f"{shown(text)} is not a duration: write it like 48h, 1h30m, 90s or 3650d"
            )
        seconds = sum(int(n) * _SECONDS[unit] for n, unit in _PART.findall(text))
        if seconds == 0:
            raise ValueError(f"{shown(text)} is zero: write a duration above 0s")
        if seconds > _LONGEST:
            raise ValueError(f"{shown(text)} is too long: write at most {_LONGEST // 86400}d")
        return cls(seconds)

    def __str__(self) -> str:
        hours, rest = divmod(self.seconds, 3600)
        minutes, seconds = divmod(rest, 60)
        parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
        return "".join(f"{n}{unit}" for n, unit in parts if n)

    @property
    def go(self) -> str:
        """The form that Go prints (`48h0m0s`), for custom resources.

        An operator that writes its object back writes this form; with any other the next preview
        would show a change.
        """
        hours, rest = divmod(self.seconds, 3600)
        minutes, seconds = divmod(rest, 60)
        if hours:
            return f"{hours}h{minutes}m{seconds}s"
        return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"

    def __lt__(self, other: Duration) -> bool:
        return self.seconds < other.seconds

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.seconds + other.seconds)

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del handler
        return core_schema.no_info_plain_validator_function(
            cls._from_config, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def _from_config(cls, value: object) -> Duration:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        raise ValueError(
            f"{shown(value)} is not a duration: write it in quotes with a unit, like '48h'"
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        del handler
        return {"type": "string", "format": "duration"}


_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def kubernetes_name(text: str) -> str:
    """A DNS label of at most 63 characters (RFC 1123); raises ValueError with a name that would do.

    Follows https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
    """
    if _LABEL.fullmatch(text) and len(text) <= 63:
        return text
    raise ValueError(
        f"{shown(text)} is not a Kubernetes name (lower-case letters, digits and '-', "
        f"at most 63){mended_name(text)}"
    )


def stack_name(text: str) -> str:
    """The name of a stack that is a label's value too; raises ValueError otherwise.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
    """
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", text):
        return text
    raise ValueError(
        f"{shown(text)} is no name of a stack: it is a label of every object, so it has at most 63 "
        "letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
    )


def mended_name(text: str) -> str:
    """`: write '<name>'` with a name that would do; empty where there is none to tell."""
    mended = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    return f": write {mended!r}" if mended and shown(text)[-1] in "'\"" else ""


def dns_domain(text: str) -> str:
    """A DNS domain such as `cluster.local`; raises ValueError otherwise."""
    if len(text) <= 253 and all(_LABEL.fullmatch(p) and len(p) <= 63 for p in text.split(".")):
        return text
    raise ValueError(f"{shown(text)} is not a DNS domain: write it like cluster.local")


def https_url(text: str) -> str:
    """An `https://host[:port]` address without a path; raises ValueError otherwise."""
    parts = _address(text, ("https",))
    if parts and not parts.path and not parts.query and not parts.fragment:
        return text
    raise ValueError(
        f"{_without_login(text)} is not an https address: write it like "
        "https://host.example.com:8200, without a path"
    )


def api_server_url(text: str) -> str:
    """An `https://host[:port]` address of an API server; raises ValueError otherwise.

    Below a path there is a proxy, such as Rancher's, that takes its own users' tokens: it cannot
    review those of service accounts.
    """
    try:
        return https_url(text)
    except ValueError:
        parts = _address(text, ("https",))
        if parts and parts.path.strip("/"):
            raise ValueError(
                f"{_without_login(text)} has a path: a proxy in front of the API server takes no "
                "service account's token; write the address of the API server itself (Rancher: the "
                "authorized cluster endpoint)"
            ) from None
        message = (
            f"{_without_login(text)} is not an https address without a path: write it like "
            "https://api.example.com:6443"
        )
        raise ValueError(message) from None


def http_url(text: str) -> str:
    """An `http://` or `https://` address, with a path or not; raises ValueError otherwise."""
    from schema.masking import looks_secret

    if _address(text, ("http", "https")) and not looks_secret(text):
        return text
    raise ValueError(
        f"{_without_login(text)} is not an address without credentials: write it like "
        "http://prometheus.monitoring:9090"
    )


def _address(text: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """The parts of an address that has a host, a good port, and no user or password."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError when it is none
    except ValueError:
        return None
    good = re.fullmatch(r"[!-~]+", text) and parts.scheme in schemes and "@" not in parts.netloc
    host = parts.hostname or ""
    return parts if good and re.fullmatch(r"[a-z0-9]([a-z0-9.:-]*[a-z0-9])?|::1", host) else None


def _without_login(text: str) -> str:
    return shown(text) if "@" not in text else f"{described(text)} (it holds a user or password)"


def plain_text(text: str) -> str:
    """Text on one line, not empty, without blanks at its ends; raises ValueError otherwise."""
    if text and text == text.strip() and text.isprintable():
        return text
    raise ValueError(
        f"{shown(text)} is not a plain text: leave the key out, or write a value on one line "
        "without blanks at its ends"
    )


def mount_path(text: str) -> str:
    """A Vault mount path without slashes at its ends; raises ValueError otherwise."""
    if re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", text):
        return text
    raise ValueError(
        f"{shown(text)} is not a Vault path: write it like linkerd/pki, without outer slashes"
    )


def auth_mount(text: str) -> str:
    """The path of an auth mount; raises ValueError for one as a request has it, below `auth/`."""
    path = mount_path(text)
    if path.startswith("auth/"):
        rest = path.removeprefix("auth/")
        raise ValueError(f"{shown(text)} begins with auth/, which Vault adds itself: write {rest}")
    return path


def vault_namespace(text: str) -> str:
    """A namespace of Vault Enterprise with those above it; raises ValueError otherwise.

    https://developer.hashicorp.com/vault/docs/enterprise/namespaces#namespace-naming-restrictions
    """
    if re.fullmatch(r"/?[^\s/]+(?:/[^\s/]+)*/?", text) and text.isprintable():
        return text
    raise ValueError(f"{shown(text)} is not a namespace of Vault: write it like admin/team")


@dataclass(frozen=True)
class ValueKind:
    """Part of an annotation: what docs/config.md calls such a value, and one that is valid."""

    text: str
    example: str = "a"


@dataclass(frozen=True)
class Was:
    """Part of an annotation: the name that a key had, which is taken for a release more."""

    key: str


Name = Annotated[str, AfterValidator(kubernetes_name), ValueKind("name")]
StackName = Annotated[str, AfterValidator(stack_name), ValueKind("stack", "staging")]
Domain = Annotated[str, AfterValidator(dns_domain), ValueKind("DNS domain")]
HttpsUrl = Annotated[
    str, AfterValidator(https_url), ValueKind("https address", "https://host.example.com")
]
ApiServerUrl = Annotated[
    str, AfterValidator(api_server_url), ValueKind("https address", "https://host.example.com")
]
HttpUrl = Annotated[
    str, AfterValidator(http_url), ValueKind("http address", "https://host.example.com")
]
Text = Annotated[str, AfterValidator(plain_text), ValueKind("text")]
# What a stack is for; rules of the policy pack and of deployments go by it.
Environment = Literal["development", "staging", "production"]
VaultPath = Annotated[str, AfterValidator(mount_path), ValueKind("Vault path")]
VaultNamespace = Annotated[str, AfterValidator(vault_namespace), ValueKind("Vault namespace")]
AuthMount = Annotated[str, AfterValidator(auth_mount), ValueKind("Vault path")]
Replicas = Annotated[int, Field(ge=1, le=50)]
