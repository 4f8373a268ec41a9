"""What-if funnels: stages that nobody configured, over a partition's whole journal."""

from pathlib import Path

from msgspec import Struct

from datalab.aggregate.candidates import Candidates, Known, rules_with
from datalab.aggregate.question import Question
from datalab.aggregate.rules import Rules
from datalab.model.configuration import Funnel
from datalab.model.events import Position
from datalab.model.figures import FunnelFigures
from datalab.stores.embedded.journal import file_of
from datalab.stores.journal import PartitionKey
from datalab.workers.replay import batches
from datalab.workers.task import Task, Told


class AskedWhatIf(Struct, frozen=True, kw_only=True):
    """Which funnel, of whom, and how far into which journal: as far as what is known without it."""

    data: str
    """The data directory."""
    partition: PartitionKey
    rules: Rules
    """As configured."""
    funnel: Funnel
    question: Question
    unit: str
    order: str
    known: Known


class WhatIf(Task[AskedWhatIf, FunnelFigures]):
    """Reads the journal twice: who are candidates, and what they did."""

    asked = AskedWhatIf
    answered = FunnelFigures

    def answer(self, asked: AskedWhatIf, told: Told) -> FunnelFigures:
        rules = rules_with(asked.rules, asked.funnel, asked.question)
        candidates = Candidates(rules, asked.order, asked.question.range, asked.known.full)
        end = asked.known.position
        if end != Position():
            file = file_of(Path(asked.data), asked.partition)
            for batch in batches(file, Position(), end, lambda done, _: told(done, 2 * end.events)):
                candidates.look(batch)
            for batch in batches(file, Position(), end, lambda done, _: told(end.events + done, 2 * end.events)):
                candidates.take(batch)
        return candidates.figures(asked.question, asked.unit, asked.order, asked.funnel.name, asked.known.units)
