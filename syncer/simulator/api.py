"""The call itself: VodBackupGet's parameters and paging, as its document describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from syncer.simulator.behaviour import Behaviour, End, Ties
from syncer.simulator.contexts import LOST, Contexts, Place, prefix_hash, read, write
from syncer.simulator.cutter import Cutter
from syncer.simulator.entries import Entries
from syncer.simulator.gate import Refusal
from syncer.simulator.world import World

INVALID = 1000
MISSING_FILE = 10008
_MOST_IDS = 100
_MOST_FILES = 100
_DEFAULT_SIZE = 10
_MESSAGES = {70005: "context无效", 70006: "context使用方式有误", 70008: "拉取已经完成"}
_CODE_NAMES = {0: "Success", 1000: "InvalidParameter", 10008: "FileNotExist", 70005: "ContextInvalid"}
_CODE_NAMES |= {
    70006: "ContextMisused",
    70008: "PullComplete",
    4400: "RequestLimitExceeded",
    4500: "ReplayAttack",
}


@dataclass(frozen=True, slots=True)
class Twist:
    """What a fault does to a page that is served: an empty one, its own context again, or entries listed twice."""

    empty: bool = False
    same_context: bool = False
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """A call's own parameters, checked."""

    file_ids: tuple[str, ...]
    prefix: str
    order: int
    page_size: int
    context: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it goes on the wire; `slots` are the files that it lists."""

    code: int
    body: bytes
    slots: Sequence[int] = ()


def parse(params: Mapping[str, str]) -> Query:
    """Check the call's own parameters; Refusal 1000 for a wrong one."""
    named = sorted((name for name in params if name.startswith("fileId.")), key=len)
    file_ids = tuple(params.get(f"fileId.{number}", "") for number in range(len(named)))
    if not all(file_ids) or len(file_ids) > _MOST_IDS:
        raise Refusal(INVALID, f"无效参数 fileId.n: 从 0 起连续编号, 最多 {_MOST_IDS} 个")
    prefix, context = params.get("prefix", ""), params.get("context", "")
    if file_ids and (prefix or context):
        raise Refusal(INVALID, "无效参数: fileId 排斥其它过滤条件")
    return Query(
        file_ids,
        prefix,
        _integer(params, "orderby", 0, 0, 1),
        _integer(params, "pageSize", _DEFAULT_SIZE, 1, _MOST_FILES),
        context,
    )


def _integer(params: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise Refusal(INVALID, f"无效参数 {name}")
    return int(text)


class Api:
    """Serves checked calls from a world, in the way that the behaviour says."""

    def __init__(self, world: World, behaviour: Behaviour, *, seed: int) -> None:
        self.contexts = Contexts(behaviour)
        self._world = world
        self._behaviour = behaviour
        self._cutter = Cutter(world, behaviour, seed=seed)
        self._ahead: tuple[Place, str, int, int] | None = None
        self._entries = Entries(world, digit_strings=behaviour.digit_strings)

    def serve(self, params: Mapping[str, str], *, call: int, now: float, twist: Twist) -> Answer:
        """Answer call number `call` at `now`; Refusal for what is not served."""
        query = parse(params)
        if query.file_ids:
            return self._lookup(query.file_ids)
        rules = self._behaviour
        size = min(query.page_size, rules.page_size_cap)
        order = 0 if rules.orderby_ignored else query.order
        place = self._begin(query, now)
        if twist.empty:
            return self._page([], self._issue(place, now), twist)
        cut = self._cutter.cut(place, query.prefix, order=order, size=size, call=call)
        if query.context and twist.same_context:
            return self._page(cut.slots, query.context, twist)
        last = cut.slots[-1] if cut.slots else place.slot
        after = replace(place, page=place.page + 1, slot=last, offset=cut.end, page_size=query.page_size)
        self._ahead = (after, query.prefix, order, size) if cut.more else None
        return self._page([*cut.again, *cut.slots], self._following(after, more=cut.more, now=now), twist)

    def look_ahead(self) -> None:
        """Write the page that probably comes next, so that the client's own work hides what writing it costs."""
        if self._ahead is not None and self._behaviour.ties is Ties.STABLE:
            place, prefix, order, size = self._ahead
            self._ahead = None
            cut = self._cutter.cut(place, prefix, order=order, size=size, call=0)
            self._entries.write_ahead([*cut.again, *cut.slots])

    def _lookup(self, file_ids: Sequence[str]) -> Answer:
        found = [slot for slot in map(self._world.slot_of, dict.fromkeys(file_ids)) if slot is not None]
        missing = len(found) < len(set(file_ids))
        if missing and (self._behaviour.missing_id_fails_all or (not found and self._behaviour.all_missing_fails)):
            raise Refusal(MISSING_FILE, "文件不存在")
        return self._page(found, "", Twist())

    def _begin(self, query: Query, now: float) -> Place:
        if not query.context:
            listing = self.contexts.new_listing()
            return Place(0, listing, 0, 0, -1, 0, query.order, query.page_size, prefix_hash(query.prefix), False)
        place = read(query.context)
        code = LOST
        if place is not None:
            code = self.contexts.refuse(
                place, now=now, order=query.order, page_size=query.page_size, prefix=query.prefix
            )
        if code or place is None:
            raise Refusal(code, _MESSAGES[code])
        return place

    def _following(self, after: Place, *, more: bool, now: float) -> str:
        rules = self._behaviour
        if rules.cycle:
            return self._cycled(after)
        if more:
            return self._issue(after, now)
        self.contexts.finish(after.listing)
        return "" if rules.end is End.EMPTY_CONTEXT else self._issue(replace(after, final=True), now)

    def _cycled(self, after: Place) -> str:
        """Write one of a few contexts that come again and again: each stands for a place near the beginning."""
        page = (after.page - 1) % self._behaviour.cycle + 1
        fixed = replace(after, serial=0, listing=0, page=page, issued_ms=0, slot=-1, offset=page * after.page_size)
        return write(fixed)

    def _issue(self, place: Place, now: float) -> str:
        return self.contexts.issue(place=place, now=now)

    def _page(self, slots: Sequence[int], context: str, twist: Twist) -> Answer:
        slots = [*slots, *slots[: twist.duplicates]]
        count = f'"fileCount":{self._digits(len(slots))},' if self._behaviour.file_count else ""
        head = (
            f'{{"code":{self._code(0)},"message":"","codeDesc":"Success",{count}'
            f'"context":{json.dumps(context)},"fileSet":['
        )
        return Answer(0, b"".join((head.encode(), self._entries.write(slots), b"]}")), slots)

    def error(self, code: int, message: str, *, new_form: bool = False) -> Answer:
        """Write a coded answer, in the newer form if asked or if the behaviour says so."""
        name = _CODE_NAMES.get(code, "InternalError")
        if new_form or self._behaviour.new_error_form:
            error = {"Code": name, "Message": message}
            said = {"Response": {"Error": error, "RequestId": f"{code:08x}-0000-4000-8000-000000000000"}}
            return Answer(code, json.dumps(said, ensure_ascii=False).encode())
        flat = {"code": str(code) if self._behaviour.code_as_string else code, "message": f"({code}){message}"}
        return Answer(code, json.dumps(flat | {"codeDesc": name}, ensure_ascii=False).encode())

    def _digits(self, number: int) -> str:
        return f'"{number}"' if self._behaviour.digit_strings else str(number)

    def _code(self, code: int) -> str:
        return f'"{code}"' if self._behaviour.code_as_string else str(code)
