"""The table of who may do what, against a second one that says it by role."""

import pytest
from msgspec.structs import replace

from datalab.errors import Forbidden, Missing, Unauthenticated
from datalab.model.accounts import User
from datalab.model.apps import App, Membership, State
from datalab.model.permissions import (
    APPLIANCE,
    MAY,
    OPERATOR,
    Action,
    Actor,
    Role,
    demand,
    demand_admin,
    demand_person,
    demand_present,
    may,
    roles,
)

OPEN_TO_MEMBERS = {Action.READ, Action.CONFIGURE, Action.SEGMENTS}
OWNERS_ONLY = {
    Action.EDIT,
    Action.DELETE,
    Action.TOKEN,
    Action.UNLOCK,
    Action.PARTITIONS,
    Action.INVITE,
    Action.TRANSFER,
}
EXPECTED = {
    Role.OWNER: OPEN_TO_MEMBERS | OWNERS_ONLY | {Action.AUDIT},
    Role.MEMBER: OPEN_TO_MEMBERS | {Action.LEAVE},
    Role.INVITED: {Action.ANSWER},
    Role.ADMIN: {Action.AUDIT},
    Role.STRANGER: set(),
}


def person(id: str, organisation: str = "shop.example", *, admin: bool = False, **more: bool) -> User:
    made = User(id=id, username=id.title(), organisation=organisation, password_hash="", created=0, admin=admin)
    return replace(made, **more)


def app_of(owner: str, *, private: bool = False, **states: State) -> App:
    members = [Membership(user=user, state=state, invited=0) for user, state in states.items()]
    return App(
        id="1f3a",
        organisation="shop.example",
        name="Shop",
        owner=owner,
        origins=["https://shop.example"],
        created=0,
        private=private,
        members=members,
    )


OWNER, OTHER, ADMIN = person("owner"), person("other"), person("admin", admin=True)
FOREIGN = person("other", "other.example")


def test_every_action_and_role_is_decided() -> None:
    assert set(MAY) == set(Action)
    assert {role: {action for action in Action if role in MAY[action]} for role in Role} == EXPECTED


@pytest.mark.parametrize(
    ("user", "app", "expected"),
    [
        (OWNER, app_of("owner"), {Role.OWNER}),
        (OWNER, app_of("owner", private=True), {Role.OWNER}),
        (OTHER, app_of("owner"), {Role.MEMBER}),
        (OTHER, app_of("owner", other=State.DECLINED), {Role.MEMBER}),
        (OTHER, app_of("owner", other=State.PENDING), {Role.MEMBER, Role.INVITED}),
        (OTHER, app_of("owner", private=True), {Role.STRANGER}),
        (OTHER, app_of("owner", private=True, other=State.PENDING), {Role.INVITED}),
        (OTHER, app_of("owner", private=True, other=State.ACCEPTED), {Role.MEMBER}),
        (OTHER, app_of("owner", private=True, other=State.DECLINED), {Role.STRANGER}),
        (OTHER, app_of("owner", private=True, other=State.CANCELLED), {Role.STRANGER}),
        (OTHER, app_of("owner", private=True, somebody=State.ACCEPTED), {Role.STRANGER}),
        (ADMIN, app_of("owner"), {Role.ADMIN, Role.MEMBER}),
        (ADMIN, app_of("owner", private=True), {Role.ADMIN}),
        (ADMIN, app_of("owner", private=True, admin=State.PENDING), {Role.ADMIN, Role.INVITED}),
        (ADMIN, app_of("admin", private=True), {Role.ADMIN, Role.OWNER}),
        (person("owner", "other.example"), app_of("owner"), {Role.STRANGER}),
        (person("owner", "other.example", admin=True), app_of("owner"), {Role.STRANGER}),
        (person("owner", disabled=True), app_of("owner"), {Role.STRANGER}),
        (person("admin", admin=True, disabled=True), app_of("owner"), {Role.STRANGER}),
        (person("other", pending=True), app_of("owner"), {Role.STRANGER}),
        (person("other", disabled=True), app_of("owner", private=True, other=State.ACCEPTED), {Role.STRANGER}),
    ],
)
def test_what_a_person_is_to_an_app(user: User, app: App, expected: set[Role]) -> None:
    assert roles(user, app) == expected
    allowed = {action for action in Action if may(Actor(user), app, action)}
    assert allowed == set().union(*(EXPECTED[role] for role in expected))


@pytest.mark.parametrize("action", list(Action))
def test_whoever_may_not_read_an_app_is_told_that_it_does_not_exist(action: Action) -> None:
    app = app_of("owner", private=True, invited=State.PENDING)
    for user in (OTHER, FOREIGN, person("owner", disabled=True), person("invited"), ADMIN):
        if may(Actor(user), app, action):
            demand(Actor(user), app, action)
        else:
            with pytest.raises(Missing, match="^there is no such app$"):
                demand(Actor(user), app, action)


@pytest.mark.parametrize("action", list(Action))
def test_members_are_told_who_may(action: Action) -> None:
    app = app_of("owner", private=True, other=State.ACCEPTED)
    if action in EXPECTED[Role.MEMBER]:
        demand(Actor(OTHER), app, action)
    elif action is Action.ANSWER:
        with pytest.raises(Missing, match="no invitation"):
            demand(Actor(OTHER), app, action)
    else:
        with pytest.raises(Forbidden, match="only the owner of shop.example/Shop may do this; ask owner"):
            demand(Actor(OTHER), app, action)


def test_the_owner_cannot_leave() -> None:
    with pytest.raises(Forbidden, match="transfer it"):
        demand(Actor(OWNER), app_of("owner"), Action.LEAVE)


@pytest.mark.parametrize("actor", [OPERATOR, APPLIANCE])
def test_operator_and_appliance_may_everything(actor: Actor) -> None:
    for action in Action:
        demand(actor, app_of("owner", private=True), action)


def test_names_in_the_audit_log() -> None:
    assert (Actor(OWNER).id, Actor(OWNER).name) == ("owner", "Owner")
    assert (OPERATOR.id, OPERATOR.name) == ("(operator)", "(operator)")
    assert (APPLIANCE.id, APPLIANCE.name) == ("", "")


def test_who_acts() -> None:
    assert demand_person(Actor(OTHER)) is OTHER
    assert demand_present(Actor(OTHER)) is OTHER
    assert demand_admin(Actor(ADMIN)) is ADMIN
    for demanded in (demand_person, demand_present, demand_admin):
        with pytest.raises(Unauthenticated):
            demanded(OPERATOR)
    with pytest.raises(Forbidden, match="only an admin"):
        demand_admin(Actor(OTHER))
    with pytest.raises(Forbidden, match="an API key may not do this"):
        demand_present(Actor(ADMIN, by_key=True))
    assert demand_person(Actor(ADMIN, by_key=True)) is ADMIN
