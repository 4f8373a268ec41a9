"""Registrations: how people come into an organisation. Nobody walks in by typing its name."""

import secrets

from msgspec import Struct
from msgspec.structs import replace

from datalab.clock import Clock
from datalab.errors import Forbidden, Missing, Taken, TooMany
from datalab.model.accounts import JoinLink, Organisation, Registration, User
from datalab.model.notifications import Kind
from datalab.model.permissions import APPLIANCE, OPERATOR, Actor, demand_admin
from datalab.services.accounts import remove_person
from datalab.services.attempts import Attempts
from datalab.services.changes import Change, Changes
from datalab.services.passwords import Passwords, digest
from datalab.settings import Accounts as AccountSettings
from datalab.stores.documents import Collections

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MAX_LINKS = 100
"""Of an organisation, at a time."""
MAX_PENDING = 200
"""People of an organisation who wait for an answer."""
BAD_LINK = "the join link is unknown, was used or has expired; ask the admin who sent it for another"


class LinkMade(Struct, frozen=True):
    """A new join link; `join` is shown this once."""

    id: str
    join: str
    path: str
    """Where it is used, on this appliance."""
    expires: int


class LinkShown(Struct, frozen=True):
    """A join link that was not used yet, without its secret."""

    id: str
    created_by: str
    created: int
    expires: int


class Registrations:
    """The first person of an organisation becomes its admin; later ones need a link or an admin's approval."""

    def __init__(self, changes: Changes, passwords: Passwords, settings: AccountSettings, clock: Clock) -> None:
        self._changes = changes
        self._passwords = passwords
        self._settings = settings
        self._clock = clock
        self._attempts = Attempts(
            settings.registrations, HOUR_MS, "too many registrations from this address; try again in an hour"
        )

    async def register(self, registration: Registration, address: str) -> User:
        """A person who registers; raises Forbidden, Taken, TooMany. A refusal leaves nothing behind."""
        now = self._clock()
        if why := self.closed(registration.join):
            raise Forbidden(why)
        self._attempts.check([address], now)
        self._attempts.count([address], now)
        # Before the hash is made, which takes long; and again in the transaction.
        await self._changes.transact(lambda collections: check(collections, registration, now))
        password_hash = await self._passwords.hash(registration.password)

        def work(change: Change) -> User:
            link = check(change.collections, registration, change.now)
            if link is not None:
                change.collections.join_links.remove(link.id)
            return enter(change, registration, password_hash, invited=link is not None)

        return await self._changes.run(APPLIANCE, work)

    def closed(self, join: str | None) -> str:
        """Why nobody may register like this, empty where somebody may."""
        if self._settings.registration == "closed":
            return "registration is closed; ask the operator of the appliance for an account"
        if self._settings.registration == "invitation" and not join:
            return "registration needs a join link; ask an admin of your organisation for one"
        return ""

    async def add(self, registration: Registration) -> User:
        """A person whom the operator makes, who waits for nobody's approval; raises Taken."""
        password_hash = await self._passwords.hash(registration.password)
        return await self._changes.run(
            OPERATOR, lambda change: enter(change, registration, password_hash, invited=True, registered=False)
        )

    async def answer(self, actor: Actor, username: str, *, approve: bool) -> User:
        """An admin's answer to a join request: let the person in, or remove the request. Raises Missing, Forbidden."""

        def work(change: Change) -> User:
            admin = demand_admin(change.actor)
            user = change.collections.users.get(username.lower())
            if user is None or user.organisation != admin.organisation or not user.pending:
                raise Missing(f"nobody named {username} waits to join {admin.organisation}")
            if approve:
                user = replace(user, pending=False)
                change.collections.users.replace(user)
            else:
                remove_person(change, user)
            change.log(user.organisation, "join.approve" if approve else "join.refuse", user.username)
            return user

        return await self._changes.run(actor, work)

    async def make_link(self, actor: Actor) -> LinkMade:
        """A link that lets one person in; raises Forbidden, TooMany."""
        text = secrets.token_urlsafe(24)

        def work(change: Change) -> LinkMade:
            admin = demand_admin(change.actor)
            links = change.collections.join_links
            known = links.where(organisation=admin.organisation)
            for old in known:
                if old.expires <= change.now:
                    links.remove(old.id)
            if sum(link.expires > change.now for link in known) >= MAX_LINKS:
                raise TooMany(f"{MAX_LINKS} join links wait to be used; withdraw some first")
            link = JoinLink(
                id=digest(text),
                organisation=admin.organisation,
                created_by=admin.username,
                created=change.now,
                expires=change.now + self._settings.join_link_days * DAY_MS,
            )
            links.add(link)
            change.log(admin.organisation, "join-link.make")
            return LinkMade(link.id, text, f"/register?join={text}", link.expires)

        return await self._changes.run(actor, work)

    async def links(self, actor: Actor) -> list[LinkShown]:
        """The links that can still be used, oldest first; raises Forbidden."""
        admin, now = demand_admin(actor), self._clock()
        found = await self._changes.transact(
            lambda collections: collections.join_links.where(organisation=admin.organisation)
        )
        return [
            LinkShown(link.id, link.created_by, link.created, link.expires)
            for link in sorted(found, key=lambda link: (link.created, link.id))
            if link.expires > now
        ]

    async def withdraw_link(self, actor: Actor, id: str) -> None:
        """Raises Forbidden, Missing."""

        def work(change: Change) -> None:
            admin = demand_admin(change.actor)
            link = change.collections.join_links.get(id)
            if link is None or link.organisation != admin.organisation:
                raise Missing("there is no such join link")
            change.collections.join_links.remove(id)
            change.log(admin.organisation, "join-link.withdraw")

        await self._changes.run(actor, work)

    async def organisation_of(self, join: str) -> str:
        """The organisation that a join link leads into, empty where it does not work any more."""
        now = self._clock()
        link = await self._changes.transact(lambda collections: valid_link(collections, join, now))
        return link.organisation if link is not None else ""


def check(collections: Collections, registration: Registration, now_ms: int) -> JoinLink | None:
    """The join link of a registration that may go on; raises Taken, Forbidden, TooMany."""
    domain, link = registration.organisation.lower(), None
    if registration.join is not None:
        # First: without a link nobody learns which user names there are where one is needed.
        link = valid_link(collections, registration.join, now_ms)
        if link is None or link.organisation != domain:
            raise Forbidden(BAD_LINK)
    elif len(collections.users.where(organisation=domain, pending=True)) >= MAX_PENDING:
        raise TooMany(f"{MAX_PENDING} people wait to join {domain} already; ask its admin for a join link")
    if collections.users.get(registration.username.lower()) is not None:
        raise Taken(f"username: {registration.username} is in use; choose another")
    return link


def valid_link(collections: Collections, join: str, now_ms: int) -> JoinLink | None:
    """A join link as long as whoever made it may still let people in."""
    link = collections.join_links.get(digest(join))
    maker = collections.users.get(link.created_by.lower()) if link is not None else None
    if link is None or maker is None or link.expires <= now_ms:
        return None
    return link if maker.admin and maker.active and maker.organisation == link.organisation else None


def enter(
    change: Change, registration: Registration, password_hash: str, *, invited: bool, registered: bool = True
) -> User:
    """Store a new person, and the organisation with its first; whoever registers acts in the own name."""
    collections = change.collections
    domain = registration.organisation.lower()
    if collections.organisations.get(domain) is None:
        collections.organisations.add(Organisation(id=domain, created=change.now))
        change.log(domain, "organisation.make")
    colleagues = collections.users.where(organisation=domain, pending=False)
    user = User(
        id=registration.username.lower(),
        username=registration.username,
        organisation=domain,
        password_hash=password_hash,
        created=change.now,
        first_name=registration.first_name,
        last_name=registration.last_name,
        position=registration.position,
        admin=not colleagues,
        pending=bool(colleagues) and not invited,
    )
    if collections.users.get(user.id) is not None:
        raise Taken(f"username: {registration.username} is in use; choose another")
    collections.users.add(user)
    if registered:
        change.actor = Actor(user)
    change.log(domain, "join.request" if user.pending else "join", user.username)
    if user.pending or colleagues:
        kind = Kind.JOIN_REQUEST if user.pending else Kind.JOINED
        change.tell((admin.id for admin in change.admins(domain)), kind, detail=user.username)
    return user
