"""Trimming: what people fill in, without the blanks around it, and refusals in words."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from datalab.errors import Invalid
from datalab.model.accounts import Registration
from datalab.model.apps import AppDetails, NewApp
from datalab.model.trimming import Trimmed, read_fields, trimmed

FORM = {
    "username": " Ada.L\t",
    "password": "\n correct horse battery ",
    "first_name": "  Ada ",
    "last_name": "Love lace",
    "organisation": " Shop.example\r\n",
    "position": "   ",
}


class Plain(Struct, frozen=True):
    text: Annotated[str, Meta(max_length=3)]


class Typed(Trimmed, frozen=True):
    text: Annotated[str, Meta(min_length=1, max_length=3, description="one to three")]
    texts: Annotated[list[Annotated[str, Meta(max_length=3, description="short")]], Meta(max_length=2)] = msgspec.field(
        default_factory=list
    )
    maybe: Annotated[str, Meta(max_length=1, description="one")] | None = None
    number: int = 0


def test_blanks_around_a_text_do_not_count() -> None:
    read = read_fields(Registration, FORM)
    assert read == Registration(
        username="Ada.L",
        password="correct horse battery",
        first_name="Ada",
        last_name="Love lace",
        organisation="Shop.example",
    )


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000"])
def test_every_kind_of_blank(blank: str) -> None:
    assert read_fields(Typed, {"text": f"{blank}a b{blank}"}).text == "a b"
    with pytest.raises(Invalid, match="text: one to three"):
        read_fields(Typed, {"text": blank})


def test_lists_are_trimmed_and_other_values_left() -> None:
    assert trimmed([" a ", [" b"], 5, None, {"c": " d "}]) == ["a", [" b"], 5, None, {"c": " d "}]
    assert read_fields(Typed, {"text": "a", "texts": [" x ", "y "]}).texts == ["x", "y"]
    assert read_fields(AppDetails, {"tags": [" one "]}).tags == ["one"]
    assert read_fields(Plain, {"text": " a "}).text == " a "


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (Typed, {"text": "long"}, "text: one to three"),
        (Typed, {"text": 5}, "text: one to three"),
        (Typed, {"text": "a", "texts": ["a", "long"]}, r"texts\[1\]: short"),
        (Typed, {"text": "a", "maybe": "ab"}, "maybe: one"),
        (Typed, {"text": "a", "number": "1"}, "number: Expected `int`, got `str`"),
        (Typed, {}, "missing required field `text`"),
        (Typed, {"text": "a", "other": 1}, "unknown field `other`"),
        (Typed, [], "Expected `object`, got `array`"),
        (Typed, None, "Expected `object`, got `null`"),
        (Plain, {"text": "    "}, "text: Expected `str` of length <= 3"),
        (NewApp, {"name": "a", "urls": ["https://a.example"], "tags": []}, "tags: 1 to 5 tags of 1 to 30 characters"),
        (NewApp, {"name": "a", "urls": ["https://a.example"], "tags": [" "]}, r"tags\[0\]: 1 to 5 tags"),
        (NewApp, {"name": "a/b", "urls": ["https://a.example"], "tags": ["t"]}, "name: the name of an app has"),
    ],
)
def test_a_refusal_names_the_field_and_the_rule(kind: type[Struct], fields: Any, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read_fields(kind, fields)
