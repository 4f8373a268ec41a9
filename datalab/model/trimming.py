"""Texts that people type: trimmed before they are checked, in the same way everywhere."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from datalab.errors import Invalid

T = TypeVar("T")
MAX_REASON = 500
"""Characters of a refusal that may repeat what was sent."""
ONE_LINE = r"[^\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
"""A character that can be seen, or joins some that can: none that ends a line or turns the direction of writing."""


class Trimmed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person fills in: blanks around a text do not count."""


def read_fields(kind: type[T], fields: Any) -> T:
    """Plain values as a struct, trimmed where it is one that people fill in; raises Invalid."""
    if isinstance(fields, Mapping) and issubclass(kind, Trimmed):
        fields = {name: trimmed(value) for name, value in fields.items()}
    try:
        return msgspec.convert(fields, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise Invalid(readable(kind, error)[:MAX_REASON]) from None


def trimmed(value: Any) -> Any:
    """A text, or each text of a list, without blanks around it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [entry.strip() if isinstance(entry, str) else entry for entry in value]
    return value


def readable(kind: Any, error: Exception) -> str:
    """A validation error in words: the field, and what is expected of it."""
    reason, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    if not place:
        return reason
    rule = described(kind, place.partition(".")[0].partition("[")[0])
    return f"{place}: {rule or reason}"


def described(kind: Any, field: str) -> str:
    """The description of a struct's field, empty where its type gives none."""
    if not (isinstance(kind, type) and issubclass(kind, Struct)):
        return ""
    return description_in(get_type_hints(kind, include_extras=True).get(field))


def description_in(hint: Any) -> str:
    """The first description in a type, through unions and lists."""
    if get_origin(hint) is Annotated:
        found = [entry.description for entry in hint.__metadata__ if isinstance(entry, Meta) and entry.description]
        return found[0] if found else description_in(hint.__origin__)
    if get_origin(hint) in (list, Union, types.UnionType):
        return next(filter(None, map(description_in, get_args(hint))), "")
    return ""
