"""docs/logs.md names each event that the code logs, and says what to do about those that ask for a person."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
GRAVE = {"warning", "error", "exception", "critical"}
PLAIN = re.compile(r"[a-z]+(_[a-z]+)*")


def logged() -> Iterator[tuple[str, str]]:
    """Yield each event in the code with its level; a part that is made at run time is a `*`."""
    for file in (ROOT / "syncer").rglob("*.py"):
        if "simulator" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Attribute) and _is_logger(node.func.value):
                if node.func.attr in LEVELS:
                    yield _text(node.args[0]), node.func.attr
                elif node.func.attr == "log":
                    yield _text(node.args[1]), "info"
            elif isinstance(node.func, ast.Name) and node.func.id == "report_crash":
                yield _text(node.args[1]), "error"


def _is_logger(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "get_logger"
    return isinstance(node, ast.Name) and node.id in {"_log", "log"}


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "*"


def documented() -> dict[str, str]:
    """Return the events of the table with their levels."""
    table = TEXT.partition("<!-- events")[2].partition("<!-- /events -->")[0]
    rows = re.findall(r"^\| (`[^|]*) \| (\w+) \|", table, flags=re.MULTILINE)
    return {name: level for names, level in rows for name in re.findall(r"`(\w+)`", names)}


def matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace("*", "[a-z]+"), name) is not None


# A variable event is one of the fixed ones: what `report_crash` was given.
EVENTS = {(event, level) for event, level in logged() if event != "*"}


def test_names_of_events_are_plain_words() -> None:
    assert len(EVENTS) > 20
    assert [event for event, _ in EVENTS if not PLAIN.fullmatch(event.replace("*", "x"))] == []


def test_every_event_is_documented_with_its_level_and_no_other() -> None:
    table = documented()
    for event, level in EVENTS:
        found = [name for name in table if matches(event, name)]
        assert found, f"docs/logs.md lacks {event}"
        assert all(table[name] == level for name in found) or event == "library_message", event
    assert [name for name in table if not any(matches(event, name) for event, _ in EVENTS)] == []


def test_whatever_asks_for_a_person_says_what_to_do() -> None:
    headings = set(re.findall(r"^### (\w+)$", TEXT, flags=re.MULTILINE))
    assert headings == {name for name, level in documented().items() if level in GRAVE}
