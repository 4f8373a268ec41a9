"""A property of sessions: its values as small integers, and the sessions that have each."""

from datalab.aggregate.bitmaps import Bitmaps
from datalab.model.routes import OTHER


class Dimension:
    """Values beyond `cap` are counted under `(other)`."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._codes: dict[str, int] = {}
        self.values: list[str] = []
        self.sessions = Bitmaps()

    def code(self, value: str) -> int:
        """The value's integer, that of `(other)` once the cap is reached."""
        code = self._codes.get(value)
        if code is None:
            if len(self.values) >= self._cap and value != OTHER:
                return self.code(OTHER)
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code

    def restore(self, values: list[str], sessions: Bitmaps) -> None:
        """Take over what a snapshot holds."""
        self.values, self.sessions = values, sessions
        self._codes = {value: code for code, value in enumerate(values)}
