"""Documents of every collection, with everything in them that a store may stumble over."""

from datalab.model.accounts import ApiKey, JoinLink, Login, Organisation, SecondFactor, User
from datalab.model.apps import App, IssuedToken, Membership, PartitionRecord, State
from datalab.model.audit import AuditEntry, AuditLog
from datalab.model.configuration import Configuration, Element, Funnel, Revisions, Stage
from datalab.model.notifications import Kind, Notification
from datalab.model.segments import SavedSegment

HTML = "<script>alert('x')</script> & \"quotes\" \\ %s {{ }} $where"
WIDE = "Zoë Кузнецова 日本語 🏺 e\u0301"


def user(id: str, organisation: str = "acme.example", **more: object) -> User:
    return User(id=id, username=id.title(), organisation=organisation, password_hash="h", created=1, **more)


def app(id: str, **more: object) -> App:
    fields = {"organisation": "acme.example", "name": id, "owner": "annabel", "origins": ["http://a.example"]}
    return App(id=id, created=1_764_000_000_000, **{**fields, **more})


def organisation(id: str) -> Organisation:
    return Organisation(id=id, created=2**53)


FULL_APP = app(
    "a1",
    name=HTML,
    description=WIDE,
    tags=["a", WIDE],
    origins=["https://a.example", "http://b.example:8080"],
    private=True,
    time_zone="Europe/Berlin",
    locked=True,
    token=IssuedToken(text="t.t", generation=3, issued=1_764_000_000_000, expires=None),
    retiring=IssuedToken(text="t.r", generation=2, issued=1, expires=2**53, warned=True),
    token_generation=3,
    partition=4,
    last_partition=7,
    revisions=Revisions(funnels=2, elements=0, campaigns=2**40, routes=1),
    members=[
        Membership(user="bertram", state=State.PENDING, invited=1),
        Membership(user="clarence", state=State.ACCEPTED, invited=1, reminded=2, answered=3),
    ],
    configuration=Configuration(
        hash_routing=True,
        routes=["/products/:id", "/$a.b"],
        funnel=[Funnel(name=HTML, window="14d", stage=[Stage(name="1", url="/"), Stage(name="2", click="#buy")])],
        element=[Element(name=WIDE, selector="#buy > a")],
    ),
)


FULL_USER = user(
    "annabel",
    first_name=WIDE,
    last_name=HTML,
    position="a\tb",
    admin=True,
    disabled=True,
    pending=True,
    second_factor=SecondFactor(secret="JBSWY3DP", confirmed=True, used=2**40, recovery=["a" * 64, "b" * 64]),
)

SAMPLES = {
    "organisations": [organisation("acme.example"), organisation("$where.example")],
    "users": [FULL_USER, user("bertram", "other.example")],
    "logins": [
        Login(id="a" * 64, user="annabel", created=-5, expires=2**53, browser=HTML),
        Login(id="b" * 64, user="bertram", created=1, expires=2),
    ],
    "apps": [FULL_APP, app("a2", organisation="other.example")],
    "api_keys": [
        ApiKey(id="a" * 64, user="annabel", name=WIDE, write=True, created=1, last_used=2**53),
        ApiKey(id="b" * 64, user="bertram", name=HTML, write=False, created=2),
    ],
    "join_links": [
        JoinLink(id="a" * 64, organisation="acme.example", created_by="Annabel", created=1, expires=2**53),
        JoinLink(id="b" * 64, organisation="other.example", created_by=WIDE, created=1, expires=0),
    ],
    "partitions": [
        PartitionRecord(id="a1/1", app="a1", number=1, opened=1),
        PartitionRecord(
            id="a2/10",
            app="a2",
            number=10,
            opened=1,
            sealed=2**53,
            configuration=FULL_APP.configuration,
            origins=FULL_APP.origins,
            time_zone="Europe/Berlin",
            deleted=True,
        ),
    ],
    "notifications": [
        Notification(id="annabel/000000000000001-ab", user="annabel", kind=Kind.INVITED, created=1, by="Bertram"),
        Notification(
            id="bertram/999999999999999-cd",
            user="bertram",
            kind=Kind.TOKEN_EXPIRES,
            created=2**53,
            by="(operator)",
            app="a1",
            app_name=HTML,
            detail=WIDE,
            read=True,
            hidden=True,
        ),
    ],
    "segments": [
        SavedSegment(
            id="5e9a", app="a1", name=WIDE, text=f'event is "{HTML}"', by="annabel", created=2**40, changed=2**53
        ),
        SavedSegment(id="5e9b", app="a2", name=HTML, text="visit is new", by="", created=1, changed=1),
    ],
    "audit_logs": [AuditLog(id="a1", length=2**40), AuditLog(id="organisation:acme.example")],
    "audit_entries": [
        AuditEntry(id="a1/1", number=1, at=2**53, by="annabel", action="app.edit", details=[HTML, WIDE, ""]),
        AuditEntry(id="organisation:acme.example/2", number=2, at=1, by="", action="x", section="routes", revision=3),
    ],
}
"""Of each collection a document with everything in it and one with little; their index fields differ."""

OTHERS = {  # by the field that is asked for most
    "users": "organisation",
    "logins": "user",
    "apps": "organisation",
    "api_keys": "user",
    "join_links": "organisation",
    "partitions": "app",
    "notifications": "user",
    "segments": "app",
}
