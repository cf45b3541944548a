"""What the real program hands to Helm, for every real stack file."""

from __future__ import annotations

import asyncio
import datetime
import functools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from stack.charts import Charts
from stack.load import from_file
from stack.platform import Platform

PROJECT = Path(__file__).resolve().parents[2]
CHART, RELEASE = "kubernetes:helm.sh/v4:Chart", "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True)
class ChartUse:
    """One chart as a stack uses it; `path` is relative to the project."""

    release: str
    namespace: str
    path: str
    values: dict[str, Any]


@dataclass
class Evaluation:
    """What a stack registered: its charts by release name, and every Kubernetes object."""

    charts: dict[str, ChartUse] = field(default_factory=dict)
    objects: list[dict[str, Any]] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The objects of one kind that are in no chart."""
        return [obj for obj in self.objects if obj.get("kind") == kind]


class _Recorder(Mocks):
    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        inputs = args.inputs
        if args.typ in (CHART, RELEASE):
            use = ChartUse(
                inputs["name"],
                inputs["namespace"],
                inputs["chart"],
                _with_integers(inputs.get("values", {})),
            )
            self._evaluation.charts[use.release] = use
        elif args.typ.startswith("kubernetes:"):
            self._evaluation.objects.append(_with_integers(inputs))
        outputs = dict(inputs)
        if args.typ.endswith("SecretBackendRootCert"):
            outputs["certificate"] = _certificate()
        return args.name, outputs

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        if args.token.endswith("getSecretV2"):
            return {"data": {"certificate": _certificate()}}
        return {}


@functools.cache
def evaluate(stack: str) -> Evaluation:
    """Evaluate the program with the stack's own file; needs no engine."""
    return evaluate_file(PROJECT / f"Pulumi.{stack}.yaml", stack)


def evaluate_file(file: Path, stack: str) -> Evaluation:
    """Evaluate the program with any stack file; raises what `from_file` does."""
    config = from_file(file, lambda _: _certificate())
    evaluation = Evaluation()
    asyncio.set_event_loop(asyncio.new_event_loop())
    set_mocks(_Recorder(evaluation), "linkerd-platform", stack)
    with tempfile.TemporaryDirectory() as folder:

        @pulumi.runtime.test
        async def program() -> None:
            await Platform(config, Charts(PROJECT), Path(folder)).workloads()

        program()
    return evaluation


def _with_integers(value: Any) -> Any:
    # Numbers reach the engine as floats.
    if isinstance(value, dict):
        return {key: _with_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@functools.cache
def _certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=root.linkerd.cluster.local")
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
    )
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


STACKS = tuple(
    sorted(
        file.name.split(".")[1]
        for file in PROJECT.glob("Pulumi.*.yaml")
        if from_file(file, lambda _: _certificate()).cluster is not None
    )
)
