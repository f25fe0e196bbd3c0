"""The words of messages, in English and Chinese; pure. Rules are told by their sentence, formatted with a digest."""

# ruff: noqa: RUF001 - Chinese has its own punctuation

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncer import words
from syncer.alerts.message import Language

# One sentence a rule. Names in braces come from the digest (see syncer/alerts/digest.py) and the finding's detail. What
# the API, a service or a pull said stands on a line of its own: it is English, or whatever they speak.
_EN = {
    "expiring": "{files} ({size}) {verb} {within}",
    "vanished": "{files} ({size}) went before expiry: somebody deleted what had time left",
    "overdue": "{files} ({size}) still listed more than {grace} past expiry",
    "stale": "the data are too old: {proven}",
    "failing": "{runs} failed: {cause}",
    "refused": "the API refuses our calls, asking again cannot help",
    "clock": "the API does not take this machine's clock",
    "unproven": "{pulls} ended without proof that nothing is missing",
    "sweep-refused": "a sweep was refused: no missing file was marked as gone",
    "short-pull": "the account shrank: {shrunk}",
    "rejected": "{entries} of the last pulls could not be understood",
    "quota": "the schedules need {needed} calls a day, the quota grants {limit}",
    "recipient": "{name} {deaf} ({waiting} waiting)",
}
_ZH = {
    "expiring": "{files}（{size}）将在{within}过期",
    "vanished": "{files}（{size}）在到期之前消失：有人删除了未到期的文件",
    "overdue": "{files}（{size}）过期超过 {grace}，仍在列表中",
    "stale": "数据过旧：{proven}",
    "failing": "{runs}失败：{cause}",
    "refused": "API 拒绝请求，重试无济于事",
    "clock": "API 不接受本机时钟",
    "unproven": "{pulls}未能证明数据没有遗漏",
    "sweep-refused": "清扫被拒绝：没有把任何缺失的文件标记为消失",
    "short-pull": "账户骤减：{shrunk}",
    "rejected": "最近的拉取中有 {entries}无法理解",
    "quota": "计划每天需要 {needed} 次调用，配额只有 {limit} 次",
    "recipient": "{name} {deaf}（{waiting} 条待发）",
}


@dataclass(frozen=True, slots=True)
class Words:
    """One language: `rules` as above, `steps` frame them, `endings` say why an alert ended, `causes` why runs failed.

    `labels` are the rest. `times` says of how many runs, or full pulls, in a row something is true.
    """

    rules: Mapping[str, str]
    steps: Mapping[str, str]
    endings: Mapping[str, str]
    causes: Mapping[str, str]
    labels: Mapping[str, str]
    files: Callable[[int], str]
    entries: Callable[[int], str]
    times: Callable[[int, str], str]
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


def _times_en(number: int, noun: str) -> str:
    return f"the last {noun}" if number == 1 else f"{number:,} {noun}s in a row"


_NOUNS_ZH = {"run": "运行", "full pull": "完整拉取"}


def _times_zh(number: int, noun: str) -> str:
    return f"最近一次{_NOUNS_ZH[noun]}" if number == 1 else f"连续 {number:,} 次{_NOUNS_ZH[noun]}"


LANGUAGES: Mapping[Language, Words] = {
    "en": Words(
        rules=_EN,
        steps={
            "raised": "{sentence}",
            "updated": "{new} more; now {sentence}",
            "worse": "graver than before: {sentence}",
            "standing": "open for {age}: {sentence}",
            "escalated": "nobody acknowledged for {age}: {sentence}",
            "reminder": "still: {sentence}",
            "resolved": "resolved, {ending}; it was: {sentence}",
            "test": "a test message, nothing is wrong",
        },
        endings={
            "extended": "the files were extended",
            "gone": "the files are gone",
            "returned": "the files are back",
            "expired": "the files have expired",
            "nearer": "the files are in a nearer tier",
            "mended": "all is well again",
        },
        causes={
            "unavailable": "the API cannot be reached or keeps failing",
            "endless": "the listing never comes to an end",
            "killed": "killed before they could note an end",
            "other": "something other than the API",
        },
        labels={
            "group": "Names: {group} ({prefix}…)",
            "noticed": "Acknowledged by {by}.",
            "covered": "{files} more are acknowledged already.",
            "nearer": "Not counted: files in a nearer tier, which has an alert of its own.",
            "first": "The first: {first} ({left} left)",
            "by_prefix": "By beginning of the name:",
            "no_prefix": "(other names)",
            "urgent": "The most urgent:",
            "urgent_new": "The most urgent of the new ones:",
            "latest": "The latest:",
            "latest_new": "The latest of the new ones:",
            "age": "The data are complete as of {as_of} ({age} ago).",
            "unproven": "No pull has proved yet that the data are complete.",
            "error": "Error: {error}",
            "reason": "Reason: {reason}",
            "sql": "All of them:",
            "runbook": "What to do: docs/runbook.md, alert {rule}",
            "ack": "Take notice: syncer alerts ack {alert}",
            "never": "no pull has proved them complete since the first one, {since}",
            "changed": "no pull has proved them complete since the account, endpoint or prefix changed, {since}",
            "proven": "the last proven pull began {as_of} ({age} ago)",
            "listed": "{listed} files listed, {usual} are usual",
            "sizes": "{bytes} in all, {usual_bytes} are usual",
            "and": "; ",
            "refuses": "refuses messages for good",
            "silent": "has accepted nothing for {age}",
            "test": "If you can read this, alerts of {source} reach you.",
        },
        files=lambda number: words.counted(number, "file"),
        entries=lambda number: f"{number:,} entr{'y' if number == 1 else 'ies'}",
        times=_times_en,
        within=_within_en,
        span=words.span,
    ),
    "zh": Words(
        rules=_ZH,
        steps={
            "raised": "{sentence}",
            "updated": "新增 {new}；目前 {sentence}",
            "worse": "已变得更严重：{sentence}",
            "standing": "已持续 {age}：{sentence}",
            "escalated": "{age}无人确认：{sentence}",
            "reminder": "仍未解除：{sentence}",
            "resolved": "已解除（{ending}），原告警：{sentence}",
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
        causes={
            "unavailable": "API 无法访问或持续出错",
            "endless": "列表始终没有终点",
            "killed": "进程被终止，未能记录结束",
            "other": "API 以外的原因",
        },
        labels={
            "group": "名称组：{group}（{prefix}…）",
            "noticed": "已由 {by} 确认。",
            "covered": "另有 {files}已确认。",
            "nearer": "不含已进入更近级别的文件，另有告警。",
            "first": "最早：{first}（剩余 {left}）",
            "by_prefix": "按名称开头：",
            "no_prefix": "（其他名称）",
            "urgent": "最紧急：",
            "urgent_new": "新增文件中最紧急：",
            "latest": "最近：",
            "latest_new": "新增文件中最近：",
            "age": "数据截至 {as_of} 完整（{age}前）。",
            "unproven": "尚无拉取证明数据完整。",
            "error": "错误（原文）：{error}",
            "reason": "原因（原文）：{reason}",
            "sql": "查询全部：",
            "runbook": "处理方法：docs/runbook.md，告警 {rule}",
            "ack": "确认：syncer alerts ack {alert}",
            "never": "自 {since} 首次拉取以来，尚无拉取证明数据完整",
            "changed": "自 {since} 更换账户、接口或前缀以来，尚无拉取证明数据完整",
            "proven": "最近一次被证明完整的拉取始于 {as_of}（{age}前）",
            "listed": "本次列出 {listed} 个文件，通常为 {usual} 个",
            "sizes": "共 {bytes}，通常为 {usual_bytes}",
            "and": "；",
            "refuses": "永久拒收消息",
            "silent": "已 {age}未接收任何消息",
            "test": "如果您能看到这条消息，{source} 的告警可以送达。",
        },
        files=lambda number: f"{number:,} 个文件",
        entries=lambda number: f"{number:,} 个条目",
        times=_times_zh,
        within=_within_zh,
        span=_span_zh,
    ),
}
"""The languages by their codes."""
