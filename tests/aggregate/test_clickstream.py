"""A public shop's click stream against plain Python: visitors, sessions, page views, entries, bounces and a funnel."""

from collections import Counter
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest

from datalab.aggregate.funnel import funnel
from datalab.aggregate.overview import overview
from datalab.aggregate.pages import pages
from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.configuration import Configuration, Funnel, Stage
from datalab.model.events import Batch, Events, Kind, Opening, Position
from datalab.model.ranges import Range
from tests.clickstream import Click, read_clickstream

STAGES = ["product_view", "add_to_cart", "shipping_details", "payment_details", "purchase"]
TIMEOUT = 1_800_000


@pytest.fixture(scope="module")
def clicks(request: pytest.FixtureRequest) -> list[Click]:
    return read_clickstream(request.config)


@pytest.fixture(scope="module")
def aggregate(clicks: list[Click]) -> PartitionAggregate:
    """The file as a journal of batches of 5,000 events, one stream a visitor."""
    configuration = Configuration(
        funnel=[Funnel(name="Purchase", stage=[Stage(name=name, url=f"/{name}") for name in STAGES])]
    )
    aggregate = PartitionAggregate(Rules(configuration=configuration))
    streams: dict[str, int] = {}
    lengths: Counter[str] = Counter()
    for first in range(0, len(clicks), 5000):
        part, known = clicks[first : first + 5000], len(streams)
        stream, sequence, text, texts = [], [], [], dict[str, int]()
        for click in part:
            lengths[click.user] += 1
            stream.append(streams.setdefault(click.user, len(streams)))
            sequence.append(lengths[click.user])
            text.append(texts.setdefault(f"https://shop.example/{click.event}", len(texts)))
        events = Events(
            stream=np.array(stream, dtype=np.uint32),
            sequence=np.array(sequence, dtype=np.uint32),
            time=np.array([click.time for click in part], dtype=np.int64),
            kind=np.full(len(part), Kind.URLCHANGE, dtype=np.uint8),
            text=np.array(text, dtype=np.uint32),
            number=np.zeros(len(part), dtype=np.uint32),
            texts=list(texts),
        )
        openings = [
            Opening(visitor=blake2b(user.encode(), digest_size=16).digest(), started=0)
            for user in list(streams)[known:]
        ]
        aggregate.take(Batch(start=Position(known, first), openings=openings, events=events))
    return aggregate


@pytest.fixture(scope="module")
def histories(clicks: list[Click]) -> dict[str, list[Click]]:
    """Each user's clicks by time, in file order where times tie."""
    by_user: dict[str, list[Click]] = {}
    for click in clicks:
        by_user.setdefault(click.user, []).append(click)
    return {user: sorted(mine, key=lambda click: click.time) for user, mine in by_user.items()}


@pytest.fixture(scope="module")
def sessions(histories: dict[str, list[Click]]) -> list[list[Click]]:
    found = []
    for mine in histories.values():
        found.append([mine[0]])
        for before, click in pairwise(mine):
            if click.time - before.time >= TIMEOUT:
                found.append([])
            found[-1].append(click)
    return found


def test_the_file_is_the_one_the_figures_are_known_for(clicks: list[Click]) -> None:
    assert len(clicks) == 31_106
    assert len({click.user for click in clicks}) == 600


def test_headline_figures(aggregate: PartitionAggregate, clicks: list[Click], sessions: list[list[Click]]) -> None:
    found = overview(aggregate, "shop", Range(), "UTC")
    durations = [session[-1].time - session[0].time for session in sessions]
    assert found.visitors == 600
    assert found.page_views == len(clicks)
    assert found.sessions == len(sessions)
    assert found.bounce_rate == sum(len(session) == 1 for session in sessions) / len(sessions)
    assert found.duration_mean == sum(durations) / (1000 * len(sessions))
    assert found.conversion_rate == 146 / 600
    assert sum(point.page_views for point in found.series) == len(clicks)


def test_pages(aggregate: PartitionAggregate, clicks: list[Click], sessions: list[list[Click]]) -> None:
    views = Counter(click.event for click in clicks)
    entries = Counter(session[0].event for session in sessions)
    exits = Counter(session[-1].event for session in sessions)
    visitors = Counter(event for _, event in {(click.user, click.event) for click in clicks})
    spent: Counter[str] = Counter()
    for session in sessions:
        for click, following in pairwise(session):
            spent[click.event] += following.time - click.time
    found = pages(aggregate, "shop", Range(), "UTC").pages
    assert {page.route: (page.views, page.visitors, page.entries, page.exits, page.seconds_mean) for page in found} == {
        f"/{event}": (views[event], visitors[event], entries[event], exits[event], spent[event] / (views[event] * 1000))
        for event in views
    }


@pytest.mark.parametrize(
    ("order", "known"), [("ordered", [598, 517, 401, 281, 146]), ("any", [598, 522, 441, 390, 328])]
)
def test_funnel_by_visitor(
    aggregate: PartitionAggregate, histories: dict[str, list[Click]], order: str, known: list[int]
) -> None:
    reached = [0] * len(STAGES)
    for mine in histories.values():
        events = [click.event for click in mine]
        if order == "any":
            for k, stage in enumerate(STAGES):
                reached[k] += stage in events
        else:
            remaining = iter(events)
            for k, stage in enumerate(STAGES):
                if stage not in remaining:
                    break
                reached[k] += 1
    assert reached == known
    stages = funnel(aggregate, "shop", 0, Range(), "UTC", "visitors", order).stages
    assert [stage.reached for stage in stages] == known
    assert [sum(next.count for next in stage.next) for stage in stages] == [stage.dropped for stage in stages]


def test_funnel_by_session(aggregate: PartitionAggregate, sessions: list[list[Click]]) -> None:
    reached = [0] * len(STAGES)
    for session in sessions:
        remaining = iter([click.event for click in session])
        for k, stage in enumerate(STAGES):
            if stage not in remaining:
                break
            reached[k] += 1
    found = funnel(aggregate, "shop", 0, Range(), "UTC", "sessions", "ordered")
    assert found.visitors == len(sessions)
    assert [stage.reached for stage in found.stages] == reached
