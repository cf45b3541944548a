"""Namespaces that an update would make because they are not there.

Server-side apply makes what it does not find, so a patch of a misspelt name leaves an empty
namespace, which nobody owns and no wave takes away again. To take our keys off is a patch, too.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.changes.model import Change, ChangeSet, Op, Violation
from bot.clients.connect import cluster
from bot.clients.kubernetes import list_objects
from bot.clients.target import Target
from bot.exit_codes import BotError
from bot.mesh.rollout import reader
from components.rollout import plan as rollout
from components.rollout.section import Wave

PATCH = "NamespacePatch"
POLICY = "rollout-namespaces-exist"
_NEW = (Op.CREATE, Op.REPLACE)
_FIXES = {
    True: "make it first, or take it out of the wave",
    False: "run this with --refresh, which sees that it is gone",
}


def judged(target: Target, changes: ChangeSet) -> ChangeSet:
    """The changes with a violation for each patch of a namespace that the cluster does not have.

    A warning where the cluster does not tell, which is no reason to stop: the engine asks it next.
    """
    patches = [each for each in changes.changes if each.kind == PATCH]
    if not patches:
        return changes
    try:
        with cluster(target) as api:
            there = {each["metadata"]["name"] for each in list_objects(api, reader.NAMESPACES)}
    except BotError as error:
        told = f"namespaces of the rollout not looked for: {error}"
        return changes.model_copy(update={"warnings": (*changes.warnings, told)})
    waves = rollout.waves_by_namespace(target.config)
    found = [_violation(each, waves) for each in patches if each.object_name not in there]
    return changes.model_copy(update={"violations": (*changes.violations, *found)})


def _violation(patch: Change, waves: Mapping[str, Wave]) -> Violation:
    name = patch.object_name
    of = f" of wave {waves[name].name}" if name in waves else ""
    fix = _FIXES[patch.op in _NEW]
    return Violation(
        policy=POLICY,
        level="mandatory",
        urn=patch.urn,
        message=f"namespace {name}{of} is not in the cluster, and the update would make an empty "
        f"one: {fix}",
    )
