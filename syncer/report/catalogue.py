"""Every sentence of the report, in each of its languages; in English a bar parts the singular from the plural."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """One sentence in every language; its fields carry the languages' names."""

    en: str
    zh: str


MESSAGES: dict[str, Message] = {
    "title": Message("Backup report", "备份报告"),
    "title_of": Message("Backup report: {source}", "备份报告：{source}"),
    "made": Message("Made {at}. All times are Beijing time (UTC+8).", "生成于 {at}。所有时间均为北京时间（UTC+8）。"),
    "contents": Message("Contents", "目录"),
    "source": Message("Source", "来源"),
    "gap": Message(" ", ""),
    "files": Message("{n} file|{n} files", "{n} 个文件"),
    "bytes": Message("{n} byte|{n} bytes", "{n} 字节"),
    "pages": Message("{n} page|{n} pages", "{n} 页"),
    "days": Message("{n} day|{n} days", "{n} 天"),
    "ago": Message("{span} ago", "{span}前"),
    "unit_s": Message("s", "秒"),
    "unit_min": Message("min", "分钟"),
    "unit_h": Message("h", "小时"),
    "unit_d": Message("days", "天"),
    "unknown": Message("unknown", "未知"),
    "none": Message("none", "无"),
    "with_bytes": Message("{files}, {size}", "{files}，{size}"),
    "all_of_it": Message("All of it, in SQL: {sql}", "完整数据（SQL）：{sql}"),
    "as_table": Message("The same as a table", "以表格显示"),
    "first_of": Message("The first {shown} of {files}.", "共 {files}，此处列出前 {shown} 个。"),
    "larger_of": Message(
        "The largest {shown} of {n}; the others hold {rest}.", "共 {n} 组，此处列出最大的 {shown} 组；其余共 {rest}。"
    ),
    "shortened": Message("{n} characters, the middle left out", "共 {n} 个字符，中间已省略"),
    # trust
    "trust": Message("How far this can be trusted", "数据是否可信"),
    "banner": Message("Read this first", "请先阅读"),
    "banner_rest": Message(
        "What follows is what was known then. Files may be missing here, and files shown may be gone.",
        "下文只反映当时所知的情况：可能有文件没有列出，列出的文件也可能已不存在。",
    ),
    "level_proven": Message("Proven", "已证明完整"),
    "level_stale": Message("Out of date", "已过时"),
    "level_unproven": Message("Not proven", "未证明"),
    "level_never": Message("Never pulled", "从未拉取"),
    "complete_as_of": Message("Complete as of {at} ({age}): proven.", "截至 {at}（{age}）完整：已证明。"),
    "not_since": Message(
        "Not proven since {at} ({age}): it was complete then; what came or went later may be missing.",
        "自 {at}（{age}）起未再证明：当时是完整的，此后的增减可能没有反映。",
    ),
    "not_proven": Message(
        "Not proven: the last full pull could not show that nothing is missing.",
        "未证明：最近一次全量拉取无法证明没有遗漏。",
    ),
    "none_finished": Message(
        "Not proven yet: no full pull with these settings (account, prefix) has finished.",
        "尚未证明：用这些设置（账号、前缀）还没有完成过全量拉取。",
    ),
    "never_pulled": Message("Never pulled: nothing is known of it yet.", "从未拉取：目前一无所知。"),
    "doubt_sweep_refused": Message(
        "Its sweep was refused by the brake, so files that are gone may still be shown.",
        "清扫被制动保护拒绝，因此已消失的文件可能仍然列出。",
    ),
    "doubt_later_unproven": Message("A later full pull ended unproven.", "之后的一次全量拉取未能证明完整。"),
    "removed": Message("No longer in the settings: nobody pulls it.", "已不在配置中：不再拉取。"),
    "why": Message("Why: {reason}", "原因：{reason}"),
    "scope": Message("Only names that begin with {prefix}", "仅限名称开头为 {prefix}"),
    "held": Message("Stored now: {held}.", "现存：{held}。"),
    "held_at": Message("Stored at {at}: {held}.", "{at} 时存有：{held}。"),
    "overdue": Message("{held} of them past the expiry and still listed.", "其中 {held} 已过期但仍在列表中。"),
    "known_until": Message("New files are known up to {at}.", "新增文件已知至 {at}。"),
    "unfinished": Message(
        "A {kind} pull has been under way since {at}: {files} listed.", "{kind}拉取自 {at} 起进行中：已列出 {files}。"
    ),
    "unfinished_of": Message(
        "A {kind} pull has been under way since {at}: {files} listed of about {expected}.",
        "{kind}拉取自 {at} 起进行中：已列出 {files}，预计约 {expected} 个。",
    ),
    "ends_at": Message("It should be done at about {at}.", "预计约 {at} 完成。"),
    "waits": Message("Nobody is at it now; the next run resumes it.", "目前没有进程在拉取；下次运行会继续。"),
    # what expires
    "expiring": Message("What expires next", "即将过期"),
    "no_expiring": Message("No live file with an expiry is known.", "没有已知的带过期时间的有效文件。"),
    "tier": Message("Tier", "级别"),
    "tiers_note": Message("Each file counts in its nearest tier only.", "每个文件只计入最近的级别。"),
    "no_tiers": Message("No file has entered an expiry tier.", "没有文件进入过期级别。"),
    "number": Message("Files", "文件数"),
    "size": Message("Size", "大小"),
    "share": Message("Share", "占比"),
    "first_expires": Message("First expires", "最早过期"),
    "name": Message("Name", "名称"),
    "file_id": Message("File ID", "文件 ID"),
    "expires": Message("Expires", "过期时间"),
    "left": Message("Left", "剩余"),
    # calendar
    "calendar": Message("Expiry calendar", "过期日历"),
    "calendar_note": Message(
        "Live files by the day on which they expire: the day, their number and their size; the darker or brighter, the "
        "more files. Today, {today}, has a thick frame.",
        "按过期日期统计有效文件：日期、数量和大小；颜色越深或越亮，文件越多。今天（{today}）以粗框标出。",
    ),
    "month": Message("{year}-{month:02d}", "{year} 年 {month} 月"),
    "weekdays": Message("Mo Tu We Th Fr Sa Su", "一 二 三 四 五 六 日"),
    "month_title": Message("Expiries in {month}", "{month}过期情况"),
    "month_desc": Message(
        "{held} expire in this month on {days}. The table below has each day.",
        "本月 {days}内有 {held} 过期。下表列出每一天。",
    ),
    "today": Message("today", "今天"),
    "later": Message("Later than these days: {held}.", "更晚过期：{held}。"),
    "day": Message("Day", "日期"),
    # volume
    "volume": Message("Stored volume over time", "存储量变化"),
    "volume_note": Message(
        "Live files at the end of each day, by Beijing time. Hatched: no pull was finished on that day, so nothing is "
        "known of it.",
        "每天结束时的有效文件（北京时间）。斜线表示当天没有完成拉取，情况不明。",
    ),
    "volume_title": Message("Stored volume of {source}", "{source} 的存储量"),
    "volume_desc": Message(
        "From {first} to {last}: lowest {low}, highest {high}, last {now}; {gaps} without a pull.",
        "{first} 至 {last}：最低 {low}，最高 {high}，最近 {now}；{gaps}没有拉取。",
    ),
    "no_daily": Message(
        "No day has been counted yet: the first finished pull does.", "尚无每日统计：首次完成拉取后开始。"
    ),
    "no_pull": Message("no pull", "无拉取"),
    "live": Message("Live files", "有效文件"),
    "added": Message("New", "新增"),
    "changed": Message("Changed", "变更"),
    "expired": Message("Expired", "过期"),
    "vanished_column": Message("Vanished early", "提前消失"),
    "returned": Message("Returned", "重新出现"),
    "proven_column": Message("Proven", "已证明"),
    "yes": Message("yes", "是"),
    "no": Message("no", "否"),
    # vanished
    "vanished": Message("What vanished early", "提前消失的文件"),
    "vanished_note": Message(
        "In the last {days}, {held} went before they would have expired: somebody deleted them.",
        "最近 {days}内，{held} 在过期之前消失：有人删除了它们。",
    ),
    "no_vanished": Message(
        "In the last {days} no file is known to have gone before its expiry.", "最近 {days}内没有已知文件在过期前消失。"
    ),
    "gone": Message("Found gone", "发现消失"),
    # changes
    "changes": Message("What changed", "变更情况"),
    "changes_note": Message(
        "In the last {days}, by field. gone_at: a file went, or came back.",
        "最近 {days}内，按字段统计。gone_at 表示文件消失或重新出现。",
    ),
    "no_changes": Message("In the last {days} nothing known of a file changed.", "最近 {days}内没有文件信息变更。"),
    "latest_changes": Message("The latest changes", "最近的变更"),
    "latest_note": Message(
        "Without files that went; those that came back are here.", "不含消失的文件；包含重新出现的文件。"
    ),
    "field": Message("Field", "字段"),
    "times": Message("Changes", "次数"),
    "last_time": Message("Last", "最近一次"),
    "when": Message("When", "时间"),
    "before": Message("Before", "变更前"),
    "after": Message("After", "变更后"),
    # storage
    "types": Message("Storage by type", "按类型统计"),
    "type": Message("Type", "类型"),
    "prefixes": Message("Storage by prefix", "按前缀统计"),
    "prefixes_note": Message(
        "The prefix is the stream: what stands before the start and end times in a name.",
        "前缀即流名：名称中起止时间之前的部分。",
    ),
    "prefix": Message("Prefix", "前缀"),
    "no_storage": Message("Nothing is stored.", "没有存储内容。"),
    "no_label": Message("(none)", "（无）"),
    # pulls
    "pulls": Message("The last pulls", "最近的拉取"),
    "no_pulls": Message("No pull was ever begun.", "从未开始过拉取。"),
    "pull": Message("Pull", "拉取"),
    "kind": Message("Kind", "类别"),
    "started": Message("Started", "开始"),
    "took": Message("Took", "用时"),
    "verdict": Message("Verdict", "结论"),
    "reason": Message("Reason", "原因"),
    "listed": Message("Listed", "列出"),
    "kind_full": Message("full", "全量"),
    "kind_recent": Message("recent", "增量"),
    "verdict_proven": Message("proven", "已证明"),
    "verdict_unproven": Message("unproven", "未证明"),
    "verdict_partial": Message("partial", "部分"),
    "outcome_complete": Message("complete", "完成"),
    "outcome_unproven": Message("unproven", "未证明"),
    "outcome_failed": Message("failed", "失败"),
    "outcome_stopped": Message("stopped", "已停止"),
    "outcome_abandoned": Message("abandoned", "已放弃"),
    "outcome_running": Message("unfinished", "未完成"),
    # rejected
    "rejected": Message("Entries that could not be understood", "无法识别的条目"),
    "rejected_some": Message(
        "{n} in all, {lately} of them first met in the last {days}; the newest {at}.",
        "共 {n} 条，其中 {lately} 条为最近 {days}内首次出现；最新一条：{at}。",
    ),
    "rejected_none": Message("None.", "无。"),
    "foot": Message(
        "The numbers are those of the views in the schema report; {command} writes them as CSV or JSON.",
        "以上数字取自 report 模式的视图；{command} 可导出 CSV 或 JSON。",
    ),
}
