"""Which hosts answer: asked once each, in the background, and said once when one does not."""

from __future__ import annotations

import http.client
import ipaddress
import threading
import time
from collections.abc import Callable
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

SECONDS = 5.0


class HostError(Exception):
    """A source does not give what it should; the text is one line that says why."""


class UnreachableError(HostError):
    """A host does not answer; it has been said, once."""


def _opener() -> OpenerDirector:
    # Without what follows redirects, which is for who knows what may be sent along, and without
    # what opens files of this machine.
    made = OpenerDirector()
    for handler in (
        *(ProxyHandler, UnknownHandler, HTTPHandler, HTTPSHandler),
        *(HTTPDefaultErrorHandler, HTTPErrorProcessor),
    ):
        made.add_handler(handler())
    return made


OPENER = _opener()


class _Probe:
    """Whether a host answers at all."""

    def __init__(self, origin: str, seconds: float) -> None:
        self._done = threading.Event()
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._error: str | None = None
        self.said = False
        # The system's look-up of a name may take a minute: only another thread can be left alone.
        threading.Thread(target=self._ask, args=(origin,), daemon=True).start()

    def _ask(self, origin: str) -> None:
        try:
            request = Request(f"{origin}/", method="HEAD")  # noqa: S310 as the address says
            OPENER.open(request, timeout=self._seconds).close()
        except HTTPError as error:
            error.close()  # Whatever it says of its front page, it answers.
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._error = reason_of(error)
        self._done.set()

    def error(self) -> str | None:
        """Return why the host cannot be used, or None; waits no longer than its time."""
        if not self._done.wait(max(0.0, self._deadline - time.monotonic())):
            return f"no answer within {self._seconds:.0f} s"
        return self._error


class Hosts:
    """The hosts of one run, from any thread. say: takes one line per host that does not answer."""

    def __init__(self, say: Callable[[str], None], seconds: float = SECONDS) -> None:
        self._say = say
        self._seconds = seconds
        self._lock = threading.Lock()
        self._probes: dict[str, _Probe] = {}

    def probe(self, url: str) -> _Probe:
        """Begin to find out whether the host of `url` answers; returns at once."""
        origin = origin_of(url)
        with self._lock:
            if origin not in self._probes:
                self._probes[origin] = _Probe(origin, self._seconds)
            return self._probes[origin]

    def reach(self, url: str) -> None:
        """Return when the host of `url` has answered; raises UnreachableError."""
        probe = self.probe(url)
        reason = probe.error()
        if reason is None:
            return
        host = urlsplit(url).netloc
        with self._lock:
            first, probe.said = not probe.said, True
        if first:
            self._say(f"{host}: {reason}; the next source is tried")
        raise UnreachableError(f"{host}: {reason}")


def origin_of(url: str) -> str:
    """Return scheme, host and port of `url`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def loopback(host: str | None) -> bool:
    """Tell whether `host` is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def private(*urls: str) -> bool:
    """Tell whether nobody on the line reads what is sent to `urls`."""
    return all(urlsplit(url).scheme == "https" or loopback(urlsplit(url).hostname) for url in urls)


def reason_of(error: BaseException) -> str:
    """Return what a failed connection says, in one line."""
    if isinstance(error, URLError) and isinstance(error.reason, BaseException):
        return reason_of(error.reason)
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join((text or type(error).__name__).split())
