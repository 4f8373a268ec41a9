"""The columns of a group commit."""

from datalab.ingest.group import PIXELS, ROW, Group
from datalab.model.events import SEPARATOR, Kind
from datalab.model.wire import Custom, Event, MouseClick, MouseHover, MouseMove, UrlChange

EVENTS: list[Event] = [
    UrlChange(1, 100, "http://shop.example/"),
    MouseClick(2, 101, "main>a", ["#buy", ".buy"], 7, 65535),
    MouseClick(3, 102, "main>a"),
    MouseHover(4, 103, "#buy", "hover-click", 86_400_000),
    MouseMove(5, 104, 65535, 9),
    Custom(6, 105, "sign up", {"plan": "pro\x1f", "big": 10**30}),
    UrlChange(2**32 - 2, 106, "http://shop.example/"),
]


def test_each_kind_becomes_a_row() -> None:
    group = Group()
    group.add(2**32 - 1, EVENTS, 1_000, 0, 10**15)
    events = group.events()
    assert len(group) == len(events) == len(EVENTS)
    assert events.kind.tolist() == [
        Kind.URLCHANGE, Kind.MOUSECLICK, Kind.MOUSECLICK, Kind.MOUSEHOVER, Kind.MOUSEMOVE, Kind.CUSTOM, Kind.URLCHANGE
    ]  # fmt: skip
    assert events.stream.tolist() == [2**32 - 1] * len(EVENTS)
    assert events.sequence.tolist() == [1, 2, 3, 4, 5, 6, 2**32 - 2]
    assert events.time.tolist() == [1_100, 1_101, 1_102, 1_103, 1_104, 1_105, 1_106]
    assert events.number.tolist() == [0, 7 * PIXELS + 65535, 0, 86_400_000, 65535 * PIXELS + 9, 0, 0]
    assert [events.texts[text] for text in events.text.tolist()] == [
        "http://shop.example/",
        SEPARATOR.join(["main>a", "#buy", ".buy"]),
        "main>a",
        f"#buy{SEPARATOR}hover-click",
        "",
        f"sign up{SEPARATOR}" + '{"plan":"pro\\u001f","big":1000000000000000000000000000000}',
        "http://shop.example/",
    ]
    assert len(set(events.texts)) == len(events.texts)


def test_times_are_clamped() -> None:
    group = Group()
    group.add(0, [UrlChange(1, time, "/") for time in (-(2**53), 49, 50, 60, 61, 2**53)], 50, 100, 110)
    assert group.events().time.tolist() == [100, 100, 100, 110, 110, 110]


def test_events_of_several_messages_share_texts_and_columns_outlive_the_group() -> None:
    group = Group()
    assert not group
    for stream in range(3):
        group.add(stream, [UrlChange(1, 0, "/a"), UrlChange(2, 0, f"/{stream}")], 0, 0, 0)
    events = group.events()
    group.add(3, [UrlChange(1, 0, "/z")], 0, 0, 0)
    assert events.texts == ["/a", "/0", "/1", "/2"]
    assert events.stream.tolist() == [0, 0, 1, 1, 2, 2]
    assert (len(group), group.bytes, group.characters) == (7, 7 * ROW.itemsize, 10)
