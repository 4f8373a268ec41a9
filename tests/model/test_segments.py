"""The segment language: what is written reads back, and whatever does not is refused with its place."""

import string

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalab.errors import Invalid
from datalab.model.configuration import Configuration, Funnel, Stage
from datalab.model.segments import (
    DIMENSIONS,
    EVERYBODY,
    MAX_FILTERS,
    MAX_TEXT,
    OPERATORS,
    Filter,
    Operator,
    Segment,
    read_segment,
    stage_of,
    write_segment,
)

NAMES = ["Purchase", "My funnel", "rock and route", 'Say "hi" \\o/', "not this", " padded ", "2 of 3", "and", "of of"]


def funnel(name: str, stages: int = 3) -> Funnel:
    return Funnel(name=name, stage=[Stage(name=f"Step {number}", url=f"/{number}") for number in range(stages)])


CONFIGURATION = Configuration(funnel=[funnel(name, 3 + place) for place, name in enumerate(NAMES)])
EMPTY = Configuration()


def one(dimension: str, operator: Operator, value: str) -> Segment:
    return Segment((Filter(dimension, operator, value),))


def refused(text: str, configuration: Configuration = CONFIGURATION) -> str:
    with pytest.raises(Invalid) as found:
        read_segment(text, configuration)
    assert len(found.value.detail) < 1000
    return found.value.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("browser is Firefox", one("browser", "is", "Firefox")),
        ("route is not /cart", one("route", "is not", "/cart")),
        ("route contains /blog", one("route", "contains", "/blog")),
        ("route glob /products/*", one("route", "glob", "/products/*")),
        ("campaign is not spring", one("campaign", "is not", "spring")),
        ("visit is new", one("visit", "is", "new")),
        ("version is Firefox 128", one("version", "is", "Firefox 128")),
        ("utm_source is (none)", one("utm_source", "is", "(none)")),
        ("event is sign  up  now", one("event", "is", "sign  up  now")),
        ("event is salt and pepper", one("event", "is", "salt and pepper")),
        ("event is andante", one("event", "is", "andante")),
        ("event is sand and route66", one("event", "is", "sand and route66")),
        ("event is notable", one("event", "is", "notable")),
        ("event is is not", one("event", "is", "is not")),
        (r"event is a\nb", one("event", "is", r"a\nb")),
        ('event is "salt and browser is pepper"', one("event", "is", "salt and browser is pepper")),
        (r'event is "5\" or \\ more"', one("event", "is", r'5" or \ more')),
        ('event is " padded "', one("event", "is", " padded ")),
        ('event is "not me"', one("event", "is", "not me")),
        ('event is"x"', one("event", "is", "x")),
        ('event is "line\nbreak"', one("event", "is", "line\nbreak")),
        ("event is \u00a0", one("event", "is", "\u00a0")),
        ("reached stage 2", one("stage", "is", "2 of Purchase")),
        ("reached stage 2 of Purchase", one("stage", "is", "2 of Purchase")),
        ('reached stage 02 of "My funnel"', one("stage", "is", "2 of My funnel")),
        ("did not reach stage 4 of My funnel", one("stage", "is not", "4 of My funnel")),
        ("did not reach stage 3", one("stage", "is not", "3 of Purchase")),
        ("reached stage 1 of and", None),
        ('reached stage 1 of "and"', one("stage", "is", "1 of and")),
        ("reached stage 1 of of of", one("stage", "is", "1 of of of")),
        ("reached stage 1 of 2 of 3", one("stage", "is", "1 of 2 of 3")),
        ("stage is 2 of Purchase", one("stage", "is", "2 of Purchase")),
        ("stage is not 2", one("stage", "is not", "2 of Purchase")),
        ('stage is "2 of rock and route"', one("stage", "is", "2 of rock and route")),
        ('stage is "2 of  padded "', one("stage", "is", "2 of  padded ")),
        ("", EVERYBODY),
        (" \t\n", EVERYBODY),
    ],
)
def test_what_is_written_means(text: str, expected: Segment | None) -> None:
    if expected is None:
        assert "a filter is missing after `and`" in refused(text)
    else:
        assert read_segment(text, CONFIGURATION) == expected
        assert read_segment(write_segment(expected), CONFIGURATION) == expected


def test_filters_are_joined_by_and() -> None:
    text = 'browser is Firefox and event is "a and b"and reached stage 2 and route is not /cart\tAND\n visit is new'
    expected = Segment(
        (
            Filter("browser", "is", "Firefox"),
            Filter("event", "is", "a and b"),
            Filter("stage", "is", "2 of Purchase"),
            Filter("route", "is not", "/cart"),
            Filter("visit", "is", "new"),
        )
    )
    assert read_segment(text, CONFIGURATION) == expected
    assert write_segment(expected) == (
        'browser is Firefox and event is "a and b" and reached stage 2 of Purchase'
        " and route is not /cart and visit is new"
    )


def test_keywords_and_dimensions_in_any_case_values_as_they_are() -> None:
    text = "BROWSER IS Not FireFox And Route GLOB /A/* aNd DID  not\nReach STAGE 2 OF Purchase AND Event Contains AND1"
    assert read_segment(text, CONFIGURATION).filters == (
        Filter("browser", "is not", "FireFox"),
        Filter("route", "glob", "/A/*"),
        Filter("stage", "is not", "2 of Purchase"),
        Filter("event", "contains", "AND1"),
    )
    # Letters that only Unicode takes for the same.
    assert "'ſtage' is no dimension" in refused("ſtage is 2")
    assert "behind browser stands" in refused("browser iſ Firefox")


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        (EVERYBODY, ""),
        (one("browser", "is", "Firefox"), "browser is Firefox"),
        (one("event", "is", "and"), 'event is "and"'),
        (one("event", "is", "salt And pepper"), 'event is "salt And pepper"'),
        (one("event", "is", "Not me"), 'event is "Not me"'),
        (one("event", "is", " a"), 'event is " a"'),
        (one("event", "is", "a\u00a0"), 'event is "a\u00a0"'),
        (one("event", "is", 'a"b'), r'event is "a\"b"'),
        (one("event", "is", "a\\b"), "event is a\\b"),
        (one("event", "is", "\\ and"), r'event is "\\ and"'),
        (one("stage", "is", "2 of Purchase"), "reached stage 2 of Purchase"),
        (one("stage", "is not", "2 of My funnel"), "did not reach stage 2 of My funnel"),
        (one("stage", "is not", '1 of Say "hi" \\o/'), r'did not reach stage 1 of "Say \"hi\" \\o/"'),
    ],
)
def test_the_one_form(segment: Segment, text: str) -> None:
    assert write_segment(segment) == text
    assert read_segment(text, CONFIGURATION) == segment


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("colour is red", 1, "'colour' is no dimension; there are browser, version, system"),
        ("  colour is red", 3, "'colour' is no dimension"),
        ('"Firefox"', 1, "is no dimension"),
        ("browser", 8, "behind browser stands is, is not, contains or glob"),
        ("browser = Firefox", 9, "behind browser stands is, is not, contains or glob"),
        ("browser isnt Firefox", 9, "behind browser stands"),
        ("browser is", 11, "a value is missing"),
        ("browser is not", 15, "a value is missing"),
        ("browser is and route is /a", 12, "a value is missing"),
        ("browser is and", 12, "a filter is missing after `and`; a value with the word `and` in it stands in"),
        ('browser is ""', 12, "the value is empty"),
        ("and browser is Firefox", 1, "a filter is missing before `and`"),
        ("browser is Firefox and", 20, "a filter is missing after `and`"),
        ("browser is Firefox and and route is /a", 20, "a filter is missing after `and`"),
        ('browser is "Firefox" and', 22, "a filter is missing after `and`"),
        ('browser is "Firefox" or route is /a', 22, "filters are joined by `and`, here stands 'or'"),
        ('browser is "Fire"fox', 18, "filters are joined by `and`, here stands 'fox'"),
        ('browser is "Fire""fox"', 18, "filters are joined by `and`, here stands '\"'"),
        ("browser is Firefox and colour is red", 24, "'colour' is no dimension; a value with the word `and`"),
        ("event is salt and route 66", 25, "behind route stands is, is not, contains or glob; a value with the word"),
        ("event is wanted and did", 21, "write `reached stage 2` or `did not reach stage 2 of Purchase`; a value"),
        ("reached 2", 1, "write `reached stage 2` or `did not reach stage 2 of Purchase`"),
        ("did not reach 2", 1, "write `reached stage 2`"),
        ('event is 5" wide', 11, r'a value with a quote in it stands in double quotes, as in "5\" wide"'),
        ('event is "open', 10, "the double quote that opens here is never closed"),
        (r'event is "open\"', 10, "the double quote that opens here is never closed"),
        (r'event is "a\nb"', 12, r"within double quotes, \ stands only before a quote or before another one"),
        ('event is "a\\', 12, r"within double quotes, \ stands only before a quote"),
        ("reached stage", 14, "the number of a stage is missing, as in reached stage 2"),
        ("reached stage two", 15, "the number of a stage is missing"),
        ("reached stage 2nd", 15, "the number of a stage is missing"),
        ("reached stage ٢", 15, "the number of a stage is missing"),
        ("reached stage -1", 15, "the number of a stage is missing"),
        ("reached stage 2 Purchase", 17, "write `of` before the name of a funnel, here stands 'Purchase'"),
        ("reached stage 2 of", 19, "a value is missing"),
        ("reached stage 0", 15, "funnel 'Purchase' has no stage 0; there are 1 Step 0, 2 Step 1, 3 Step 2"),
        ("reached stage 4", 15, "funnel 'Purchase' has no stage 4; there are 1 Step 0"),
        ("reached stage " + "9" * 1900, 15, "funnel 'Purchase' has no stage 9999"),
        ("reached stage 2 of Purchases", 15, "there is no funnel 'Purchases'; there are Purchase, My funnel"),
        ("reached stage 2 of purchase", 15, "there is no funnel 'purchase'"),
        ("stage contains 2", 7, "stage has only is or is not: write reached stage 2"),
        ("stage glob *", 7, "stage has only is or is not"),
        ("stage is second", 10, "a stage is written by its number and funnel, as in reached stage 2 of Purchase"),
        ("browser is " + "x" * 201, 12, "a value of browser has at most 200 characters; this one has 201"),
        ("route is " + "x" * 513, 10, "a value of route has at most 512 characters; this one has 513"),
        (" and ".join(["visit is new"] * 11), 171, "there are more than 10 filters"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, place: int, reason: str) -> None:
    detail = refused(text)
    assert detail.startswith(f"segment, character {place}: "), detail
    assert reason in detail


def test_without_a_funnel_there_are_no_stages() -> None:
    for text in ("reached stage 1", "did not reach stage 1 of Purchase", "stage is 1"):
        assert "no funnel is configured, so there are no stages" in refused(text, EMPTY)
    many = Configuration(funnel=[funnel("f" * 70 + str(number), 20) for number in range(20)])
    assert "and 10 more" in refused("reached stage 1 of none", many)
    assert "and 10 more" in refused("reached stage 21", many)


def test_bounds_are_taken_in() -> None:
    assert len(read_segment(" and ".join(["visit is new"] * MAX_FILTERS), EMPTY).filters) == MAX_FILTERS
    for name, dimension in DIMENSIONS.items():
        if name != "stage":
            value = "x" * dimension.longest
            assert read_segment(f"{name} is {value}", EMPTY) == one(name, "is", value)
            assert "at most" in refused(f'{name} is "{value}x"')
    assert read_segment(" " * MAX_TEXT, EMPTY) == EVERYBODY
    assert refused(" " * (MAX_TEXT + 1)) == "a segment has at most 2000 characters; this one has 2001"


@pytest.mark.parametrize(
    "piece", [" ", "and ", "and x is ", '"', "\\", "is ", "reached stage ", "not ", "2 of ", "x and "]
)
def test_repetition_is_read_or_refused(piece: str) -> None:
    for head in ("", "event is ", 'event is "', "reached stage 2 of ", "stage is "):
        text = (head + piece * MAX_TEXT)[:MAX_TEXT]
        try:
            read_segment(text, CONFIGURATION)
        except Invalid as refusal:
            assert len(refusal.detail) < 1000


def test_every_dimension_is_described() -> None:
    assert list(DIMENSIONS) == [dimension.name for dimension in DIMENSIONS.values()]
    for dimension in DIMENSIONS.values():
        assert dimension.help.endswith("."), "a sentence"
        assert set(dimension.operators) <= set(OPERATORS)
    assert {name for name, dimension in DIMENSIONS.items() if dimension.several} == {
        "route",
        "clicked",
        "event",
        "stage",
    }
    assert stage_of("2 of 3 of 4") == (2, "3 of 4")


TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            [*DIMENSIONS, *OPERATORS, *NAMES, "and", "AND", "of", "did not reach", "reached", "stage", "2", '"', "\\"]
            + list(string.whitespace)
        )
        | st.text(max_size=5),
        max_size=12,
    ).map(" ".join),
)


def values(longest: int) -> st.SearchStrategy[str]:
    return TEXTS.map(lambda text: text[:longest]).filter(bool)


STAGES = st.sampled_from([(number, each) for each in CONFIGURATION.funnel for number in range(1, len(each.stage) + 1)])
FILTERS = st.one_of(
    st.sampled_from([dimension for dimension in DIMENSIONS.values() if dimension.name != "stage"]).flatmap(
        lambda dimension: st.builds(
            Filter, st.just(dimension.name), st.sampled_from(dimension.operators), values(dimension.longest)
        )
    ),
    st.builds(
        lambda operator, stage: Filter("stage", operator, f"{stage[0]} of {stage[1].name}"),
        st.sampled_from(["is", "is not"]),
        STAGES,
    ),
)
SEGMENTS = st.lists(FILTERS, max_size=MAX_FILTERS).map(lambda filters: Segment(tuple(filters)))


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(SEGMENTS)
def test_any_segment_reads_back(segment: Segment) -> None:
    text = write_segment(segment)
    if len(text) > MAX_TEXT:
        assert "at most 2000" in refused(text)
        return
    assert read_segment(text, CONFIGURATION) == segment
    assert read_segment(f" {text} ", CONFIGURATION) == segment
    msgspec.convert(msgspec.to_builtins(segment), Segment)


@settings(max_examples=1000, deadline=None, derandomize=True, database=None)
@given(TEXTS)
def test_any_text_is_read_or_refused(text: str) -> None:
    for tried in (
        text,
        f"event is {text}",
        f'event is "{text}"',
        f"visit is new and {text}",
        f"reached stage 2 {text}",
    ):
        try:
            segment = read_segment(tried, CONFIGURATION)
        except Invalid as refusal:
            assert refusal.detail
            assert len(refusal.detail) < 1000
        else:
            written = write_segment(segment)
            assert read_segment(written, CONFIGURATION) == segment
            assert write_segment(read_segment(written, CONFIGURATION)) == written
