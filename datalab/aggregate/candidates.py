"""What-if funnels from the events of candidates only: visitors who have what it takes to reach the first stage.

Nobody else can be counted at any stage, so the others' events are read but not aggregated. Two things that hang on
everybody are taken from the figures that are kept anyway (see `known`): how many units there are in all, and which
values a full dimension keeps apart from `(other)`. Of a candidate every event counts, whatever its kind: sessions are
cut by them, and segments look at whole sessions.
"""

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from datalab.aggregate import funnel as funnel_of
from datalab.aggregate.column import Column
from datalab.aggregate.dimension import Dimension
from datalab.aggregate.meanings import Meanings, Tags
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.question import Question
from datalab.aggregate.rules import Rules
from datalab.aggregate.selection import Selection
from datalab.aggregate.snapshot import dimensions_of
from datalab.aggregate.visitors import VisitorIndex
from datalab.model.configuration import Funnel
from datalab.model.events import Batch, Opening, Position
from datalab.model.figures import FunnelFigures
from datalab.model.ranges import Range
from datalab.model.records import lost_visitor

SKIPPED = 0xFFFFFFFF
"""Instead of a stream's number: its visitor is no candidate."""
FIRST_STAGE, EVERY_STAGE = 1, 0xFFFFFFFF


class Known(Struct, frozen=True, kw_only=True):
    """What the figures of everybody tell."""

    position: Position = Position()
    """Behind the last event they know."""
    units: int = 0
    """Selected visitors or sessions, as the unit says."""
    full: dict[str, list[str]] = {}
    """The values of dimensions that are full, in their order."""


def known(aggregate: PartitionAggregate, question: Question, unit: str) -> Known:
    """Of a question that may name stages of configured funnels."""
    selection = Selection(aggregate, question)
    return Known(
        position=aggregate.position,
        units=selection.visitors if unit == "visitors" else len(selection),
        full={
            name: list(dimension.values)
            for name, dimension in dimensions_of(aggregate).items()
            if len(dimension.values) >= aggregate.rules.max_values
        },
    )


def rules_with(rules: Rules, funnel: Funnel, question: Question) -> Rules:
    """The what-if funnel first; the configured ones behind it only where the segment names their stages."""
    configured = rules.configuration.funnel
    names = [one.name for one in configured]
    # It may have a configured one's name, which the segment then means.
    name = next(name for number in range(len(names) + 1) if (name := f"what if {number}") not in names)
    needed = configured if any(each.dimension == "stage" for each in question.segment.filters) else []
    configuration = replace(rules.configuration, funnel=[replace(funnel, name=name), *needed])
    return replace(rules, configuration=configuration)


class Candidates:
    """`look` at every batch of a journal, then `take` every one of them again."""

    def __init__(self, rules: Rules, order: str, range: Range, full: dict[str, list[str]]) -> None:
        self.aggregate = PartitionAggregate(rules)
        """Of candidates only; the what-if funnel is the first one of `rules`."""
        for name, dimension in dimensions_of(self.aggregate).items():
            if name in full:
                dimension.restore(full[name])
        cap = rules.max_values
        self._meanings = Meanings(rules, Dimension(cap), Dimension(cap), Tags(cap))
        self._wanted = FIRST_STAGE if order == "ordered" else EVERY_STAGE
        self._range = range
        self._visitors = VisitorIndex()
        self._visitor = Column(np.uint32)
        """Of each stream."""
        self._is_candidate = Column(np.uint8)
        """Each visitor."""
        self._numbers = Column(np.uint32)
        """Of each stream among those that are taken, or SKIPPED."""
        self._position = Position()

    def look(self, batch: Batch) -> None:
        """Note who matches the first stage in the range (in any order: some stage)."""
        openings = with_lost(batch, len(self._visitor))
        if openings:
            self._visitor.append(self._visitors.numbers([opening.visitor for opening in openings]))
            self._is_candidate.fill(len(self._visitors) - len(self._is_candidate), 0)
        events = batch.events
        if len(events):
            meaning = self._meanings.read(events)
            matching = self._meanings.stages[0].values[meaning] & np.uint32(self._wanted) > 0
            if self._range.from_ is not None:
                matching &= events.time >= self._range.from_
            if self._range.to is not None:
                matching &= events.time < self._range.to
            found = self._visitor.values[events.stream[matching]]
            self._is_candidate.put(found, np.ones(len(found), dtype=np.uint8))

    def take(self, batch: Batch) -> None:
        """Aggregate what is there of candidates."""
        openings = self._choose(with_lost(batch, len(self._numbers)))
        events = batch.events
        stream = self._numbers.values[events.stream]
        chosen = np.flatnonzero(stream != SKIPPED)
        if not openings and not len(chosen):
            return
        rest = replace(
            events,
            stream=stream[chosen],
            sequence=events.sequence[chosen],
            time=events.time[chosen],
            kind=events.kind[chosen],
            text=events.text[chosen],
            number=events.number[chosen],
        )
        taken = Batch(start=self._position, openings=openings, events=rest)
        self.aggregate.take(taken)
        self._position = taken.end

    def figures(self, question: Question, unit: str, order: str, name: str, units: int) -> FunnelFigures:
        """The figures as if everybody's events had been taken, with the funnel's own name."""
        found = funnel_of.funnel(self.aggregate, question, 0, unit, order)
        stages = [replace(stage, overall=stage.reached / units if units else None) for stage in found.stages]
        return replace(found, funnel=name, visitors=units, stages=stages)

    def _choose(self, openings: list[Opening]) -> list[Opening]:
        """Those of candidates; all of them get a number or none."""
        first = len(self._numbers)
        visitor = self._visitor.values[first : first + len(openings)]
        chosen: NDArray[np.bool_] = self._is_candidate.values[visitor] > 0
        numbers = np.full(len(openings), SKIPPED, dtype=np.uint32)
        numbers[chosen] = self._position.streams + np.arange(np.count_nonzero(chosen))
        self._numbers.append(numbers)
        return [openings[at] for at in np.flatnonzero(chosen).tolist()]


def with_lost(batch: Batch, streams: int) -> list[Opening]:
    """A batch's openings, before them stand-ins for those that damage took since so many streams."""
    lost = range(streams, batch.start.streams)
    return [*(Opening(visitor=lost_visitor(stream), started=0) for stream in lost), *batch.openings]
