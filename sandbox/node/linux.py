"""What the kernel gives to a node: network namespaces without names, and one of processes.

A network namespace lives as long as an open file of it or a process in it. The processes of all
pods are in one PID namespace whose first process reads a pipe of ours: when this process ends, by
whatever signal, that one reads the end of the pipe, and the kernel kills all the others.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TypeVar

T = TypeVar("T")
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of linux/sched.h; Python has it from 3.12 on.
_LIBC = ctypes.CDLL(None, use_errno=True)
_SECONDS = 20
# Root of a user namespace, with the ids that /etc/subuid gives to the user: pods have several.
_AS_ROOT = ("unshare", "--user", "--map-root-user", "--map-auto", "--")


class NodeError(Exception):
    """A namespace, a device or a process could not be made; the text has what the system said."""


def as_root() -> tuple[str, ...] | None:
    """What makes a user root of namespaces, in front of a command; None where nothing does.

    util-linux 2.38 and newuidmap (Debian: uidmap), a range of ids in /etc/subuid and /etc/subgid,
    and a kernel that lets users make namespaces: some distributions forbid it.
    """
    probe = [*_AS_ROOT, "unshare", "--net", "ip", "link", "set", "lo", "up"]
    try:
        done = subprocess.run(probe, capture_output=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _AS_ROOT if done.returncode == 0 else None


class NodeNetwork:
    """A network namespace; it ends with `close` and the last process in it."""

    def __init__(self) -> None:
        def make() -> int:
            _check(_LIBC.unshare(_NEW_NETWORK), "a network namespace")
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        # Threads that have left this process's namespace end at once: none has to come back.
        self.fd = _in_thread(make)
        self.ip("link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """Where other processes find it."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def inside(self, work: Callable[[], T]) -> T:
        """Do something in the namespace: a socket that is made there stays there."""

        def entered() -> T:
            _check(_LIBC.setns(self.fd, _NEW_NETWORK), "entering a network namespace")
            return work()

        return _in_thread(entered)

    def ip(self, *arguments: str) -> None:
        """Run `ip` in it; raises NodeError."""
        command = ["nsenter", f"--net={self.path}", "ip", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        if done.returncode:
            raise NodeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

    def attach(
        self, other: NodeNetwork, device: str, bridge: str, address: str, gateway: str
    ) -> None:
        """Connect another namespace to a bridge of this one; there the device is called eth0."""
        self.ip(*f"link add {device} type veth peer name eth0 netns {other.path}".split())
        self.ip(*f"link set {device} master {bridge} up".split())
        other.ip(*f"addr add {address} dev eth0".split())
        other.ip("link", "set", "eth0", "up")
        other.ip("route", "add", "default", "via", gateway)

    def listen(self, host: str, port: int) -> socket.socket:
        """A listening TCP socket in it."""

        def make() -> socket.socket:
            made = socket.socket()
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, port))
            made.listen(128)
            return made

        return self.inside(make)

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """A TCP connection that is made in it; raises OSError."""
        made = self.inside(socket.socket)
        try:
            made.settimeout(seconds)
            made.connect((host, port))
        except OSError:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Let go of it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Processes:
    """A PID namespace: all that is started in it ends with it, and it ends with this process."""

    def __init__(self) -> None:
        command = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "echo; exec cat"]
        self._first = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._first.stdout  # noqa: S101
        assert self._first.stderr  # noqa: S101
        if not self._first.stdout.readline():
            raise NodeError(f"a PID namespace: {self._first.stderr.read().decode().strip()}")
        path = f"/proc/{self._first.pid}/ns/pid_for_children"
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def start(
        self,
        network: NodeNetwork,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: IO[bytes] | int,
        *,
        stdin: int = subprocess.DEVNULL,
        errors: int = subprocess.STDOUT,
    ) -> subprocess.Popen[bytes]:
        """Start a process in it, with a network and with mounts of its own."""
        # Of nsenter the process group is signalled, which the program is in.
        enter = ["nsenter", f"--net={network.path}", f"--pid=/proc/{os.getpid()}/fd/{self._fd}"]
        return subprocess.Popen(
            [*enter, "unshare", "--mount", "--propagation", "private", *command],
            stdin=stdin,
            stdout=output,
            stderr=errors,
            env=dict(environment),
            start_new_session=True,
        )

    def close(self) -> None:
        """End whatever runs in it."""
        for stream in (self._first.stdin, self._first.stdout, self._first.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        self._first.wait(_SECONDS)
        os.close(self._fd)


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal a process of `Processes.start` and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise NodeError(f"{what}: {os.strerror(number)}")
