"""What the permission matrix is tried on: one server, everybody of its columns, and a thing to try each request on."""

import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import pyotp
from aiohttp import ClientSession
from msgspec import Struct

from datalab.appliance import opened
from datalab.clock import system_clock
from datalab.model.accounts import Registration
from datalab.model.apps import App
from datalab.model.permissions import Actor
from datalab.services.apps import new_id
from datalab.settings import Settings
from tests.server.api.place import ORGANISATION, Client, Place
from tests.server.client import PASSWORD

HOUR_MS = 3_600_000
FOREIGN = "other.example"
PEOPLE = {
    "admin": ORGANISATION,
    "owner": ORGANISATION,
    "member": ORGANISATION,
    "second": ORGANISATION,
    "invited": ORGANISATION,
    "colleague": ORGANISATION,
    "person": ORGANISATION,
    "target": ORGANISATION,
    "stranger": FOREIGN,
}
"""User names are these followed by `.x`; the first of an organisation is its admin."""
SECTIONS: dict[str, Any] = {
    "routes": {"hash_routing": False, "routes": ["/products/:id"]},
    "funnels": [{"name": "Purchase", "stage": [{"name": "Catalog", "url": "/catalog"}]}],
    "elements": [{"name": "Buy", "selector": "#buy"}],
    "campaigns": [{"name": "Spring", "parameter": "utm_campaign", "value": "spring"}],
}
WHAT_IF = {"funnel": SECTIONS["funnels"][0]}
numbers = count(1)
NOTHING: Mapping[str, str] = MappingProxyType({})


class Asked(NamedTuple):
    """A valid request to an endpoint: what stands in its path, body, query, and who else but the column sends it."""

    names: Mapping[str, str] = NOTHING
    body: Any = None
    query: Mapping[str, str] = NOTHING
    client: Client | None = None


class Named(Struct):
    """Whatever the API lists under an id."""

    id: str


class LoginListed(Struct):
    """A log-in as the API lists it."""

    id: str
    current: bool


class Secret(Struct):
    """A second factor that was begun."""

    secret: str


def username(who: str) -> str:
    """Of a column of the matrix."""
    return f"{who}.x"


class Overdue(NamedTuple):
    """Apps whose invitation is two hours old, each good for one reminder."""

    ids: list[str]


async def prepare(data: Path, reminders: int) -> Overdue:
    """A data directory with all people, made two hours ago."""
    async with opened(data, Settings(), lambda: system_clock() - 2 * HOUR_MS) as services:
        for who, organisation in PEOPLE.items():
            registration = Registration(
                username=username(who), password=PASSWORD, first_name="A", last_name="L", organisation=organisation
            )
            await services.registrations.add(registration)
        owner = Actor(await services.accounts.find(username("owner")))
        assert owner.user is not None
        ids = []
        for number in range(reminders):
            made = App(
                id=new_id(),
                organisation=ORGANISATION,
                name=f"overdue {number}",
                owner=owner.user.id,
                origins=["http://shop.example"],
                created=0,
                tags=["shop"],
                private=True,
            )
            app = await services.apps.add(owner, made)
            await services.members.invite(owner, app.id, [username(who) for who in ("member", "second", "invited")])
            for who in ("member", "second"):
                answering = Actor(await services.accounts.find(username(who)))
                await services.members.answer(answering, app.id, accept=True)
            ids.append(app.id)
        return Overdue(ids)


class Scene:
    """Everybody logged in at a server on what `prepare` made."""

    def __init__(self, place: Place, people: dict[str, Client], overdue: Overdue) -> None:
        self.place = place
        self.people = people
        self.overdue = overdue

    def with_http(self, http: ClientSession) -> "Scene":
        """The same people with the connections of another test."""
        people = {
            name: Client(http, each.url, each.username, each.cookie, each.bearer) for name, each in self.people.items()
        }
        place = Place(self.place.server, http)
        place.admins = {ORGANISATION: people["admin"]}
        return Scene(place, people, self.overdue)

    def __getitem__(self, who: str) -> Client:
        return self.people[who]

    async def app(
        self,
        *,
        private: bool,
        locked: bool = False,
        archived: bool = False,
        overdue: bool = False,
    ) -> dict[str, str]:
        """The owner's new app; a private one with two members and one invited."""
        owner = self["owner"]
        if overdue:
            id = self.overdue.ids.pop()
            return {"app": id, "name": f"{ORGANISATION}/overdue {len(self.overdue.ids)}"}
        made = await owner.app(f"app {next(numbers)}", private=private)
        path = f"/apps/{made.id}"
        if private:
            invited = [username(who) for who in ("member", "second", "invited")]
            await owner.done("POST", f"{path}/invitations", {"usernames": invited})
            for who in ("member", "second"):
                await self[who].done("POST", f"{path}/invitation/accept")
        if locked or archived:
            await owner.done("POST", f"{path}/token", {"confirm": made.full_name})
        if archived:
            await owner.done("POST", f"{path}/unlock", {"confirm": made.full_name})
        return {"app": made.id, "name": made.full_name}

    async def state_of(self, app: str | None) -> list[bytes]:
        """What may not change by what was refused: of an app, or of the organisation and the person's account."""
        if app is not None:
            paths = ["", "/configuration", "/members", "/token", "/partitions", "/segments", "/audit"]
            return [(await self["owner"].request("GET", f"/apps/{app}{path}")).body for path in paths]
        own = ["/me", "/me/logins", "/me/notifications"]
        common = ["/apps", "/organisation/people", "/organisation/join-links", "/organisation/audit"]
        return [
            *[(await self["person"].request("GET", path)).body for path in own],
            *[(await self["admin"].request("GET", path)).body for path in common],
        ]


async def arrive(place: Place, overdue: Overdue) -> Scene:
    """Log everybody in, and make the keys."""
    people = {who: await place.log_in(username(who)) for who in PEOPLE}
    for who in ("person", "admin", "owner"):
        people[f"{who} read key"] = await people[who].key("read")
        people[f"{who} write key"] = await people[who].key("write")
    return Scene(place, {**people, "nobody": place.nobody}, overdue)


Prepare = Callable[[Scene, Client], Awaitable[Asked]]


def account(path: str, case: str) -> Prepare:
    """What is asked of an endpoint of the section Account."""

    async def asked(scene: Scene, client: Client) -> Asked:
        whose = scene["colleague" if case == "another's" else "person"]
        match path:
            case "/register":
                who = {"username": f"new.{next(numbers)}", "organisation": f"new{next(numbers)}.example"}
                request = Asked(body={**who, "first_name": "N", "last_name": "N", "password": PASSWORD})
            case "/login" | "/logout":
                # Ends the log-in of the cookie that comes with it, so from a browser that is not needed afterwards.
                browser = await scene.place.log_in(username("target")) if client.cookie else None
                request = Asked(body={"username": username("target"), "password": PASSWORD}, client=browser)
            case "/me":
                request = Asked(body={"first_name": f"N{next(numbers)}", "last_name": "N", "position": "new"})
            case "/me/password":
                request = Asked(body={"present": PASSWORD, "new": PASSWORD})
            case "/me/logins/{login}":
                await scene.place.log_in(whose.username)
                listed = (await whose.done("GET", "/me/logins")).read(list[LoginListed])
                request = Asked({"login": next(login.id for login in listed if not login.current)})
            case "/me/second-factor" | "/me/second-factor/remove":
                await whose.done("POST", "/me/second-factor/remove", {"password": PASSWORD})
                request = Asked(body={"password": PASSWORD})
            case "/me/second-factor/confirm":
                await whose.done("POST", "/me/second-factor/remove", {"password": PASSWORD})
                begun = await whose.done("POST", "/me/second-factor", {"password": PASSWORD})
                code = pyotp.TOTP(begun.read(Secret).secret).at(int(time.time()))
                request = Asked(body={"code": code})
            case "/me/keys":
                request = Asked(body={"name": "a key", "scope": "write"})
            case "/me/keys/{key}":
                made = await whose.done("POST", "/me/keys", {"name": "short-lived"})
                request = Asked({"key": made.read(Named).id})
            case _:
                made_app = await scene["owner"].app(f"app {next(numbers)}", private=True)
                invited = {"usernames": [whose.username]}
                await scene["owner"].done("POST", f"/apps/{made_app.id}/invitations", invited)
                newest = (await whose.done("GET", "/me/notifications")).read(list[Named])[0]
                request = Asked({"notification": newest.id})

        return request

    return asked


def organisation(path: str, case: str) -> Prepare:
    """What is asked of an endpoint of the section Organisation."""

    async def asked(scene: Scene, client: Client) -> Asked:
        match path.rpartition("/")[2]:
            case "approve" | "refuse" | "{username}":
                name = f"new.{next(numbers)}"
                await scene.place.register(name)
                if path.endswith("{username}"):
                    await scene["admin"].done("POST", f"/organisation/people/{name}/approve")
                return Asked({"username": name})
            case "role":
                return Asked({"username": username("target")}, {"admin": True})
            case "access":
                return Asked({"username": username("target")}, {"disabled": True})
            case "{link}":
                return Asked({"link": (await scene["admin"].done("POST", "/organisation/join-links")).read(Named).id})
            case "apps":
                new = {"name": f"app {next(numbers)}", "urls": ["http://a.example"], "tags": ["a"]}
                return Asked(body=new)
            case _:
                return Asked({"username": username("target")})

    return asked


def app(path: str, case: str, *, private: bool) -> Prepare:
    """What is asked of an endpoint of an app."""
    tail = path.removeprefix("/apps/{app}").lstrip("/")
    needs_token = tail.startswith(("token", "unlock", "partitions")) or case == "locked"
    kind: Literal["archived", "locked", "overdue", ""] = (
        "archived" if tail == "partitions/{number}" else "locked" if needs_token else ""
    )
    heir = "member" if private else "colleague"

    async def asked(scene: Scene, client: Client) -> Asked:
        made = await scene.app(
            private=private,
            locked=kind == "locked",
            archived=kind == "archived",
            overdue=case == "an hour later",
        )
        whom = {
            "invitations/{username}": "invited",
            "invitations/{username}/remind": "invited",
            "members/{username}": "second",
        }.get(tail, "")
        names = {"app": made["app"], "number": "1", "username": username(whom)}
        if case == "oneself":
            names["username"] = client.username or username("member")
        confirm = {"confirm": made["name"]}
        if tail == "insights/funnel":
            funnels = {"revision": 0, "value": SECTIONS["funnels"]}
            await scene["owner"].done("PUT", f"/apps/{made['app']}/configuration/funnels", funnels)
        if tail == "segments/{segment}":
            saver = scene[{"saved by a member": "member", "saved by a colleague": "colleague"}.get(case, "owner")]
            saved = {"name": "Newcomers", "text": "visit is new"}
            answer = await saver.done("POST", f"/apps/{made['app']}/segments", saved)
            names["segment"] = answer.read(Named).id
        if tail == "jobs/{job}":
            await scene["owner"].done("POST", f"/apps/{made['app']}/insights/what-if", WHAT_IF)
            names["job"] = (await scene["owner"].done("GET", f"/apps/{made['app']}/jobs")).read(list[Named])[0].id
        if tail.startswith("configuration/") and tail != "configuration/try":
            return Asked(names, {"revision": 0, "value": SECTIONS[tail.rpartition("/")[2]]})
        body: Any = {
            "": {"description": "changed"},
            "configuration/try": {"name": "Catalog", "glob": "/cat*"},
            "segments": {"name": f"Segment {next(numbers)}", "text": "browser is Firefox"},
            "segments/{segment}": {"name": "Renamed", "text": "browser is Firefox"},
            "insights/what-if": WHAT_IF,
            "token": confirm,
            "token/rotate": {"overlap_hours": 1},
            "unlock": confirm,
            "invitations": {"usernames": [username("colleague")]},
            "transfer": {"username": username(heir)},
        }.get(tail)
        query = {"insights/surroundings": {"route": "/"}, "": confirm, "partitions/{number}": confirm}.get(tail, {})
        return Asked(names, body, query)

    return asked
