"""What-if funnels from candidates only, against the engine and the reference with the funnel configured."""

import random
from typing import Any, NamedTuple

from hypothesis import given
from msgspec.structs import replace

from datalab.aggregate import funnel, meanings, visitors
from datalab.aggregate.candidates import Candidates, known, rules_with
from datalab.aggregate.question import Question
from datalab.aggregate.rules import Rules
from datalab.model.configuration import Funnel, Stage
from datalab.model.events import Batch, Opening
from datalab.model.figures import FunnelFigures
from datalab.model.ranges import Range
from datalab.model.segments import EVERYBODY, Filter, Segment
from tests.aggregate.cases import SIZES, examples, limited
from tests.aggregate.choices import Choices, by_choices
from tests.aggregate.histories import FUNNELS, History, aggregate_of, cut, make_history
from tests.aggregate.questions import make_range, make_segment, plain
from tests.aggregate.reference import funnel as slow_funnel
from tests.aggregate.test_reference import MINUTE, MONDAY, NOBODY_KNOWN, view


class Trial(NamedTuple):
    """A history, and a funnel that was not configured."""

    history: History
    batches: list[Batch]
    funnel: Funnel
    question: Question
    unit: str
    order: str

    @property
    def configured(self) -> History:
        """The same, had it been configured under a name of its own."""
        configuration = self.history.rules.configuration
        first = replace(configuration, funnel=[replace(self.funnel, name="Configured"), *configuration.funnel])
        return self.history._replace(rules=replace(self.history.rules, configuration=first))


def make_trial(choices: Choices) -> Trial:
    history = make_history(choices)
    return Trial(
        history=history,
        batches=cut(history, random.Random(choices.number(0, 1000)), choices.pick(SIZES)),
        funnel=Funnel(
            name=choices.pick(["What if", "F0", "what if 0"]),
            window=choices.pick([None, None, "1s", "30m", "1d"]),
            stage=choices.pick(FUNNELS),
        ),
        question=Question(
            app="a1",
            range=make_range(choices, history),
            zone=history.zone,
            segment=make_segment(choices, history.reference),
        ),
        unit=choices.pick(["visitors", "sessions"]),
        order=choices.pick(["ordered", "ordered", "any"]),
    )


def from_candidates(trial: Trial) -> tuple[FunnelFigures, Candidates]:
    """As a child process makes it."""
    everybody = aggregate_of(trial.history.rules, trial.batches)
    told = known(everybody, trial.question, trial.unit)
    rules = rules_with(trial.history.rules, trial.funnel, trial.question)
    candidates = Candidates(rules, trial.order, trial.question.range, told.full)
    for batch in trial.batches:
        candidates.look(batch)
    for batch in trial.batches:
        candidates.take(batch)
    return candidates.figures(trial.question, trial.unit, trial.order, trial.funnel.name, told.units), candidates


@given(by_choices(make_trial))
@examples(400)
def test_figures_are_those_of_a_configured_funnel(trial: Trial) -> None:
    with limited({(meanings, "KNOWN_TEXTS"): 2, (visitors, "RECENT"): 2}):
        found, _ = from_candidates(trial)
    arguments: dict[str, Any] = {"number": 0, "unit": trial.unit, "order": trial.order}
    assert found.funnel == trial.funnel.name
    found = replace(found, funnel="Configured")
    engine = funnel.funnel(aggregate_of(trial.configured.rules, trial.batches), trial.question, **arguments)
    assert found == engine
    assert plain(found) == plain(slow_funnel.funnel(trial.configured.reference, trial.question, **arguments))


@given(by_choices(make_trial))
@examples(100)
def test_where_the_journal_is_damaged(trial: Trial) -> None:
    """Streams whose openings are lost have visitors of their own."""
    trial = trial._replace(batches=[batch for k, batch in enumerate(trial.batches) if k != 1])
    found, _ = from_candidates(trial)
    configured = aggregate_of(trial.configured.rules, trial.batches)
    expected = funnel.funnel(configured, trial.question, 0, trial.unit, trial.order)
    assert replace(found, funnel="Configured") == expected


def shop(segment: Segment = EVERYBODY, chosen: Range | None = None, order: str = "ordered") -> Trial:
    """Each of 300 visitors comes a minute after the one before; two of them to the cart."""
    happenings = [view(k, k, "/cart" if k in (7, 290) else f"/page/{k}") for k in range(300)]
    openings = [Opening(visitor=k.to_bytes(16, "big"), started=MONDAY) for k in range(300)]
    history = History(openings, happenings, [NOBODY_KNOWN] * 300, Rules(max_values=5))
    return Trial(
        history=history,
        batches=cut(history, random.Random(1), [50]),
        funnel=Funnel(name="Cart", stage=[Stage(name="Cart", url="/cart"), Stage(name="Page", glob="/page/*")]),
        question=Question(app="a1", range=chosen or Range(), segment=segment),
        unit="visitors",
        order=order,
    )


def test_only_candidates_are_aggregated() -> None:
    found, candidates = from_candidates(shop())
    assert (found.funnel, found.visitors, [stage.reached for stage in found.stages]) == ("Cart", 300, [2, 0])
    assert found.stages[0].overall == 2 / 300
    assert len(candidates.aggregate.visitors) == 2
    _, candidates = from_candidates(shop(chosen=Range(MONDAY + 100 * MINUTE, None)))
    assert len(candidates.aggregate.visitors) == 1
    _, candidates = from_candidates(shop(order="any"))
    assert len(candidates.aggregate.visitors) == 300


def test_what_a_full_dimension_keeps_apart_hangs_on_everybody() -> None:
    # /page/0 to /page/4 came first.
    found, _ = from_candidates(shop(Segment((Filter("route", "is", "(other)"),))))
    assert (found.visitors, found.stages[0].reached) == (295, 2)
