"""The demo's people and apps pass the rules that everybody else's must pass."""

import msgspec

from datalab.demo.content import APPS, ORGANISATION, USERS
from datalab.model.accounts import Domain, Password, PersonName, Username
from datalab.model.apps import AppName, Tag
from datalab.model.configuration import Configuration, read_configuration
from datalab.model.origins import normal_origin


def test_three_people_whose_logins_are_acceptable() -> None:
    msgspec.convert(ORGANISATION, Domain)
    assert len({user.username for user in USERS}) == 3
    for user in USERS:
        msgspec.convert(user.username, Username)
        msgspec.convert(user.password, Password)
        for name in (user.first_name, user.last_name, user.position):
            assert msgspec.convert(name, PersonName)


def test_two_apps_owned_by_people_of_the_demo() -> None:
    assert [app.name for app in APPS] == ["shop", "guide"]
    for app in APPS:
        msgspec.convert(app.name, AppName)
        assert normal_origin(app.origin) == app.origin
        msgspec.convert(app.tags, list[Tag])
        assert app.owner in {user.username for user in USERS}


def test_configurations_survive_their_written_form() -> None:
    for app in APPS:
        assert app.configuration.headline is not None
        assert msgspec.convert(msgspec.to_builtins(app.configuration), Configuration) == app.configuration
    assert read_configuration("routes = []") == Configuration()
