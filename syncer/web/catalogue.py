"""Every sentence that only the page says, in each language; the others are the report's."""

from __future__ import annotations

from collections.abc import Mapping

from syncer.report.catalogue import MESSAGES as REPORT_MESSAGES
from syncer.report.catalogue import Message

_OWN: dict[str, Message] = {
    "skip": Message("To the content", "跳到正文"),
    "pages_of": Message("Pages", "页面"),
    "overview": Message("Overview", "概览"),
    "files_page": Message("Files", "文件"),
    "alerts": Message("Alerts", "告警"),
    "pulls_page": Message("Pulls", "拉取记录"),
    "made": Message("As of {at}. All times are Beijing time (UTC+8).", "截至 {at}。所有时间均为北京时间（UTC+8）。"),
    "again": Message("Try again", "重试"),
    "csv": Message("CSV", "CSV"),
    "all": Message("all", "全部"),
    "all_of": Message("All", "全部"),
    # trust and progress
    "next_full": Message("Next full pull {at}.", "下次全量拉取：{at}。"),
    "next_full_now": Message("The next full pull is due now.", "下次全量拉取即将开始。"),
    "pace": Message(", {n} files a minute", "，每分钟 {n} 个文件"),
    "left_to_do": Message(", {span} to go", "，还需{span}"),
    "last_run_failed": Message("The last run failed at {at}: {error}", "最近一次运行于 {at} 失败：{error}"),
    "refreshes": Message(
        "A pull is running: this page renews itself every {n} seconds.", "正在拉取：本页每 {n} 秒自动刷新。"
    ),
    "hold_still": Message("Hold still", "停止刷新"),
    "renew": Message("Renew while pulls run", "拉取时自动刷新"),
    "more_sources": Message("{n} more source.|{n} more sources.", "另有 {n} 个来源。"),
    "see_all_sources": Message("All sources", "所有来源"),
    # nothing yet
    "nothing_yet": Message("Nothing has been pulled yet.", "尚未拉取任何数据。"),
    "nothing_yet_more": Message(
        "The daemon begins the first full pull by itself; at the API's limit a million files take about 100 minutes. "
        "What is listed appears here page by page.",
        "守护进程会自动开始首次全量拉取；按 API 的限额，一百万个文件约需 100 分钟。列出的内容会逐页显示在这里。",
    ),
    # tiles
    "at_a_glance": Message("At a glance", "一览"),
    "within_days": Message("Expire within {n}", "{n}内过期"),
    "live_tile": Message("Live", "有效"),
    "overdue_tile": Message("Overdue", "逾期"),
    "counted_at": Message("Counted {at}.", "统计于 {at}。"),
    # alerts
    "alerts_open": Message("{n} alert open|{n} alerts open", "{n} 个未解除的告警"),
    "no_alerts": Message("No alert is open.", "没有未解除的告警。"),
    "severity_critical": Message("Critical", "严重"),
    "severity_warning": Message("Warning", "警告"),
    "severity_info": Message("Note", "提示"),
    "alert_raised": Message("raised {at}", "{at} 触发"),
    "alert_escalated": Message("nobody took notice, others were told {at}", "无人确认，已于 {at} 升级"),
    "alert_acknowledged": Message("acknowledged {at} by {by}", "{by} 于 {at} 确认"),
    "alert_snoozed": Message("snoozed until {at}", "推迟至 {at}"),
    "alert_resolved": Message("resolved {at}: {ending}", "{at} 解除：{ending}"),
    "ending_extended": Message("the files were extended", "文件已延期"),
    "ending_gone": Message("the files are gone", "文件已消失"),
    "ending_returned": Message("the files are back", "文件已恢复"),
    "ending_expired": Message("the files have expired", "文件已过期"),
    "ending_nearer": Message("the files are in a nearer tier", "文件已进入更近的级别"),
    "ending_mended": Message("it is mended", "已恢复正常"),
    "ending_silenced": Message("the settings silence it", "已在配置中静默"),
    "ending_command": Message("by hand", "手动解除"),
    "acknowledge": Message("Acknowledge", "确认"),
    "acknowledge_number": Message("Acknowledge alert {n}", "确认告警 {n}"),
    # quota
    "quota": Message("Use of the quota", "配额使用"),
    "calls_a_day": Message("Calls in 24 hours", "24 小时内调用"),
    "calls_allowed": Message("Allowed", "允许"),
    "calls_refused": Message("Refused (4400)", "被拒（4400）"),
    "no_limit": Message("no limit", "不限"),
    "no_expiry": Message("never", "永不"),
    # trouble
    "trouble_not_found": Message("There is no such thing here", "没有找到"),
    "do_not_found": Message("It may have been pruned, or the address is mistyped.", "可能已被清理，或地址有误。"),
    "trouble_bad_request": Message("This address is not understood", "无法理解该地址"),
    "do_bad_request": Message("Go back and follow a link, or correct the address.", "请返回并点击链接，或更正地址。"),
    "trouble_bad_form": Message("This form was not taken", "表单未被接受"),
    "do_bad_form": Message(
        "It was opened before the daemon started anew, or did not come from this page. Go back, reload, and try again.",
        "页面打开之后守护进程已重启，或表单并非来自本页。请返回、刷新后重试。",
    ),
    "trouble_database_away": Message("The database cannot be reached", "无法连接数据库"),
    "do_database_away": Message(
        "So nothing can be said of the backups now. The daemon goes on trying; nothing is lost.",
        "因此目前无法得知备份的情况。守护进程会继续尝试；数据不会丢失。",
    ),
    "trouble_too_slow": Message("The database is too busy", "数据库繁忙"),
    "do_too_slow": Message(
        "It did not answer in the time that a page may take. Ask for less (one source, fewer days), or try again.",
        "未能在页面允许的时间内返回。请缩小范围（单个来源、更少天数）或重试。",
    ),
    "trouble_wrong_schema": Message("The database's schema is another version's", "数据库结构版本不符"),
    "do_wrong_schema": Message(
        "Run syncer migrate with the version that is to be used, then start the daemon with the same version.",
        "请用目标版本运行 syncer migrate，再启动同一版本的守护进程。",
    ),
    "trouble_crashed": Message("This page failed", "页面出错"),
    "do_crashed": Message(
        "That is a mistake in syncer; the daemon's log names the place (event page_crashed). Pulls are not affected.",
        "这是 syncer 的错误；守护进程日志（事件 page_crashed）记录了位置。拉取不受影响。",
    ),
    "heard_of_database": Message("The daemon last heard from it {at}.", "守护进程最近一次与其通信：{at}。"),
}

MESSAGES: Mapping[str, Message] = {**REPORT_MESSAGES, **_OWN}
"""All sentences by their keys."""
