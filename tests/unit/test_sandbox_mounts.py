"""The mounts of a process pod are its own: nothing of this machine is changed for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.node import spec
from sandbox.node.spec import Mount
from tests.programs import ran


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts are made as root")
@pytest.mark.parametrize("path", ["/certs", "/var/lib/nobody/has/this"])
def test_a_volume_outside_of_run_is_in_a_root_of_the_containers_own(
    path: str, tmp_path: Path
) -> None:
    """Envoy reads /certs and /sds: made on this machine itself, one pod's would be every pod's."""
    volume, programs = tmp_path / "volumes" / "v", tmp_path / "lib"
    (programs / "linkerd").mkdir(parents=True)
    volume.mkdir(parents=True)
    (volume / "file").write_text("of the pod")
    seen = tmp_path / "seen"
    seen.write_text("another")
    (tmp_path / "resolv.conf").touch()
    mounted = "/var/run/secrets/kubernetes.io"
    text = f"cat {path}/file {mounted}/file /etc/hostname; touch {path}-mine; id -u"
    line = spec.script(
        ["sh", "-c", text],
        [Mount("v", path), Mount("v", mounted)],
        (0, 0),
        tmp_path,
        programs,
        {"/etc/hostname": seen},
    )
    done = ran(["unshare", "--mount", "--propagation", "private", *line])
    assert (done.stdout, done.stderr) == ("of the podof the podanother0\n", "")
    assert not Path(f"{path}-mine").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts are made as root")
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="this machine has no shared memory")  # noqa: S108
def test_shared_memory_is_the_containers_own(tmp_path: Path) -> None:
    """Envoy ends at once beside what an Envoy of another user has left there, with every pod."""
    programs, name = tmp_path / "lib", f"of-a-test-{os.getpid()}"
    (programs / "linkerd").mkdir(parents=True)
    (tmp_path / "resolv.conf").touch()
    left = Path("/dev/shm") / name  # noqa: S108
    left.touch()
    try:
        text = f"ls /dev/shm; echo mine > /dev/shm/{name} && cat /dev/shm/{name}"
        line = spec.script(["sh", "-c", text], [], (65532, 65532), tmp_path, programs)
        done = ran(["unshare", "--mount", "--propagation", "private", *line])
        assert (done.stdout, done.stderr) == ("mine\n", "")
        assert left.read_text() == ""
    finally:
        left.unlink()
