"""Good documents of every kind, to be spoilt: see `fuzz_targets`."""

from __future__ import annotations

import base64
import copy
import io
import json
import tarfile
from typing import Any

import yaml

from schema.faults import PROJECT
from tests.unit import custody
from tests.unit import test_config_effect as effect
from tests.unit.every_feature import PLANS
from tests.unit.mutations import KeyPath
from tests.unit.stack_files import REPO, certificate

OBJECT = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com", "annotations": {"a": "b"}},
    "spec": {"names": {"kind": "Thing"}, "versions": [{"name": "v1", "served": True}]},
}


def whole_stack() -> dict[str, Any]:
    """A stack file as it is used."""
    made: dict[str, Any] = yaml.safe_load((REPO / "Pulumi.production.yaml").read_text("utf-8"))
    return made


def every_section() -> dict[str, Any]:
    """A stack file with all sections that a test has an example of."""
    sections = {**custody.sections("standalone", "added"), **copy.deepcopy(PLANS)}
    sections["gatewayApi"] = {"version": "1.5.1"}
    # Its services have no policy among the samples of policies.
    sections["ingress"]["managed"] = False
    sections["egress"]["hosts"].append({"host": "traces.example.com", "port": 4317})
    return {"config": {f"{PROJECT}:{name}": value for name, value in sections.items()}}


def settings() -> dict[KeyPath, Any]:
    """A good value for every key there is, by its path."""
    made: dict[KeyPath, Any] = {}
    for key, value in effect.CHANGES.items():
        first, *rest = [int(part) if part.isdigit() else part for part in key.split(".")]
        made[("config", f"{PROJECT}:{first}", *rest)] = value
    return made


def archive() -> bytes:
    """A chart with one CRD."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in (
            ("mesh/Chart.yaml", b"apiVersion: v2\nname: mesh\nversion: 1.2.3\n"),
            ("mesh/values.yaml", b"a: 1\n"),
            ("mesh/templates/crds/a.yaml", b"kind: CustomResourceDefinition\n"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfigs() -> tuple[dict[str, Any], dict[str, Any]]:
    """One with a token, and one whose user is a program."""
    made = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": "https://127.0.0.1:1",
                    "certificate-authority-data": _encoded(certificate()),
                    "tls-server-name": "api.example.com",
                    "proxy-url": "http://127.0.0.1:1",
                    "extensions": [{"name": "x", "extension": {"a": "b"}}],
                },
            }
        ],
        "users": [
            {
                "name": "u",
                "user": {
                    "token": "t",
                    "as": "auditor",
                    "as-uid": "7",
                    "as-groups": ["g"],
                    "as-user-extra": {"scope": ["a"]},
                },
            }
        ],
    }
    program = json.loads(json.dumps(made))
    program["users"] = [
        {"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
                                        "interactiveMode": "Never", "command": "none",
                                        "args": ["a"], "installHint": "x",
                                        "env": [{"name": "A", "value": "b"}],
                                        "provideClusterInfo": True}}}
    ]  # fmt: skip
    return made, program
