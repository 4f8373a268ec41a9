"""One figure and its budget."""

from typing import NamedTuple


class Result(NamedTuple):
    """`good` is None where the row has no budget of its own."""

    name: str
    value: float
    unit: str
    budget: str
    good: bool | None = None

    def line(self) -> str:
        """`name: value unit (budget ...)`."""
        return f"{self.name}: {shown(self.value)} {self.unit} (budget {self.budget or 'none'})"


def shown(value: float) -> str:
    """Three digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(results: list[Result]) -> str:
    """All of them, aligned."""
    width = max(len(result.name) for result in results)
    units = max(len(result.unit) for result in results)
    marks = {True: "met", False: "MISSED", None: ""}
    return "\n".join(
        f"{result.name:{width}}  {shown(result.value):>12} {result.unit:<{units}} {result.budget:<34} "
        f"{marks[result.good]}"
        for result in results
    )
