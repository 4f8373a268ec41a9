"""Segments: conjunctions of filters over what is known of a session (SEMANTICS, segment), and how they are written.

`browser is Firefox and route glob /products/* and did not reach stage 2 of "My funnel"`
"""

import re
from typing import Annotated, Literal, NoReturn, cast

from msgspec import Meta, Struct

from datalab.errors import Invalid
from datalab.model.configuration import Configuration
from datalab.model.trimming import ONE_LINE, Trimmed

Operator = Literal["is", "is not", "contains", "glob"]
OPERATORS: tuple[Operator, ...] = ("is", "is not", "contains", "glob")
MAX_FILTERS = 10
MAX_TEXT = 2000
"""Characters of a written segment."""
LONG = 512
"""Characters of a route or of an event's name, at most."""
SHOWN = 60
"""Characters of what was written that a refusal repeats."""
MAX_NAMES = 10
"""Funnels or stages that a refusal lists."""


class Filter(Struct, frozen=True):
    """Sessions that have a value of a dimension; `is not` selects those that do not have it.

    `stage` is a dimension whose values are written `2 of Purchase`, for sessions that reached stage 2 of that funnel by
    their own events, in order; its operators are `is` and `is not`. `is` compares exactly, `contains` and `glob` (`*`
    for any characters, `?` for one, the whole value) without regard to case.
    """

    dimension: str
    operator: Operator
    value: str


class Segment(Struct, frozen=True):
    """All filters hold; without any it is everybody."""

    filters: tuple[Filter, ...] = ()


EVERYBODY = Segment()


class SavedSegment(Struct, frozen=True, kw_only=True):
    """A segment with a name; `id` is random. Names are unique within an app, whatever the case of their letters."""

    id: str
    app: str
    name: str
    text: str
    """As `write_segment` writes it; a later configuration may have lost the funnel it speaks of."""
    by: str
    """User id, `(operator)` for the command line, empty where the account was removed."""
    created: int
    """Milliseconds since the epoch."""
    changed: int


class NewSegment(Trimmed, frozen=True):
    """A name for a segment."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=80,
            pattern=rf"^{ONE_LINE}+(?!\n)$",
            description="the name of a segment has 1 to 80 characters on one line",
        ),
    ]
    text: Annotated[
        str,
        Meta(min_length=1, max_length=MAX_TEXT, description=f"1 to {MAX_TEXT} characters, like browser is not Firefox"),
    ]


class Dimension(Struct, frozen=True, kw_only=True):
    """What a filter can ask for."""

    name: str
    help: str
    """A sentence for people."""
    several: bool = False
    """Whether a session can have more than one value."""
    operators: tuple[Operator, ...] = OPERATORS
    longest: int = 200
    """Characters of a filter's value, at most; no value of the dimension has more."""


DIMENSIONS: dict[str, Dimension] = {
    dimension.name: dimension
    for dimension in (
        Dimension(name="browser", help="The browser's family at the session's first event, like Firefox."),
        Dimension(name="version", help="The browser with its major version, like Firefox 128."),
        Dimension(name="system", help="The operating system, like Windows or Android."),
        Dimension(name="device", help="The kind of device: desktop, mobile, tablet or (unknown)."),
        Dimension(name="language", help="The browser's first language without its region, like de."),
        Dimension(name="screen", help="The screen's class by width: small, medium, large, wide or (unknown)."),
        Dimension(name="country", help="The visitor's country as two letters, like DE, or (unknown)."),
        Dimension(name="visit", help="new for a visitor's first session, returning for every later one."),
        Dimension(name="referrer", longest=LONG, help="The site that led here, like search.example, or (direct)."),
        Dimension(name="entry", longest=LONG, help="The route of the first page view, (none) without page views."),
        Dimension(name="exit", longest=LONG, help="The route of the last page view, (none) without page views."),
        Dimension(name="utm_source", help="utm_source of the session's first tagged page view, or (none)."),
        Dimension(name="utm_medium", help="utm_medium of the session's first tagged page view, or (none)."),
        Dimension(name="utm_campaign", help="utm_campaign of the session's first tagged page view, or (none)."),
        Dimension(name="utm_term", help="utm_term of the session's first tagged page view, or (none)."),
        Dimension(name="utm_content", help="utm_content of the session's first tagged page view, or (none)."),
        Dimension(name="campaign", help="The configured campaign of the first tagged page view, or (none)."),
        Dimension(name="route", several=True, longest=LONG, help="A route that was viewed in the session."),
        Dimension(name="clicked", several=True, help="A configured element that was clicked, by its name."),
        Dimension(name="event", several=True, longest=LONG, help="The name of a custom event of the session."),
        Dimension(
            name="stage",
            several=True,
            operators=("is", "is not"),
            help="A stage that the session reached in order, written: reached stage 2 of Purchase.",
        ),
    )
}

BLANKS = " \t\n\r\f\v"
END = r'(?![^\s"])'
"""Of a word."""
FLAGS = re.ASCII | re.IGNORECASE
BLANK = re.compile(r"\s*+", FLAGS)
WORD = re.compile(r'[^\s"]+', FLAGS)
REACHED = re.compile(rf"(?:reached|did\s++not\s++reach)\s++stage{END}", FLAGS)
OPERATOR = re.compile(rf"(?:is\s++not|is|contains|glob){END}", FLAGS)
NUMBER = re.compile(rf"[0-9]+{END}", FLAGS)
OF = re.compile(rf"of{END}", FLAGS)
AND = re.compile(rf"and{END}", FLAGS)
JOINT = re.compile(rf"(?<!\S)and\s++(?=(?:{'|'.join(DIMENSIONS)}|reached|did){END})", FLAGS)
"""Ends a value without quotes."""
STRAY = re.compile(rf"(?<!\S)and\s++([^\s\"]++)\s++(?:is|contains|glob){END}", FLAGS)
"""Looks like another filter, but of no dimension there is."""
QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*+)')
ESCAPE = re.compile(r'\\(["\\])')
DANGLING = re.compile(r"(?<!\S)and\Z", FLAGS)
STAGE = re.compile(r"([0-9]+)(?: of (.*))?", FLAGS | re.DOTALL)
QUOTE_IT = "a value with the word `and` in it stands in double quotes"


def read_segment(text: str, configuration: Configuration) -> Segment:
    """A written segment, with stages of the headline funnel where none is named; nothing written is everybody.

    Keywords and names of dimensions may be in capital letters. Raises Invalid with the place of the fault.
    """
    if len(text) > MAX_TEXT:
        raise Invalid(f"a segment has at most {MAX_TEXT} characters; this one has {len(text)}")
    return Reading(text, configuration).segment()


def write_segment(segment: Segment) -> str:
    """The one form that `read_segment` reads back to the same segment."""
    return " and ".join(map(written, segment.filters))


def written(filter: Filter) -> str:
    """One filter."""
    if filter.dimension != "stage":
        return f"{filter.dimension} {filter.operator} {quoted(filter.value)}"
    number, name = stage_of(filter.value)
    verb = "reached" if filter.operator == "is" else "did not reach"
    return f"{verb} stage {number} of {quoted(name)}"


def stage_of(value: str) -> tuple[int, str]:
    """Number and funnel of a value of the dimension `stage`."""
    number, _, funnel = value.partition(" of ")
    return int(number), funnel


def quoted(value: str) -> str:
    """A value as it is, or in double quotes where it would be read as something else."""
    words = value.lower().split()
    plain = words and value.isprintable() and value == value.strip() and not {"and"} & set(words) and words[0] != "not"
    return value if plain and '"' not in value else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Reading:
    """One pass over a written segment; `at` stands on what comes next, never on a blank."""

    def __init__(self, text: str, configuration: Configuration) -> None:
        self._text = text
        self._configuration = configuration
        self._filters: list[Filter] = []
        self.at = 0
        self._skip()

    def segment(self) -> Segment:
        """All of it; raises Invalid."""
        more = not self._ended
        while more:
            if len(self._filters) == MAX_FILTERS:
                self._refuse(self.at, f"there are more than {MAX_FILTERS} filters")
            self._filters.append(self._filter())
            more = self._joined()
        return Segment(tuple(self._filters))

    @property
    def _ended(self) -> bool:
        return self.at == len(self._text)

    def _joined(self) -> bool:
        """Whether another filter follows."""
        if self._ended:
            return False
        begin = self.at
        if not self._take(AND):
            self._refuse(begin, f"filters are joined by `and`, here stands {self._shown(begin)}")
        if self._ended:
            self._refuse(begin, "a filter is missing after `and`")
        return True

    def _filter(self) -> Filter:
        begin = self.at
        if reached := self._take(REACHED):
            return Filter("stage", "is" if reached[0][0] in "rR" else "is not", self._stage())
        word = self._take(WORD)
        name = word[0].lower() if word else ""
        if name == "and":
            self._refuse(begin, "a filter is missing before `and`")
        if name in ("reached", "did"):
            self._refuse(begin, f"write `reached stage 2` or `did not reach stage 2 of Purchase`{self._hint}")
        if name not in DIMENSIONS:
            self._refuse(begin, f"{self._shown(begin)} is no dimension; there are {', '.join(DIMENSIONS)}")
        dimension = DIMENSIONS[name]
        begin = self.at
        found = self._take(OPERATOR)
        if not found:
            self._refuse(begin, f"behind {name} stands {alternatives(dimension.operators)}{self._hint}")
        operator = cast(Operator, " ".join(found[0].lower().split()))
        if operator not in dimension.operators:
            self._refuse(begin, f"{name} has only {alternatives(dimension.operators)}: write reached stage 2")
        begin = self.at
        value = self._value()
        if name == "stage":
            value = self._stage_named(begin, value)
        elif len(value) > dimension.longest:
            self._refuse(
                begin, f"a value of {name} has at most {dimension.longest} characters; this one has {len(value)}"
            )
        return Filter(name, operator, value)

    def _stage(self) -> str:
        """`2` or `2 of Purchase`."""
        begin = self.at
        number = self._take(NUMBER)
        if not number:
            self._refuse(begin, "the number of a stage is missing, as in reached stage 2")
        if not self._take(OF):
            if not (self._ended or AND.match(self._text, self.at)):
                self._refuse(self.at, f"write `of` before the name of a funnel, here stands {self._shown(self.at)}")
            return self._checked(begin, number[0], None)
        return self._checked(begin, number[0], self._value())

    def _stage_named(self, begin: int, value: str) -> str:
        """The same as a value: `stage is 2 of Purchase`."""
        found = STAGE.fullmatch(value)
        if not found:
            self._refuse(begin, "a stage is written by its number and funnel, as in reached stage 2 of Purchase")
        return self._checked(begin, found[1], found[2])

    def _checked(self, begin: int, number: str, name: str | None) -> str:
        """A value of the dimension `stage`, of a stage that there is."""
        funnels = {funnel.name: funnel for funnel in self._configuration.funnel}
        headline = self._configuration.headline
        if headline is None:
            self._refuse(begin, "no funnel is configured, so there are no stages")
        funnel = headline if name is None else funnels.get(name)
        if funnel is None:
            self._refuse(begin, f"there is no funnel {(name or '')[:SHOWN]!r}; there are {listed(list(funnels))}")
        # More digits than the highest number has are no number of a stage, and take long to read.
        if len(digits := number.lstrip("0")) > 2 or not 1 <= int(digits or "0") <= len(funnel.stage):
            stages = [f"{place} {stage.name}" for place, stage in enumerate(funnel.stage, 1)]
            self._refuse(begin, f"funnel {funnel.name!r} has no stage {number[:SHOWN]}; there are {listed(stages)}")
        return f"{digits} of {funnel.name}"

    def _value(self) -> str:
        begin = self.at
        if self._text.startswith('"', begin):
            return self._quoted()
        joint = JOINT.search(self._text, begin)
        end = joint.start() if joint else len(self._text)
        value = self._text[begin:end].rstrip(BLANKS)
        if not value:
            self._refuse(begin, "a value is missing")
        if (quote := value.find('"')) >= 0:
            self._refuse(begin + quote, r'a value with a quote in it stands in double quotes, as in "5\" wide"')
        if dangling := DANGLING.search(value):
            self._refuse(begin + dangling.start(), f"a filter is missing after `and`; {QUOTE_IT}")
        if stray := STRAY.search(value):
            place = begin + stray.start(1)
            self._refuse(place, f"{self._shown(place)} is no dimension; {QUOTE_IT}; there are {', '.join(DIMENSIONS)}")
        self.at = end
        return value

    def _quoted(self) -> str:
        begin = self.at
        found = QUOTED.match(self._text, begin)
        end = found.end() if found else begin
        if not found or end == len(self._text):
            self._refuse(begin, "the double quote that opens here is never closed")
        if self._text[end] == "\\":
            self._refuse(end, r"within double quotes, \ stands only before a quote or before another one")
        if not found[1]:
            self._refuse(begin, "the value is empty")
        self.at = end + 1
        self._skip()
        return ESCAPE.sub(r"\1", found[1])

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What comes next, if it is this."""
        found = pattern.match(self._text, self.at)
        if found:
            self.at = found.end()
            self._skip()
        return found

    def _skip(self) -> None:
        found = BLANK.match(self._text, self.at)
        self.at = found.end() if found else self.at

    def _shown(self, begin: int) -> str:
        """The word that stands there."""
        word = WORD.match(self._text, begin)
        return repr(word[0][:SHOWN] if word else self._text[begin : begin + 1])

    @property
    def _hint(self) -> str:
        """What else may have been meant by what stands behind `and`."""
        return f"; {QUOTE_IT}" if self._filters else ""

    def _refuse(self, at: int, reason: str) -> NoReturn:
        raise Invalid(f"segment, character {at + 1}: {reason}")


def alternatives(operators: tuple[Operator, ...]) -> str:
    """`is, is not, contains or glob`."""
    return f"{', '.join(operators[:-1])} or {operators[-1]}"


def listed(names: list[str]) -> str:
    """The first of them."""
    shown = ", ".join(name[:SHOWN] for name in names[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"
