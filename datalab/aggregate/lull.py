"""Visitors who came lately but are quiet now: while very many events come in, most of them are of pages that ended.

Their sessions are not settled, since they may go on any moment; but as long as none does, what they come to need not be
summed up again with every question.
"""

from itertools import count

from msgspec import Struct
from pyroaring import BitMap

from datalab.aggregate.changes import Changes

QUIET_SECONDS = 1
STEP_EVENTS = 20_000
"""So many events of quiet visitors are worth a sum of their own."""
numbers = count(1)


class Step(Struct, frozen=True):
    """Visitors who became quiet, and their sessions that are not settled."""

    visitors: BitMap
    sessions: BitMap


class Lull:
    """Steps that hold as long as none of their visitors is heard of again."""

    def __init__(self, until: int, total: int) -> None:
        self.number = next(numbers)
        self.until = until
        """Their sessions began from then on, ms."""
        self.steps: list[Step] = []
        self.visitors = BitMap()
        self._total = total

    def holds(self, until: int, changes: Changes) -> bool:
        """Whether all steps still hold."""
        changed = changes.visitors_since(self._total) if until == self.until else None
        if changed is None or changed.intersect(self.visitors):
            return False
        self._total = changes.total
        return True

    def add(self, step: Step) -> None:
        """These are quiet as well."""
        self.steps.append(step)
        self.visitors |= step.visitors
