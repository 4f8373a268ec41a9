"""Segments saved by name, and the dimensions their filters ask for."""

from typing import Any

import pytest

from datalab.model.segments import DIMENSIONS
from tests.server.api.place import AppMade, Client
from tests.server.api.shared import Shared, audit, let_in, lock, plain

FUNNELS = [{"name": "Purchase", "stage": [{"name": "Cart", "url": "/cart"}, {"name": "Bought", "url": "/thanks"}]}]


async def save(client: Client, app: AppMade, name: str, text: str = "visit is new") -> Any:
    return plain(await client.done("POST", f"/apps/{app.id}/segments", {"name": name, "text": text}))


async def listed(client: Client, app: AppMade) -> Any:
    return plain(await client.done("GET", f"/apps/{app.id}/segments"))


async def configure(client: Client, app: AppMade, revision: int, funnels: list[Any]) -> None:
    body = {"revision": revision, "value": funnels}
    await client.done("PUT", f"/apps/{app.id}/configuration/funnels", body)


async def test_the_dimensions_are_listed_with_a_sentence_each(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    found = plain(await ben.done("GET", f"/apps/{app.id}/dimensions"))
    assert [one["name"] for one in found] == list(DIMENSIONS)
    by_name = {one["name"]: one for one in found}
    assert by_name["route"] == {
        "name": "route",
        "help": "A route that was viewed in the session.",
        "several": True,
        "operators": ["is", "is not", "contains", "glob"],
        "longest": 512,
    }
    assert by_name["stage"]["operators"] == ["is", "is not"]
    assert all(one["help"] for one in found)


async def test_a_segment_from_saving_to_deleting(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    app = await shared.app(ben, private=True)
    await let_in(ben, app, cem)
    await configure(ben, app, 0, FUNNELS)
    await lock(ben, app)
    made = await save(cem, app, "  Not bought ", " did NOT reach stage 2 And browser is Firefox ")
    assert made == {
        "id": made["id"],
        "name": "Not bought",
        "text": "did not reach stage 2 of Purchase and browser is Firefox",
        "by": "cem.n",
        "created": made["created"],
        "changed": made["created"],
        "changeable": True,
        "fault": None,
    }
    bens = await save(ben, app, "all new")
    assert await listed(cem, app) == [bens | {"changeable": False}, made]
    assert await listed(ben, app) == [bens, made]

    path = f"/apps/{app.id}/segments/{made['id']}"
    changed = plain(await cem.done("PUT", path, {"name": "Bought", "text": "reached stage 2"}))
    assert (changed["name"], changed["text"]) == ("Bought", "reached stage 2 of Purchase")
    assert (changed["created"], changed["changed"] > made["changed"]) == (made["created"], True)
    refused = await cem.request("PUT", f"/apps/{app.id}/segments/{bens['id']}", {"name": "a", "text": "visit is new"})
    assert refused.refusal == (403, "forbidden")
    assert "'all new' was saved by ben.m" in plain(refused)["detail"]
    await ben.done("DELETE", path)
    assert (await ben.request("DELETE", path)).refusal == (404, "missing")
    assert await listed(cem, app) == [bens | {"changeable": False}]
    entries = (await audit(ben, f"/apps/{app.id}")).entries[:4][::-1]
    assert [(entry.by, entry.action, entry.details) for entry in entries] == [
        ("cem.n", "segment.save", [f"'Not bought': {made['text']}"]),
        ("ben.m", "segment.save", ["'all new': visit is new"]),
        (
            "cem.n",
            "segment.change",
            ["'Not bought' renamed to 'Bought'", "'Bought' set to reached stage 2 of Purchase"],
        ),
        ("ben.m", "segment.delete", ["'Bought': reached stage 2 of Purchase"]),
    ]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"name": "a"}, 422, "text"),
        ({"text": "visit is new"}, 422, "name"),
        ({"name": "a", "text": "visit is new", "by": "ben.m"}, 422, "by"),
        ({"name": " ", "text": "visit is new"}, 422, "name: the name of a segment has 1 to 80 characters on one line"),
        ({"name": "x" * 81, "text": "visit is new"}, 422, "1 to 80 characters"),
        ({"name": "a\nb", "text": "visit is new"}, 422, "on one line"),
        ({"name": "a\u202eb", "text": "visit is new"}, 422, "on one line"),
        ({"name": 1, "text": "visit is new"}, 422, "name"),
        ({"name": "a", "text": " "}, 422, "text: 1 to 2000 characters, like browser is not Firefox"),
        ({"name": "a", "text": "x" * 2001}, 422, "1 to 2000 characters"),
        ({"name": "a", "text": None}, 422, "text"),
        ({"name": "a", "text": "colour is red"}, 422, "segment, character 1: 'colour' is no dimension"),
        ({"name": "a", "text": "visit is new and"}, 422, "segment, character 14: a filter is missing after `and`"),
        ({"name": "a", "text": "reached stage 3"}, 422, "funnel 'Purchase' has no stage 3; there are 1 Cart, 2 Bought"),
        ({"name": "a", "text": "reached stage 1 of Sale"}, 422, "there is no funnel 'Sale'; there are Purchase"),
        ({"name": "TAKEN", "text": "visit is new"}, 409, "there is a segment 'TAKEN' already; choose another name"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_refused(shared: Shared, body: Any, status: int, detail: str) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    await configure(ben, app, 0, FUNNELS)
    taken, other = await save(ben, app, "taken"), await save(ben, app, "other")
    for method, path in (("POST", ""), ("PUT", f"/{other['id']}")):
        refused = await ben.request(method, f"/apps/{app.id}/segments{path}", body)
        assert refused.refusal == (status, "taken" if status == 409 else "invalid")
        assert detail in plain(refused)["detail"]
        assert len(refused.body) < 1500
    assert await listed(ben, app) == [other, taken]


async def test_a_hundred_and_no_more(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    for number in range(100):
        await save(ben, app, f"S{number}")
    refused = await ben.request("POST", f"/apps/{app.id}/segments", {"name": "more", "text": "visit is new"})
    assert refused.refusal == (429, "too-many")
    assert "has 100 segments already; delete one first" in plain(refused)["detail"]


async def test_another_apps_segment_is_none_of_this(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app, other = await shared.app(ben), await shared.app(ben)
    made = await save(ben, other, "a")
    for method, body in (("PUT", {"name": "b", "text": "visit is new"}), ("DELETE", None)):
        assert (await ben.request(method, f"/apps/{app.id}/segments/{made['id']}", body)).refusal == (404, "missing")
    assert await listed(ben, other) == [made]


async def test_one_without_its_funnel_is_listed_with_the_fault(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    await configure(ben, app, 0, FUNNELS)
    made = await save(ben, app, "Bought", "reached stage 2")
    await configure(ben, app, 1, [])
    fault = "segment, character 15: no funnel is configured, so there are no stages"
    assert await listed(ben, app) == [made | {"fault": fault}]
    await configure(ben, app, 2, FUNNELS)
    assert await listed(ben, app) == [made]
