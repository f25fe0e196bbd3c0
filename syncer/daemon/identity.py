"""Who this daemon is among its replicas."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from importlib.metadata import version

from syncer.app import holder


@dataclass(frozen=True, slots=True)
class Identity:
    """A daemon: `replica` is its own alone, `name` is what its leases show, for people."""

    replica: str = field(default_factory=lambda: str(uuid.uuid4()))
    name: str = field(default_factory=holder)
    version: str = field(default_factory=lambda: version("syncer"))
