"""The installed command's first lines: so light that Ctrl-C finds nothing but this, however early it comes.

Python raises KeyboardInterrupt wherever it stands, and within an import that may be where nothing is passed on: it says
"Exception ignored" and the command goes on. So an interrupt is noted as well, and whoever is about to stay asks.
"""

from __future__ import annotations

import atexit
import gc
import sys

# New objects at which Python looks for cycles, 700 by default: each page of files would pay for one or two searches.
_OBJECTS = 10_000

_came: list[int] = []


def main() -> None:
    """Run the command line; an interrupt that no command awaits ends it quietly, as a shell expects (130)."""
    # Loading makes no cycles worth looking for: the searches would cost it a twentieth. `loaded` begins with them.
    gc.disable()
    # At its end Python looks for cycles among all that was ever loaded, a fifth of a second, only to let memory go.
    atexit.register(gc.freeze)
    try:
        import signal

        # In the background of a shell it is ignored, and stays so.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
        from syncer.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


def loaded() -> None:
    """Note that whatever is in memory stays: from now on Python looks for cycles, among what comes hereafter."""
    gc.freeze()
    gc.set_threshold(_OBJECTS)
    gc.enable()


def _interrupt(number: int, _frame: object) -> None:
    _came.append(number)
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Return whether an interrupt has come, also if it was lost."""
    return bool(_came)
