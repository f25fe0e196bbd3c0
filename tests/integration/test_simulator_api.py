"""The simulated call over real HTTP: what it checks, how it pages, what it refuses."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest

from syncer.simulator import PATH, Behaviour, End, Fault, Kind, Paging, Simulator, Ties, World, on
from syncer.simulator.signature import signature, string_to_sign

NOW = 1_795_000_000


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def simulator(files: int = 250, *, world: dict[str, Any] | None = None, **options: Any) -> Simulator:
    return Simulator(World(files, **(world or {})), **{"clock": Clock(), **options})


class Caller:
    """A bare client on one kept-alive connection."""

    def __init__(self, server: Simulator) -> None:
        self.server = server
        host = server.url.removeprefix("http://").removesuffix(PATH)
        self.connection = http.client.HTTPConnection(host, timeout=10)

    def close(self) -> None:
        self.connection.close()

    def send(self, params: dict[str, str], method: str = "GET", query: str = "") -> dict[str, Any]:
        text = urlencode(params)
        if method == "GET":
            self.connection.request("GET", f"{PATH}?{text}")
        else:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            self.connection.request("POST", f"{PATH}?{query}", text, headers)
        response = self.connection.getresponse()
        assert response.status == 200
        answer = json.loads(response.read())
        assert isinstance(answer, dict)
        return answer

    def ask(self, **own: Any) -> dict[str, Any]:
        return self.send(self.server.signed(**{name.replace("__", "."): str(value) for name, value in own.items()}))

    def lookup(self, *file_ids: str) -> dict[str, Any]:
        return self.send(self.server.signed(**{f"fileId.{n}": file_id for n, file_id in enumerate(file_ids)}))

    def pages(self, limit: int = 1000, **own: Any) -> Iterator[dict[str, Any]]:
        context = ""
        for _ in range(limit):
            page = self.ask(context=context, **own)
            yield page
            context = page.get("context", "")
            if page["code"] or not context:
                return
        raise AssertionError("the listing does not end")


def files(pages: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for page in pages for entry in page.get("fileSet", [])]


@pytest.mark.parametrize("end", End)
@pytest.mark.parametrize("count", [0, 1, 100, 250, 300])
@pytest.mark.parametrize("order", [0, 1])
def test_a_pull_lists_everything_once_and_ends_as_asked(end: End, count: int, order: int) -> None:
    with simulator(count, behaviour=Behaviour(end=end)) as server, closing(Caller(server)) as caller:
        pages = list(caller.pages(pageSize=100, orderby=order))
        assert files(iter(pages)) == server.listing(order=order)
        assert all(page["fileCount"] == len(page["fileSet"]) for page in pages if page["code"] == 0)
        last = {"code": 70008, "message": "(70008)拉取已经完成", "codeDesc": "PullComplete"}
        assert (pages[-1] == last) if end is End.CODE_70008 else (pages[-1]["context"] == "")
        assert server.table() == {row["fileId"]: (row, "live") for row in server.listing()}


def test_a_page_holds_ten_files_unless_asked_and_a_hundred_at_most() -> None:
    with simulator() as server, closing(Caller(server)) as caller:
        assert len(caller.ask()["fileSet"]) == 10
        assert len(caller.ask(pageSize=1)["fileSet"]) == 1
        for wrong in ("0", "101", "-1", "ten", "1.5", "1e1"):
            assert caller.ask(pageSize=wrong)["code"] == 1000, wrong
        assert caller.ask(orderby=2)["code"] == 1000
    with simulator(behaviour=Behaviour(page_size_cap=7)) as server, closing(Caller(server)) as caller:
        assert files(caller.pages(pageSize=100)) == server.listing()


def test_a_prefix_is_kept_by_the_context() -> None:
    with simulator(800) as server, closing(Caller(server)) as caller:
        assert files(caller.pages(pageSize=30, prefix="6003_")) == server.listing("6003_")
        assert caller.ask(prefix="nothing")["fileSet"] == []
        context = caller.ask(prefix="6003_")["context"]
        assert caller.ask(context=context)["code"] == 70006
        assert caller.ask(context=context, prefix="6003_", orderby=1)["code"] == 70006
        assert caller.ask(context=context, prefix="6003_", pageSize=50)["code"] == 0
        assert caller.ask(context="OYdtlAD5DqRX==")["code"] == 70005


def test_files_are_found_by_id_a_hundred_at_most_and_without_other_filters() -> None:
    with simulator() as server, closing(Caller(server)) as caller:
        ids = [row["fileId"] for row in server.listing()]
        answer = caller.lookup(ids[7], ids[3], ids[7])
        assert [entry["fileId"] for entry in answer["fileSet"]] == [ids[7], ids[3]]
        assert answer["context"] == ""
        assert len(caller.lookup(*ids[:100])["fileSet"]) == 100
        assert caller.lookup(*ids[:101])["code"] == 1000
        assert caller.ask(fileId__0=ids[0], prefix="6")["code"] == 1000
        assert caller.ask(fileId__1=ids[0])["code"] == 1000


@pytest.mark.parametrize(("fails_all", "some_missing"), [(False, 0), (True, 10008)])
def test_a_missing_id_is_left_out_or_fails_the_query(*, fails_all: bool, some_missing: int) -> None:
    behaviour = Behaviour(missing_id_fails_all=fails_all, all_missing_fails=fails_all)
    with simulator(behaviour=behaviour) as server, closing(Caller(server)) as caller:
        kept, deleted = server.world.ids()[:2]
        server.world.delete(deleted)
        answer = caller.lookup(kept, deleted)
        assert answer["code"] == some_missing
        assert [entry["fileId"] for entry in answer.get("fileSet", [])] == ([] if fails_all else [kept])
        assert caller.lookup(deleted)["code"] == some_missing
    with simulator() as server, closing(Caller(server)) as caller:
        assert caller.lookup("1")["code"] == 10008


def test_common_parameters_signature_and_key_are_checked() -> None:
    with simulator(token="t") as server, closing(Caller(server)) as caller:
        for name in ("Action", "Region", "Timestamp", "Nonce", "SecretId"):
            assert caller.ask(**{"Token": "t", name: ""})["code"] == 4000, name
        good = server.signed(Token="t")
        assert caller.send({**good, "Signature": ""})["code"] == 4000
        assert caller.send({**good, "Signature": "é"})["code"] == 4100
        assert caller.send({**good, "pageSize": "99"})["code"] == 4100
        assert caller.ask(Token="t", SecretId="stranger")["code"] == 4104
        assert caller.ask()["code"] == caller.ask(Token="u")["code"] == 4105
        assert caller.ask(Token="t", Action="DescribeVodInfo")["code"] == 6100
        assert caller.ask(Token="t", Nonce="-5")["code"] == 4000
        assert caller.send(good)["code"] == 0
        assert server.calls[-1].params["Signature"] == server.calls[-1].params["Token"] == "…"
        assert good["Signature"] not in repr(server.calls)
    with simulator(behaviour=Behaviour(https_required=True)) as server, closing(Caller(server)) as caller:
        assert caller.ask()["code"] == 4600


def test_a_nonce_serves_once_and_the_clock_must_be_near() -> None:
    with simulator() as server, closing(Caller(server)) as caller:
        params = server.signed()
        assert caller.send(params)["code"] == 0
        assert caller.send(params)["code"] == 4500
        for off, code in ((-301, 4500), (301, 4500), (-299, 0), (299, 0)):
            answer = caller.ask(Timestamp=NOW + off)
            assert answer["code"] == code, off
            assert code == 0 or answer["message"].endswith(f"腾讯服务器 Timestamp = {NOW}")


def test_hostile_numbers_and_texts_are_refused_and_break_nothing() -> None:
    with simulator() as server, closing(Caller(server)) as caller:
        long = "9" * 5000
        assert caller.ask(Timestamp=long)["code"] == caller.ask(Nonce=long)["code"] == 4000
        assert caller.ask(pageSize=long)["code"] == caller.ask(orderby="\u0661")["code"] == 1000
        assert caller.lookup(long, "\0", "'; --")["code"] == 10008
        assert caller.ask(context=long)["code"] == 70005
        assert caller.ask(prefix="\0 %00 ' 备份")["fileSet"] == []
        raw = urlencode(server.signed()).encode() + b"&prefix=%ff%fe"
        caller.connection.request("GET", f"{PATH}?{raw.decode()}")
        assert json.loads(caller.connection.getresponse().read())["code"] == 4100


@pytest.mark.parametrize("digest", ["HmacSHA1", "HmacSHA256", ""])
def test_both_digests_are_taken_by_get_and_by_post_whose_query_is_ignored(digest: str) -> None:
    with simulator() as server, closing(Caller(server)) as caller:
        assert caller.ask(SignatureMethod=digest, prefix="6 ü+@")["code"] == 0
        params = server.signed("POST", SignatureMethod=digest, pageSize="20")
        assert len(caller.send(params, "POST", query="pageSize=5&Action=x")["fileSet"]) == 20
        assert caller.send(server.signed("GET"), "POST")["code"] == 4100


def test_the_host_that_is_signed_is_the_requests_or_the_configured_one() -> None:
    with simulator(signed_host="vod.api.qcloud.com") as server, closing(Caller(server)) as caller:
        params = server.signed()
        text = string_to_sign("GET", "vod.api.qcloud.com", PATH, params)
        key = next(iter(server.credentials.values()))
        assert params["Signature"] == signature(key, text, "HmacSHA256")
        assert caller.send(params)["code"] == 0


def test_a_full_quota_answers_4400_until_the_window_has_moved() -> None:
    clock = Clock()
    with simulator(clock=clock, behaviour=Behaviour(calls_per_minute=3)) as server, closing(Caller(server)) as caller:
        assert [caller.ask()["code"] for _ in range(5)] == [0, 0, 0, 4400, 4400]
        clock.now += 61
        assert caller.ask()["code"] == 0


def test_contexts_die_of_age_of_use_and_when_they_are_killed() -> None:
    clock = Clock()
    rules = Behaviour(context_lifetime=30.0, context_uses=2)
    with simulator(clock=clock, behaviour=rules) as server, closing(Caller(server)) as caller:
        first, second = caller.ask()["context"], caller.ask()["context"]
        assert [caller.ask(context=first)["code"] for _ in range(3)] == [0, 0, 70006]
        clock.now += 31
        assert caller.ask(context=second)["code"] == 70005
        third = caller.ask()["context"]
        server.kill_contexts()
        assert caller.ask(context=third)["code"] == 70005
        assert caller.ask(context=caller.ask()["context"])["code"] == 0


def test_once_the_last_page_was_computed_its_context_answers_70008_though_the_reply_was_lost() -> None:
    lost = on([3], Fault(Kind.CLOSE))
    with simulator(behaviour=Behaviour(last_page_once=True), faults=lost) as server, closing(Caller(server)) as caller:
        second = caller.ask(pageSize=100, context=caller.ask(pageSize=100)["context"])["context"]
        with pytest.raises(http.client.RemoteDisconnected):
            caller.ask(pageSize=100, context=second)
        assert caller.ask(pageSize=100, context=second)["code"] == 70008
        assert len(server.table()) == 200


@pytest.mark.parametrize(("paging", "missed"), [(Paging.ANCHORED, 0), (Paging.POSITIONAL, 1)])
def test_a_deletion_shifts_a_positional_listing_and_not_an_anchored_one(paging: Paging, missed: int) -> None:
    schedule = {1: lambda server: server.world.delete(server.world.ids()[0])}
    with simulator(behaviour=Behaviour(paging=paging), schedule=schedule) as server, closing(Caller(server)) as caller:
        listed = {entry["fileId"] for entry in files(caller.pages(pageSize=100))}
        assert len({row["fileId"] for row in server.listing()} - listed) == missed
        assert [state for _, state in server.table().values()].count("vanished") == 1


@pytest.mark.parametrize("order", [0, 1])
def test_an_anchored_listing_survives_the_loss_of_its_anchor_and_sees_what_is_added_ahead(order: int) -> None:
    def shake(server: Simulator) -> None:
        ids = server.world.ids()
        server.world.delete(ids[99 if order == 0 else -100])
        ahead = 200 if order == 0 else 20
        server.world.add(created=server.world.file(ahead).created)

    with simulator(schedule={1: shake}) as server, closing(Caller(server)) as caller:
        listed = [entry["fileId"] for entry in files(caller.pages(pageSize=100, orderby=order))]
        assert len(listed) == len(set(listed)) == 251
        assert {row["fileId"] for row in server.listing()} < set(listed)


def test_ties_are_listed_in_another_order_by_each_listing_and_still_each_once() -> None:
    rules = Behaviour(ties=Ties.PER_LISTING)
    with simulator(250, world={"same_second": 60}, behaviour=rules) as server, closing(Caller(server)) as caller:
        for order in (0, 1):
            pulls = [files(caller.pages(pageSize=35, orderby=order)) for _ in range(2)]
            assert pulls[0] != pulls[1]
            times = [entry["createTime"] for entry in pulls[0]]
            assert times == sorted(times, reverse=bool(order))
            for pull in pulls:
                assert sorted(entry["fileId"] for entry in pull) == server.world.ids()


def test_ties_that_move_between_calls_lose_files() -> None:
    rules = Behaviour(ties=Ties.PER_CALL)
    with simulator(250, world={"same_second": 125}, behaviour=rules) as server, closing(Caller(server)) as caller:
        listed = [entry["fileId"] for entry in files(caller.pages(pageSize=20))]
        assert len(listed) == 250 > len(set(listed))


def test_numbers_come_as_strings_the_order_is_ignored_pages_overlap_and_the_count_is_missing_when_asked() -> None:
    rules = Behaviour(digit_strings=True, code_as_string=True, orderby_ignored=True, overlap=3)
    with simulator(behaviour=rules) as server, closing(Caller(server)) as caller:
        first = caller.ask(orderby=1, pageSize=100)
        assert (first["code"], first["fileCount"]) == ("0", "100")
        assert first["fileSet"][0]["size"].isdigit()
        second = caller.ask(orderby=1, pageSize=100, context=first["context"])
        assert second["fileSet"][:3] == first["fileSet"][-3:]
        assert len(second["fileSet"]) == 103
        assert caller.ask(pageSize=0)["code"] == "1000"
    with simulator(behaviour=Behaviour(file_count=False)) as server, closing(Caller(server)) as caller:
        assert "fileCount" not in caller.ask()


@pytest.mark.parametrize("length", [1, 3])
def test_contexts_cycle_for_ever(length: int) -> None:
    with simulator(2000, behaviour=Behaviour(cycle=length)) as server, closing(Caller(server)) as caller:
        contexts: list[str] = []
        for _ in range(10):
            contexts.append(caller.ask(context=contexts[-1] if contexts else "", pageSize=100)["context"])
        assert contexts[:length] * 2 == contexts[length : 3 * length]
        assert len(set(contexts)) == length


def test_expired_files_linger_as_overdue_and_are_expired_once_deleted() -> None:
    clock = Clock()
    with simulator(5, clock=clock, behaviour=Behaviour(expired_linger=100.0)) as server:
        file_id = server.world.add(expires=NOW + 10).file_id
        with closing(Caller(server)) as caller:
            caller.ask(pageSize=100)
        states = []
        for second in (9, 11, 111):
            clock.now = NOW + second
            states.append((file_id in server.world.ids(), server.table()[file_id][1]))
        assert states == [(True, "live"), (True, "overdue"), (False, "expired")]
        assert server.table(swept=False)[file_id][1] == "overdue"


def test_the_newer_error_form_and_other_paths_are_played_too() -> None:
    with simulator(behaviour=Behaviour(new_error_form=True)) as server, closing(Caller(server)) as caller:
        answer = caller.ask(pageSize=0)
        assert answer["Response"]["Error"]["Code"] == "InvalidParameter"
        assert answer["Response"]["RequestId"]
        caller.connection.request("GET", "/")
        assert caller.connection.getresponse().read().startswith(b"<html>")


def test_the_control_surface_steers_a_simulator_and_is_closed_unless_asked_for() -> None:
    with simulator(control=True) as server, closing(Caller(server)) as caller:

        def control(name: str, wish: Any = None, status: int = 200) -> Any:
            method = "GET" if wish is None else "POST"
            caller.connection.request(method, f"/_simulator/{name}", None if wish is None else json.dumps(wish))
            response = caller.connection.getresponse()
            body = json.loads(response.read())
            assert response.status == status, body
            return body

        assert control("listing") == server.listing()
        ids = server.world.ids()
        added = control("mutate", {"add": 2, "delete": ids[:3], "change": {ids[5]: {"name": "n"}}})["added"]
        assert server.world.ids() == ids[3:] + added
        assert control("listing?prefix=n")[0]["fileId"] == ids[5]
        control("mutate", {"restore": ids[:3], "add": {"name": "mine"}})
        assert control("state") == {"files": 253, "calls": 0, "steps_left": 0}
        control("fault", {"kind": "code", "code": 1001, "processed": False, "next": 1})
        assert [caller.ask()["code"] for _ in range(2)] == [1001, 0]
        control("fault", {"kind": "code", "code": 6200})
        assert caller.ask()["code"] == 6200
        control("fault", {})
        assert caller.ask()["code"] == 0
        assert [call["code"] for call in control("calls")] == [1001, 0, 6200, 0]
        assert len(control("table")) == 10
        for wrong in ({"kind": "nonsense"}, {"kind": "code", "colour": 1}):
            assert "error" in control("fault", wrong, 400)
        assert "error" in control("mutate", {"delete": ["1"]}, 400)
        assert "error" in control("step", {}, 400)
        assert "error" in control("nothing", {}, 404)
    with simulator() as server, closing(Caller(server)) as caller:
        caller.connection.request("GET", "/_simulator/listing")
        assert caller.connection.getresponse().status == 404


def test_a_simulator_goes_down_and_comes_up_on_its_port_with_its_memory() -> None:
    with simulator() as server:
        url = server.url
        with closing(Caller(server)) as caller:
            context = caller.ask()["context"]
            server.down()
            with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
                caller.ask()
        with closing(Caller(server)) as caller, pytest.raises(ConnectionRefusedError):
            caller.ask()
        server.up()
        assert server.url == url
        with closing(Caller(server)) as caller:
            assert caller.ask(context=context)["fileSet"] == server.listing()[10:20]


def test_a_connection_is_kept_alive_and_closed_after_so_many_requests_if_asked() -> None:
    with simulator(behaviour=Behaviour(keep_alive=2)) as server, closing(Caller(server)) as caller:
        caller.ask()
        first = caller.connection.sock
        caller.ask()
        assert first is not None
        assert caller.connection.sock is None
        caller.ask()
        assert server.call_count == 3
