"""The server's process: a socket, uvicorn on it, and a clean end."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.serve.app import Service

# How long answers that are on their way may take after Ctrl-C, in seconds.
LAST_S = 3


def bind(host: str, port: int) -> socket.socket:
    """A socket to listen on; port 0 takes any that is free.

    Raises:
        InputError: the port is taken, or the address is not this machine's.
    """
    try:
        return socket.create_server((host, port), backlog=64)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        message = f"The port {port} of {host} is in use." if taken else f"{host}:{port} cannot be used: {error}."
        raise InputError.one("SERVE010", message, "Name another one with --port, or 0 for any.") from error


def serve(service: Service, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until Ctrl-C.

    Args:
        service: what answers.
        listening: from `bind`.
        ready: called when the first request may come.
    """
    import uvicorn

    from executors.serve.app import make_app

    class Told(uvicorn.Server):  # type: ignore[misc,unused-ignore]
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            for answer in service.open:
                answer.stop.set()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        make_app(service), log_level="critical", access_log=False, lifespan="on", timeout_graceful_shutdown=LAST_S
    )
    Told(config).run(sockets=[listening])
