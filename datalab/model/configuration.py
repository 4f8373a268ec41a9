"""What an app watches: funnels with their stages, elements of interest, campaigns and route patterns."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from datalab.errors import Invalid
from datalab.model.trimming import ONE_LINE

Name = Annotated[str, Meta(min_length=1, max_length=80, pattern=rf"^{ONE_LINE}*(?!\n)$")]
Selector = Annotated[str, Meta(min_length=1, max_length=400, pattern=r"^[^\x00-\x1f]*(?!\n)$")]
Pattern = Annotated[str, Meta(min_length=1, max_length=400, pattern=r"^[^\x00-\x1f]*(?!\n)$")]

PARAMETER = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")
"""Stands for one segment in a route pattern."""
WINDOW = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w)")
WINDOW_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One step of a funnel; exactly one of `url`, `glob`, `regex`, `click` is given."""

    name: Name
    url: Pattern | None = None
    """An exact route."""
    glob: Pattern | None = None
    """A route with `*` for any characters, `/` included, and `?` for one."""
    regex: Pattern | None = None
    """A regular expression, searched in the route; whether it can be used is told by `workers/expressions`."""
    click: Selector | None = None
    """A CSS selector, or an XPath starting with `/`."""

    def __post_init__(self) -> None:
        given = [rule for rule in (self.url, self.glob, self.regex, self.click) if rule is not None]
        if len(given) != 1:
            raise ValueError(f"stage {self.name!r} needs exactly one of url, glob, regex, click; it has {len(given)}")


class Funnel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An ordered list of stages; names are unique within it."""

    name: Name
    window: str | None = None
    """Longest time from the first stage to the last, for instance `14d`; None for the whole range."""
    stage: Annotated[list[Stage], Meta(min_length=1, max_length=20)]

    def __post_init__(self) -> None:
        if self.window is not None and not WINDOW.fullmatch(self.window):
            raise ValueError(
                f"funnel {self.name!r}: window {self.window!r} is not a number with s, m, h, d or w, like 14d"
            )
        names = [stage.name for stage in self.stage]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"funnel {self.name!r} has two stages named {name!r}")

    @property
    def window_ms(self) -> int | None:
        """The conversion window in milliseconds, None for the whole range."""
        if self.window is None:
            return None
        match = WINDOW.fullmatch(self.window)
        assert match is not None  # noqa: S101  (checked when the struct was made)
        return int(match[1]) * WINDOW_SECONDS[match[2]] * 1000


class Element(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An element of interest: hovers and clicks on it are told apart."""

    name: Name
    selector: Selector


class Campaign(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name for one value of a query parameter."""

    name: Name
    parameter: Name
    value: Name


class Configuration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything an app's figures depend on besides its events. The first funnel is the headline."""

    hash_routing: bool = False
    routes: Annotated[list[Pattern], Meta(max_length=200)] = []
    funnel: Annotated[list[Funnel], Meta(max_length=20)] = []
    element: Annotated[list[Element], Meta(max_length=200)] = []
    campaign: Annotated[list[Campaign], Meta(max_length=200)] = []

    def __post_init__(self) -> None:
        for what, names in (
            ("funnels", [funnel.name for funnel in self.funnel]),
            ("elements", [element.name for element in self.element]),
            ("campaigns", [campaign.name for campaign in self.campaign]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"two {what} are named {name!r}")
        for route in self.routes:
            if not route.startswith("/"):
                raise ValueError(f"route pattern {route!r} does not start with /")
            if any(len(PARAMETER.findall(segment)) > 1 for segment in route.split("/")):
                raise ValueError(f"route pattern {route!r} has two parameters between two slashes")

    @property
    def headline(self) -> Funnel | None:
        """The funnel whose last stage is the conversion, if there is any."""
        return self.funnel[0] if self.funnel else None


class Revisions(Struct, frozen=True, kw_only=True):
    """How often each section was changed; a save names the revision it was made from."""

    routes: int = 0
    funnels: int = 0
    elements: int = 0
    campaigns: int = 0


def read_configuration(text: str) -> Configuration:
    """Read the TOML form of `app config --set`; raises Invalid with the place of the fault."""
    try:
        return msgspec.toml.decode(text, type=Configuration)
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"configuration: {error}") from None
    except RecursionError:
        raise Invalid("configuration: too many brackets within each other") from None
