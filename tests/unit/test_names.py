"""The names that components agree on are names that Kubernetes and Vault take."""

from __future__ import annotations

from components import names
from schema.values import kubernetes_name, mount_path


def test_every_name_is_one_that_kubernetes_takes() -> None:
    """A constant is never checked by the config."""
    constants = {k: v for k, v in vars(names).items() if k.isupper() and k != "CONTROL_PLANE_LABEL"}
    assert len(constants) >= 9
    for value in constants.values():
        assert kubernetes_name(value) == value


def test_what_linkerd_looks_up_has_linkerds_names() -> None:
    """Its charts and its command line have them fixed."""
    assert names.TRUST_ROOTS_CONFIG_MAP == "linkerd-identity-trust-roots"
    assert names.IDENTITY_ISSUER == "linkerd-identity-issuer"


def test_each_generation_has_paths_and_policies_of_its_own() -> None:
    """One generation's policy must never sign with another one's key."""
    made = {f(g) for f in (names.signing_policy, names.anchor_path) for g in ("a", "b")}
    assert len(made) == 4
    assert all(mount_path(name) for name in made)
