from __future__ import annotations

from random import Random

from syncer.pull.circle import ContextsSeen
from syncer.store.ledger import context_hash


def test_every_context_is_known_again_and_no_other() -> None:
    dice = Random(3)
    numbers = dice.sample(range(10**6), 400)
    hashes = [context_hash(f"context {number}") for number in numbers]
    seen = ContextsSeen(b"".join(each for each in hashes[:100] if each))
    for each in hashes[100:200]:
        assert each not in seen
        seen.add(each)
    assert all(each in seen for each in hashes[:200])
    assert not any(each in seen for each in hashes[200:])


def test_the_end_of_a_listing_is_no_context() -> None:
    seen = ContextsSeen()
    seen.add(None)
    assert None not in seen
    assert context_hash("first") not in seen
