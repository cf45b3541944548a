"""The progress display of downloads: on a terminal, and in a log."""

from __future__ import annotations

import io

from sandbox.progress import Display


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True


def test_the_progress_says_what_how_much_and_how_long_still() -> None:
    """Whoever waits decides by it whether to go for a coffee."""
    now = [0.0]
    said: list[str] = []
    display = Display(said.append, io.StringIO(), lambda: now[0])
    display.begin(3)
    display.sized("etcd", 20_000_000)
    display.sized("vault", 100_000_000)
    display.passed("etcd", 20_000_000)
    display.ended("etcd")
    display.passed("vault", 40_000_000)
    now[0] = 5.0
    display.tick()
    assert said == [], "a log gets no line each moment"
    now[0] = 10.0
    display.tick()
    assert said == [
        "downloading: 1 of 3 programs; 60 of 120 MB; 6.0 MB/s, about 10 s left; vault 40 %"
    ]


def test_on_a_terminal_one_line_is_drawn_anew_and_wiped_before_others() -> None:
    """Half a drawn line before a message would make both unreadable."""
    now = [0.0]
    said: list[str] = []
    terminal = Terminal()
    display = Display(said.append, terminal, lambda: now[0])
    display.begin(1)
    display.sized("vault", 100_000_000)
    now[0] = 1.0
    display.tick()
    display.line("vault: wrong digest")
    display.close()
    assert terminal.getvalue() == (
        "downloading: 0 of 1 programs; 0 of 100 MB; vault 0 %"[:200] + "\r\x1b[K"
    )
    assert said == ["vault: wrong digest"]
