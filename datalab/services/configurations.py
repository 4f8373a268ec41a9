"""Configurations: each section is saved by itself, from the state it was made from; locked while a token is out."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import asdict, replace

from datalab.errors import Invalid, Locked, Stale
from datalab.model.apps import App
from datalab.model.configuration import Configuration, Funnel, Stage
from datalab.model.notifications import Kind
from datalab.model.permissions import Action, Actor, demand_write
from datalab.model.sections import Save, SaveFunnels, differences, saved, section_of
from datalab.model.stages import StageMatcher
from datalab.services.audit import page
from datalab.services.changes import Change, Changes
from datalab.services.directory import Directory
from datalab.services.partitions import Partitions
from datalab.workers.expressions import Fault

CheckExpressions = Callable[[Iterable[str]], Awaitable[Mapping[str, Fault]]]
MAX_CHANGES = 100
"""Lines that a stale save is told."""
MAX_ENTRIES_READ = 500
"""Of the audit log, to tell what changed since a stale save was begun."""


class Matched(Struct, frozen=True):
    """A route seen lately, and whether a rule matches it."""

    route: str
    views: int
    matches: bool


class Configurations:
    """Saving one makes the figures of the open partition anew."""

    def __init__(
        self, changes: Changes, directory: Directory, partitions: Partitions, check_expressions: CheckExpressions
    ) -> None:
        self._changes = changes
        self._directory = directory
        self._partitions = partitions
        self._check_expressions = check_expressions

    async def save(self, actor: Actor, id: str, save: Save) -> App:
        """Replace one section. Raises Missing, Locked, Stale, Invalid."""
        self._demand(actor, id)
        if isinstance(save, SaveFunnels):
            await self.check(save.value)
        section = section_of(save)

        def work(change: Change) -> App:
            app = change.app(id, Action.CONFIGURE)
            demand_unlocked(app)
            revision = getattr(app.revisions, section)
            if save.revision != revision:
                raise stale(change, app, section, save.revision)
            return self._store(change, app, saved(app.configuration, save))

        return await self._run(actor, work)

    async def replace(self, actor: Actor, id: str, configuration: Configuration) -> App:
        """Replace all sections, whatever they were. Raises Missing, Locked, Invalid."""
        self._demand(actor, id)
        await self.check(configuration.funnel)

        def work(change: Change) -> App:
            app = change.app(id, Action.CONFIGURE)
            demand_unlocked(app)
            return self._store(change, app, configuration)

        return await self._run(actor, work)

    async def matched(
        self, app: App, stage: Stage, routes: Iterable[tuple[str, int]], folded: Mapping[str, list[str]]
    ) -> list[Matched]:
        """Which of these routes (with their views) a stage matches, by name or by a path folded into it.

        Raises Invalid.
        """
        trial = Funnel(name="trial", stage=[stage])
        await self.check([trial])
        matcher = StageMatcher(trial, hash_routing=app.configuration.hash_routing)
        return [
            Matched(route, views, bool(matcher.page_view(route, *folded.get(route, [])))) for route, views in routes
        ]

    def _store(self, change: Change, app: App, configuration: Configuration) -> App:
        changed = differences(app.configuration, configuration)
        if not changed:
            return app
        revisions = replace(app.revisions, **{name: getattr(app.revisions, name) + 1 for name in changed})
        app = change.save(replace(app, configuration=configuration, revisions=revisions))
        for section, lines in changed.items():
            change.log(app, "app.configure", *lines, section=section, revision=asdict(revisions)[section])
        change.tell(change.readers(app), Kind.CHANGED, app, ", ".join(changed))
        return app

    async def _run(self, actor: Actor, work: Callable[[Change], App]) -> App:
        def noted(change: Change) -> tuple[App, bool]:
            return work(change), bool(change.apps)

        app, changed = await self._changes.run(actor, noted)
        if changed:
            await self._partitions.recompute(app)
        return app

    def _demand(self, actor: Actor, id: str) -> None:
        """Refuse before the trial what the transaction would refuse after it: it takes a while."""
        demand_write(actor)
        demand_unlocked(self._directory.find(actor, id, Action.CONFIGURE))

    async def check(self, funnels: Iterable[Funnel]) -> None:
        """Raises Invalid for an expression that could hold up the appliance."""
        stages = [(funnel, stage) for funnel in funnels for stage in funnel.stage if stage.regex is not None]
        faults = await self._check_expressions([stage.regex for _, stage in stages if stage.regex is not None])
        for funnel, stage in stages:
            if stage.regex is not None and (fault := faults.get(stage.regex)) is not None:
                raise Invalid(
                    f"funnel {funnel.name!r}, stage {stage.name!r}: regex {stage.regex!r}: "
                    f"{fault.reason} at position {fault.position}"
                )


def demand_unlocked(app: App) -> None:
    """Raises Locked while a token is out."""
    if app.locked:
        raise Locked(f"{app.full_name} is locked by its token; unlock it before changing its configuration")


def stale(change: Change, app: App, section: str, since: int) -> Stale:
    """Who changed what since a revision."""
    entries = page(change.collections, app.id, None, MAX_ENTRIES_READ).entries
    lines = [
        f"{entry.by}: {line}"
        for entry in reversed(entries)
        if entry.section == section and entry.revision > since
        for line in entry.details
    ]
    if len(lines) > MAX_CHANGES:
        lines = [f"and {len(lines) - MAX_CHANGES} changes before these", *lines[-MAX_CHANGES:]]
    revision = getattr(app.revisions, section)
    return Stale(
        f"the {section} were changed meanwhile (revision {revision}, not {since}); load them anew",
        revision=revision,
        changes=lines,
    )
