"""`python -m bot adopt`: a Linkerd that is there already becomes a stack's, without an outage.

Looking at it changes nothing. What is taken over is changed by `up` alone, and by `--finish`, which
has Helm let go of it: see docs/adr/0011.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from bot import stacks
from bot.changes.model import Change, ChangeSet, ChartMove, Op, Violation
from bot.cli import parsers
from bot.cli.dispatch import Subparsers
from bot.clients import kubeconfig
from bot.clients.connect import cluster
from bot.clients.https import Answer, Client, MissingError, ReadError, Unreadable
from bot.clients.kubernetes import SECONDS, Manifest, get_object, list_objects
from bot.clients.target import Target
from bot.engine import target as engine_target
from bot.exit_codes import DONE, BadInputError, BotError, MissingToolError, RefusedError
from bot.mesh import adopted_file, adoption
from bot.mesh.adoption import FoundMesh, Object
from bot.mesh.drift.discovery import ListedKind, kinds
from bot.text import documents
from components import cni_plugin, linkerd, viz
from components.names import LINKERD
from components.placement import faults_of_values
from schema.archive import ArchiveError
from schema.input_file import read_text
from schema.safe_yaml import load as load_yaml
from stack import load
from stack.arguments import shapes
from stack.charts import Charts
from stack.charts import values as archive_values
from stack.transforms import OWNER_LABEL

POLICY = "adopt-only-what-is-listed"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_GATEWAY = ".gateway.networking.k8s.io"
_LINKERD = (".linkerd.io",)
_NAMESPACES = (LINKERD, "linkerd-viz", cni_plugin.LINKERD_CNI)
_RUNS = ("Deployment", "DaemonSet", "Service")
_MERGE = "application/merge-patch+json"
# By these cert-manager and trust-manager know what they write.
_WRITTEN = ("cert-manager.io/certificate-name", "trust.cert-manager.io/bundle")


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = parsers.command(
        subparsers,
        "adopt",
        run,
        "Look at a cluster with a Linkerd of Helm's or of `linkerd install`, say what is there, "
        "and write the stack file that matches it with the list of objects that `up` takes over. "
        "Changes nothing in the cluster without --finish. Needs read access to it.",
        "adopt --stack staging --context staging --vault https://vault.example.com:8200",
        "adopt --stack staging --finish",
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("--kubeconfig", metavar="FILE", help="as `cluster.kubeconfig`")
    parser.add_argument("--vault", metavar="URL", help="address of Vault; default VAULT_ADDR")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the stack file; default Pulumi.NAME.yaml"
    )
    parser.add_argument(
        "--finish",
        action="store_true",
        help="after `up`: have Helm let go of what was taken over, and delete its records",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises BotError."""
    stack = stacks.checked(arguments.stack)
    lines = finish(engine_target.of(stack)) if arguments.finish else look(stack, arguments)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    if not arguments.finish:
        # What is to be corrected by hand comes after what was found, which is written by now.
        load.from_file(_stack_file(stack, arguments), project_dir=stacks.PROJECT_DIR)
    return DONE


def _stack_file(stack: str, arguments: argparse.Namespace) -> Path:
    out: Path | None = arguments.out
    return out or stacks.PROJECT_DIR / f"Pulumi.{stack}.yaml"


def list_file(stack: str, project_dir: Path) -> Path:
    """The file with the objects that a stack takes over."""
    return project_dir / f"Pulumi.{stack}.adopt.yml"


def look(stack: str, arguments: argparse.Namespace) -> list[str]:
    """Write both files, and say what is there; raises BadInputError and Unreadable."""
    folder, file = stacks.PROJECT_DIR, _stack_file(stack, arguments)
    if os.path.lexists(file):
        raise BadInputError(f"{file.name}: is there already: move it away, or give --out FILE")
    address = arguments.vault or os.environ.get("VAULT_ADDR")
    if not address:
        raise BadInputError("bot adopt: needs --vault URL, or VAULT_ADDR: the anchor goes there")
    try:
        chosen = kubeconfig.find(arguments.kubeconfig, arguments.context, os.environ, folder)
        authority = kubeconfig.authority_of(chosen)
        with kubeconfig.client(chosen, os.environ) as api:
            found = adoption.read(api)
    except MissingError as error:
        raise MissingToolError(str(error)) from None
    except ReadError as error:
        raise Unreadable(str(error)) from None
    if found is None:
        raise BadInputError(
            f"context {chosen.context}: there is no Linkerd to adopt: no ConfigMap "
            f"{LINKERD}/linkerd-config"
        )
    made = adopted_file.sections(found)
    made["cluster"] |= {"name": stack, "apiServer": chosen.cluster["server"]}
    if authority:
        made["cluster"]["caPem"] = authority
    if chosen.context != kubeconfig.POD:
        # By name: the current context may be another one when `up` comes.
        made["cluster"]["context"] = chosen.context
    if arguments.kubeconfig:
        made["cluster"]["kubeconfig"] = arguments.kubeconfig
    made["vault"] = {"address": address}
    if authority_file := os.environ.get("VAULT_CACERT"):
        try:
            made["vault"]["caPem"] = read_text(Path(authority_file))
        except OSError as error:
            raise BadInputError(f"VAULT_CACERT: {authority_file}: {error.strerror}") from None
    charts, lost = _laid_over(found, made, Charts(folder))
    if charts:
        made["charts"] = {name: {"values": values} for name, values in charts.items()}
    _write(file, stack, {"role": "standalone", **made})
    listed = [*(each for release in found.releases for each in release.objects), *found.same]
    into = list_file(stack, folder)
    documents.write(into, _listed(listed, found))
    return [
        *adoption.told(found),
        *(
            f"kept by `charts` of the stack file: {name} {', '.join(_dotted(values))}"
            for name, values in charts.items()
        ),
        *(f"not kept: {each}" for each in lost),
        f"written: {file.name}, {into.name} ({len(listed)} objects)",
        *_next(stack, file, found),
    ]


def _next(stack: str, file: Path, found: FoundMesh) -> Iterator[str]:
    yield f"next: read {file.name}, and run pulumi stack init {stack}"
    for generation in adopted_file.sections(found)["trust"]["generations"]:
        yield (
            f"then: python -m bot trust import --stack {stack} --generation "
            f"{generation['name']} --certificate FILE --key FILE"
        )
    commands = (f"python -m bot {each} --stack {stack}" for each in ("preview", "up", "adopt"))
    yield f"then: {', '.join(commands)} --finish: docs/runbooks/adopt.md"


def _write(file: Path, stack: str, made: Mapping[str, Any]) -> None:
    config = {f"linkerd-platform:{key}": value for key, value in made.items()}
    text = yaml.safe_dump({"config": config}, sort_keys=False)
    head = f"# Written by `python -m bot adopt --stack {stack}` for the Linkerd that runs there.\n"
    documents.write(file, head + text)


def _laid_over(
    found: FoundMesh, made: Mapping[str, Any], archives: Charts
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Values that somebody gave and that no key of the stack file says, by chart.

    They are laid over ours; those that cannot be are lines that say why.
    """
    control_plane = linkerd.LinkerdSection.model_validate(made["linkerd"])
    domains = {
        "cluster_domain": made["cluster"].get("domain", "cluster.local"),
        "trust_domain": made["trust"].get("domain", "cluster.local"),
    }
    ipv6 = made["cluster"].get("ipv6", False)
    args = linkerd.LinkerdArgs(cluster="any", ipv6=ipv6, **domains, **control_plane.model_dump())
    extension = viz.VizSection.model_validate(made["viz"])
    viz_args = viz.VizArgs(
        ha=extension.ha,
        replicas=control_plane.replicas,
        prometheus_url=extension.prometheus_url,
        log_level=control_plane.log_level,
        image_registry=control_plane.image_registry,
        **domains,
    )
    plugin = cni_plugin.CniPluginSection.model_validate(made.get("cniPlugin", {}))
    cni_args = cni_plugin.CniPluginArgs(
        log_level=control_plane.log_level,
        image_registry=control_plane.image_registry,
        ipv6=ipv6,
        **plugin.model_dump(exclude={"enabled"}),
    )
    ours = {
        "linkerd-control-plane": linkerd.values(args),
        "linkerd-viz": viz.values(viz_args),
        "linkerd2-cni": cni_plugin.values(cni_args),
    }
    charts: dict[str, dict[str, Any]] = {}
    lost = []
    for release in found.releases:
        name = release.chart
        values, packed, standard = ours.get(name, {}), *_packed(archives, name)
        for path, value in adopted_file.unmapped(release.values, values):
            if adopted_file.at(standard, path) == value and adopted_file.at(values, path) is None:
                continue
            if why := _no_overlay(name, path, value, packed):
                lost.append(f"{name} {'.'.join(path)}: {why}")
            else:
                adopted_file.put(charts.setdefault(name, {}), path, value)
    return charts, lost


def _packed(archives: Charts, name: str) -> tuple[bytes | None, dict[str, Any]]:
    """The archive of a chart that is pinned, where it is there, and its own values."""
    source = archives.source(name) if name in archives.entries else None
    if source is None or not source.is_file():
        return None, {}
    try:
        packed = source.read_bytes()
        return packed, archive_values.defaults(packed)
    except ArchiveError:
        return None, {}  # `preview` tells of it


def _no_overlay(chart: str, path: tuple[str, ...], value: Any, packed: bytes | None) -> str:
    """Why a value of a chart cannot be laid over ours; empty where it can."""
    shape, alone = shapes().get(chart), dict[str, Any]()
    adopted_file.put(alone, path, value)
    if path[-2:] in (("image", "version"), ("image", "tag")):
        return f"{json.dumps(value)}: the version of charts.yaml runs"
    for fault in faults_of_values((), alone, shape.owned if shape else {}):
        return fault.message
    if shape is None or (packed and list(archive_values.unknown(packed, alone))):
        return f"{json.dumps(value)}: the chart that is pinned has no such value"
    return ""


def _dotted(values: Mapping[str, Any]) -> Iterator[str]:
    return (".".join(path) for path, _ in adopted_file.leaves(values))


def _listed(objects: Iterable[Object], found: FoundMesh) -> str:
    document = {
        "objects": [
            " ".join((version, kind, f"{ns}/{name}" if ns else name))
            for version, kind, ns, name in objects
        ],
        "records": [each for release in found.releases for each in release.records],
        "managers": list(found.managers),
        "charts": {each.chart: each.version for each in found.releases},
    }
    return f"# What `up` takes over, by `python -m bot adopt`.\n{yaml.safe_dump(document)}"


def listed(target: Target) -> dict[str, Any]:
    """The objects, Helm records and so on of the list; raises BadInputError where there is none."""
    file = list_file(target.stack, target.project_dir)
    try:
        found = load_yaml(read_text(file))
    except OSError:
        raise BadInputError(
            f"{file.name}: is not there, and cluster.adopted is true: run `python -m bot adopt "
            f"--stack {target.stack}`, or take the key out"
        ) from None
    keys = ("objects", "records", "managers")
    lists = {key: [str(each) for each in found.get(key) or ()] for key in keys}
    return {**lists, "charts": found.get("charts") or {}}


def judged(target: Target, changes: ChangeSet) -> ChangeSet:
    """The changes with a violation for each object that would be overwritten and is not listed.

    While `cluster.adopted` is true, what is there is updated where it would else be refused. To the
    engine it is created: which version was there, and that it runs, the list alone tells.
    """
    config = target.config.cluster
    made = [each for each in changes.changes if each.op is Op.CREATE and each.api_version]
    if config is None or not config.adopted or not made:
        return changes
    wanted = listed(target)
    ours = {_group(each) for each in wanted["objects"]}
    with cluster(target) as api:
        known = {(each.group, each.kind): each for each in kinds(api).found}
        found = [
            Violation(
                policy=POLICY,
                level="mandatory",
                urn=each.urn,
                message=f"{each.kind} {each.place} is there, and no object of the Linkerd that is "
                "adopted: it would be overwritten; delete it, or add it to the list",
            )
            for each in made
            if _key(each) not in ours
            and not _ours(each)
            and (
                path := _path(known, each.api_version, each.kind, each.namespace, each.object_name)
            )
            and get_object(api, path) is not None
        ]
        theirs = adoption.writers(api)[1]
        twice = [
            Violation(
                policy=POLICY,
                level="mandatory",
                urn=each.urn,
                message=f"{adoption.duplicate(it, secret)}; the Secret stays",
            )
            for each in made
            if each.kind == "Certificate"
            for it, secret in theirs
            if (it[2], secret) == (each.namespace, each.object_name)
        ]
    return changes.model_copy(
        update={
            "violations": (*changes.violations, *found, *twice),
            "moves": _moves(wanted["charts"], changes.moves),
            "adopted": sum(_key(each) in ours for each in made),
        }
    )


def _moves(there: Mapping[str, str], moves: Iterable[ChartMove]) -> tuple[ChartMove, ...]:
    """A chart that is there is not installed: it goes from that version to ours, if another."""
    found = (
        each if each.before else each.model_copy(update={"before": there.get(each.chart)})
        for each in moves
    )
    return tuple(each for each in found if each.before != each.after)


def _key(change: Change) -> str:
    return _group(f"{change.api_version} {change.kind} {change.place}")


def _group(line: str) -> str:
    """The object without the version: an older chart made the same one by an older version."""
    api_version, _, rest = line.partition(" ")
    return f"{api_version.rpartition('/')[0]} {rest}"


def _ours(change: Change) -> bool:
    """The namespaces of Linkerd's: its charts do not make them."""
    return change.kind == "Namespace" and change.object_name in _NAMESPACES


def _path(
    known: Mapping[tuple[str, str], ListedKind],
    api_version: str,
    kind: str,
    namespace: str | None,
    name: str,
) -> str | None:
    group = api_version.rpartition("/")[0]
    found = known.get((group, kind))
    return f"{found.path(namespace if found.namespaced else None)}/{name}" if found else None


def hand_over_crds(target: Target) -> None:
    """Before an update: the CRDs of the adopted Linkerd are those of our own Helm releases.

    Helm takes a release's objects by these annotations alone, and deletes none when they change:
    https://helm.sh/docs/faq/changes_since_helm_2/ and `helm install` on what it calls its own.
    Raises Unreadable and BotError.
    """
    config = target.config
    if config.cluster is None or not config.cluster.adopted:
        return
    releases = {_LINKERD[0]: "linkerd-crds"}
    if config.gateway_api.install:
        releases[_GATEWAY] = "gateway-api-crds"
    with cluster(target) as api:
        for each in list_objects(api, _CRDS, metadata=True):
            name = each["metadata"]["name"]
            release = next((r for end, r in releases.items() if name.endswith(end)), None)
            if release is None:
                continue
            annotations = {
                "meta.helm.sh/release-name": release,
                "meta.helm.sh/release-namespace": config.cluster.helm_namespace,
            }
            if annotations.items() <= (each["metadata"].get("annotations") or {}).items():
                continue
            metadata = {
                "annotations": annotations,
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
            }
            changed = {"metadata": metadata}
            path = f"{_CRDS}/{name}"
            _done(_patch(api, path, changed, _MERGE), f"CRD {name}")


def _patch(api: Client, path: str, body: Manifest, content_type: str) -> Answer:
    return api.request("PATCH", path, body, content_type=content_type, seconds=SECONDS)


def _done(answer: Answer, what: str) -> None:
    if not answer.ok:
        said = answer.body.get("message", "") if isinstance(answer.body, dict) else answer.why
        raise BotError(f"{what}: status {answer.status} {said}".rstrip())


def finish(target: Target) -> list[str]:
    """Have Helm let go of what this stack has now, and delete its records; say what was done.

    Of each object the fields that only Helm has set go, as with any update; then Helm knows of no
    release any more, so `helm uninstall` deletes nothing. Raises RefusedError where an object is
    not this stack's yet.
    """
    wanted, file = listed(target), list_file(target.stack, target.project_dir)
    with cluster(target) as api:
        known = {(each.group, each.kind): each for each in kinds(api).found}
        left: list[str] = []
        held: list[tuple[str, Manifest, list[Manifest]]] = []
        for line in wanted["objects"]:
            api_version, kind, place = line.split(" ")
            if kind == "CustomResourceDefinition":
                continue
            namespace, _, name = place.rpartition("/")
            path = _path(known, api_version, kind, namespace, name)
            found = get_object(api, path) if path else None
            if path is None or found is None:
                continue
            labels = found["metadata"].get("labels") or {}
            marks = labels.keys() | (found["metadata"].get("annotations") or {}).keys()
            if labels.get(OWNER_LABEL) != target.stack and marks.isdisjoint(_WRITTEN):
                left.append(line)
            elif theirs := _held(found, wanted["managers"]):
                held.append((path, found, theirs))
        missing = [each for each in left if each.split(" ")[1] in _RUNS]
        if missing:
            raise RefusedError(
                f"stack {target.stack}: {len(missing)} objects are not of this stack, such as "
                f"{missing[0]}: run `python -m bot up --stack {target.stack}` first"
            )
        for each in held:
            _let_go(api, *each)
        records = []
        for record in wanted["records"]:
            kind, _, place = record.partition(" ")
            namespace, _, name = place.partition("/")
            path = f"/api/v1/namespaces/{namespace}/{kind}/{name}"
            if get_object(api, path) is not None:
                _done(api.request("DELETE", path), record)
                records.append(place)
    return [
        f"{' and '.join(wanted['managers'])} let go of {len(held)} objects",
        *(f"not of this stack, left as it is: {each}" for each in left),
        *(f"deleted: record {each}" for each in records),
        f"next: take `adopted: true` out of the stack file, and delete {file.name}",
    ]


def _held(found: Manifest, managers: Iterable[str]) -> list[Manifest]:
    """The entries of those managers among who has fields of this object."""
    there = found["metadata"].get("managedFields") or []
    return [each for each in there if each["manager"] in managers and not each.get("subresource")]


def _let_go(api: Client, path: str, found: Manifest, held: list[Manifest]) -> None:
    """Their fields become an applied set, which is then applied empty: nobody else's go.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
    """
    metadata = found["metadata"]
    moved = [
        {**each, "operation": "Apply"} if each in held else each
        for each in metadata["managedFields"]
    ]
    body = {"metadata": {"managedFields": moved, "resourceVersion": metadata["resourceVersion"]}}
    _done(_patch(api, path, body, _MERGE), path)
    nothing = {key: found[key] for key in ("apiVersion", "kind")}
    nothing["metadata"] = {"name": metadata["name"]}
    for manager in sorted({each["manager"] for each in held}):
        applied = f"{path}?{urlencode({'fieldManager': manager, 'force': 'true'})}"
        _done(_patch(api, applied, nothing, "application/apply-patch+yaml"), path)
