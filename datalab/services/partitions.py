"""Partitions: for each app the one that takes events, with its intake and its figures."""

import asyncio
from contextlib import suppress

from datalab.aggregate.rules import Rules
from datalab.clock import Clock
from datalab.errors import Missing, Refusal
from datalab.ingest.gate import Gate
from datalab.ingest.intake import Intake
from datalab.model.agents import own_hosts
from datalab.model.apps import App
from datalab.services.apps import Apps
from datalab.settings import Settings
from datalab.stores.journal import Journal, PartitionKey
from datalab.workers.aggregation import Aggregation
from datalab.workers.runner import Runner


class Partitions:
    """Opens partitions at start and when they are first needed."""

    def __init__(
        self, apps: Apps, journal: Journal, aggregation: Aggregation, runner: Runner, settings: Settings, clock: Clock
    ) -> None:
        self.gate = Gate()
        self.unopened: dict[str, str] = {}
        """Apps whose partition could not be opened at start, and why."""
        self._apps = apps
        self._journal = journal
        self._aggregation = aggregation
        self._runner = runner
        self._settings = settings
        self._clock = clock
        self._intakes: dict[PartitionKey, Intake] = {}
        self._opening = asyncio.Lock()

    def rules(self, app: App) -> Rules:
        """What the app's figures depend on."""
        return Rules(
            configuration=app.configuration,
            own_hosts=own_hosts(app.origins),
            session_timeout_ms=self._settings.figures.session_timeout_minutes * 60_000,
            max_values=self._settings.figures.max_values,
        )

    async def open_all(self) -> None:
        """Open every app's partition; one that cannot be opened does not keep the others from it."""
        for app in self._apps.all():
            if app.partition:
                try:
                    await self.intake(app)
                except Refusal as refusal:
                    self.unopened[app.full_name] = refusal.detail
                    with suppress(Missing):
                        # What there is can still be read.
                        await self._aggregation.load(key_of(app), self.rules(app))

    async def intake(self, app: App) -> Intake:
        """The intake of the app's open partition; raises Unavailable, Missing where none was ever begun."""
        if not app.partition:
            raise Missing(f"{app.full_name} has no partition yet; issue a token or import history")
        key = key_of(app)
        async with self._opening:
            if key not in self._intakes:
                intake = Intake(
                    key, self._journal, self._aggregation.feed, self.gate, self._settings.ingest, self._clock
                )
                await intake.open()
                await self._aggregation.load(key, self.rules(app), intake.position)
                self._intakes[key] = intake
                self._runner.start(f"aggregation of {key}", lambda: self._aggregation.run(key))
                self._runner.start(f"intake of {key}", intake.run)
                self.unopened.pop(app.full_name, None)
        return self._intakes[key]

    async def recompute(self, app: App) -> None:
        """Make the figures anew after a change of the configuration."""
        if app.partition and (key := key_of(app)) in self._intakes:
            async with self._intakes[key].paused():
                await self._aggregation.settled(key)
                await self._aggregation.reload(key, self.rules(app))

    async def settled(self, app: App) -> None:
        """Wait until everything stored is in the figures."""
        if app.partition and key_of(app) in self._intakes:
            await self._aggregation.settled(key_of(app))

    def troubles(self) -> dict[str, str]:
        """Why apps take no events at the moment, by full name."""
        refusing = {
            app.full_name: refusal.detail
            for app in self._apps.all()
            if (intake := self._intakes.get(key_of(app))) and (refusal := intake.refusal)
        }
        return self.unopened | refusing

    async def close(self) -> None:
        """Commit what has arrived."""
        for key, intake in self._intakes.items():
            intake.close()
            await self._runner.join(f"intake of {key}")
            await self._aggregation.settled(key)


def key_of(app: App) -> PartitionKey:
    """The app's open partition."""
    return PartitionKey(app.id, app.partition)
