"""What a deployment would make in Vault where somebody else has something: it is left alone.

Vault overwrites a policy, a role or an entry without a word, and refuses a mount in the middle of
an update. So all that would be made is looked for first, and is judged by its content.
https://developer.hashicorp.com/vault/api-docs/system/policies
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.changes.model import Change, ChangeSet, Op, Violation
from bot.clients import vault as vault_client
from bot.clients.https import Client
from bot.clients.target import Target
from bot.deploy.shared_targets import origin
from bot.exit_codes import BotError
from bot.mesh.trust.chain import fingerprint
from components.names import READ_ANCHORS_POLICY, signing_policy

POLICY = "vault-of-others-untouched"
_NEW = (Op.CREATE, Op.REPLACE)
_GONE = (Op.DELETE, Op.REPLACE)
_ABSENT = (400, 404)
_FORBIDDEN = 403
Data = Mapping[str, Any]


@dataclass(frozen=True)
class _Look:
    """Where a resource is in Vault, and what speaks against making it, from what is there.

    login: it is in the namespace in which clusters log in, not in that of the engines. shared: the
    same content is no harm; of the others that is true where a run was killed while it made them.
    mounts: the list of those beside it, for a mount.
    """

    path: str
    wrong: Callable[[Data, Data], str]
    login: bool = False
    shared: bool = False
    mounts: str = ""

    def at(self, inputs: Data | None) -> str:
        """The path of a resource; empty where it has not said where it is."""
        try:
            return self.path.format_map(inputs or {})
        except KeyError:
            return ""


def judged(target: Target, changes: ChangeSet, *, pending: bool = False) -> ChangeSet:
    """The changes with a violation for each that would touch what is somebody else's.

    pending: the state knows of resources that a killed run was making; the engine imports them. A
    warning where Vault does not tell, which is no reason to stop: the engine asks it next.
    """
    if not any(each.type in _LOOKS for each in changes.changes):
        return changes
    try:
        with vault_client.connected(target) as client:
            found = list(_violations(client, target, changes, pending=pending))
    except BotError as error:
        told = f"what others have in Vault was not looked for: {error}"
        return changes.model_copy(update={"warnings": (*changes.warnings, told)})
    return changes.model_copy(update={"violations": (*changes.violations, *found)})


def _violations(
    client: Client, target: Target, changes: ChangeSet, *, pending: bool
) -> Iterator[Violation]:
    login = vault_client.at_login(client, target.config.vault)
    made = {
        str(change.after["name"])
        for change in changes.changes
        if change.type == _POLICY_TYPE and change.op in _NEW and change.after
    }
    for change in changes.changes:
        look = _LOOKS.get(change.type)
        if look is None:
            continue
        asked = login if look.login else client
        said = [_before_deleting(asked, look, change), _renamed(change, made)]
        if look.shared or not pending:
            said.append(_before_making(asked, look, change))
        said += _needed(client, login, target, change, made)
        for message in filter(None, said):
            yield Violation(policy=POLICY, level="mandatory", urn=change.urn, message=message)


def _before_making(client: Client, look: _Look, change: Change) -> str:
    path = look.at(change.after)
    if change.op not in _NEW or change.after is None or path in ("", look.at(change.before)):
        return ""
    if look.mounts and (other := _in_the_way(client, look.mounts, str(change.after["path"]))):
        return _beside(change.after, other)
    there = _read(client, path)
    if there is None or isinstance(there, str):
        return there or ""
    return look.wrong(change.after, there)


def _in_the_way(client: Client, mounts: str, path: str) -> str:
    """A mount above or below this path, without `auth/`; empty where the token may not list them.

    Vault takes no such mount, and answers for one path with the mount above it.
    """
    listed = _read(client, mounts)
    ours = f"{path.strip('/')}/"
    names = sorted(listed) if isinstance(listed, dict) else []
    return next(
        (n for n in names if n != ours and (n.startswith(ours) or ours.startswith(n))), ""
    ).rstrip("/")


def _before_deleting(client: Client, look: _Look, change: Change) -> str:
    """A policy or a role that says by now what somebody else has written."""
    path = look.at(change.before)
    if change.op not in _GONE or not path or change.before is None or change.retained:
        return ""
    if not look.shared:
        return ""
    there = _read(client, path)
    if isinstance(there, dict) and look.wrong(change.before, there):
        return (
            f"{path} says something else than this stack has written, and would be deleted: where "
            "it is this stack's, run this with --refresh; else `pulumi state delete` it"
        )
    return ""


def _renamed(change: Change, made: set[str]) -> str:
    """A policy by which clusters of other stacks log in goes, and one of another name comes."""
    name = str((change.before or {}).get("name", ""))
    shared = name.startswith((READ_ANCHORS_POLICY, signing_policy("")))
    if change.op is not Op.DELETE or change.type != _POLICY_TYPE or not shared:
        return ""
    other = next((each for each in made if each.startswith(f"{name}.")), None)
    if other is None:
        return ""
    return (
        f"policy {name} would go before the clusters that log in with it have {other}: set "
        "vault.policyNames: both here, then in each cluster's stack, then leave it out again; or "
        "keep the name with vault.policyNames: short"
    )


def _needed(
    client: Client, login: Client, target: Target, change: Change, made: set[str]
) -> list[str]:
    """What must be there of others, for what is made to be of use."""
    vault, inputs = target.config.vault, change.after
    if change.op is Op.DELETE or inputs is None:
        return []
    if change.type == _ENTRY_TYPE and not vault.create_kv_mount:
        return [_engine(client, vault.kv_mount, "kv", "createKvMount")]
    if change.type == _KEY_TYPE and not vault.create_transit_mount:
        return [_engine(client, vault.transit_mount, "transit", "createTransitMount")]
    if change.type != _ROLE_TYPE:
        return []
    missing = [
        f"role {inputs.get('roleName')} needs the policy {name}, which Vault has not: deploy the "
        "owner stack first, with the same mounts and vault.policyNames"
        for name in sorted({*map(str, inputs.get("tokenPolicies") or ())} - made)
        if _read(login, f"sys/policies/acl/{name}") is None
    ]
    if not vault.create_auth_mount and target.config.cluster:
        missing.append(_config(login, str(inputs["backend"]), target.config.cluster.api_server))
    return missing


def _engine(client: Client, mount: str, type_: str, key: str) -> str:
    there = _read(client, f"sys/mounts/{mount}")
    if isinstance(there, str):
        return ""  # It is read alone: what is wrong with it shows.
    if other := _in_the_way(client, "sys/mounts", mount):
        what = f"there is no engine at {mount}, and {other} is mounted"
    elif there is None or there.get("type") != type_:
        what = f"there is no engine {type_} at {mount}"
    elif type_ == "kv" and str((there.get("options") or {}).get("version", "1")) != "2":
        what = f"{mount} is KV version 1, and version 2 is needed"
    else:
        return ""
    return f"{what}: make it first, or leave out vault.{key}: false"


def _config(login: Client, mount: str, api_server: str) -> str:
    """The config of a mount of others, by which Vault has the tokens of one cluster reviewed."""
    there = _read(login, f"auth/{mount}/config")
    if isinstance(there, str):
        return ""
    host = str((there or {}).get("kubernetes_host") or "")
    if not host:
        return (
            f"auth/{mount} has no config, by which Vault would review tokens: have its owner write "
            "it, or leave out vault.createAuthMount: false"
        )
    if origin(host) != origin(api_server):
        return (
            f"auth/{mount} has tokens reviewed at {host}, and cluster.apiServer is {api_server}: a "
            "mount is for one cluster; write that address where it is this one, or set "
            "vault.authMount to this cluster's"
        )
    return ""


def _read(client: Client, path: str) -> dict[str, Any] | str | None:
    """What is at a path; None where nothing is, and a text where the token may not look."""
    answer = client.request("GET", f"/v1/{path}")
    # The PKI engine answers 500 for a name that it does not know.
    if answer.status in _ABSENT or (answer.status == 500 and "/issuer/" in path):
        return None
    if answer.status == _FORBIDDEN:
        return (
            f"this token may not look whether {path} is somebody's: give it `read` there "
            "(docs/runbooks/policies)"
        )
    return dict(vault_client.checked(client, answer, path).get("data") or {})


def _policy(inputs: Data, there: Data) -> str:
    if str(there.get("policy", "")).strip() == str(inputs.get("policy", "")).strip():
        return ""
    return (
        f"policy {inputs['name']} is in Vault already and gives other rights, so it is somebody "
        "else's: give this fleet mounts of its own (vault.pkiMount, vault.kvMount), or delete it"
    )


_SAME = {
    "boundServiceAccountNames": "bound_service_account_names",
    "boundServiceAccountNamespaces": "bound_service_account_namespaces",
    "tokenPolicies": "token_policies",
    "audience": "audience",
}


def _role(inputs: Data, there: Data) -> str:
    if all(_set(inputs.get(ours)) == _set(there.get(theirs)) for ours, theirs in _SAME.items()):
        return ""
    return (
        f"role {inputs['roleName']} of auth/{inputs['backend']} is there already, for other "
        "accounts or policies, so it is somebody else's: set vault.authMount to a mount of this "
        "cluster's own, or delete the role"
    )


def _set(value: Any) -> set[str]:
    """Vault turns names of policies into small letters, and keeps no order."""
    several = value if isinstance(value, list | tuple) else [value or ""]
    return {str(each).lower() for each in several}


def _beside(inputs: Data, other: str) -> str:
    what = str(inputs.get("type"))
    auth = what not in _MOUNT_KEYS
    key = "authMount" if auth else _MOUNT_KEYS[what]
    path, at = str(inputs["path"]), "auth/" if auth else ""
    return (
        f"{at}{other} is mounted, and Vault mounts nothing above or below it, so not {at}{path}: "
        f"set vault.{key} to a path beside it, such as {path.replace('/', '-')}"
    )


def _mount(inputs: Data, there: Data) -> str:
    keys = {"kv": "createKvMount", "transit": "createTransitMount"}
    key = keys.get(str(inputs.get("type")), "")
    return (
        f"{inputs['path']} is mounted already (type {there.get('type')}), and not by this stack: "
        f"take another path{f', or set vault.{key}: false' if key else ''}"
    )


def _auth(inputs: Data, _there: Data) -> str:
    return (
        f"auth/{inputs['path']} is mounted already, and not by this stack: two clusters cannot "
        "share it; set vault.authMount to another path, or vault.createAuthMount: false where it "
        "was made for this cluster"
    )


def _key(inputs: Data, _there: Data) -> str:
    return (
        f"the key {inputs['backend']}/{inputs['name']} is there already, and whoever may use it "
        "could sign approvals: set vault.transitMount to a mount of this fleet's own"
    )


def _root(inputs: Data, _there: Data) -> str:
    return (
        f"{inputs['backend']} has an issuer {inputs['issuerName']} already: give the generation "
        "another name, or `source: imported` where that is the anchor meant"
    )


def _entry(inputs: Data, there: Data) -> str:
    values = there.get("data")
    if not values:
        return ""
    known = vault_client.first(str(values.get("certificate", "")))
    which = f" (sha256 {fingerprint(known)[:16]})" if known else ""
    return (
        f"{inputs['mount']}/{inputs['name']} has something already{which}, and clusters may trust "
        "it: give the generation another name, or this fleet a KV mount of its own (vault.kvMount)"
    )


_POLICY_TYPE = "vault:index/policy:Policy"
_ROLE_TYPE = "vault:kubernetes/authBackendRole:AuthBackendRole"
_MOUNT_KEYS = {"kv": "kvMount", "pki": "pkiMount", "transit": "transitMount"}
_ENTRY_TYPE = "vault:kv/secretV2:SecretV2"
_KEY_TYPE = "vault:transit/secretBackendKey:SecretBackendKey"
_LOOKS: Mapping[str, _Look] = {
    _POLICY_TYPE: _Look("sys/policies/acl/{name}", _policy, login=True, shared=True),
    _ROLE_TYPE: _Look("auth/{backend}/role/{roleName}", _role, login=True, shared=True),
    "vault:index/authBackend:AuthBackend": _Look(
        "sys/auth/{path}", _auth, login=True, mounts="sys/auth"
    ),
    "vault:index/mount:Mount": _Look("sys/mounts/{path}", _mount, mounts="sys/mounts"),
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert": _Look(
        "{backend}/issuer/{issuerName}/json", _root
    ),
    _ENTRY_TYPE: _Look("{mount}/data/{name}", _entry),
    _KEY_TYPE: _Look("{backend}/keys/{name}", _key),
}
