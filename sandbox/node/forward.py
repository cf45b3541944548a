"""Carry bytes between network namespaces: a socket made in one, a connection made in another."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

Dial = Callable[[socket.socket], socket.socket]


def serve(listener: socket.socket, dial: Dial) -> None:
    """Pass each connection on to what `dial` makes for it, until the listener is closed.

    What `dial` raises as OSError ends that connection alone.
    """
    threading.Thread(target=_accept, args=(listener, dial), daemon=True).start()


def _accept(listener: socket.socket, dial: Dial) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_pass_on, args=(client, dial), daemon=True).start()


def _pass_on(client: socket.socket, dial: Dial) -> None:
    with client:
        try:
            server = dial(client)
        except OSError:
            return
        with server:
            carry(client, server)


def carry(client: socket.socket, server: socket.socket) -> None:
    """Carry bytes both ways until both sides have ended, however long they say nothing."""
    client.settimeout(None)
    server.settimeout(None)
    back = threading.Thread(target=_pump, args=(server, client), daemon=True)
    back.start()
    _pump(client, server)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        # The other direction may still have something to say.
        target.shutdown(socket.SHUT_WR)


def line(client: socket.socket, most: int = 256) -> str:
    """One line from a connection, byte for byte; raises OSError for one that does not end."""
    read = b""
    while not read.endswith(b"\n"):
        byte = client.recv(1)
        if not byte or len(read) > most:
            raise OSError("no line")
        read += byte
    return read.decode("ascii", errors="replace").strip()
