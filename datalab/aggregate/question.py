"""What figures are asked for."""

from msgspec import Struct

from datalab.model.ranges import Range
from datalab.model.segments import EVERYBODY, Segment


class Question(Struct, frozen=True, kw_only=True):
    """Of which app (its full name), when, by which clock on the wall, and of whom."""

    app: str
    range: Range = Range()
    zone: str = "UTC"
    segment: Segment = EVERYBODY
