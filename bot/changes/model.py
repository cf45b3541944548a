"""The one form of "what would change" that previews, plans and drift share.

A change set is written to a file by one job and read by another, so it is a closed document. It
holds inputs, never outputs; secrets are masked before they get here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
)

from bot.changes.snapshot import Snapshot

FORMAT = 2  # raised when an older file can no longer be read


def _plain(values: Any) -> Any:
    return tuple(values) if isinstance(values, list) else values


Texts = Annotated[tuple[str, ...], BeforeValidator(_plain)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Op(StrEnum):
    """What happens to a resource. `UNKNOWN` is an operation that this program does not know."""

    CREATE = "create"
    IMPORT = "import"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    UNKNOWN = "unknown"


class Absent(StrEnum):
    """Marks the side of a field that is not there; null is a value of its own."""

    ABSENT = "[absent]"


class FieldChange(_Model):
    """One property that changes.

    path: `spec.template.spec.containers[0].image`; a part with dots in it is quoted in brackets.
    replaces: True where the provider says that this property makes the resource new.
    """

    path: str
    before: Any = Absent.ABSENT.value
    after: Any = Absent.ABSENT.value
    replaces: bool = False


class Change(_Model):
    """One resource that does not stay as it is. Components are not among them.

    before, after: the inputs, None where the resource is not there. parent: URN.
    """

    urn: str
    type: str
    name: str
    component: str
    op: Op
    protected: bool = False
    retained: bool = False
    fields: tuple[FieldChange, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    def __copy__(self) -> Self:
        # A copy may get other inputs: what was told of the old ones is not for it.
        copied = super().__copy__()
        for name in ("kind", "metadata", "place"):
            copied.__dict__.pop(name, None)
        return copied

    def __hash__(self) -> int:
        # Not of the inputs, which are mappings: what is equal has the same of these, too.
        return hash((self.urn, self.op))

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The inputs after the change, or those of what goes."""
        return self.after if self.after is not None else self.before or {}

    @property
    def api_version(self) -> str:
        """`apps/v1`; empty for what is no Kubernetes object."""
        return str(self.inputs.get("apiVersion") or "")

    @cached_property
    def kind(self) -> str:
        """`Deployment`; for what is no Kubernetes object the last part of its type.

        A patch is `NamespacePatch`: it comes and goes without the object, which is another's.
        """
        last = self.type.rpartition(":")[2]
        return last if last.endswith("Patch") else str(self.inputs.get("kind") or last)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of a Kubernetes object."""
        found = self.inputs.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def namespace(self) -> str | None:
        """Namespace of a Kubernetes object, where it has one."""
        found = self.metadata.get("namespace")
        return str(found) if found else None

    @property
    def object_name(self) -> str:
        """Name of the Kubernetes object; the resource's own for anything else."""
        return str(self.metadata.get("name") or self.name)

    @cached_property
    def place(self) -> str:
        """`<namespace>/<name>`, or the name alone."""
        return f"{self.namespace}/{self.object_name}" if self.namespace else self.object_name

    def touches(self, *prefixes: str) -> bool:
        """True when a field at or below one of these paths changes."""
        return any(
            field.path == prefix or field.path.startswith((f"{prefix}.", f"{prefix}["))
            for field in self.fields
            for prefix in prefixes
        )


class ChartMove(_Model):
    """A chart whose version changes; None on the side where it is not there."""

    chart: str
    before: str | None
    after: str | None


class PinMove(_Model):
    """A version or digest in the project's own files that is another one; bot/changes/pins.py.

    what: the `version`, other `content` under the same version, another `source`, or `unchecked`
    where its digest was checked before; `checked` is the way back. before, after: None on the side
    where it is not there.
    """

    files: Texts
    name: str
    kind: Literal["package", "chart", "action", "tool", "lock"]
    what: Literal["version", "content", "source", "unchecked", "checked"] = "version"
    before: str | None
    after: str | None


class Violation(_Model):
    """A rule of the policy pack that a resource breaks. level: `mandatory` or `advisory`."""

    policy: str
    level: Literal["mandatory", "advisory"]
    urn: str
    message: str


class ChangeSet(_Model):
    """What would change in one stack.

    source: `preview` (from the engine), `plan` (two revisions, without credentials) or `drift`.
    doubts: why this may be incomplete, such as a preview that failed half-way; with one
    in it nothing here may be called safe.
    errors: what went wrong, secrets masked. unchanged: number of resources. seconds: duration.
    snapshot: what a preview was made of; without one nothing can be approved.
    pins: what moves in the files that pin versions, which no plan can show.
    dirty: not `commit` alone was looked at, but a working tree with changes on top of it.
    adopted: how many of the created objects are there already, and are taken over.
    """

    format: Literal[2] = 2
    stack: str
    source: Literal["preview", "plan", "drift"]
    changes: tuple[Change, ...] = ()
    moves: tuple[ChartMove, ...] = ()
    pins: tuple[PinMove, ...] = ()
    violations: tuple[Violation, ...] = ()
    doubts: Texts = ()
    errors: Texts = ()
    warnings: Texts = ()
    unchanged: NonNegativeInt = 0
    seconds: Annotated[NonNegativeFloat, AllowInfNan(allow_inf_nan=False)] = 0.0
    commit: str | None = None
    base: str | None = None
    snapshot: Snapshot | None = None
    dirty: bool = False
    adopted: NonNegativeInt = 0

    @property
    def complete(self) -> bool:
        """True when nothing casts doubt on it."""
        return not self.doubts and not self.errors
