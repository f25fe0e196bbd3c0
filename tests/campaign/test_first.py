from campaign.model import Setup, modelled
from campaign.blows import *


def test_plain(campaign_database, tmp_path):
    with modelled(campaign_database, str(tmp_path)) as m:
        m.pull()
        m.add(hours=20)
        m.pull("recent")
        m.evaluate()
        m.send()
        m.delete(3, 2)
        m.pull("full", Kill(14))
        m.pull("full", Stop(2))
        m.pull("full", Fail(Trouble.CANCELLED, 12))
        m.pull("full", Stall(12, "full", True))
        m.pull()
        m.pass_time(86400)
        m.evaluate()
        m.lookup(2)
