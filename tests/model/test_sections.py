"""Sections of a configuration: saved by themselves, and what changed between two states."""

import msgspec
import pytest

from datalab.errors import Invalid
from datalab.model.configuration import Campaign, Configuration, Element, Funnel, Revisions, Stage
from datalab.model.sections import (
    SECTIONS,
    Routes,
    Save,
    SaveCampaigns,
    SaveElements,
    SaveFunnels,
    SaveRoutes,
    differences,
    saved,
    section_of,
)


def funnel(name: str, *stages: str, window: str | None = None) -> Funnel:
    return Funnel(name=name, window=window, stage=[Stage(name=stage, url=f"/{stage}") for stage in stages])


BUY = Element(name="Buy", selector="#buy")
SPRING = Campaign(name="Spring", parameter="utm_campaign", value="spring")
WHOLE = Configuration(
    hash_routing=True,
    routes=["/a/:id"],
    funnel=[funnel("First", "one", "two"), funnel("Second", "one")],
    element=[BUY],
    campaign=[SPRING],
)
EMPTY_SAVES: dict[str, Save] = {
    "routes": SaveRoutes(revision=0, value=Routes()),
    "funnels": SaveFunnels(revision=0, value=[]),
    "elements": SaveElements(revision=0, value=[]),
    "campaigns": SaveCampaigns(revision=0, value=[]),
}


def test_sections_are_those_that_have_a_revision() -> None:
    assert Revisions.__struct_fields__ == SECTIONS
    assert {section_of(save) for save in EMPTY_SAVES.values()} == set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_save_touches_its_section_only(section: str) -> None:
    emptied = saved(WHOLE, EMPTY_SAVES[section])
    assert emptied != WHOLE
    assert set(differences(WHOLE, emptied)) == {section}
    assert differences(emptied, emptied) == {}


def test_what_changed_is_told_line_by_line() -> None:
    new = Configuration(
        routes=["/b", "/a/:id"],
        funnel=[
            funnel("Second", "one"),
            Funnel(
                name="First",
                window="14d",
                stage=[Stage(name="two", url="/two"), Stage(name="one", click="#one"), Stage(name="new", glob="*")],
            ),
        ],
        element=[Element(name="Buy", selector="#purchase"), Element(name="Cart", selector="#cart")],
    )
    assert differences(WHOLE, new) == {
        "routes": ["hash routing switched off", "route pattern '/b' added"],
        "funnels": [
            "order of funnels changed to 'Second', 'First'",
            "stage 'new' added in funnel 'First'",
            "order of stages changed to 'two', 'one', 'new' in funnel 'First'",
            "stage 'one' changed to click '#one' in funnel 'First'",
            "window of funnel 'First' set to 14d",
        ],
        "elements": ["element 'Cart' added", "element 'Buy' changed to selector '#purchase'"],
        "campaigns": ["campaign 'Spring' removed"],
    }
    assert "window of funnel 'First' set to the whole range" in differences(new, WHOLE)["funnels"]
    assert "hash routing switched on" in differences(new, WHOLE)["routes"]


@pytest.mark.parametrize(
    "pair",
    [
        (["/a", "/b"], ["/b", "/a"]),
        (["/a"], ["/a", "/a"]),
        (["/a", "/a"], ["/a"]),
        (["/a", "/b", "/a"], ["/a", "/b"]),
    ],
)
def test_no_change_of_route_patterns_goes_unnoticed(pair: tuple[list[str], list[str]]) -> None:
    old, new = (Configuration(routes=routes) for routes in pair)
    assert set(differences(old, new)) == {"routes"}


@pytest.mark.parametrize(
    ("save", "words"),
    [
        (SaveElements(revision=0, value=[BUY, BUY]), "two elements are named 'Buy'"),
        (SaveCampaigns(revision=0, value=[SPRING, SPRING]), "two campaigns are named 'Spring'"),
        (SaveFunnels(revision=0, value=[funnel("F", "a"), funnel("F", "b")]), "two funnels are named 'F'"),
        (SaveRoutes(revision=0, value=Routes(routes=["a"])), "does not start with /"),
        (SaveRoutes(revision=0, value=Routes(routes=["/:a-:b"])), "two parameters between two slashes"),
    ],
)
def test_a_save_that_breaks_the_rules_is_refused(save: Save, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        saved(WHOLE, save)


@pytest.mark.parametrize("revision", [-1, 2**53 + 1, "0", None, 0.5])
def test_a_revision_is_a_count(revision: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"revision": revision, "value": []}, SaveElements)
