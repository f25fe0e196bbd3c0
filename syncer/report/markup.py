"""Builds HTML from elements: every text is escaped and every tag closed, because nothing else can be written."""

from __future__ import annotations

import html
from collections.abc import Iterable

from syncer.words import visible


class Html(str):
    """Text that is HTML already; every other text becomes it by being escaped."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return it for templates, which take this as it is."""
        return str(self)


Child = str | Iterable["Child"] | None
_VOID = frozenset({"meta"})


def text(content: str) -> Html:
    """Return a text as HTML. Characters that turn the writing or hide are written as escapes (backslash, u202e)."""
    return Html(html.escape(visible(content)))


def join(*children: Child) -> Html:
    """Return the children one after another; None and empty ones are left out."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(text(child))
        elif child is not None:
            parts.append(join(*child))
    return Html("".join(parts))


def tag(element: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """Return an element. `class_` stands for class, other underscores for hyphens; None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{element}{written}>" if element in _VOID else f"<{element}{written}>{join(*children)}</{element}>")
