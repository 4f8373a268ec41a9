"""The streams of a partition: whose they are, in which context they began, and which of their events were seen."""

import numpy as np
from numpy.typing import NDArray

from datalab.aggregate.column import Column
from datalab.aggregate.dimension import Dimension
from datalab.aggregate.rules import Rules
from datalab.aggregate.visitors import VisitorIndex
from datalab.model.agents import DIRECT, Audience, audience, referrer_host
from datalab.model.events import Context, Opening
from datalab.model.records import lost_visitor
from datalab.model.sequences import Seen

AUDIENCE = Audience._fields
CONTEXT = tuple(name for name in AUDIENCE if name != "referrer")
"""All that streams have in common with many others; with the referrer there would be very many of them."""
KNOWN_CONTEXTS = 10_000


class Streams:
    """The n-th opening is stream n."""

    def __init__(self, rules: Rules, dimensions: dict[str, Dimension], visitors: VisitorIndex) -> None:
        self._rules = rules
        self._dimensions = dimensions
        self.visitors = visitors
        self.visitor = Column(np.uint32)
        self.context = Column(np.uint8)
        self.high = Column(np.uint8)
        """Highest sequence number seen."""
        self.missing: dict[int, list[tuple[int, int]]] = {}
        """Gaps below it, for the few streams that have any."""
        self.referrer = Column(np.uint8)
        self.contexts = [Column(np.uint8) for _ in CONTEXT]
        """The codes of each distinct context, one column a field of CONTEXT."""
        self.direct = dimensions["referrer"].code(DIRECT)
        """The referrer code of sessions that came from nowhere known; it has one however many referrers there are."""
        self._codes: dict[tuple[int, ...], int] = {}
        self._known: dict[tuple[str, ...], int] = {}
        self._referrers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.visitor)

    def open(self, openings: list[Opening]) -> None:
        """Add streams."""
        if not openings:
            return
        self.visitor.append(self.visitors.numbers([opening.visitor for opening in openings]))
        fresh: list[tuple[int, ...]] = []
        contexts = [opening.context for opening in openings]
        self.context.append(np.array([self._number(context, fresh) for context in contexts], dtype=np.uint32))
        self.referrer.append(np.array([self._referrer(context.referrer) for context in contexts], dtype=np.uint32))
        for column, codes in zip(self.contexts, zip(*fresh, strict=True), strict=False):
            column.append(np.array(codes, dtype=np.uint32))
        self.high.fill(len(openings), 0)

    def open_lost(self, count: int) -> None:
        """Stand-ins for openings in a damaged stretch: their later events count, as visitors of their own."""
        first = len(self)
        self.open([Opening(visitor=lost_visitor(first + k), started=0) for k in range(count)])

    def note(self, stream: NDArray[np.uint32], sequence: NDArray[np.uint32]) -> None:
        """Remember which sequence numbers were seen."""
        order = np.lexsort((sequence, stream))
        streams, numbers = stream[order], sequence[order].astype(np.int64)
        starts = np.flatnonzero(np.diff(streams, prepend=np.int64(-1)))
        ends = np.append(starts[1:], len(streams)) - 1
        at = streams[starts]
        steps = np.diff(numbers, prepend=0)
        steps[starts] = numbers[starts] - self.high.values[at]
        whole = np.logical_and.reduceat(steps == 1, starts)
        high = numbers[ends]
        for k in np.flatnonzero(~whole).tolist():
            seen = self.seen(int(at[k]))
            for number in numbers[starts[k] : ends[k] + 1].tolist():
                seen.admit(number)
            high[k] = seen.high
            if seen.missing:
                self.missing[int(at[k])] = seen.missing
            else:
                self.missing.pop(int(at[k]), None)
        self.high.put(at, high)

    def seen(self, stream: int) -> Seen:
        """What was seen of a stream, as a copy."""
        return Seen(int(self.high.values[stream]), list(self.missing.get(stream, ())))

    def forget(self) -> None:
        """Let go the memory of contexts."""
        self._known.clear()
        self._referrers.clear()

    def restored(self) -> None:
        """Build what is derived, after the columns came from a snapshot."""
        rows = zip(*(column.values.tolist() for column in self.contexts), strict=True)
        self._codes = {codes: number for number, codes in enumerate(rows)}

    def _number(self, context: Context, fresh: list[tuple[int, ...]]) -> int:
        """The context's number; the codes of a new one go behind the `fresh` ones."""
        name = (context.user_agent, context.language, context.screen, context.country)
        known = self._known.get(name)
        if known is None:
            values = audience(context, self._rules.own_hosts)
            codes = tuple(self._dimensions[name].code(getattr(values, name)) for name in CONTEXT)
            known = self._codes.setdefault(codes, len(self._codes))
            if known == len(self.contexts[0]) + len(fresh):
                fresh.append(codes)
            if len(self._known) >= KNOWN_CONTEXTS:
                self._known.clear()
            self._known[name] = known
        return known

    def _referrer(self, referrer: str) -> int:
        """The code of the referring site."""
        known = self._referrers.get(referrer)
        if known is None:
            known = self._dimensions["referrer"].code(referrer_host(referrer, self._rules.own_hosts))
            if len(self._referrers) >= KNOWN_CONTEXTS:
                self._referrers.clear()
            self._referrers[referrer] = known
        return known
