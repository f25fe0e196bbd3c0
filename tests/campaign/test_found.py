"""What the campaigns found, shrunk to a story each: they stay found."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.blows import Fail, Kill, Stall, Stop, Trouble
from campaign.databases import Database
from campaign.model import DAY, HOUR, Setup, modelled
from syncer.simulator import Behaviour, End, Fault, Kind, Paging, Ties, lost_reply


def test_history_is_told_in_the_order_in_which_it_happened_when_the_clock_is_set_back(
    campaign_database: Database, tmp_path: Path
) -> None:
    """Two changes of one file, the second stamped before the first: the past before both was told wrong."""
    with modelled(campaign_database, str(tmp_path), Setup(files=12)) as model:
        model.pull()
        model.pass_time(HOUR)
        model.rename(3, "first.mp4")
        model.pull()
        model.pass_time(-HOUR + 60)
        model.rename(3, "second.mp4")
        model.pull()
        model.delete(3)
        model.pull()
        model.pass_time(2 * HOUR)
        model.evaluate()


def test_what_was_deleted_while_an_interrupted_pull_waited_is_found_gone_by_the_next(
    campaign_database: Database, tmp_path: Path
) -> None:
    with modelled(campaign_database, str(tmp_path), Setup(files=30, page_size=5)) as model:
        model.pull()
        model.pull("full", Stop(3))
        model.delete(27, 2)
        assert model.pull() == "complete"
        assert model.pull() == "complete"


@pytest.mark.parametrize("trouble", Trouble)
def test_a_database_that_fails_in_the_middle_costs_nothing(
    campaign_database: Database, tmp_path: Path, trouble: Trouble
) -> None:
    with modelled(campaign_database, str(tmp_path), Setup(files=25, page_size=5)) as model:
        model.pull()
        model.delete(7)
        model.add(hours=20)
        for number in (3, 14, 22, 31):
            model.pull("full", Fail(trouble, number))
        model.evaluate(Fail(trouble, 9))
        model.send(Fail(trouble, 5))


def test_rivals_kills_and_lost_replies_at_a_positional_listing(campaign_database: Database, tmp_path: Path) -> None:
    behaviour = Behaviour(
        end=End.CODE_70008, last_page_once=True, context_uses=1, paging=Paging.POSITIONAL, missing_id_fails_all=True
    )
    with modelled(campaign_database, str(tmp_path), Setup(files=40, page_size=5, behaviour=behaviour)) as model:
        model.pull("full", Kill(20))
        model.pull("full", Stall(16, "full", expired=True))
        model.meanwhile(3, lambda: model.delete(2))
        model.weather(lost_reply(), rate=0.5, seed=3)
        model.pull()
        model.weather(Fault(Kind.EMPTY_PAGE), calls=2)
        model.pull("recent", Stall(14, "full", expired=False))
        model.pass_time(2 * DAY)
        model.evaluate(Kill(12))
        model.evaluate()
        model.send(Kill(4))


def test_a_pull_whose_sweep_is_refused_does_not_say_that_nothing_is_missing(
    campaign_database: Database, tmp_path: Path
) -> None:
    """An API that shuffles files of one createTime hid 19 known files from a listing; the brake kept them from being
    asked for, and the pull was called proven."""
    behaviour = Behaviour(ties=Ties.PER_CALL, overlap=2, last_page_once=True, end=End.CODE_70008)
    setup = Setup(files=39, same_second=50, zero_times=True, odd=True, behaviour=behaviour, seed=316)
    with modelled(campaign_database, str(tmp_path), setup) as model:
        for _ in range(4):
            model.pull(allow_sweep=True)
        for _ in range(3):
            model.pull()


def test_whoever_would_give_an_unfinished_pull_up_may_ask_for_the_first_page_before(
    campaign_database: Database, tmp_path: Path
) -> None:
    """The disk was full when the unfinished pull was to be given up: the question had been asked, and nothing begun."""
    with modelled(campaign_database, str(tmp_path), Setup(files=30, page_size=5)) as model:
        model.pull("full", Stop(3))
        for number in range(8, 16):
            model.pull("full", Fail(Trouble.FULL, number), allow_sweep=True)
