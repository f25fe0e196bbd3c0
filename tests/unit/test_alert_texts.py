"""Messages say what people need, in both languages; the documents explain every rule."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncer.alerts.digest import Digest, as_json, from_json
from syncer.alerts.message import Language
from syncer.alerts.names import RULE_NAMES
from syncer.alerts.speech import compose
from syncer.alerts.texts import LANGUAGES
from syncer.store.alert_files import Count, Example, Share

RUNBOOK = (Path(__file__).resolve().parents[2] / "docs" / "runbook.md").read_text(encoding="utf-8")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DETAIL = {
    "failures": 3, "since": NOW - timedelta(days=1), "error": "why", "pulls": 3, "reason": "r", "pull_id": 1,
    "listed": 5, "usual": 100, "bytes": 5, "usual_bytes": 100, "entries": 2, "needed": 10, "limit": 5, "name": "mail",
    "waiting": 2, "proven_at": None,
}  # fmt: skip


def digest(**given: Any) -> Digest:
    fields: dict[str, Any] = {
        "kind": "raised", "source": "a", "rule": "expiring", "severity": "warning", "at": NOW, "number": 1,
        "alert_id": 17, "tier": "7d", "raised_at": NOW - timedelta(hours=5), "members": Count(1204, 3_100_000_000_000),
        "newcomers": Count(3, 7), "as_of": NOW - timedelta(hours=3), "of_files": True, "detail": DETAIL,
        "examples": [Example("1", "lecture\n\x1b[31m\u202e", 120_000_000, NOW + timedelta(days=2), None)],
        "shares": [Share("6000_x", 1200, 10), Share("", 4, 2)],
    }  # fmt: skip
    return Digest(**{**fields, **given})


def test_a_digest_in_english() -> None:
    message = compose(digest(detail={}), "en", UTC)
    assert message.title == "[a] 1,204 files (3.1 TB) expire within 7 days"
    assert message.text.splitlines() == [
        "The first: 2026-03-12 12:00 UTC (2 d left)",
        "",
        "By beginning of the name:",
        "  6000_x…: 1,200 files, 10 B",
        "  (other names): 4 files, 2 B",
        "",
        "The most urgent:",
        r"  2026-03-12 12:00 UTC  120 MB  lecture\n\x1b[31m\u202e  1",
        "",
        "The data are complete as of 2026-03-10 09:00 UTC (3 h ago).",
        "All of them:",
        "  SELECT * FROM report.alert_files WHERE alert_id = 17 ORDER BY expires_at;",
        "What to do: docs/runbook.md, alert expiring",
        "Take notice: syncer alerts ack 17",
    ]


def test_a_digest_in_chinese() -> None:
    message = compose(digest(), "zh", UTC)
    assert message.title == "[a] 1,204 个文件（3.1 TB）将在 7 天内过期"  # noqa: RUF001 - Chinese punctuation
    assert "数据截至 2026-03-10 09:00 UTC 完整（3 小时前）。" in message.text  # noqa: RUF001 - the same


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_has_words_for_every_step(rule: str, language: Language) -> None:
    for kind in ("raised", "updated", "escalated", "reminder", "resolved"):
        of_files = rule in {"expiring", "vanished", "overdue"}
        message = compose(digest(rule=rule, kind=kind, of_files=of_files, ending="mended"), language, UTC)
        assert "{" not in message.title + message.text
        assert len(message.title.splitlines()) == 1
        assert from_json(as_json(message)) == message


def test_both_languages_have_the_same_words() -> None:
    english, chinese = LANGUAGES["en"], LANGUAGES["zh"]
    for part in ("rules", "steps", "endings", "causes", "labels"):
        assert getattr(english, part).keys() == getattr(chinese, part).keys()
    assert set(english.rules) == set(RULE_NAMES)


def test_the_key_is_the_same_for_the_same_message_and_differs_for_the_next() -> None:
    assert compose(digest(), "en", UTC).key == compose(digest(at=NOW + timedelta(days=1)), "zh", UTC).key
    assert digest().key != digest(number=2).key


def test_the_runbook_explains_every_rule_and_no_other() -> None:
    headings = re.findall(r"^### Alert ([a-z-]+)$", RUNBOOK, flags=re.MULTILINE)
    assert sorted(headings) == sorted(RULE_NAMES)
    for rule in RULE_NAMES:
        section = RUNBOOK.split(f"### Alert {rule}\n")[1].split("\n### ")[0]
        assert "```sql" in section, rule
