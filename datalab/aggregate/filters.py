"""The sessions that a segment selects."""

from collections.abc import Callable

import numpy as np
from pyroaring import BitMap

from datalab.aggregate.partition import Flag, PartitionAggregate
from datalab.aggregate.stage_reach import sessions_that_reached
from datalab.aggregate.streams import AUDIENCE
from datalab.model.segments import Filter, Segment
from datalab.model.stages import glob_pattern
from datalab.model.tags import FIELDS

NO_VALUE = "(none)"
ROUTES = {"route": "route", "entry": "entry", "exit": "exit"}


def sessions_of(aggregate: PartitionAggregate, segment: Segment) -> BitMap | None:
    """All sessions that fit, whenever they were; None for everybody."""
    found: BitMap | None = None
    for each in segment.filters:
        having = sessions_having(aggregate, each)
        if each.operator == "is not":
            having = aggregate.alive - having
        found = having if found is None else found & having
    return found


def sessions_having(aggregate: PartitionAggregate, each: Filter) -> BitMap:
    """Sessions with a value of the dimension that fits, whether they are wanted or not."""
    fits = test_of(each)
    name = each.dimension
    if name == "stage":
        stage, _, funnel = each.value.partition(" of ")
        return sessions_that_reached(aggregate, funnel, int(stage))
    if name == "visit":
        first = aggregate.flagged(Flag.FIRST)
        chosen = [first] if fits("new") else []
        chosen += [aggregate.alive - first] if fits("returning") else []
        return BitMap.union(*chosen) if chosen else BitMap()
    if name in FIELDS:
        return tagged(aggregate, name, fits)
    if name == "clicked":
        elements = aggregate.rules.configuration.element
        return aggregate.sets[name].union(k for k, element in enumerate(elements) if fits(element.name))
    dimension = aggregate.dimensions[name if name in AUDIENCE or name == "event" else "route"]
    if each.operator in ("is", "is not"):
        code = dimension.find(each.value)
        found = aggregate.sets[name][code] if code is not None else BitMap()
    else:
        found = aggregate.sets[name].union(code for code, value in enumerate(dimension.values) if fits(value))
    if name in ("entry", "exit") and fits(NO_VALUE):
        found = found | (aggregate.alive - aggregate.sets[name].union(aggregate.sets[name].by_code))
    return found


def tagged(aggregate: PartitionAggregate, name: str, fits: Callable[[str], bool]) -> BitMap:
    """Sessions by a field of their campaign tags."""
    at = FIELDS.index(name)
    values = aggregate.tags.fields[name].values
    fitting = np.array([fits(value) for value in values])
    codes = aggregate.tags.codes[at].values
    having = aggregate.sets["tag"]
    found = having.union(tag for tag in np.flatnonzero(fitting[codes]).tolist() if tag)
    return found | (aggregate.alive - having.union(having.by_code)) if fitting[0] else found


def test_of(each: Filter) -> Callable[[str], bool]:
    """Whether a value fits (see Filter)."""
    if each.operator == "contains":
        wanted = each.value.casefold()
        return lambda value: wanted in value.casefold()
    if each.operator == "glob":
        pattern = glob_pattern(each.value.casefold())
        return lambda value: pattern.fullmatch(value.casefold()) is not None
    return lambda value: value == each.value
