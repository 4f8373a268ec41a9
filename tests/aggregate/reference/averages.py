"""Averages of times in milliseconds, as seconds."""

from fractions import Fraction


def mean(milliseconds: list[int]) -> float | None:
    return float(Fraction(sum(milliseconds), len(milliseconds) * 1000)) if milliseconds else None


def median(milliseconds: list[int]) -> float | None:
    if not milliseconds:
        return None
    ordered, middle = sorted(milliseconds), len(milliseconds) // 2
    pair = ordered[middle] + (ordered[middle] if len(ordered) % 2 else ordered[middle - 1])
    return float(Fraction(pair, 2000))


def p90(milliseconds: list[int]) -> float | None:
    """The smallest time that at least nine of ten did not exceed."""
    for time in sorted(milliseconds):
        if 10 * sum(other <= time for other in milliseconds) >= 9 * len(milliseconds):
            return time / 1000
    return None
