"""The jobs card of an app's page."""

from datalab.model.jobs import Job, JobState
from datalab.server.jobs import MAX_SHOWN, job_row, jobs_card


def job(state: JobState, done: int = 0, total: int | None = None, detail: str = "", id: str = "j") -> Job:
    return Job(
        id=id, app="a", kind="import", title="import", state=state, done=done, total=total, detail=detail, started=1
    )


def test_how_far_a_job_is_in_words() -> None:
    rows = {
        job("waiting"): ("waits for its turn", None, True),
        job("running"): ("under way", None, True),
        job("running", 1, 3): ("33 %", 33, True),
        job("running", 5, 3): ("100 %", 100, True),
        job("running", 3, None, "3 events added"): ("3 events added", None, True),
        job("running", 1, 2, "reading"): ("50 % · reading", 50, True),
        job("done", 3, 3, "3 events added"): ("done", None, False),
        job("failed", 1, 3, "the disk is full"): ("the disk is full", None, False),
        job("cancelled", 1, 3, "this was cancelled"): ("cancelled", None, False),
    }
    for one, (note, percent, under_way) in rows.items():
        row = job_row(one)
        assert (row.note, row.percent, row.under_way) == (note, percent, under_way)


def test_the_card_shows_what_is_under_way_and_what_failed() -> None:
    states: list[JobState] = ["waiting", "running", "done", "failed", "cancelled"]
    card = jobs_card([job(state, id=state) for state in states], "/apps/a")
    assert ([row.id for row in card.rows], card.path) == (["waiting", "running", "failed"], "/apps/a/jobs")
    assert len(jobs_card([job("running")] * (MAX_SHOWN + 1), "/apps/a").rows) == MAX_SHOWN
