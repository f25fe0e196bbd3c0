"""Chooses the beginnings of names by which many files are best told apart; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

# Beginnings end between words, numbers and signs: never within one.
_TOKEN = re.compile(r"[A-Za-z]+|\d+|.", re.DOTALL)
# What a split leaves in groups too small to name may be so much of what is split.
_MOST_LEFT = 0.25
# A group is worth a line when it is this part of all.
_LEAST = 0.01


def useful_prefixes(names: Sequence[str], most: int) -> list[str]:
    """Return `most` beginnings at most, each of several of `names`, none of which says nothing (the empty one).

    All names begin as one group. The largest that can be is split where its names first differ, as long as most of it
    goes into groups worth a line, and not too many: names that differ from file to file stay together.
    """
    least = max(2, int(len(names) * _LEAST))
    groups = [_group([_TOKEN.findall(name) for name in names])]
    done: list[_Group] = []
    while groups:
        groups.sort(key=lambda group: len(group.names))
        largest = groups.pop()
        parts = largest.split(least)
        fits = len(groups) + len(done) + len(parts) <= most
        if fits and sum(len(each.names) for each in parts) >= (1 - _MOST_LEFT) * len(largest.names):
            groups += parts
        else:
            done.append(largest)
    chosen = {each.prefix: len(each.names) for each in done if each.prefix and len(each.names) > 1}
    return sorted(chosen, key=lambda prefix: (-chosen[prefix], prefix))


class _Group:
    """Names as tokens, and how many tokens they have in common."""

    def __init__(self, names: list[list[str]], common: int) -> None:
        self.names, self.common = names, common
        self.prefix = "".join(names[0][:common]) if names else ""

    def split(self, least: int) -> list[_Group]:
        """Return the groups by the next token that are worth a line; none when there is nothing to tell apart."""
        following = Counter(name[self.common] for name in self.names if len(name) > self.common)
        parts = [token for token, number in following.items() if number >= least]
        if len(parts) < 2 and sum(following.values()) == len(self.names):  # noqa: PLR2004 - one part is the whole
            return []
        return [
            _group([name for name in self.names if len(name) > self.common and name[self.common] == token])
            for token in parts
        ]


def _group(names: list[list[str]]) -> _Group:
    """Return a group, its common tokens counted."""
    common = 0
    for tokens in zip(*names, strict=False):
        if len(set(tokens)) > 1:
            break
        common += 1
    return _Group(names, common)
