"""The API in miniature over real HTTP; imports nothing else of the project: no misreading can sit on both sides."""

from syncer.simulator.behaviour import Behaviour, End, Paging, Ties, Window
from syncer.simulator.faults import (
    TRANSIENT,
    Fault,
    Faults,
    Kind,
    always,
    coded,
    http_error,
    lost_reply,
    on,
    reset_before,
)
from syncer.simulator.population import File
from syncer.simulator.simulator import PATH, SECRET_ID, SECRET_KEY, Call, Simulator, wall_clock
from syncer.simulator.world import World

__all__ = [
    "PATH",
    "SECRET_ID",
    "SECRET_KEY",
    "TRANSIENT",
    "Behaviour",
    "Call",
    "End",
    "Fault",
    "Faults",
    "File",
    "Kind",
    "Paging",
    "Simulator",
    "Ties",
    "Window",
    "World",
    "always",
    "coded",
    "http_error",
    "lost_reply",
    "on",
    "reset_before",
    "wall_clock",
]
