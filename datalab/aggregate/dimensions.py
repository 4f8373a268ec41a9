"""Breakdowns: the values of a dimension among selected sessions."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datalab.aggregate.filters import NO_VALUE
from datalab.aggregate.meanings import NONE
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.selection import Selection, distinct, visitors_by_code
from datalab.aggregate.streams import AUDIENCE, CONTEXT
from datalab.aggregate.sums import Sum
from datalab.errors import Invalid
from datalab.model.figures import Share
from datalab.model.tags import FIELDS

SINGLE = (*AUDIENCE, "visit", "entry", "exit", *FIELDS)
"""Dimensions of which every session has one value."""
AT_ONCE = 20_000
"""Up to so many sessions are looked at all at once instead of value by value."""
VISITS = ("new", "returning")


class Value(Struct, frozen=True):
    """A value with its sessions."""

    code: int
    value: str
    sessions: int
    visitors: int


def code_of_sessions(aggregate: PartitionAggregate, name: str, session: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Each session's code in a dimension of SINGLE; of entry, exit and tag fields 0 is none. Raises Invalid."""
    sessions = aggregate.sessions
    codes: NDArray[Any]
    if name == "referrer":
        codes = sessions.referrer.values[session]
    elif name in CONTEXT:
        codes = aggregate.streams.contexts[CONTEXT.index(name)].values[sessions.context.values[session]]
    elif name == "visit":
        codes = sessions.previous.values[session] != NONE
    elif name in ("entry", "exit"):
        codes = (sessions.entry if name == "entry" else sessions.exit).values[session]
    elif name in FIELDS:
        codes = aggregate.tags.codes[FIELDS.index(name)].values[sessions.tag.values[session]]
    else:
        raise Invalid(f"{name[:40]!r} is not one of {', '.join(SINGLE)}")
    return codes.astype(np.int64)


def name_of_code(aggregate: PartitionAggregate, name: str, code: int) -> str:
    """The value a code of `code_of_sessions` stands for."""
    if name == "visit":
        return VISITS[code]
    if name in ("entry", "exit"):
        return aggregate.dimensions["route"].values[code - 1] if code else NO_VALUE
    if name in FIELDS:
        return aggregate.tags.fields[name].values[code]
    return aggregate.dimensions[name].values[code]


class Values(Sum, frozen=True):
    """By code."""

    sessions: NDArray[np.int64]
    visitors: NDArray[np.int64]


def values_of(selection: Selection, name: str) -> list[Value]:
    """The values of a dimension of SINGLE among the selected sessions: by sessions, equal ones by name."""
    total = selection.total(("values", name), lambda part: count_values(part, name))
    sessions, visitors = total.sessions.tolist(), total.visitors.tolist()
    found = [
        Value(code, name_of_code(selection.aggregate, name, code), sessions[code], visitors[code])
        for code in np.flatnonzero(total.sessions).tolist()
    ]
    return sorted(found, key=lambda each: (-each.sessions, each.value))


def count_values(part: Selection, name: str) -> Values:
    """Of some of the sessions."""
    aggregate = part.aggregate
    if name in AUDIENCE and len(part) > AT_ONCE:
        chosen = [aggregate.sets[name][code] & part.bitmap for code in range(len(aggregate.dimensions[name].values))]
        return Values(
            np.array([len(each) for each in chosen], dtype=np.int64),
            np.array([distinct(aggregate, each) for each in chosen], dtype=np.int64),
        )
    code = code_of_sessions(aggregate, name, part.sessions)
    codes = int(code.max(initial=0)) + 1
    return Values(
        np.bincount(code, minlength=codes),
        visitors_by_code(aggregate, part.sessions, code, codes),
    )


def shares(selection: Selection, name: str, limit: int | None) -> list[Share]:
    """The values with most sessions."""
    return [
        Share(value=each.value, sessions=each.sessions, visitors=each.visitors)
        for each in values_of(selection, name)[:limit]
    ]
