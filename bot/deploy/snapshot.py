"""Reads what a preview is made of: files, charts, servers, state, environment, and the changes.

It is read at the preview, at the approval, before the update is previewed again, and once more
directly before it is applied; see bot/changes/snapshot.py for what it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bot.changes.model import ChangeSet
from bot.changes.snapshot import Kind, Snapshot, images_of
from bot.clients import kubeconfig
from bot.clients.https import ReadError
from bot.clients.target import Target
from bot.deploy import backend, digests, shared_targets
from bot.deploy.tree import Tree
from bot.engine import Engine
from bot.exit_codes import RefusedError
from components.cluster import ClusterSection
from schema import safe_yaml
from schema.input_file import read_text
from schema.masking import names_a_secret
from stack import fleet
from stack.arguments import chart_refs
from stack.charts import Charts

PROJECT_FILES = ("Pulumi.yaml", "charts.yaml", "requirements.txt", fleet.FILE)
NOT_KNOWN = "unknown"
_PIN = re.compile(r"^(pulumi[a-z-]*)==([^\s;#]+)", re.MULTILINE)
# What of the engine's environment (bot/clients/environment.py) is told by its name, and of that
# what decides: the others say where something lies, who asks, or how it is shown.
_READ = re.compile(r"(PULUMI|VAULT|KUBE|AWS|AZURE|ARM|GOOGLE)\w*|\w+_PROXY")
_DECIDES = re.compile(
    r"PULUMI_(API|CREDENTIALS_PATH|IGNORE_AMBIENT_PLUGINS|(DIY|SELF_MANAGED)_\w+)"
)


def environment(target: Target) -> Mapping[str, str]:
    """The environment in which the engine is run."""
    return target.full_environment()


def read(
    found: Engine,
    target: Target,
    checked_out: Tree,
    kind: Kind,
    *,
    options: Sequence[str] = (),
    changes: ChangeSet | None = None,
) -> Snapshot:
    """What a preview of this stack is made of now; raises BotError and ChartError.

    changes: what the preview has shown, where there is one already.
    """
    made = Snapshot(
        kind=kind,
        options=tuple(options),
        commit=checked_out.commit,
        clean=checked_out.clean,
        beside=checked_out.beside,
        files=files(target),
        config=backend.digest(target.config.model_dump_json().encode()),
        archives=archives(target),
        servers=servers(target),
        state=backend.state_version(found, target),
        environment=_environment(target),
        engine=found.version,
        providers=dict(_PIN.findall(_text(target.project_dir / "requirements.txt"))),
    )
    return made if changes is None else with_changes(made, changes)


def with_changes(made: Snapshot, changes: ChangeSet) -> Snapshot:
    """The snapshot of a preview that has shown these changes."""
    after = [each.after for each in changes.changes if each.after is not None]
    bound = digests.of_changes(digests.signatures(changes))
    return made.model_copy(update={"changes": bound, "images": images_of(after)})


def files(target: Target) -> dict[str, str]:
    """Digest of the stack file, of the project's own files and of those that the stack file names.

    Not the kubeconfig: it holds credentials that change without anything else changing.
    """
    config, folder = target.config, target.project_dir
    authority = config.cluster.ca_file if config.cluster else None
    named = [config.vault.ca_file, authority, config.rollout.file]
    paths = {name: folder / name for name in (*PROJECT_FILES, *filter(None, named))}
    stack_file = target.config_file or folder / f"Pulumi.{target.stack}.yaml"
    paths[f"Pulumi.{target.stack}.yaml"] = stack_file
    return {
        name: backend.digest(_said(path) if path == stack_file else path.read_bytes())
        for name, path in sorted(paths.items())
        if path.is_file()
    }


def _said(stack_file: Path) -> bytes:
    """What a stack file says: the engine rewrites it when it adds the salt of a new stack."""
    content = stack_file.read_bytes()
    try:
        document = safe_yaml.load(content.decode())
    except ValueError:
        return content
    if not isinstance(document, dict):
        return content
    # The salt changes nothing but how secrets are read.
    said = {key: value for key, value in document.items() if key != "encryptionsalt"}
    return json.dumps(said, sort_keys=True).encode()


def archives(target: Target) -> dict[str, str]:
    """Digest of each chart archive that the stack uses; raises ChartError where one is missing.

    Taken of what the program is given, not of what charts.yaml says that it should be.
    """
    charts = Charts(target.project_dir)
    refs = chart_refs(target.config, charts)
    charts.link(*refs.values())
    return {
        f"{ref.name}-{ref.version}": backend.digest((target.project_dir / ref.path).read_bytes())
        for ref in refs.values()
    }


def servers(target: Target) -> dict[str, str]:
    """The servers as they are reached from here; never a credential."""
    vault = target.config.vault
    found = {"vault": vault.address + (f" namespace {vault.namespace}" if vault.namespace else "")}
    found["state"] = _without_userinfo(_backend(target))
    cluster = target.config.cluster
    if cluster is None:
        return found
    try:
        chosen = _context(target, cluster)
        authority = kubeconfig.authority_of(chosen)
    except ReadError:
        return {**found, "kubernetes": NOT_KNOWN}
    found["kubernetes"] = str(chosen.cluster.get("server") or "").rstrip("/")
    # Blanks at the ends of lines are nobody's.
    bare = "\n".join(line.strip() for line in (authority or "").split("\n") if line.strip())
    found["kubernetes authority"] = backend.digest(bare.encode()) if bare else "public"
    if chosen.cluster.get("insecure-skip-tls-verify"):
        found["kubernetes authority"] = "none, insecure-skip-tls-verify"
    for key in ("tls-server-name", "proxy-url"):
        if chosen.cluster.get(key):
            found[f"kubernetes {key}"] = _without_userinfo(str(chosen.cluster[key]))
    return found


def refuse_other_cluster(target: Target) -> None:
    """Raise RefusedError where the kubeconfig's context leads to another cluster than is meant.

    It is the one that is meant if its address is the stack file's `cluster.apiServer`, or
    `cluster.server` where we reach it by another, or if its authority is the stack file's.
    """
    cluster = target.config.cluster
    if cluster is None:
        return
    try:
        chosen = _context(target, cluster)
        if shared_targets.same_cluster(cluster, chosen):
            return
    except ReadError:
        return  # The engine says why it does not get there.
    context = f"context {cluster.context}" if cluster.context else "the current context"
    raise RefusedError(
        f"Pulumi.{target.stack}.yaml: cluster.apiServer is {cluster.api_server}, and {context} of "
        f"the kubeconfig leads to {chosen.cluster.get('server')}, with another authority: another "
        "cluster; correct the kubeconfig, or say cluster.server where that is another address of "
        "the same one"
    )


def _context(target: Target, cluster: ClusterSection) -> kubeconfig.Selected:
    return kubeconfig.find(
        cluster.kubeconfig, cluster.context, environment(target), target.project_dir
    )


def _backend(target: Target) -> str:
    """Where the state is: the variable, else the project's word, else that of `pulumi login`."""
    variables = environment(target)
    if named := variables.get("PULUMI_BACKEND_URL"):
        return named
    project = _document(_text(target.project_dir / "Pulumi.yaml"))
    section = project.get("backend")
    if isinstance(section, dict) and section.get("url"):
        return str(section["url"])
    home = Path(variables.get("PULUMI_HOME") or Path(variables.get("HOME", "/"), ".pulumi"))
    logged_in = _document(_text(home / "credentials.json"))
    return str(logged_in.get("current") or "")


def _document(text: str) -> Mapping[str, Any]:
    try:
        found = safe_yaml.load(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _without_userinfo(address: str) -> str:
    parts = urlsplit(address)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    # Keys may stand there, as for Azure's blobs; what names the place is before it.
    return urlunsplit(bare._replace(query="", fragment=""))


def _environment(target: Target) -> dict[str, str]:
    found = {}
    for name, value in sorted(environment(target).items()):
        if not _READ.fullmatch(name):
            continue
        decides = _DECIDES.fullmatch(name) and not names_a_secret(name)
        found[name] = backend.digest(value.encode()) if decides else ""
    return found


def _text(file: Path) -> str:
    try:
        return read_text(file)
    except (OSError, UnicodeDecodeError):
        return ""
