"""Apps: made, edited, deleted; their configuration, section by section."""

from typing import Any

from msgspec import Struct

from datalab.model.apps import App, AppDetails, NewApp
from datalab.model.configuration import Configuration, Revisions, Stage
from datalab.model.permissions import Action, Role, demand_person, roles
from datalab.model.ranges import Range
from datalab.model.sections import Save, SaveCampaigns, SaveElements, SaveFunnels, SaveRoutes
from datalab.server.api.endpoint import Call, Confirmation, Endpoint
from datalab.server.api.organisation import Entries
from datalab.services.apps import new_id
from datalab.services.audit import AuditPage
from datalab.services.configurations import Matched
from datalab.services.insights import About

LATELY_MS = 7 * 86_400_000
TESTED_ROUTES = 200


class TokenState(Struct, frozen=True):
    """What everybody who reads the app may know of its token."""

    generation: int
    issued: int
    expires: int | None


class AppShown(Struct, frozen=True):
    """An app, as somebody who may read it sees it."""

    id: str
    organisation: str
    name: str
    full_name: str
    owner: str
    """User name in lower case."""
    owned: bool
    """By whoever asks."""
    urls: list[str]
    description: str
    tags: list[str]
    private: bool
    time_zone: str
    created: int
    locked: bool
    partition: int
    token: TokenState | None


class ConfigurationShown(Struct, frozen=True):
    """All sections with the revision each has."""

    locked: bool
    revisions: Revisions
    configuration: Configuration


def shown(call: Call[Any], app: App) -> AppShown:
    """An app for whoever asks."""
    token = app.token
    return AppShown(
        id=app.id,
        organisation=app.organisation,
        name=app.name,
        full_name=app.full_name,
        owner=app.owner,
        owned=Role.OWNER in roles(demand_person(call.actor), app),
        urls=app.origins,
        description=app.description,
        tags=app.tags,
        private=app.private,
        time_zone=app.time_zone,
        created=app.created,
        locked=app.locked,
        partition=app.partition,
        token=TokenState(token.generation, token.issued, token.expires) if token is not None else None,
    )


def configured(app: App) -> ConfigurationShown:
    """An app's configuration."""
    return ConfigurationShown(app.locked, app.revisions, app.configuration)


async def all_apps(call: Call[None]) -> list[AppShown]:
    """The apps that may be read."""
    return [shown(call, app) for app in call.services.directory.visible_to(call.actor)]


async def make(call: Call[NewApp]) -> AppShown:
    """Make an app; whoever makes it owns it."""
    person, new = demand_person(call.actor), call.body
    app = App(
        id=new_id(),
        organisation=person.organisation,
        name=new.name,
        owner=person.id,
        origins=new.urls,
        created=0,
        description=new.description,
        tags=new.tags,
        private=new.private,
        time_zone=new.time_zone,
    )
    return shown(call, await call.services.apps.add(call.actor, app))


async def one(call: Call[None]) -> AppShown:
    """One app."""
    return shown(call, call.app())


async def edit(call: Call[AppDetails]) -> AppShown:
    """Change what is given; the name stays (owner)."""
    return shown(call, await call.services.apps.edit(call.actor, call.name("app"), call.body))


async def delete(call: Call[None]) -> None:
    """Delete an app and all its data; `confirm` is its full name (owner)."""
    await call.services.apps.delete(call.actor, call.name("app"), call.query.confirm)


async def audit(call: Call[None]) -> AuditPage:
    """Who did what to the app (owner, admins)."""
    return await call.services.audit.of_app(call.app(Action.AUDIT), call.query.before, call.query.limit)


async def configuration(call: Call[None]) -> ConfigurationShown:
    """Funnels, elements, campaigns, routes, each with its revision."""
    return configured(call.app())


async def save(call: Call[Save]) -> ConfigurationShown:
    """Save one section, made from the revision named; a stale save is refused with what changed since."""
    return configured(await call.services.configurations.save(call.actor, call.name("app"), call.body))


async def try_stage(call: Call[Stage]) -> list[Matched]:
    """Which of the routes seen in the last seven days a stage matches."""
    services, app = call.services, call.app()
    # After unlocking, what was seen is in the archive.
    seen_in = app if app.partition or not app.last_partition else await services.archive.latest(app)
    lately = Range(services.clock() - LATELY_MS, None)
    pages = await services.insights.pages(seen_in, About(lately), limit=TESTED_ROUTES)
    seen = [(page.route, page.views) for page in pages.pages]
    folded = await services.insights.folded_paths(seen_in)
    return await services.configurations.matched(app, call.body, seen, folded)


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/apps", all_apps, list[AppShown]),
    Endpoint("POST", "/apps", make, AppShown, NewApp, status=201),
    Endpoint("GET", "/apps/{app}", one, AppShown),
    Endpoint("PATCH", "/apps/{app}", edit, AppShown, AppDetails),
    Endpoint("DELETE", "/apps/{app}", delete, query=Confirmation),
    Endpoint("GET", "/apps/{app}/audit", audit, AuditPage, query=Entries),
    Endpoint("GET", "/apps/{app}/configuration", configuration, ConfigurationShown),
    Endpoint("PUT", "/apps/{app}/configuration/routes", save, ConfigurationShown, SaveRoutes),
    Endpoint("PUT", "/apps/{app}/configuration/funnels", save, ConfigurationShown, SaveFunnels),
    Endpoint("PUT", "/apps/{app}/configuration/elements", save, ConfigurationShown, SaveElements),
    Endpoint("PUT", "/apps/{app}/configuration/campaigns", save, ConfigurationShown, SaveCampaigns),
    Endpoint("POST", "/apps/{app}/configuration/try", try_stage, list[Matched], Stage),
]
