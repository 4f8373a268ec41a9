"""Which sequence numbers of a stream were seen, so that each event counts once, however often it comes."""

MAX_GAPS = 64
"""Gaps remembered per stream; what is missing in the oldest beyond them is taken for seen."""


class Seen:
    """Numbers 1..high were seen, but for the gaps in `missing` (first and last of each, rising)."""

    __slots__ = ("high", "missing")

    def __init__(self, high: int = 0, missing: list[tuple[int, int]] | None = None) -> None:
        self.high = high
        self.missing = missing if missing is not None else []

    def admit(self, number: int) -> bool:
        """Whether this number is seen for the first time."""
        if number > self.high:
            if number > self.high + 1:
                self.missing.append((self.high + 1, number - 1))
                self._forget()
            self.high = number
            return True
        for k, (first, last) in enumerate(self.missing):
            if first <= number <= last:
                self.missing[k : k + 1] = [gap for gap in ((first, number - 1), (number + 1, last)) if gap[0] <= gap[1]]
                self._forget()
                return True
        return False

    def _forget(self) -> None:
        del self.missing[:-MAX_GAPS]
