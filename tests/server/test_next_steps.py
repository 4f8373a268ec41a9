import pytest

from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.server import next_steps


def app(name: str = "Shop") -> App:
    return App(
        id="a1",
        organisation="shop.example",
        name=name,
        owner="adalovelace",
        origins=["https://shop.example"],
        created=0,
    )


@pytest.mark.parametrize(
    ("name", "word"),
    [("Shop", "shop.example/Shop"), ("It's", "'shop.example/It'\\''s'"), ("$(reboot)", "'shop.example/$(reboot)'")],
)
def test_names_in_commands_are_one_word(name: str, word: str) -> None:
    assert next_steps.shell(app(name)) == word


def test_who_has_no_app_is_told_how_to_create_one() -> None:
    ada = User(id="ada", username="adalovelace", organisation="shop.example", password_hash="", created=0)
    command = "datalab app create shop.example/NAME --owner adalovelace --url https://your.site"
    assert next_steps.first_app(ada).commands == [command]
