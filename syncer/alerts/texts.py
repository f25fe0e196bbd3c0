"""The words of messages, in English and Chinese; pure. Rules are told by their sentence, formatted with a digest."""

# ruff: noqa: RUF001 - Chinese has its own punctuation

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncer import words
from syncer.alerts.message import Language

# One sentence a rule. Names in braces come from the digest (see syncer/alerts/digest.py) and the finding's detail.
_EN = {
    "expiring": "{files} ({size}) expire {within}",
    "vanished": "{files} ({size}) went before their expiry: somebody deleted them",
    "overdue": "{files} ({size}) are still listed more than a day past their expiry",
    "stale": "the data are too old: {proven}",
    "failing": "{failures} runs in a row failed: {error}",
    "refused": "the API refuses: {error}",
    "clock": "the API does not take our clock: {error}",
    "unproven": "{pulls} full pulls in a row ended unproven: {reason}",
    "sweep-refused": "a sweep was refused: {error}",
    "short-pull": "the account shrank: {listed} files listed, {usual} is usual{sizes}",
    "rejected": "{entries} entries of the last pulls could not be understood",
    "quota": "the schedules need {needed} calls a day, the quota grants {limit}",
    "recipient": "{name} refuses messages for good ({waiting} waiting): {error}",
}
_ZH = {
    "expiring": "{files}（{size}）将在{within}过期",
    "vanished": "{files}（{size}）在到期之前消失：有人删除了它们",
    "overdue": "{files}（{size}）已过期一天以上，仍在列表中",
    "stale": "数据过旧：{proven}",
    "failing": "连续 {failures} 次运行失败：{error}",
    "refused": "API 拒绝请求：{error}",
    "clock": "API 不接受本机时钟：{error}",
    "unproven": "连续 {pulls} 次完整拉取未能证明完整：{reason}",
    "sweep-refused": "清扫被拒绝：{error}",
    "short-pull": "账户骤减：本次列出 {listed} 个文件，通常为 {usual} 个{sizes}",
    "rejected": "最近的拉取中有 {entries} 个条目无法理解",
    "quota": "计划每天需要 {needed} 次调用，配额只有 {limit} 次",
    "recipient": "{name} 永久拒收消息（{waiting} 条待发）：{error}",
}


@dataclass(frozen=True, slots=True)
class Words:
    """One language: `rules` as above, `steps` frame them, `endings` say why an alert ended, the rest are labels."""

    rules: Mapping[str, str]
    steps: Mapping[str, str]
    endings: Mapping[str, str]
    labels: Mapping[str, str]
    files: Callable[[int], str]
    within: Callable[[str], str]
    span: Callable[[float], str]


_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_UNITS_ZH = {"s": "秒", "m": "分钟", "h": "小时", "d": "天", "w": "周"}
_SPAN = re.compile(r"(\d+)([smhdw])")


def _within_en(tier: str) -> str:
    found = _SPAN.fullmatch(tier)
    if found:
        return f"within {words.counted(int(found[1]), _UNITS[found[2]])}"
    return f"with less than {tier} of their lifetime left" if tier.endswith("%") else f"within {tier}"


def _within_zh(tier: str) -> str:
    found = _SPAN.fullmatch(tier)
    if found:
        return f" {found[1]} {_UNITS_ZH[found[2]]}内"
    return f"寿命剩余不足 {tier} 时" if tier.endswith("%") else f" {tier} 内"


def _span_zh(seconds: float) -> str:
    number, unit = words.span(seconds).split()
    return f"{number} {({'s': '秒', 'min': '分钟', 'h': '小时', 'd': '天'})[unit]}"


LANGUAGES: Mapping[Language, Words] = {
    "en": Words(
        rules=_EN,
        steps={
            "raised": "{sentence}",
            "updated": "{new} more; now {sentence}",
            "escalated": "nobody acknowledged for {age}: {sentence}",
            "reminder": "still: {sentence}",
            "resolved": "resolved, {ending}: {sentence}",
            "test": "a test message, nothing is wrong",
        },
        endings={
            "extended": "the files were extended",
            "gone": "the files are gone",
            "returned": "the files are back",
            "expired": "the files have expired",
            "nearer": "the files are in a nearer tier",
            "mended": "it is mended",
        },
        labels={
            "group": "names: {group} ({prefix}*)",
            "first": "The first: {first} ({left} left)",
            "by_prefix": "By beginning of the name:",
            "no_prefix": "(other names)",
            "rest": "(the rest)",
            "urgent": "The most urgent:",
            "latest": "The latest:",
            "age": "The data are complete as of {as_of} ({age} ago).",
            "unproven": "No pull has proved yet that the data are complete.",
            "sql": "All of them:",
            "runbook": "What to do: docs/runbook.md, alert {rule}",
            "ack": "Take notice: syncer alerts ack {alert}",
            "never": "no pull has proved them complete since {since}",
            "proven": "the last proven pull began {as_of} ({age} ago)",
            "sizes": ", {bytes} instead of {usual_bytes}",
            "test": "If you can read this, alerts of {source} reach you.",
        },
        files=lambda number: words.counted(number, "file"),
        within=_within_en,
        span=words.span,
    ),
    "zh": Words(
        rules=_ZH,
        steps={
            "raised": "{sentence}",
            "updated": "新增 {new}；目前{sentence}",
            "escalated": "{age}无人确认：{sentence}",
            "reminder": "仍未解除：{sentence}",
            "resolved": "已解除（{ending}）：{sentence}",
            "test": "测试消息，一切正常",
        },
        endings={
            "extended": "文件已延期",
            "gone": "文件已消失",
            "returned": "文件已恢复",
            "expired": "文件已过期",
            "nearer": "文件已进入更近的级别",
            "mended": "已恢复正常",
        },
        labels={
            "group": "名称组：{group}（{prefix}*）",
            "first": "最早：{first}（剩余 {left}）",
            "by_prefix": "按名称前缀：",
            "no_prefix": "（其他名称）",
            "rest": "（其余）",
            "urgent": "最紧急：",
            "latest": "最近：",
            "age": "数据截至 {as_of} 完整（{age}前）。",
            "unproven": "尚无拉取证明数据完整。",
            "sql": "查询全部：",
            "runbook": "处理方法：docs/runbook.md，告警 {rule}",
            "ack": "确认：syncer alerts ack {alert}",
            "never": "自 {since} 起没有拉取证明数据完整",
            "proven": "最近一次被证明完整的拉取始于 {as_of}（{age}前）",
            "sizes": "，{bytes}，通常为 {usual_bytes}",
            "test": "如果您能看到这条消息，{source} 的告警可以送达。",
        },
        files=lambda number: f"{number:,} 个文件",
        within=_within_zh,
        span=_span_zh,
    ),
}
"""The languages by their codes."""
