"""A gRPC server that answers every method, and a client of it, as programs of a process pod.

    python grpc_shop.py                          serves on $PORT
    python grpc_shop.py call <host:port> <method> <key>...

A call whose metadata has `x-fail` gets UNAVAILABLE the first time that its `x-request-key` comes.
The client makes one call per key and prints a JSON list of what each got: the name of the service,
or the status.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

_SECONDS = 5.0


class AnyMethod(grpc.GenericRpcHandler):
    """Answers with the name of the service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: Counter[str] = Counter()

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """The handler of any method."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        sent = dict(context.invocation_metadata())
        key = sent.get("x-request-key", "")
        self.seen[key] += 1
        if "x-fail" in sent and self.seen[key] == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the first time")
        return self.name.encode()


def serve(port: int, name: str) -> None:
    """Serve until the process ends."""
    server = grpc.server(ThreadPoolExecutor(8), handlers=[AnyMethod(name)])
    server.add_insecure_port(f"0.0.0.0:{port}")
    server.start()
    server.wait_for_termination()


def call(target: str, method: str, keys: list[str], *, fail: bool = False) -> list[str]:
    """What each call got."""
    found = []
    with grpc.insecure_channel(target) as channel:
        ask: Any = channel.unary_unary(method)
        for key in keys:
            metadata = [("x-request-key", key), *([("x-fail", "1")] if fail else [])]
            try:
                found.append(ask(b"", timeout=_SECONDS, metadata=metadata).decode())
            except grpc.RpcError as error:
                found.append(str(error.code().name))
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["call"]:
        _, _, to, named, *rest = sys.argv
        json.dump(
            call(to, named, [each for each in rest if each != "--fail"], fail="--fail" in rest),
            sys.stdout,
        )
    else:
        serve(int(os.environ["PORT"]), os.environ["SERVICE"])
