"""Which namespaces kwok leaves to a node, and that it takes them back.

    python -m sandbox.node.kubelets <state dir> <namespace>...

kwok is started again with stages that leave out the pods of some namespaces. The guard, which is
the command above, reads the end of a pipe when the process with the node has ended, however it
did, starts kwok as it was, and deletes the pods that ran there: kwok would make none of them ready.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sandbox import cluster, lifecycle, toolchain
from sandbox.node.pod import forget
from sandbox.processes import Supervisor, python_path
from sandbox.settings import Settings
from schema import safe_yaml

KWOK = "kwok"
_SECONDS = 30.0
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def stages(text: str, namespaces: Sequence[str]) -> str:
    """The stages of kwok without those namespaces' pods."""
    documents: list[Any] = list(safe_yaml.load_all(text))
    rule = {"key": ".metadata.namespace", "operator": "NotIn", "values": list(namespaces)}
    for each in documents:
        if each["spec"]["resourceRef"]["kind"] == "Pod":
            each["spec"]["selector"]["matchExpressions"].append(rule)
    return yaml.safe_dump_all(documents, sort_keys=False)


class Guard:
    """Keeps namespaces from kwok until `end`, or until this process is gone."""

    def __init__(self, settings: Settings, namespaces: Sequence[str]) -> None:
        self._settings = settings
        # First the guard: there is no moment at which nobody would give them back.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.node.kubelets", str(settings.state_dir), *namespaces],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **python_path()},
        )
        file = settings.state_dir / "kwok-stages.yaml"
        file.write_text(stages(cluster.STAGES.read_text(), namespaces))
        restart(settings, file)

    def end(self) -> None:
        """Give the namespaces back; returns when kwok runs again and their pods are deleted."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(_SECONDS)


def restart(settings: Settings, file: Path = cluster.STAGES) -> None:
    """Start kwok again, with the stages of a file."""
    supervisor = Supervisor(settings.run_dir, settings.log_dir)
    supervisor.stop(KWOK, 2)
    api = cluster.client(settings)
    for zone in cluster.ZONES:
        # Until it ends, 40 s later, nobody but the one that was stopped would manage the node.
        api.request("DELETE", f"{_LEASES}/{zone}")
    cluster.start_kwok(supervisor, settings, toolchain.ensure([KWOK], lambda _text: None), file)


def main(state_dir: Path, namespaces: Sequence[str]) -> None:
    """Wait for the end of standard input, then start kwok as it was, with pods of its own."""
    sys.stdin.read()
    settings = lifecycle.adopted(Settings(state_dir))
    # A sandbox that was stopped meanwhile stays stopped.
    if Supervisor(settings.run_dir, settings.log_dir).record(KWOK):
        restart(settings)
        api = cluster.client(settings)
        for namespace in namespaces:
            found = api.request("GET", f"/api/v1/namespaces/{namespace}/pods")
            for each in found.body["items"] if found.ok else ():
                forget(api, each)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
