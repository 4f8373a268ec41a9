"""Some of the questions, asked of SQLite and DuckDB over the same events."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from facts import Facts

from datalab.model.ranges import Range

PATIENCE_SECONDS = 60.0
WINDOW_MS = 14 * 86_400_000
Rows = list[tuple[Any, ...]]

CHOSEN = """
begun AS (SELECT * FROM sessions WHERE start >= {since} AND start < {until} {segment}),
chosen AS (SELECT * FROM begun UNION ALL
  SELECT * FROM sessions s WHERE start < {since} AND last >= {since} {segment}
  AND EXISTS (SELECT 1 FROM events e WHERE e.session = s.id AND e.time >= {since} AND e.time < {until}))
"""
SEGMENT = """
AND device = (SELECT id FROM devices WHERE name = '{device}')
AND browser = (SELECT id FROM browsers WHERE name = '{browser}')
AND id IN (SELECT session FROM events WHERE kind = 1
  AND route IN (SELECT id FROM routes WHERE lower(name) LIKE '%{route}%'))
"""
WITHIN = "time >= {since} AND time < {until}"
MINE = "AND session IN (SELECT id FROM chosen)"
FOLLOWING = ", ".join(f"min(CASE WHEN stage = {k} THEN id END) OVER following AS n{k}" for k in range(2, 6))
LEADS = " ".join(
    f"LEFT JOIN w w{k} ON w{k}.id = w{k - 1}.n{k} AND w{k}.time - w1.time <= {WINDOW_MS}" for k in range(2, 6)
)
QUESTIONS = {
    "totals": f"""SELECT count(DISTINCT visitor), count(*),
        (SELECT count(*) FROM events WHERE kind = 1 AND {WITHIN} {{mine}}),
        coalesce(sum(CASE WHEN views = 1 AND actions = 0 THEN 1 ELSE 0 END), 0) FROM chosen""",
    "browsers": """SELECT browsers.name, visitors, found FROM (SELECT browser, count(DISTINCT visitor) AS visitors,
        count(*) AS found FROM chosen GROUP BY browser) JOIN browsers ON browsers.id = browser""",
    "pages": f"""SELECT routes.name, views, visitors FROM (SELECT route, count(*) AS views,
        count(DISTINCT visitor) AS visitors FROM events WHERE kind = 1 AND {WITHIN} {{mine}} GROUP BY route)
        JOIN routes ON routes.id = route""",
    "entries": """SELECT routes.name, found FROM (SELECT entry, count(*) AS found FROM chosen GROUP BY entry)
        JOIN routes ON routes.id = entry""",
    "funnel": f"""SELECT count(DISTINCT w1.visitor), count(DISTINCT w2.visitor), count(DISTINCT w3.visitor),
        count(DISTINCT w4.visitor), count(DISTINCT w5.visitor) FROM w w1 {LEADS} WHERE w1.stage = 1""",
    "retention": """SELECT f.week, s.week - f.week, count(DISTINCT s.visitor) FROM begun s
        JOIN begun f ON f.visitor = s.visitor AND f.new = 1 GROUP BY f.week, s.week - f.week""",
}
"""An ordered funnel looks at each match for the next match of each later stage, and follows those within the window."""
NEXT = f"""
, w AS MATERIALIZED (SELECT visitor, id, time, stage, {FOLLOWING} FROM events WHERE stage > 0 AND {WITHIN} {{mine}}
  WINDOW following AS (PARTITION BY visitor ORDER BY id ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING))
"""
INDEXES = [
    "CREATE INDEX by_start ON sessions (start)",
    "CREATE INDEX by_last ON sessions (last)",
    "CREATE INDEX by_session ON events (session, time)",
    "CREATE INDEX viewed ON events (time, route, visitor, session) WHERE kind = 1",
    "CREATE INDEX by_route ON events (route, session) WHERE kind = 1",
    "CREATE INDEX staged ON events (visitor, id, time, stage, session) WHERE stage > 0",
]


class Filters(NamedTuple):
    """A segment that both can be asked for: device is, browser is, route contains."""

    device: str
    browser: str
    route: str


def sql(name: str, range: Range, filters: Filters | None) -> str:
    """A question as a statement."""
    text = f"WITH {CHOSEN}{NEXT if name == 'funnel' else ''} {QUESTIONS[name]}"
    values = {
        "since": str(range.from_ if range.from_ is not None else 0),
        "until": str(range.to if range.to is not None else 2**53),
        "segment": SEGMENT.format(**filters._asdict()) if filters else "",
        "mine": MINE if filters else "",
    }
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text


class Sqlite:
    """A file with indexes that suit the questions."""

    name = "SQLite"

    def __init__(self, facts: Facts, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "facts.sqlite", check_same_thread=False)
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;"
        )
        for name, table in (("events", facts.events), ("sessions", facts.sessions)):
            columns = ", ".join("id INTEGER PRIMARY KEY" if column == "id" else f"{column} INTEGER" for column in table)
            self._connection.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join("?" * len(table))
            rows = zip(*(column.tolist() for column in table.values()), strict=True)
            self._connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        for name, names in (("routes", facts.routes), ("browsers", facts.browsers), ("devices", facts.devices)):
            self._connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT)")
            self._connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", zip(*names.table(), strict=True))
        for index in INDEXES:
            self._connection.execute(index)
        self._connection.execute("ANALYZE")
        self._connection.commit()

    def ask(self, text: str) -> Rows:
        """All rows."""
        return self._connection.execute(text).fetchall()

    def interrupt(self) -> None:
        """From another thread."""
        self._connection.interrupt()


class Duck:
    """In memory, by time, with as many threads as the machine has cores."""

    name = "DuckDB"

    def __init__(self, facts: Facts, folder: Path) -> None:
        import duckdb

        self._connection = duckdb.connect(str(folder / "facts.duckdb"))
        for name, table in (("events", facts.events), ("sessions", facts.sessions)):
            order = "time" if name == "events" else "start"
            self._connection.register("columns", table)
            self._connection.execute(f"CREATE TABLE {name} AS SELECT * FROM columns ORDER BY {order}")
            self._connection.unregister("columns")
        for name, names in (("routes", facts.routes), ("browsers", facts.browsers), ("devices", facts.devices)):
            self._connection.execute(f"CREATE TABLE {name} (id INTEGER, name TEXT)")
            self._connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", list(zip(*names.table(), strict=True)))

    def ask(self, text: str) -> Rows:
        """All rows."""
        rows: Rows = self._connection.execute(text).fetchall()
        return rows

    def interrupt(self) -> None:
        """From another thread."""
        self._connection.interrupt()


class Asked(NamedTuple):
    """An answer; None where patience ended."""

    seconds: float
    rows: Rows | None


def ask(rival: Sqlite | Duck, text: str) -> Asked:
    """Once, with an end."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        rival.interrupt()

    timer = threading.Timer(PATIENCE_SECONDS, end)
    timer.start()
    begin = time.perf_counter()
    try:
        rows = rival.ask(text)
    except Exception:
        if not ended.is_set():
            raise
        return Asked(PATIENCE_SECONDS, None)
    finally:
        timer.cancel()
    return Asked(time.perf_counter() - begin, rows)


def rivals(facts: Facts, folder: Path, say: Callable[[str], None]) -> "list[Sqlite | Duck]":
    """Those there are."""
    found: list[Sqlite | Duck] = []
    for kind in (Sqlite, Duck):
        begin = time.perf_counter()
        try:
            found.append(kind(facts, folder))
        except ImportError:
            say(f"{kind.name} is skipped: it is not installed")
            continue
        say(f"{kind.name}: filled in {time.perf_counter() - begin:.1f} s")
    return found
