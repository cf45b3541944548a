"""`python -m bot trust destroy-key`: the end of a retired generation's key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from bot.clients import vault as vault_client
from bot.clients.https import Client
from bot.clients.target import Target
from bot.exit_codes import BadInputError, BotError, RefusedError
from bot.mesh.trust.chain import anchor_of, fingerprint, pem
from bot.mesh.trust.fleet import Gathered, target_of
from bot.mesh.trust.key_secrets import delete, still_brought
from bot.mesh.trust.model import Kept, TrustState
from components.names import anchor_key_path
from components.trust import Generation
from stack.config import StackConfig


def run(target: Target, name: str, gathered: Gathered) -> list[str]:
    """Destroy the key, and say what was done.

    Raises BadInputError (no such generation here), RefusedError with every reason, and Unreadable.
    """
    generation = generation_of(target, name)
    if reasons := refusals(name, gathered):
        raise RefusedError("\n".join(f"{name}: {reason}" for reason in reasons))
    if generation.custody == "vault":
        with vault_client.connected(target) as client:
            return _in_pki(client, target.config, name)
    clusters = [_member(stack, target) for stack in gathered.seen]
    if brought := [line for each in clusters for line in still_brought(each, name)]:
        raise RefusedError("\n".join(f"{name}: {line}" for line in brought))
    with vault_client.connected(target) as client:
        told = _in_kv(client, target.config, name)
        anchor = vault_client.published(client, target.config, name)
    for each in clusters:
        own = each.stack == target.stack
        told += [f"{name}: {line}" for line in delete(each, generation, anchor, made_here=own)]
    return told


def _member(stack: str, target: Target) -> Target:
    return target if stack == target.stack else target_of(stack, target.project_dir)


def generation_of(target: Target, name: str) -> Generation:
    """The generation in the stack file, which must be the owner's; raises BadInputError."""
    file = f"Pulumi.{target.stack}.yaml"
    if not target.config.owns_anchor:
        raise BadInputError(
            f"{file}: role: {target.config.role!r} keeps no key: name the owner's stack"
        )
    for generation in target.config.trust.generations:
        if generation.name == name:
            return generation
    known = ", ".join(each.name for each in target.config.trust.generations)
    raise BadInputError(f"{file}: trust.generations: lists no {name}; there are: {known}")


def refusals(name: str, gathered: Gathered) -> list[str]:
    """Why the key must stay: who trusts the generation, signs with it, or cannot be asked."""
    found = _in_files(name, gathered.configs)
    found += [f"{place} could not be read: {why}" for place, why in gathered.unread.items()]
    kept = next((each for each in gathered.kept if each.generation == name), None)
    for stack, seen in gathered.seen.items():
        found += [f"{stack}: {text}" for text in _in_cluster(name, seen, kept)]
    return found


def _in_files(name: str, configs: Mapping[str, StackConfig]) -> list[str]:
    found = []
    for stack, config in configs.items():
        if config.trust.signing == name:
            found.append(f"Pulumi.{stack}.yaml signs with it")
        elif any(each.name == name for each in config.trust.trusted):
            found.append(f"Pulumi.{stack}.yaml trusts it: write `retired: true` and deploy")
    return found


def _in_cluster(name: str, seen: TrustState, kept: Kept | None) -> list[str]:
    """What is seen counts for more than the file: it may not have been deployed yet."""
    anchor = seen.anchors.get(name)
    if anchor is None and kept is not None:
        anchor = kept.published or kept.made
    if anchor is None:
        return ["which certificate it has is not known: nothing can be ruled out"]
    found = []
    held = seen.bundle.certificates if seen.bundle else []
    if any(fingerprint(each) == fingerprint(anchor) for each in held):
        found.append("the bundle has it: deploy the retirement first")
    if anchor_of(seen.issuer, [anchor], seen.now):
        found.append("the identity issuer is signed by it")
    return found


def _in_pki(client: Client, config: StackConfig, name: str) -> list[str]:
    """Delete issuer and key, then give the issuer its certificate back, without the key.

    Vault deletes no key that an issuer has; and an issuer that is gone would be made anew, as
    another root under the same name, by the next update that refreshes.
    Follows https://developer.hashicorp.com/vault/api-docs/secret/pki#delete-key
    """
    mount = config.vault.pki_mount
    certificate = vault_client.issuer(client, config, name)
    certificate = certificate or vault_client.published(client, config, name)
    if certificate is None:
        raise BotError(f"{name}: neither {mount} nor KV has its certificate: nothing was changed")
    key = vault_client.key_id(client, config, name)
    keys = {key} if key else set()
    keys |= _keys_named(client, mount, name)
    if key:
        answer = client.request("DELETE", f"/v1/{mount}/issuer/{name}")
        vault_client.checked(client, answer, f"{mount}/issuer/{name}")
    for each in sorted(keys):
        answer = client.request("DELETE", f"/v1/{mount}/key/{each}")
        vault_client.checked(client, answer, f"{mount}/key")
    if key or key is None:
        vault_client.import_bundle(client, mount, name, pem(certificate))
    if vault_client.key_id(client, config, name) != "":
        raise BotError(f"{name}: {mount} does not show the issuer without a key: look at it there")
    if not keys:
        return [f"{name}: {mount} has no key of it; nothing was changed"]
    return [f"{name}: its key in {mount} is destroyed; nothing can be signed with it any more"]


def _keys_named(client: Client, mount: str, name: str) -> set[str]:
    """Keys called after the generation: those that a run left behind which was killed half-way."""
    answer = client.request("LIST", f"/v1/{mount}/keys")
    if answer.status == vault_client.NOT_FOUND:
        return set()
    listed = vault_client.checked(client, answer, f"{mount}/keys")["data"]["key_info"]
    ours = re.compile(rf"{re.escape(name)}-[a-z0-9]{{8}}")
    return {each for each, info in listed.items() if ours.fullmatch(info.get("key_name") or "")}


def _in_kv(client: Client, config: StackConfig, name: str) -> list[str]:
    """Put a mark in the key's place, then destroy every version that held the key.

    The entry is not deleted: a PushSecret writes one that is not there (`IfNotExists`). A retired
    generation has none any more, but an owner that has not been brought up since still runs one.
    Follows https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#destroy-secret-versions
    """
    mount, path = config.vault.kv_mount, anchor_key_path(name)
    answer = client.request("GET", f"/v1/{mount}/metadata/{path}")
    if answer.status == vault_client.NOT_FOUND:
        return [f"{name}: {mount}/{path} is not there; nothing was changed"]
    known = vault_client.checked(client, answer, f"{mount}/metadata/{path}")["data"]
    marked = vault_client.kv_data(client, config, path) or {}
    if vault_client.DESTROYED not in marked:
        mark = {vault_client.DESTROYED: datetime.now(UTC).isoformat(timespec="seconds")}
        body = {"options": {"cas": known["current_version"]}, "data": mark}
        answer = client.request("POST", f"/v1/{mount}/data/{path}", body)
        vault_client.checked(client, answer, f"{mount}/{path}")
    answer = client.request("GET", f"/v1/{mount}/metadata/{path}")
    known = vault_client.checked(client, answer, f"{mount}/metadata/{path}")["data"]
    current = str(known["current_version"])
    old = [
        int(number)
        for number, version in known["versions"].items()
        if number != current and not version["destroyed"]
    ]
    if not old:
        return [f"{name}: the key at {mount}/{path} is destroyed already; nothing was changed"]
    answer = client.request("PUT", f"/v1/{mount}/destroy/{path}", {"versions": old})
    vault_client.checked(client, answer, f"{mount}/destroy/{path}")
    return [f"{name}: the key at {mount}/{path} is destroyed in {len(old)} version(s)"]
