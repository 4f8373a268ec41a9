"""Limits of how often something may be tried, per person and per address."""

from collections.abc import Iterable

from datalab.errors import TooMany

MAX_WATCHED = 10_000
"""Names and addresses that are remembered."""


class Attempts:
    """What was tried within the last while; kept in memory only."""

    def __init__(self, limit: int, within_ms: int, refusal: str) -> None:
        self._limit = limit
        self._within_ms = within_ms
        self._refusal = refusal
        self._tried: dict[str, list[int]] = {}

    def check(self, watched: Iterable[str], now_ms: int) -> None:
        """Raises TooMany where one of these was counted too often."""
        for whose in watched:
            recent = self._recent(whose, now_ms)
            if len(recent) >= self._limit:
                seconds = (recent[-self._limit] + self._within_ms - now_ms) / 1000
                raise TooMany(self._refusal, retry_after=max(1.0, seconds))

    def count(self, watched: Iterable[str], now_ms: int) -> None:
        """Remember an attempt of each."""
        for whose in watched:
            recent = self._recent(whose, now_ms)
            self._tried.pop(whose, None)
            self._tried[whose] = [*recent, now_ms]
            if len(self._tried) > MAX_WATCHED:
                del self._tried[next(iter(self._tried))]

    def _recent(self, whose: str, now_ms: int) -> list[int]:
        return [at for at in self._tried.get(whose, []) if at > now_ms - self._within_ms]
