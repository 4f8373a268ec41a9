"""The sections of a configuration, each saved by itself, and what changed between two states of one."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from datalab.errors import Invalid
from datalab.model.configuration import Campaign, Configuration, Element, Funnel, Pattern

SECTIONS = ("routes", "funnels", "elements", "campaigns")
FIELDS = {"funnels": "funnel", "elements": "element", "campaigns": "campaign"}
"""Of the configuration, by section; the section `routes` has two of its own."""

Revision = Annotated[int, Meta(ge=0, le=2**53, description="the revision of the section that was changed")]


class Routes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How paths become routes."""

    hash_routing: bool = False
    routes: Annotated[list[Pattern], Meta(max_length=200)] = []


class SaveRoutes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new state of the section, made from the revision named."""

    revision: Revision
    value: Routes


class SaveFunnels(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new state of the section, made from the revision named; the first funnel is the headline."""

    revision: Revision
    value: Annotated[list[Funnel], Meta(max_length=20)]


class SaveElements(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new state of the section, made from the revision named."""

    revision: Revision
    value: Annotated[list[Element], Meta(max_length=200)]


class SaveCampaigns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new state of the section, made from the revision named."""

    revision: Revision
    value: Annotated[list[Campaign], Meta(max_length=200)]


Save = SaveRoutes | SaveFunnels | SaveElements | SaveCampaigns


def section_of(save: Save) -> str:
    """The section that a save is of."""
    return type(save).__name__.removeprefix("Save").lower()


def saved(configuration: Configuration, save: Save) -> Configuration:
    """The configuration with one section replaced; raises Invalid where its rules do not hold."""
    try:
        if isinstance(save, SaveRoutes):
            return replace(configuration, hash_routing=save.value.hash_routing, routes=save.value.routes)
        return replace(configuration, **{FIELDS[section_of(save)]: save.value})
    except ValueError as error:
        raise Invalid(str(error)) from None


def differences(old: Configuration, new: Configuration) -> dict[str, list[str]]:
    """What changed, a line each, by section; sections that did not change are left out."""
    found = {
        "routes": [
            *(
                [f"hash routing switched {'on' if new.hash_routing else 'off'}"]
                * (old.hash_routing != new.hash_routing)
            ),
            *listed("route pattern", old.routes, new.routes),
        ],
        "funnels": [*entries("funnel", old.funnel, new.funnel), *stages(old.funnel, new.funnel)],
        "elements": entries("element", old.element, new.element),
        "campaigns": entries("campaign", old.campaign, new.campaign),
    }
    return {section: lines for section, lines in found.items() if lines}


def stages(old: Sequence[Funnel], new: Sequence[Funnel]) -> list[str]:
    """What changed within the funnels that both have."""
    before = {funnel.name: funnel for funnel in old}
    lines = []
    for funnel in new:
        if (known := before.get(funnel.name)) is not None and known != funnel:
            lines += [f"{line} in funnel {funnel.name!r}" for line in entries("stage", known.stage, funnel.stage)]
            if known.window != funnel.window:
                lines.append(f"window of funnel {funnel.name!r} set to {funnel.window or 'the whole range'}")
    return lines


def entries(what: str, old: Sequence[Any], new: Sequence[Any]) -> list[str]:
    """What changed in a list of named structs."""
    before, after = ({entry.name: entry for entry in side} for side in (old, new))
    lines = listed(what, list(before), list(after))
    if what != "funnel":
        lines += [
            f"{what} {name!r} changed to {plainly(entry)}"
            for name, entry in after.items()
            if name in before and before[name] != entry
        ]
    return lines


def listed(what: str, old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Names that came, went, or stand in another order."""
    lines = [f"{what} {name!r} added" for name in new if name not in old]
    lines += [f"{what} {name!r} removed" for name in old if name not in new]
    if [name for name in old if name in new] != [name for name in new if name in old]:
        lines.append(f"order of {what}s changed to {', '.join(map(repr, new))}")
    return lines


def plainly(entry: Struct) -> str:
    """A struct's fields but its name, as people write them."""
    fields = {name: value for name, value in msgspec.to_builtins(entry).items() if name != "name"}
    return ", ".join(f"{name} {value!r}" for name, value in fields.items())
