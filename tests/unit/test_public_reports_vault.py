"""Vault that is not ours alone, as people reported it: what others have there is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, Op
from bot.clients import environment
from bot.clients.https import Answer, Client
from bot.clients.target import Target
from bot.deploy import audience, others_in_vault, trust_mounts
from bot.exit_codes import RefusedError
from components import external_secrets, identity_issuer
from components.names import policy_names
from components.trust_anchor import TrustAnchor
from components.vault import store
from components.vault_auth import VaultAuth
from schema.errors import InputError
from schema.faults import ConfigError
from stack.fleet_differences import differences
from stack.providers import refuse_namespace, vault_provider
from tests.recorder import record
from tests.unit import stack_files
from tests.unit.context import Context
from tests.unit.samples import chart, made

OF_OTHERS: dict[stack_files.KeyPath, Any] = {
    ("vault", "createAuthMount"): False,
    ("vault", "authMount"): "kubernetes",
}


def config(folder: Path, changes: Mapping[stack_files.KeyPath, Any], role: str = "cluster") -> Any:
    return stack_files.load(folder, stack_files.spoilt(dict(changes), role))


def faults(folder: Path, changes: Mapping[stack_files.KeyPath, Any]) -> str:
    """What is said of a stack file; empty where it is good."""
    try:
        config(folder, changes)
    except ConfigError as error:
        return str(error)
    return ""


# -- names


def test_public_reports_a_mount_of_others_keeps_its_config_and_gets_roles_of_ours() -> None:
    """terraform-provider-vault#991: the platform team's applications could log in no more."""
    recording = made(VaultAuth, create_auth_mount=False, auth_mount="kubernetes")
    assert recording.of_kind(":AuthBackendConfig") == recording.of_kind(":AuthBackend") == []
    names = {r.inputs["roleName"] for r in recording.of_kind(":AuthBackendRole")}
    assert names == {"external-secrets.test", "linkerd-identity-issuer.test"}
    own = {r.inputs["roleName"] for r in made(VaultAuth).of_kind(":AuthBackendRole")}
    assert own == {"external-secrets", "linkerd-identity-issuer"}


def test_public_reports_who_logs_in_names_the_same_role(tmp_path: Path) -> None:
    """A store that asks for `external-secrets` would get somebody else's rights, or none."""
    read = config(tmp_path, OF_OTHERS)
    name = read.cluster.name
    issuer = identity_issuer.arguments(read, read.cluster)
    assert issuer.role == f"linkerd-identity-issuer.{name}"
    names = ("external-secrets", "external-secrets-crds")
    charts = {each: chart(each) for each in names}
    operator = external_secrets.arguments(read, read.cluster, charts, ())
    assert operator.role == f"external-secrets.{name}"


def _policies(colour: str) -> dict[str, str]:
    mounts: dict[str, Any] = {"kv_mount": f"{colour}/kv", "pki_mount": f"{colour}/pki"}
    owner, cluster = made(TrustAnchor, **mounts), made(VaultAuth, **mounts)
    found = [*owner.of_kind(":Policy"), *cluster.of_kind(":Policy")]
    return {each.inputs["name"]: each.inputs["policy"] for each in found}


def test_public_reports_two_fleets_in_one_vault_share_no_policy() -> None:
    """terraform-provider-vault#2511: the second fleet's owner took the first one's rights away."""
    blue, green = _policies("blue"), _policies("green")
    assert len(blue) == len(green) == 4
    assert not blue.keys() & green.keys()
    assert "linkerd-sign-anchor-1.blue.pki" in blue
    assert "linkerd-read-anchors.blue.kv" in blue
    assert "linkerd-read-test.blue.kv" in blue


@pytest.mark.parametrize("style", ["mount", "short", "both"])
def test_public_reports_a_role_has_policies_that_the_owner_makes(style: Any) -> None:
    """They are made by two stacks, which must agree on the names."""
    mounts = {"kv_mount": "blue/kv", "pki_mount": "blue/pki", "policy_names": style}
    owner = {p.inputs["name"] for p in made(TrustAnchor, **mounts).of_kind(":Policy")}
    cluster = made(VaultAuth, **mounts)
    own = {p.inputs["name"] for p in cluster.of_kind(":Policy")}
    for role in cluster.of_kind(":AuthBackendRole"):
        assert set(role.inputs["tokenPolicies"]) <= owner | own
    assert ("linkerd-read-anchors" in owner) is (style != "mount")
    assert ("linkerd-read-anchors.blue.kv" in owner) is (style != "short")


def test_public_reports_deployments_of_today_keep_their_names() -> None:
    """A policy that is renamed is deleted first: every cluster would be without rights."""
    before = {"": "linkerd-read-anchors"}
    assert policy_names("linkerd-read-anchors", "linkerd/kv") == before
    assert policy_names("linkerd-read-anchors", "blue/kv", "short") == before
    both = policy_names("linkerd-read-anchors", "blue/kv", "both")
    # The one of today is the resource of today.
    assert both == {**before, "-of-mount": "linkerd-read-anchors.blue.kv"}


def test_public_reports_names_that_vault_makes_one_are_told_apart() -> None:
    """Vault turns names of policies into small letters, and mounts keep theirs."""
    mounts = ("blue/kv", "Blue/kv", "blue-kv", "blue_kv", "blue/KV", "a/linkerd/kv")
    names = {policy_names("p", mount)["-of-mount"] for mount in mounts}
    assert len(names) == len(mounts)
    assert {name.lower() for name in names} == names


def test_public_reports_two_clusters_at_one_auth_mount_are_refused(tmp_path: Path) -> None:
    """Vault reviews the tokens of a mount in one cluster: the other's could not log in."""
    one = config(tmp_path, {("cluster", "name"): "one"})
    two = config(tmp_path, {("cluster", "name"): "two"})
    assert differences({"one": one, "two": two}) == []
    shared = config(tmp_path, {("vault", "authMount"): one.vault.auth_mount_of(one.cluster)})
    (told,) = differences({"one": one, "two": shared})
    assert told.unsafe
    assert "one auth mount, kubernetes/one" in told.message


# -- namespaces


@pytest.mark.parametrize(
    ("keys", "variable", "refused"),
    [
        ({}, "admin", True),
        ({}, "admin/", True),
        ({}, "", False),
        ({"namespace": "admin"}, "admin", False),
        ({"namespace": "admin"}, "other", False),
        ({"namespace": "admin/mesh", "authNamespace": "root"}, "admin", True),
    ],
)
def test_public_reports_the_namespace_of_the_shell_never_decides(
    tmp_path: Path, keys: Mapping[str, str], variable: str, refused: bool
) -> None:
    """terraform-provider-vault#1056: all was made where neither bot nor operators look."""
    read = config(tmp_path, {("vault", key): value for key, value in keys.items()})
    brought = {"VAULT_NAMESPACE": variable} if variable else {}
    if refused:
        with pytest.raises(InputError, match="VAULT_NAMESPACE is 'admin'"):
            refuse_namespace(read.vault, brought)
    else:
        refuse_namespace(read.vault, brought)
    found = environment.of({}, brought)
    assert "VAULT_NAMESPACE" not in found.values
    assert found.dropped == tuple(brought)


def test_public_reports_nor_does_the_namespace_of_a_token(tmp_path: Path) -> None:
    """By default Vault's provider works in the namespace of whoever's token it is (HCP)."""
    read = config(tmp_path, {})
    recording = record(lambda: vault_provider(read.vault, tmp_path))
    (provider,) = recording.of_kind("providers:vault")
    assert str(provider.inputs["setNamespaceFromToken"]).lower() == "false"


@pytest.mark.parametrize(
    ("keys", "login", "engines"),
    [
        ({}, None, None),
        ({"namespace": "admin"}, "admin", None),
        ({"namespace": "admin/mesh", "authNamespace": "admin"}, "admin", "mesh"),
        ({"namespace": "admin/a/b", "authNamespace": "admin/"}, "admin/", "a/b"),
        ({"namespace": "admin/mesh", "authNamespace": "root"}, None, "admin/mesh"),
        ({"namespace": "admin", "authNamespace": "admin"}, "admin", None),
    ],
)
def test_public_reports_login_and_engines_may_be_in_two_namespaces(
    tmp_path: Path, keys: Mapping[str, str], login: str | None, engines: str | None
) -> None:
    """external-secrets#537, cert-manager#3588: a token reaches what is below its namespace."""
    read = config(tmp_path, {("vault", key): value for key, value in keys.items()})
    assert (read.vault.login_namespace, read.vault.engines) == (login, engines)
    before = f"{engines}/" if engines else ""
    reached = store(read, read.cluster)
    assert (reached.vault_namespace, reached.kv_mount) == (login, f"{before}linkerd/kv")
    issuer = identity_issuer.vault_issuer(identity_issuer.arguments(read, read.cluster))
    assert issuer.get("namespace") == login
    assert issuer["path"].startswith(f"{before}linkerd/pki/issuer/")


def test_public_reports_policies_name_engines_from_where_clusters_log_in() -> None:
    """The mounts are made below the provider's namespace, the policies in it."""
    owner = made(TrustAnchor, engines="mesh")
    assert {m.inputs["namespace"] for m in owner.of_kind("mount:Mount")} == {"mesh"}
    assert all("namespace" not in p.inputs for p in owner.of_kind(":Policy"))
    read = owner.named("x-read-anchors-of-mount").inputs
    assert read["name"] == "linkerd-read-anchors.mesh.linkerd.kv"
    assert read["policy"].startswith('path "mesh/linkerd/kv/data/anchors/*"')
    for kind in (":SecretV2", ":SecretBackendRootCert"):
        assert {r.inputs["namespace"] for r in owner.of_kind(kind)} == {"mesh"}


@pytest.mark.parametrize("login", ["mesh", "adm", "admin/mesh/below", "other"])
def test_public_reports_a_login_beside_the_engines_is_refused(tmp_path: Path, login: str) -> None:
    """A token of a namespace beside or below reaches none of it, whatever its policies say."""
    keys: dict[stack_files.KeyPath, Any] = {
        ("vault", "namespace"): "admin/mesh",
        ("vault", "authNamespace"): login,
    }
    told = faults(tmp_path, keys)
    assert "vault.authNamespace" in told
    assert "is not above vault.namespace" in told


# -- a look before it is written


@dataclass(frozen=True)
class Looked(Client):
    """A server that has these; it answers 404 for all else, and says who asked for what."""

    base: str = "https://vault.example.com"
    ca_file: Path | None = None
    has: Mapping[str, Answer] = field(default_factory=dict)

    def request(self, method: str, path: str, *_: object, **__: object) -> Answer:
        assert method == "GET" or path == audience.TOKEN
        return self.has.get(path.removeprefix("/v1/"), Answer(404, {"errors": []}))


def there(**data: Any) -> Answer:
    return Answer(200, {"data": data})


POLICY = "vault:index/policy:Policy"
ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"
MOUNT = "vault:index/mount:Mount"
AUTH = "vault:index/authBackend:AuthBackend"
KEY = "vault:transit/secretBackendKey:SecretBackendKey"
ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
ENTRY = "vault:kv/secretV2:SecretV2"
RIGHTS: dict[str, Any] = {"name": "linkerd-read-anchors", "policy": "path a\n"}
LOGIN: dict[str, Any] = {
    "backend": "kubernetes",
    "roleName": "external-secrets",
    "boundServiceAccountNames": ["a"],
    "boundServiceAccountNamespaces": ["n"],
    "tokenPolicies": [],
    "audience": "vault",
}
SAME: dict[str, Any] = {
    "bound_service_account_names": ["a"],
    "bound_service_account_namespaces": ["n"],
    "token_policies": [],
    "audience": "vault",
}
AT_ROLE = "auth/kubernetes/role/external-secrets"
AT_POLICY = "sys/policies/acl/linkerd-read-anchors"


def change(type_: str, op: Op = Op.CREATE, **inputs: Any) -> Change:
    goes = op is Op.DELETE
    return Change(
        urn=f"urn:{type_}",
        type=type_,
        name="x",
        component="",
        op=op,
        before=inputs if goes else None,
        after=None if goes else inputs,
    )


def said(
    context: Context,
    folder: Path,
    has: Mapping[str, Answer],
    *changes: Change,
    keys: Mapping[stack_files.KeyPath, Any] | None = None,
    pending: bool = False,
) -> list[str]:
    context.vault(Looked(has=has))
    target = Target("test", folder, config(folder, keys or {}), None, {})
    whole = ChangeSet(stack="test", source="preview", changes=changes)
    judged = others_in_vault.judged(target, whole, pending=pending)
    assert all(each.level == "mandatory" for each in judged.violations)
    assert judged.warnings == ()
    return [each.message for each in judged.violations]


@pytest.mark.parametrize(
    ("has", "made_here", "why"),
    [
        ({AT_POLICY: there(policy="path b")}, change(POLICY, **RIGHTS), "gives other rights"),
        (
            {AT_ROLE: there(**{**SAME, "bound_service_account_names": ["apps"]})},
            change(ROLE, **LOGIN),
            "for other accounts",
        ),
        (
            {AT_ROLE: there(**{**SAME, "token_policies": ["apps"]})},
            change(ROLE, **LOGIN),
            "for other accounts or policies",
        ),
        (
            {"sys/mounts/linkerd/kv": there(type="kv", description="ours")},
            change(MOUNT, path="linkerd/kv", type="kv"),
            "set vault.createKvMount: false",
        ),
        (
            {"sys/mounts/linkerd/pki": there(type="pki")},
            change(MOUNT, path="linkerd/pki", type="pki"),
            "is mounted already (type pki), and not by this stack: take another path",
        ),
        (
            {"sys/auth/kubernetes/a": there(type="kubernetes")},
            change(AUTH, path="kubernetes/a"),
            "two clusters cannot share it",
        ),
        (
            {"sys/auth": there(**{"token/": {}, "kubernetes/": {"type": "kubernetes"}})},
            change(AUTH, path="kubernetes/a", type="kubernetes"),
            (
                "auth/kubernetes is mounted, and Vault mounts nothing above or below it, so not "
                "auth/kubernetes/a: set vault.authMount to a path beside it, such as kubernetes-a"
            ),
        ),
        (
            # Asked for the path below it, Vault answers with the mount.
            {
                "sys/mounts": there(**{"linkerd/": {"type": "kv"}}),
                "sys/mounts/linkerd/kv": there(type="kv"),
            },
            change(MOUNT, path="linkerd/kv", type="kv"),
            (
                "linkerd is mounted, and Vault mounts nothing above or below it, so not "
                "linkerd/kv: set vault.kvMount to a path beside it"
            ),
        ),
        (
            {"sys/mounts": there(**{"linkerd/pki/eu/": {"type": "pki"}})},
            change(MOUNT, path="linkerd/pki", type="pki"),
            "set vault.pkiMount",
        ),
        (
            {"linkerd/transit/keys/approvals": there(type="ecdsa-p256")},
            change(KEY, backend="linkerd/transit", name="approvals"),
            "whoever may use it could sign approvals",
        ),
        (
            {"linkerd/pki/issuer/a/json": there(certificate="x")},
            change(ROOT, backend="linkerd/pki", issuerName="a"),
            "has an issuer a already",
        ),
        (
            {"linkerd/kv/data/anchors/a": there(data={"certificate": "x"})},
            change(ENTRY, mount="linkerd/kv", name="anchors/a"),
            "clusters may trust it",
        ),
        ({AT_POLICY: Answer(403)}, change(POLICY, **RIGHTS), "this token may not look"),
        (
            {AT_POLICY: there(policy="path b")},
            change(POLICY, Op.DELETE, **RIGHTS),
            "would be deleted",
        ),
    ],
)
def test_public_reports_what_others_have_is_refused_by_its_content(
    tmp_path: Path, context: Context, has: Mapping[str, Answer], made_here: Change, why: str
) -> None:
    """Vault overwrites without a word: whoever is overwritten finds out in an outage."""
    (told,) = said(context, tmp_path, has, made_here)
    assert why in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("has", "made_here"),
    [
        ({}, change(POLICY, **RIGHTS)),
        ({AT_POLICY: there(policy="path a")}, change(POLICY, **RIGHTS)),
        ({AT_ROLE: there(**SAME)}, change(ROLE, **LOGIN)),
        ({AT_POLICY: there(policy="path b")}, change(POLICY, Op.UPDATE, **RIGHTS)),
        ({AT_POLICY: there(policy="path a")}, change(POLICY, Op.DELETE, **RIGHTS)),
        ({"linkerd/kv/data/anchors/a": there(data=None)}, change(ENTRY, mount="k", name="a")),
        ({}, change(ROOT, issuerName="a")),
        # Beside it, not above: `linkerd/pk` is no folder of `linkerd/pki`.
        (
            {"sys/mounts": there(**{"linkerd/pk/": {}, "linkerd/pki2/": {}, "secret/": {}})},
            change(MOUNT, path="linkerd/pki", type="pki"),
        ),
    ],
)
def test_public_reports_what_is_ours_or_new_is_made(
    tmp_path: Path, context: Context, has: Mapping[str, Answer], made_here: Change
) -> None:
    """What a killed run has made is ours, and what drifted is set right."""
    assert said(context, tmp_path, has, made_here) == []


def test_public_reports_what_a_killed_run_made_is_imported(
    tmp_path: Path, context: Context
) -> None:
    """The state knows that it was being made, and the engine goes on with it."""
    has = {"sys/mounts/linkerd/pki": there(type="pki")}
    mount = change(MOUNT, path="linkerd/pki", type="pki")
    assert len(said(context, tmp_path, has, mount)) == 1
    assert said(context, tmp_path, has, mount, pending=True) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(404), "has no config"),
        (there(kubernetes_host=""), "has no config"),
        (there(kubernetes_host="https://elsewhere:6443"), "a mount is for one cluster"),
        (there(kubernetes_host="https://API.example.com:6443/"), ""),
        (Answer(403), ""),
    ],
)
def test_public_reports_a_mount_of_others_must_be_for_this_cluster(
    tmp_path: Path, context: Context, answer: Answer, why: str
) -> None:
    """Its config is left alone, so that it has to be right already."""
    keys: dict[stack_files.KeyPath, Any] = {
        **OF_OTHERS,
        ("cluster", "apiServer"): "https://api.example.com:6443",
    }
    has = {"auth/kubernetes/config": answer}
    told = said(context, tmp_path, has, change(ROLE, **LOGIN), keys=keys)
    assert (why in told[0]) if why else told == []


def test_public_reports_a_cluster_is_not_before_its_owner(tmp_path: Path, context: Context) -> None:
    """A role with a policy that is not there gives a token that may do nothing."""
    role = change(ROLE, **{**LOGIN, "tokenPolicies": ["linkerd-read-anchors.blue.kv"]})
    (told,) = said(context, tmp_path, {}, role)
    assert "deploy the owner stack first" in told
    own = change(POLICY, name="linkerd-read-anchors.blue.kv", policy="p")
    assert said(context, tmp_path, {}, role, own) == []


def test_public_reports_an_engine_is_not_the_mount_above_it(
    tmp_path: Path, context: Context
) -> None:
    """Vault answers for `linkerd/kv` with `linkerd`, whose paths are others."""
    above = {"type": "kv", "options": {"version": "2"}}
    has = {"sys/mounts": there(**{"linkerd/": above}), "sys/mounts/linkerd/kv": there(**above)}
    keys: dict[stack_files.KeyPath, Any] = {("vault", "createKvMount"): False}
    entry = change(ENTRY, mount="linkerd/kv", name="anchors/a")
    (told,) = said(context, tmp_path, has, entry, keys=keys)
    assert "there is no engine at linkerd/kv, and linkerd is mounted" in told


def test_public_reports_policies_are_renamed_in_steps(tmp_path: Path, context: Context) -> None:
    """Clusters of other stacks log in with the one that would go."""
    new = change(POLICY, name="linkerd-read-anchors.blue.kv", policy="p")
    (told,) = said(context, tmp_path, {}, change(POLICY, Op.DELETE, **RIGHTS), new)
    assert "vault.policyNames: both" in told
    assert said(context, tmp_path, {}, change(POLICY, Op.DELETE, **RIGHTS)) == []


@pytest.mark.parametrize(
    ("mount", "others", "refused"),
    [
        ("linkerd/pki", "Corporate PKI", True),
        ("linkerd/pki", "", True),
        ("linkerd/pki", "Linkerd's trust anchors, made by linkerd-platform", False),
        ("linkerd/kv", "Applications", True),
    ],
)
def test_public_reports_an_anchor_is_not_imported_into_the_engine_of_others(
    tmp_path: Path, mount: str, others: str, refused: bool
) -> None:
    """Their roles would sign with it, and their default issuer might become ours."""
    own = there(type="kv", description="Linkerd's, made by linkerd-platform")
    has = {"sys/mounts/linkerd/kv": own, "sys/mounts/linkerd/pki": own}
    has[f"sys/mounts/{mount}"] = there(type=mount[-3:].strip("/"), description=others)
    target = Target("test", tmp_path, config(tmp_path, {}), None, {})
    generation = target.config.trust.generations[0]
    if not refused:
        assert trust_mounts.absent(Looked(has=has), target, generation) == {}
        return
    with pytest.raises(RefusedError, match=f"{mount} is mounted already"):
        trust_mounts.absent(Looked(has=has), target, generation)
