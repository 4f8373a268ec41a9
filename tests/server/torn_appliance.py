"""`datalab` with a deliberate fault in how changes are made, to prove that the kill test sees one.

`TORN=audit`: the line in the audit log is written in a transaction of its own, after the change.
`TORN=archive`: the journal is put aside before the documents say that the partition is sealed.
"""

import os
from collections.abc import Callable
from typing import Any

from datalab.cli import main
from datalab.model.permissions import Action, Actor
from datalab.services.changes import Change, Changes
from datalab.services.locks import Locks
from datalab.stores.documents import Collections

log, run, unlock = Change.log, Changes._run, Locks.unlock


def log_later(change: Any, *about: Any, **more: Any) -> None:
    change.__dict__.setdefault("later", []).append((about, more))


async def run_twice(changes: Changes, actor: Actor, work: Callable[[Change], Any]) -> Any:
    made: list[Any] = []

    def noted(change: Change) -> Any:
        made.append(change)
        return work(change)

    result = await run(changes, actor, noted)

    def write(collections: Collections) -> None:
        (change,) = made
        change.collections = collections
        for about, more in getattr(change, "later", []):
            log(change, *about, **more)

    await changes._documents.run(write)
    return result


async def archive_first(locks: Locks, actor: Actor, id: str, confirm: str) -> Any:
    app = locks._directory.find(actor, id, Action.UNLOCK)
    await locks._partitions.archive(app, app.partition)
    return await unlock(locks, actor, id, confirm)


if os.environ["TORN"] == "audit":
    Change.log, Changes._run = log_later, run_twice  # type: ignore[method-assign, assignment]
else:
    Locks.unlock = archive_first  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
