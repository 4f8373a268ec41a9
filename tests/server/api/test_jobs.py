"""What-if funnels and jobs through the API of a real server."""

from typing import Any

from datalab.model.figures import FunnelFigures
from datalab.model.jobs import Job
from tests.server.api.place import AppMade, Client
from tests.server.api.shared import Shared, let_in, lock, page, plain, tab, unlock, until
from tests.server.client import view

FUNNEL = {"name": "What if", "stage": [{"name": "Home", "url": "/"}, {"name": "Again", "glob": "/*"}]}


async def jobs(client: Client, app: AppMade) -> list[Job]:
    return (await client.done("GET", f"/apps/{app.id}/jobs")).read(list[Job])


async def asked(client: Client, app: AppMade, **more: Any) -> FunnelFigures:
    """The figures of a what-if funnel, however long they take."""
    answer = await client.done("POST", f"/apps/{app.id}/insights/what-if", {"funnel": FUNNEL, **more})
    if answer.status == 200:
        return answer.read(FunnelFigures)
    assert answer.status == 202
    path = f"/apps/{app.id}/jobs/{answer.read(Job).id}"

    async def state() -> str:
        return (await client.done("GET", path)).read(Job).state

    await until(state, "done")
    result = (await client.done("GET", path)).read(Job).result
    assert result is not None
    return result


async def test_a_what_if_funnel_is_answered_and_seen_as_a_job(shared: Shared) -> None:
    ada, ben = await shared.known("ada.l"), await shared.known("ben.m")
    app = await shared.app(ada, private=True)
    await let_in(ada, app, ben)
    other = await shared.app(ada)
    visitor = await page(shared, await lock(ada, app)).enter()
    await visitor.send(view(1), view(2))
    await visitor.acknowledged(2)
    shown, elsewhere = await tab(ben, f"?app={app.id}"), await tab(ben, f"?app={other.id}")

    async def reached() -> list[int]:
        return [stage.reached for stage in (await asked(ben, app)).stages]

    await until(reached, [1, 1])
    assert [stage.reached for stage in (await asked(ada, app, unit="sessions", order="any")).stages] == [1, 1]
    found = await jobs(ada, app)
    assert {(job.kind, job.title, job.state, job.result) for job in found} == {
        ("what-if", "what-if funnel What if", "done", None)
    }
    assert (await ada.done("GET", f"/apps/{app.id}/jobs/{found[0].id}")).read(Job).result is not None
    heard = (await shown.hear("job"))["job"]
    assert (heard["kind"], heard["app"]) == ("what-if", app.id)
    assert await jobs(ada, other) == []
    assert (await ada.request("GET", f"/apps/{other.id}/jobs/{found[0].id}")).refusal == (404, "missing")
    assert (await ben.request("DELETE", f"/apps/{app.id}/jobs/{found[0].id}")).status == 200
    await elsewhere.socket.close()
    await shown.socket.close()
    # What was collected is in the archive then.
    await unlock(ada, app)
    assert [stage.reached for stage in (await asked(ada, app, partition=1)).stages] == [1, 1]
    assert [stage.reached for stage in (await asked(ada, app)).stages] == [0, 0]


async def test_what_is_not_a_funnel_is_refused(shared: Shared) -> None:
    ada = await shared.known("ada.l")
    app = await shared.app(ada)
    stage = {"name": "a", "url": "/"}
    for body in (
        {},
        {"funnel": {"name": "x", "stage": []}},
        {"funnel": {"name": "x", "stage": [stage, stage]}},
        {"funnel": {"name": "x", "stage": [{"name": "a"}]}},
        {"funnel": {"name": "x", "stage": [{"name": "a", "regex": "(a|aa)+$"}]}},
        {"funnel": FUNNEL, "unit": "pages"},
        {"funnel": FUNNEL, "order": "no"},
        {"funnel": FUNNEL, "from": "2026-02-30"},
        {"funnel": FUNNEL, "segment": "browser"},
        {"funnel": FUNNEL, "segment": "x" * 5000},
        {"funnel": FUNNEL, "more": 1},
    ):
        answer = await ada.request("POST", f"/apps/{app.id}/insights/what-if", body)
        assert answer.refusal == (422, "invalid"), body
    answer = await ada.request("POST", f"/apps/{app.id}/insights/what-if", {"funnel": FUNNEL, "partition": 7})
    assert answer.refusal == (404, "missing")
    assert plain(await ada.done("GET", f"/apps/{app.id}/jobs")) == []
