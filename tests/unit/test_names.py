"""Names that components agree on are valid in Kubernetes and Vault; no two classes share one."""

from __future__ import annotations

import ast
from collections import defaultdict

from components import names
from schema.values import kubernetes_name, mount_path
from tests.layers import LAYERS, ROOT


def test_every_name_is_one_that_kubernetes_takes() -> None:
    """A constant is never checked by the config."""
    skipped = ("CONTROL_PLANE_LABEL", "DEFAULT_PKI_MOUNT", "DEFAULT_KV_MOUNT")
    known = {k: v for k, v in vars(names).items() if k.isupper() and k not in skipped}
    constants = {k: v for k, v in known.items() if isinstance(v, str)}
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


def _classes() -> dict[str, list[str]]:
    """Where each class is defined; a private one counts within its package."""
    found = defaultdict(list)
    for folder in sorted({layer.partition("/")[0] for layer in LAYERS}):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if ".venv" in file.parts:
                continue
            place = str(file.relative_to(ROOT))
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    private = f"{file.parent.relative_to(ROOT)}: " if node.name[0] == "_" else ""
                    found[f"{private}{node.name}"].append(place)
    return found


def test_no_two_classes_have_one_name() -> None:
    """A reader of `Seen` or `Verdict` must not have to find out first which of four it is.

    `_Config` lists the sections that one feature reads, in each of them.
    """
    assert len(_classes()) > 200
    classes = {name: files for name, files in _classes().items() if not name.endswith(" _Config")}
    twice = {name: files for name, files in classes.items() if len(files) > 1}
    assert twice == {}
