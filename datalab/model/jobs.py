"""Jobs: heavy work for an app that people see coming along and may cancel."""

from typing import Literal

from msgspec import Struct

from datalab.model.figures import FunnelFigures

JobKind = Literal["what-if", "replay", "import"]
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
UNDER_WAY: tuple[JobState, ...] = ("waiting", "running")


class Job(Struct, frozen=True, kw_only=True):
    """A job as it stands; moments in milliseconds since the epoch."""

    id: str
    app: str
    """The app's id."""
    kind: JobKind
    title: str
    """What is made, for people."""
    done: int = 0
    total: int | None = None
    """In the same unit as `done` (events; of an import the file's bytes); None where it is not known."""
    state: JobState = "waiting"
    detail: str = ""
    """How far it is in words, or why it failed."""
    started: int
    ended: int | None = None
    result: FunnelFigures | None = None
    """What a what-if funnel came to; left out where jobs are listed."""

    @property
    def under_way(self) -> bool:
        """Whether it is still to end."""
        return self.state in UNDER_WAY

    @property
    def percent(self) -> int:
        """How much is done, 0 where the total is not known."""
        return min(100, 100 * self.done // self.total) if self.total else 0
