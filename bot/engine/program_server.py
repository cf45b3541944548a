"""Serves the program of another folder to the engine, by the Automation API's own server.

Started by bot/engine/program.py in that folder with its virtualenv: nothing of the bot is imported.
Prints its address, and ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
import pulumi
from pulumi.automation._server import LanguageServer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2_grpc


def main() -> None:
    """Serve the program that the first argument names, until nobody wants it any more."""
    file = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(file.parent))

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(
        LanguageServer(lambda: evaluated(file)), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = os.fdopen(os.dup(1), "w")
    # Whatever the program prints is no address, and nobody reads it.
    os.dup2(2, 1)
    address.write(f"127.0.0.1:{port}\n")
    address.flush()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    server.wait_for_termination()


def evaluated(file: Path) -> None:
    """Run the program as the language host does; raises RunError with what it wrote at its end."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            runpy.run_path(str(file), run_name="__main__")
    except SystemExit as error:
        if error.code:
            raise pulumi.RunError(said.getvalue().strip() or f"exit code {error.code}") from None


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
