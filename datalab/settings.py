"""All settings of the appliance: `datalab.toml`, overridden by `DATALAB_<SECTION>_<KEY>`."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta, Struct

from datalab.errors import BadSettings


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Server(Section, frozen=True):
    """Where the appliance answers."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "0.0.0.0"  # noqa: S104  (a dashboard on the LAN)
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    secure_cookies: bool = False
    """Set where people come through https only."""


class Storage(Section, frozen=True):
    """Where data is kept."""

    directory: Annotated[str, Meta(min_length=1)] = "data"


class Ingest(Section, frozen=True):
    """From the snippet to the disk."""

    group_commit_ms: Annotated[int, Meta(ge=0, le=1000)] = 5
    pending_events: Annotated[int, Meta(ge=1000, le=1_000_000)] = 20_000
    ticket_seconds: Annotated[int, Meta(ge=1, le=300)] = 10
    max_sockets: Annotated[int, Meta(ge=1, le=100_000)] = 20_000


class Figures(Section, frozen=True):
    """How events become figures."""

    session_timeout_minutes: Annotated[int, Meta(ge=1, le=1440)] = 30
    max_values: Annotated[int, Meta(ge=10, le=1_000_000)] = 10_000
    snapshot_minutes: Annotated[int, Meta(ge=1, le=1440)] = 10
    country_database: Annotated[str, Meta(max_length=4096)] = ""
    """A file in MaxMind's format; empty: the one that came with datalab, `off`: none."""


class Tokens(Section, frozen=True):
    """App tokens."""

    days: Annotated[int, Meta(ge=0, le=3650)] = 7
    """0: never expire."""
    overlap_hours: Annotated[int, Meta(ge=0, le=8760)] = 24
    """How long a token that was rotated away goes on working."""
    warning_days: Annotated[int, Meta(ge=0, le=365)] = 2
    """How long before a token's end its owner is told."""


class Accounts(Section, frozen=True):
    """People."""

    login_days: Annotated[int, Meta(ge=1, le=365)] = 30
    login_attempts: Annotated[int, Meta(ge=1, le=1000)] = 10
    """Failed log-ins a minute, per username and per address."""
    registration: Literal["open", "invitation", "closed"] = "open"
    """Who may register: everybody, those with a join link, nobody."""
    registrations: Annotated[int, Meta(ge=1, le=10_000)] = 20
    """Registrations an hour, per address."""
    join_link_days: Annotated[int, Meta(ge=1, le=365)] = 7


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    server: Server = Server()
    storage: Storage = Storage()
    ingest: Ingest = Ingest()
    figures: Figures = Figures()
    tokens: Tokens = Tokens()
    accounts: Accounts = Accounts()


RESERVED = frozenset({"DATALAB_DATA", "DATALAB_CONFIG"})
"""Environment variables that are options of the command line."""


def read_settings(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from a file (None: the defaults) and the environment; raises BadSettings."""
    tables: dict[str, Any] = {}
    text = ""
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(f"{path}: cannot be read: {error}") from None
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadSettings(f"{path}:{broken_line(text, error)}: {str(error).partition(' (at ')[0]}") from None
    places = {}
    for section, table in tables.items():
        kind = section_type(section)
        if kind is None:
            known = ", ".join(Settings.__struct_fields__)
            raise BadSettings(f"{path}:{line_of(text, section, None)}: unknown section [{section}]; there are {known}")
        if not isinstance(table, dict):
            raise BadSettings(f"{path}:{line_of(text, section, None)}: {section} is a section, written [{section}]")
        for key in table:
            places[section, key] = f"{path}:{line_of(text, section, key)}"
    for name, value in environment.items():
        if name.startswith("DATALAB_") and name not in RESERVED:
            section, key, plain = from_environment(name, value)
            tables.setdefault(section, {})[key] = plain
            places[section, key] = f"environment variable {name}"
    for section, table in tables.items():
        check_section(section, table, places)
    return msgspec.convert(tables, Settings)


def section_type(section: str) -> type[Section] | None:
    """The struct of a section."""
    return get_type_hints(Settings).get(section)


def check_section(section: str, table: dict[str, Any], places: Mapping[tuple[str, str], str]) -> None:
    """Check key by key, so that the place of a fault is known."""
    kind = section_type(section)
    assert kind is not None  # noqa: S101  (the callers refused unknown sections)
    for key, value in table.items():
        if key not in kind.__struct_fields__:
            known = ", ".join(kind.__struct_fields__)
            raise BadSettings(f"{places[section, key]}: unknown setting {section}.{key}; there are {known}")
        try:
            msgspec.convert({key: value}, kind)
        except msgspec.ValidationError as error:
            reason = str(error).partition(" - at")[0]
            raise BadSettings(f"{places[section, key]}: {section}.{key} = {value!r}: {reason}") from None


def from_environment(name: str, value: str) -> tuple[str, str, Any]:
    """`DATALAB_SERVER_PORT=80` as (server, port, 80)."""
    section, _, key = name.removeprefix("DATALAB_").lower().partition("_")
    kind = section_type(section)
    if kind is None or key not in kind.__struct_fields__:
        raise BadSettings(f"environment variable {name}: there is no setting {section}.{key}")
    wanted = type(getattr(kind(), key))
    try:
        plain = msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError:
        raise BadSettings(f"environment variable {name}: {value!r} is no {wanted.__name__}") from None
    return section, key, plain


def broken_line(text: str, error: tomllib.TOMLDecodeError) -> int:
    """The line a TOML error speaks of, the last one where it speaks of the file's end."""
    place = re.search(r"at line (\d+)", str(error))
    return int(place[1]) if place else max(1, len(text.splitlines()))


def line_of(text: str, section: str, key: str | None) -> int:
    """The line of a section or of a key in it, counted from 1."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([A-Za-z0-9_\-\"']+)", line):
            current = header[1].strip("\"'")
            if key is None and current == section:
                return number
        elif named := re.match(r"\s*([A-Za-z0-9_\-\"'.]+)\s*=", line):
            name = named[1].strip("\"'")
            if (current == section and name == key) or (not current and name.partition(".")[0] == section):
                return number
    return 1
