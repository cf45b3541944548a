"""Namespaces that an update would make because they are not there.

Server-side apply makes what it does not find, so a patch of a misspelt name leaves an empty
namespace, which nobody owns and no wave takes away again. To take our keys off is a patch, too.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from bot.changes.model import ChangeSet, Op
from bot.engine_target import Target
from bot.exit_codes import BotError, RefusedError
from bot.rollout import reader
from bot.trust_servers import cluster
from stack import rollout

PATCH = "NamespacePatch"
_NEW = (Op.CREATE, Op.REPLACE)
_FIXES = {
    True: "make it first, or take it out of the wave",
    False: "run this with --refresh, which sees that it is gone",
}


def refuse(target: Target, changes: ChangeSet) -> list[str]:
    """Refuse changes that patch a namespace which the cluster does not have.

    Returns a line where the cluster does not tell, which is no reason to stop: the engine asks it
    next. Raises RefusedError with a line per namespace.
    """
    patches = {each.object_name: each.op for each in changes.changes if each.kind == PATCH}
    if not patches:
        return []
    try:
        with cluster(target) as api:
            there = {each["metadata"]["name"] for each in reader.items(api, reader.NAMESPACES)}
    except BotError as error:
        return [f"namespaces of the rollout not looked for: {error}"]
    waves = rollout.waves_by_namespace(target.config)
    lines = [
        f"namespace {name} of wave {waves[name].name if name in waves else '-'} is not in the "
        f"cluster, and the update would make an empty one: {_FIXES[patches[name] in _NEW]}"
        for name in sorted(patches.keys() - there)
    ]
    if lines:
        raise RefusedError("\n".join(lines))
    return []
