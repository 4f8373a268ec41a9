"""A configuration, section by section: saved from the state it was made from, and refused while locked."""

import asyncio
from typing import Any

import pytest

from tests.server.api.place import AppMade, Client
from tests.server.api.shared import Shared, audit, let_in, lock, page, plain, unlock, until
from tests.server.client import Answer, click, view

CATALOG = {"name": "Catalog", "url": "/catalog"}
PRODUCT = {"name": "Product", "glob": "/products/*"}
CART = {"name": "Cart", "regex": "^/cart(/[0-9]+)?$"}
BOUGHT = {"name": "Bought", "click": "#buy"}
PAID = {"name": "Paid", "click": "//button[@id='pay']"}
FUNNEL = {"name": "Purchase", "window": "14d", "stage": [CATALOG, PRODUCT, CART, BOUGHT, PAID]}
SECTIONS: dict[str, Any] = {
    "routes": {"hash_routing": True, "routes": ["/products/:id"]},
    "funnels": [FUNNEL],
    "elements": [{"name": "Buy", "selector": "#buy"}],
    "campaigns": [{"name": "Spring", "parameter": "utm_campaign", "value": "spring-26"}],
}
EMPTY: dict[str, Any] = {"routes": {}, "funnels": [], "elements": [], "campaigns": []}


async def save(client: Client, app: AppMade, section: str, value: Any, revision: int) -> Answer:
    path = f"/apps/{app.id}/configuration/{section}"
    return await client.request("PUT", path, {"revision": revision, "value": value})


async def saved(client: Client, app: AppMade, section: str, value: Any, revision: int) -> dict[str, Any]:
    answer = await save(client, app, section, value, revision)
    assert answer.status == 200, answer
    found: dict[str, Any] = plain(answer)
    return found


async def shown(client: Client, app: AppMade) -> dict[str, Any]:
    found: dict[str, Any] = plain(await client.done("GET", f"/apps/{app.id}/configuration"))
    return found


def funnel(*stages: dict[str, str], name: str = "Purchase") -> dict[str, Any]:
    return {"name": name, "stage": list(stages)}


async def test_every_section_is_saved_by_itself(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    revisions = dict.fromkeys(SECTIONS, 0)
    for section, value in SECTIONS.items():
        answered = await saved(ben, app, section, value, 0)
        revisions[section] = 1
        assert answered["revisions"] == revisions
    whole = await shown(ben, app)
    assert whole == {
        "locked": False,
        "revisions": revisions,
        "configuration": {
            "hash_routing": True,
            "routes": ["/products/:id"],
            "funnel": [FUNNEL],
            "element": SECTIONS["elements"],
            "campaign": SECTIONS["campaigns"],
        },
    }
    for section, value in SECTIONS.items():
        assert await saved(ben, app, section, value, 1) == whole, "nothing changed, so no revision does"
    for section, value in EMPTY.items():
        await saved(ben, app, section, value, 1)
    assert await shown(ben, app) == {
        "locked": False,
        "revisions": dict.fromkeys(SECTIONS, 2),
        "configuration": {},
    }


async def test_a_stale_save_is_refused_with_what_changed(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    await saved(ben, app, "funnels", [funnel(CATALOG)], 0)
    assert (await shown(ben, app))["revisions"] == (await shown(cem, app))["revisions"]
    await saved(ben, app, "funnels", [funnel(CATALOG, BOUGHT)], 1)
    await saved(ben, app, "funnels", [funnel(BOUGHT, CATALOG)], 2)
    before = await shown(ben, app)
    refused = await save(cem, app, "funnels", [funnel(CATALOG, PRODUCT)], 1)
    assert refused.refusal == (409, "stale")
    problem = plain(refused)
    assert problem["revision"] == 3
    assert problem["changes"] == [
        "ben.m: stage 'Bought' added in funnel 'Purchase'",
        "ben.m: order of stages changed to 'Bought', 'Catalog' in funnel 'Purchase'",
    ]
    for revision in (0, 2, 4, 10**9):
        assert (await save(cem, app, "funnels", [], revision)).refusal == (409, "stale")
    assert await shown(ben, app) == before, "a refused save changes nothing"
    elements = await save(cem, app, "elements", SECTIONS["elements"], 0)
    assert elements.status == 200, "another section is not stale"
    assert (await save(cem, app, "funnels", [funnel(CATALOG, PRODUCT)], 3)).status == 200


@pytest.mark.parametrize(
    ("section", "first", "second", "change"),
    [
        ("routes", {"routes": ["/a/:id"]}, {"hash_routing": True}, "ben.m: hash routing switched on"),
        ("elements", SECTIONS["elements"], [], "ben.m: element 'Buy' removed"),
        (
            "campaigns",
            SECTIONS["campaigns"],
            [{"name": "Spring", "parameter": "c", "value": "s"}],
            "ben.m: campaign 'Spring' changed to parameter 'c', value 's'",
        ),
    ],
)
async def test_every_section_refuses_stale_saves(
    shared: Shared, section: str, first: Any, second: Any, change: str
) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    await saved(ben, app, section, first, 0)
    await saved(ben, app, section, second, 1)
    refused = await save(cem, app, section, first, 1)
    assert refused.refusal == (409, "stale")
    assert plain(refused)["revision"] == 2
    assert change in plain(refused)["changes"]


async def test_of_saves_at_once_from_one_state_one_succeeds(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    values = [[{"name": f"Element {number}", "selector": "#a"}] for number in range(8)]
    saves = [save((ben, cem)[number % 2], app, "elements", value, 0) for number, value in enumerate(values)]
    answers = await asyncio.gather(*saves)
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    winner = next(values[number] for number, answer in enumerate(answers) if answer.status == 200)
    assert (await shown(ben, app))["configuration"]["element"] == winner
    assert (await shown(ben, app))["revisions"]["elements"] == 1


async def test_stages_are_reordered_inserted_and_deleted_anywhere(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    states = [
        [CATALOG, CART, BOUGHT],
        [BOUGHT, CATALOG, CART],
        [PRODUCT, BOUGHT, CATALOG, CART],
        [PRODUCT, BOUGHT, PAID, CATALOG, CART],
        [PRODUCT, PAID, CATALOG, CART],
        [PAID, CATALOG, CART],
        [PAID, CATALOG],
    ]
    for revision, stages in enumerate(states):
        answered = await saved(ben, app, "funnels", [funnel(*stages)], revision)
        assert answered["configuration"]["funnel"] == [funnel(*stages)]
        assert answered["revisions"]["funnels"] == revision + 1
        figures = plain(await ben.done("GET", f"/apps/{app.id}/insights/funnel"))
        assert [stage["name"] for stage in figures["stages"]] == [stage["name"] for stage in stages]
    lines = [line for entry in (await audit(ben, f"/apps/{app.id}")).entries for line in entry.details]
    assert "stage 'Paid' added in funnel 'Purchase'" in lines
    assert "stage 'Cart' removed in funnel 'Purchase'" in lines


async def test_the_first_of_several_funnels_is_the_headline(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    first, second = funnel(CATALOG), funnel(PRODUCT, name="Second")
    await saved(ben, app, "funnels", [first, second], 0)
    visitor = await page(shared, await lock(ben, app)).enter()
    await visitor.send(view(1, "/catalog"), view(2, "/elsewhere"))
    await visitor.acknowledged(2)
    path = f"/apps/{app.id}/insights"

    async def headline() -> tuple[str, float]:
        answered = plain(await ben.done("GET", f"{path}/funnel"))
        overview = plain(await ben.done("GET", f"{path}/overview"))
        return answered["funnel"], overview["conversion_rate"]

    await until(headline, ("Purchase", 1.0))
    named = plain(await ben.done("GET", f"{path}/funnel", query={"funnel": "Second"}))
    assert named["funnel"] == "Second"
    await unlock(ben, app)
    await saved(ben, app, "funnels", [second, first], 1)
    assert (await headline())[0] == "Second"


@pytest.mark.parametrize(
    ("section", "value", "words"),
    [
        ("funnels", [funnel(CATALOG), funnel(BOUGHT)], "two funnels are named 'Purchase'"),
        ("funnels", [funnel(CATALOG, {**BOUGHT, "name": "Catalog"})], "two stages named 'Catalog'"),
        ("elements", [{"name": "a", "selector": "#a"}, {"name": "a", "selector": "#b"}], "two elements are named 'a'"),
        (
            "campaigns",
            [{"name": "a", "parameter": "p", "value": "v"}, {"name": "a", "parameter": "q", "value": "w"}],
            "two campaigns are named 'a'",
        ),
        ("funnels", [funnel()], "length >= 1"),
        ("funnels", [funnel({"name": "None"})], "needs exactly one of url, glob, regex, click; it has 0"),
        ("funnels", [funnel({**CATALOG, "click": "#a"})], "needs exactly one of url, glob, regex, click; it has 2"),
        ("funnels", [funnel(*({**CATALOG, "name": f"{n}"} for n in range(21)))], "length <= 20"),
        ("funnels", [funnel(CATALOG, name=f"{n}") for n in range(21)], "length <= 20"),
        ("funnels", [{**funnel(CATALOG), "window": "soon"}], "window 'soon' is not a number with s, m, h, d or w"),
        ("funnels", [{**funnel(CATALOG), "other": 1}], "unknown field `other`"),
        ("funnels", [funnel({**CATALOG, "name": ""})], "length >= 1"),
        ("funnels", [funnel({**CATALOG, "name": "a" * 81})], "length <= 80"),
        ("elements", [{"name": "a", "selector": ""}], "length >= 1"),
        ("elements", [{"name": "a"}], "selector"),
        ("elements", [{"name": f"{n}", "selector": "#a"} for n in range(201)], "length <= 200"),
        ("campaigns", [{"name": "a", "parameter": "", "value": "v"}], "length >= 1"),
        ("campaigns", [{"name": "a", "parameter": "p", "value": "v\n"}], "matching regex"),
        ("routes", {"routes": ["products/:id"]}, "route pattern 'products/:id' does not start with /"),
        ("routes", {"routes": ["/a/:b-:c"]}, "two parameters between two slashes"),
        ("routes", {"routes": ["/a"] * 201}, "length <= 200"),
        ("routes", [], "Expected `object`"),
    ],
)
async def test_what_breaks_a_rule_is_refused(shared: Shared, section: str, value: Any, words: str) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    refused = await save(ben, app, section, value, 0)
    assert refused.refusal == (422, "invalid")
    assert words in plain(refused)["detail"]
    assert (await shown(ben, app))["revisions"] == dict.fromkeys(SECTIONS, 0)


@pytest.mark.parametrize(
    ("regex", "position"),
    [("^/cart(", 6), ("^/cart[a-", 6), ("*", 0), ("(a+)+$", None), ("^/(x|x)*y", None)],
)
async def test_a_bad_or_exploding_expression_is_refused_with_its_position(
    shared: Shared, regex: str, position: int | None
) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    refused = await save(ben, app, "funnels", [funnel(CATALOG, {"name": "Bad stage", "regex": regex})], 0)
    assert refused.refusal == (422, "invalid")
    detail = plain(refused)["detail"]
    assert "stage 'Bad stage'" in detail
    found = detail.rpartition("at position ")[2]
    assert found.isdigit()
    assert int(found) == position or (position is None and int(found) < len(regex))
    tried = await ben.request("POST", f"/apps/{app.id}/configuration/try", {"name": "Bad stage", "regex": regex})
    assert tried.refusal == (422, "invalid")
    assert "at position " in plain(tried)["detail"]
    assert (await shown(ben, app))["revisions"]["funnels"] == 0


async def test_the_tester_shows_which_routes_seen_lately_match(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    eve = await shared.known("eve.o", "other.example")
    app = await shared.app(ben)
    await saved(ben, app, "routes", {"routes": ["/users/:id"]}, 0)
    path = f"/apps/{app.id}/configuration/try"
    assert plain(await ben.done("POST", path, CATALOG)) == []
    visitor = await page(shared, await lock(ben, app)).enter()
    seen = ["/catalog", "/catalog?page=2", "/products/5", "/cart", "/cart/7", "/users/8", "/users/9"]
    events = [view(number, route) for number, route in enumerate(seen, 1)]
    await visitor.send(*events, click(len(events) + 1, "#buy"))
    await visitor.acknowledged(len(events) + 1)

    async def matches(stage: dict[str, str], client: Client = ben) -> dict[str, tuple[int, bool]]:
        answered = plain(await client.done("POST", path, stage))
        return {one["route"]: (one["views"], one["matches"]) for one in answered}

    views = {"/catalog": 2, "/products/5": 1, "/cart": 1, "/cart/7": 1, "/users/:id": 2}

    def expected(*matching: str) -> dict[str, tuple[int, bool]]:
        return {route: (count, route in matching) for route, count in views.items()}

    await until(lambda: matches(CATALOG), expected("/catalog"))
    assert await matches(PRODUCT) == expected("/products/5")
    assert await matches(CART) == expected("/cart", "/cart/7")
    assert await matches({"name": "Any", "glob": "*"}) == expected(*views)
    assert await matches(BOUGHT) == expected()
    assert await matches({"name": "A user", "url": "/users/:id"}) == expected("/users/:id")
    assert await matches(CART, cem) == expected("/cart", "/cart/7"), "while locked and for every reader too"
    assert (await eve.request("POST", path, CATALOG)).refusal == (404, "missing")
    bodies: list[Any] = [{"name": "None"}, {**CATALOG, "click": "#a"}, {"url": "/a"}, [], None]
    for bad in bodies:
        assert (await ben.request("POST", path, bad)).refusal == (422, "invalid")


async def test_the_tester_agrees_with_the_funnel_about_folded_routes(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    stage = {"name": "A user", "regex": "^/users/[0-9]+$"}
    await saved(ben, app, "routes", {"routes": ["/users/:id"]}, 0)
    await saved(ben, app, "funnels", [funnel(stage)], 0)
    visitor = await page(shared, await lock(ben, app)).enter()
    await visitor.send(view(1, "/users/8"))
    await visitor.acknowledged(1)

    async def reached() -> int:
        found: int = plain(await ben.done("GET", f"/apps/{app.id}/insights/funnel"))["stages"][0]["reached"]
        return found

    await until(reached, 1)
    tried = plain(await ben.done("POST", f"/apps/{app.id}/configuration/try", stage))
    assert [(one["views"], one["matches"]) for one in tried] == [(1, True)]


async def test_members_configure_strangers_do_not(shared: Shared) -> None:
    ben, cem, dora = [await shared.known(name) for name in ("ben.m", "cem.n", "dora.k")]
    eve, admin = await shared.known("eve.o", "other.example"), await shared.known("ada.l")
    public, private = await shared.app(ben), await shared.app(ben, private=True)
    await let_in(ben, private, dora)
    value = SECTIONS["elements"]
    assert (await save(cem, public, "elements", value, 0)).status == 200
    assert (await save(dora, private, "elements", value, 0)).status == 200
    for client, app in [(cem, private), (admin, private), (eve, private), (eve, public)]:
        for section, empty in EMPTY.items():
            assert (await save(client, app, section, empty, 1)).refusal == (404, "missing")
        assert (await client.request("GET", f"/apps/{app.id}/configuration")).refusal == (404, "missing")
    assert (await save(shared.nobody, public, "elements", [], 1)).refusal == (401, "unauthenticated")


async def test_no_section_is_saved_while_the_app_is_locked(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben)
    await lock(ben, app)
    for client in (ben, cem):
        for section, value in SECTIONS.items():
            for revision in (0, 5):
                refused = await save(client, app, section, value, revision)
                assert refused.refusal == (409, "locked")
                assert "unlock it before" in plain(refused)["detail"]
    await ben.done("DELETE", f"/apps/{app.id}/token")
    assert (await save(ben, app, "elements", [], 0)).refusal == (409, "locked"), "without a token too, until unlocked"
    locked = await shown(ben, app)
    assert (locked["locked"], locked["revisions"]) == (True, dict.fromkeys(SECTIONS, 0))
    await unlock(ben, app)
    for section, value in SECTIONS.items():
        assert (await save(cem, app, section, value, 0)).status == 200
