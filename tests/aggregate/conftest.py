"""A public shop's click stream as an aggregate, and as lists of clicks."""

import pytest

from datalab.aggregate.partition import PartitionAggregate
from datalab.aggregate.rules import Rules
from datalab.model.configuration import Configuration, Funnel, Stage
from tests.aggregate.shop import STAGES, History, Visit, aggregate_of_clicks, histories_of, visits_of
from tests.clickstream import Click, read_clickstream


@pytest.fixture(scope="session")
def clicks(request: pytest.FixtureRequest) -> list[Click]:
    """In file order."""
    return read_clickstream(request.config)


@pytest.fixture(scope="session")
def histories(clicks: list[Click]) -> dict[str, History]:
    return histories_of(clicks)


@pytest.fixture(scope="session")
def visits(histories: dict[str, History]) -> list[Visit]:
    return visits_of(histories)


@pytest.fixture(scope="session")
def aggregate(clicks: list[Click]) -> PartitionAggregate:
    """Of the file, with one funnel without and two with a conversion window."""
    stages = [Stage(name=name, url=f"/{name}") for name in STAGES]
    funnels = [
        Funnel(name="Purchase", stage=stages),
        Funnel(name="Within the hour", window="1h", stage=stages),
        Funnel(name="Within a quarter", window="15m", stage=stages),
    ]
    return aggregate_of_clicks(clicks, Rules(configuration=Configuration(funnel=funnels), zone="Europe/Berlin"))
