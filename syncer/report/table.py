"""Tables that can be read on a telephone too: there each row of a `stacked` one becomes a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncer.report.language import Language
from syncer.report.markup import Child, Html, tag


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and the class of its cells.

    A `number` stands to the right, what `grows` gets the room that is left, a `thing` and an `id` may be broken when
    they are long; others stay in one line.
    """

    title: str
    kind: str | None = None


def table(heads: Sequence[Column], rows: Sequence[Sequence[Child]], *, label: str, stacked: bool = False) -> Html:
    """Return a table whose cells say their heading too; `label` is what a screen reader calls it."""
    body = [
        tag(
            "tr",
            *(
                tag("td", tag("div", cell) if stacked else cell, class_=column.kind, data_label=column.title)
                for column, cell in zip(heads, row, strict=True)
            ),
        )
        for row in rows
    ]
    inner = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", each.title, scope="col", class_=each.kind) for each in heads))),
        tag("tbody", *body),
        class_="stacked" if stacked else None,
        aria_label=label,
    )
    return tag("div", inner, class_="scroll")


def columns(language: Language, names: str) -> list[Column]:
    """Return columns by the keys of their headings: `#` marks numbers, `+` the ones that grow, `=` things, `@` ids."""
    kinds = {"#": "number", "+": "grows", "=": "thing", "@": "id"}
    return [Column(language.say(name.lstrip("#+=@")), kinds.get(name[0])) for name in names.split()]


def share_bar(part: int, whole: int) -> Html:
    """Return a bar as long as a part is of the whole, with its percentage."""
    share = part / whole if whole else 0.0
    rect = tag("rect", width=f"{share * 100:.2f}%", height="8", rx="2")
    bar = tag(
        "svg", tag("rect", width="100%", height="8", rx="2", class_="rail"), rect, class_="bar", aria_hidden="true"
    )
    return tag("span", bar, tag("span", f"{share:.1%}"), class_="share")
