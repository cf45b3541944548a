"""The kinds of files that are spoilt, and what reads each of them, as a command does."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from bot import stacks
from bot.changes.snapshot import differences
from bot.cli import dispatch, fetch_charts
from bot.clients import kubeconfig
from bot.clients.https import ReadError
from bot.deploy import approval, digests
from bot.exit_codes import BAD_INPUT, DONE, FAILED, MISSING_TOOL, REFUSED, BotError
from bot.plan import render
from bot.plan.mock.engine import evaluate
from schema.errors import InputError
from schema.faults import PROJECT
from stack import fleet, rollout_file
from stack.charts import Charts, crds, sources
from stack.charts.lock import locked
from stack.load import from_engine, from_file
from stack.meant import is_map, model_at
from tests.unit import bot_project, changes_samples, delivery_samples
from tests.unit import fuzz_documents as documents
from tests.unit.mutations import KeyPath
from tests.unit.stack_files import REPO, certificate, good

ALLOWED = (DONE, FAILED, BAD_INPUT, MISSING_TOOL, REFUSED)


@dataclass(frozen=True)
class Kind:
    """A kind of file. run: reads the content in a folder; its exit code, and what it printed."""

    name: str
    document: Any
    run: Callable[[bytes, Path], tuple[int, str]]
    as_json: bool = False
    text: bytes | None = None
    closed: Callable[[KeyPath], bool] = lambda _: False
    settings: Mapping[KeyPath, Any] | None = None


def outcome(run: Callable[[], Any]) -> tuple[int, str]:
    """The exit code and the lines that a command would end with."""
    try:
        run()
    except InputError as error:
        return BAD_INPUT, str(error)
    except BotError as error:
        return error.exit_code, str(error)
    except (ReadError, fetch_charts.SourceError, fetch_charts.LocationError) as error:
        return FAILED, str(error)
    return DONE, ""


def _written(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def _stack(content: bytes, folder: Path) -> tuple[int, str]:
    file = _written(folder, "Pulumi.fuzz.yaml", content)

    def run() -> None:
        rollout_file.named(file)
        from_file(file)
        if evaluates(content):
            evaluate(file, folder)

    return outcome(run)


# The program itself is run for one in so many of what was read well, for it takes long.
ONE_IN = 16


def evaluates(content: bytes) -> bool:
    """Whether the program is run for this."""
    return sum(content) % ONE_IN == 0


def _engine_values(content: bytes, folder: Path) -> tuple[int, str]:
    def run() -> None:
        values = json.loads(content)
        if isinstance(values, dict):
            made = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
            from_engine(made, "fuzz", folder)

    try:
        return outcome(run)
    except ValueError as error:
        if type(error) in (json.JSONDecodeError, UnicodeDecodeError):
            return BAD_INPUT, "the engine gives JSON"
        raise


def _fleet(content: bytes, folder: Path) -> tuple[int, str]:
    _written(folder, "fleet.yaml", content)
    for name in ("trust", "staging", "production"):
        (folder / f"Pulumi.{name}.yaml").touch()
    return outcome(lambda: fleet.read(folder))


def _charts(content: bytes, folder: Path) -> tuple[int, str]:
    _written(folder, "charts.yaml", content)

    def run() -> None:
        charts = Charts(folder)
        charts.missing()
        fetch_charts.wanted_of(charts)
        for name in ("cert-manager", "linkerd-control-plane"):
            charts.chart(name)
            charts.crds(name)
        digest = f"sha256:{'0' * 64}"
        locked(content.decode("utf-8"), dict.fromkeys(charts.entries, digest))

    return outcome(run)


def _plan_file(content: bytes, folder: Path) -> tuple[int, str]:
    _written(folder, "plan.yaml", content)
    sections = {**good(), "rollout": {"file": "plan.yaml"}}
    text = yaml.safe_dump({"config": {f"{PROJECT}:{k}": v for k, v in sections.items()}})
    file = _written(folder, "Pulumi.fuzz.yaml", text.encode())
    return outcome(lambda: from_file(file))


def _changes(content: bytes, folder: Path) -> tuple[int, str]:
    file = _written(folder, "fuzz.changes.json", content)

    def run() -> None:
        code = dispatch.main(["comment", "--changes", str(file), "--out", str(folder / "out")])
        assert code in ALLOWED
        approval.read_changes(file)

    return outcome(run)


def _approval(content: bytes, folder: Path) -> tuple[int, str]:
    file = _written(folder, "approval.json", content)

    def run() -> None:
        record = approval.read(file)
        good = delivery_samples.approved(delivery_samples.change_set())
        told = differences(record.snapshot, good.snapshot)
        told += digests.unlike(record.changes, good.changes)
        approval.refuse_unusable(record, "trust")
        approval.refuse_stale(record, told)

    return outcome(run)


def _kubeconfig(content: bytes, folder: Path) -> tuple[int, str]:
    file = _written(folder, "kubeconfig", content)

    def run() -> None:
        environment = {"PATH": "/nowhere"}
        chosen = kubeconfig.select(kubeconfig.files(str(file), environment, folder), None)
        kubeconfig.authority_of(chosen)
        with (
            kubeconfig.client(chosen, environment) as client,
            mock.patch("socket.create_connection") as to,
        ):
            to.side_effect = ConnectionRefusedError
            client.request("GET", "/version", seconds=0.1)

    return outcome(run)


def _archive(content: bytes, _: Path) -> tuple[int, str]:
    wanted = fetch_charts.Wanted("mesh", "1.2.3", "mesh-1.2.3.tgz", None, None)
    said = fetch_charts.fault_in(wanted, content, None)
    try:
        crds.crds_of_chart(content)
    except ValueError as error:
        said = f"{said} {error}"
    return (BAD_INPUT if said else DONE), said or ""


def _manifest(content: bytes, _: Path) -> tuple[int, str]:
    said = ""
    for read in (
        lambda: crds.chart_of_manifest("a", "1.0.0", content),
        lambda: render.parse(content.decode("utf-8", "replace")),
    ):
        try:
            read()
        except ValueError as error:
            said = f"{said}{error} "
    return (BAD_INPUT if said else DONE), said


def _index(content: bytes, _: Path) -> tuple[int, str]:
    sources._index.cache_clear()
    wanted = fetch_charts.Wanted(
        "mesh", "1.2.3", "mesh-1.2.3.tgz", "https://charts.example.com", None
    )

    def get(address: str, _place: object = None) -> bytes:
        return content if address.endswith("index.yaml") else b""

    with mock.patch.object(sources, "get", get):
        return outcome(lambda: sources.source(None)(wanted))


def _closed_stack(path: KeyPath) -> bool:
    """Whether a key of a stack file is one of a section, and no name of the user's own."""
    if path[:1] != ("config",) or len(path) < 2:
        return len(path) == 1
    if len(path) == 2:
        return True
    section = str(path[1]).removeprefix(f"{PROJECT}:")
    return _known((section, *path[2:-1]))


def _known(path: KeyPath) -> bool:
    model: Any = model_at(path)
    return model is not None and not is_map(model)


def _tar(content: bytes, folder: Path) -> tuple[int, str]:
    """The tar within, so that the compression's check sum does not find all of it."""
    return _archive(gzip.compress(content, 1), folder)


def kinds() -> tuple[Kind, ...]:
    """Every kind of file, with a good document of it."""
    stack, every = documents.whole_stack(), documents.every_section()
    settings = documents.settings()
    token, program = documents.kubeconfigs()
    changes = changes_samples.whole(
        changes_samples.workload("shop/web", {"spec": {"replicas": 1}}, {"spec": {"replicas": 3}}),
        warnings=("a warning",),
    )
    approved = delivery_samples.approved(
        delivery_samples.change_set(delivery_samples.change())
    ).model_dump(mode="json")
    index = {
        "apiVersion": "v1",
        "entries": {"mesh": [{"version": "1.2.3", "urls": ["mesh-1.2.3.tgz"]}]},
    }
    charts = bot_project._charts()
    fleet_ = yaml.safe_load((REPO / "fleet.yaml").read_text("utf-8"))
    plan = yaml.safe_load((REPO / "examples/rollout/plan.yaml").read_text("utf-8"))
    plan["waves"][1]["labels"] = {"team": "x"}
    archive = documents.archive()
    return (
        Kind("stack file", stack, _stack, closed=_closed_stack),
        Kind("every section", every, _stack, closed=_closed_stack, settings=settings),
        Kind("every section again", every, _stack, closed=_closed_stack, settings=settings),
        Kind("engine's config", stack["config"], _engine_values, as_json=True),
        Kind("fleet.yaml", fleet_, _fleet, closed=lambda _: True),
        Kind("charts.yaml", charts, _charts, closed=lambda path: len(path) != 2),
        Kind("rollout plan", plan, _plan_file, closed=lambda path: "labels" not in path[:-1]),
        Kind("changes", changes.model_dump(mode="json"), _changes, as_json=True,
             closed=lambda path: not {"before", "after"} & set(path[:-1])),
        Kind("approval", approved, _approval, as_json=True,
             closed=lambda path: not {"files", "archives"} & set(path[:-1])),
        Kind("kubeconfig", token, _kubeconfig),
        Kind("kubeconfig with a program", program, _kubeconfig),
        Kind("archive", None, _archive, text=archive),
        Kind("tar of an archive", None, _tar, text=gzip.decompress(archive)),
        Kind("manifest", documents.OBJECT, _manifest),
        Kind("index of a repository", index, _index),
    )  # fmt: skip


def project(folder: Path) -> None:
    """What lies beside the file that is spoilt."""
    bot_project.project(folder)
    (folder / "cluster-ca.pem").write_text(certificate())
    assert stacks.PROJECT_DIR == REPO
