"""The values of a property of sessions or events, as small integers in the order of their first appearance."""

from datalab.model.routes import OTHER


class Dimension:
    """Values beyond `cap` are `(other)`."""

    def __init__(self, cap: int, *always: str) -> None:
        self._cap = cap
        self._codes: dict[str, int] = {}
        self.values: list[str] = []
        for value in always:
            self.code(value)

    def code(self, value: str) -> int:
        """The value's integer, that of `(other)` once the cap is reached."""
        code = self._codes.get(value)
        if code is None:
            if len(self.values) >= self._cap and value != OTHER:
                return self.code(OTHER)
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code

    def find(self, value: str) -> int | None:
        """The value's integer, None where it never appeared."""
        return self._codes.get(value)

    def restore(self, values: list[str]) -> None:
        """Take over what a snapshot holds."""
        self.values = values
        self._codes = {value: code for code, value in enumerate(values)}
