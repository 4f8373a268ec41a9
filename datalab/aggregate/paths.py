"""Whole paths of sessions, counted exactly though there may be a million different ones."""

from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from datalab.aggregate.steps import Steps
from datalab.aggregate.sums import Sized

MAX_STEPS = 10
"""Paths are cut there (SEMANTICS, journey path)."""
WORD_BITS = 64
KEPT_PATHS = 2_000
"""What is kept of very many paths: the most frequent ones."""
RANKED = 1_000
"""Of so many paths a part knows the order of frequency."""


class Paths(Sized, frozen=True):
    """The paths of some sessions, by rising key; equal keys are equal paths."""

    words: NDArray[np.uint64]
    """Each path's routes, packed: one row a path."""
    key: NDArray[np.uint64]
    sessions: NDArray[np.integer]
    bits: int
    """That a route takes."""
    first: NDArray[np.uint32]
    """The most frequent ones of them, most frequent first."""
    others: int = 0
    """Paths that were left out have so many sessions each at most; 0 where none was."""


def paths_of(found: Steps, routes: int) -> Paths:
    """Of sessions' steps, where there are so many routes."""
    bits = max(1, routes.bit_length())
    per_word = WORD_BITS // bits
    words = np.zeros((len(found.start), -(-MAX_STEPS // per_word)), dtype=np.uint64)
    length = found.length
    for step in range(MAX_STEPS):
        there = np.flatnonzero(length > step)
        if len(there) == 0:
            break
        # 0 stands for no step, so that a path and the beginning of a longer one differ.
        code = (found.route[found.start[there] + step] + 1).astype(np.uint64)
        words[there, step // per_word] |= code << np.uint64(bits * (step % per_word))
    return counted(words, np.ones(len(words), dtype=np.int64), bits)


def merged(parts: list[Paths]) -> Paths:
    """Of all of their sessions; none of the parts has left anything out."""
    if len(parts) == 1:
        return parts[0]
    words, sessions = (np.concatenate([getattr(part, name) for part in parts]) for name in ("words", "sessions"))
    return counted(words, sessions.astype(np.int64), parts[0].bits)


def frequent(paths: Paths) -> Paths:
    """Without the rare ones where there are very many."""
    if len(paths.key) <= KEPT_PATHS:
        return paths
    order = np.argsort(-paths.sessions.astype(np.int64), kind="stable")
    kept = np.sort(order[:KEPT_PATHS])
    few = counted(paths.words[kept], paths.sessions[kept].astype(np.int64), paths.bits)
    return replace(few, others=int(paths.sessions[order[KEPT_PATHS]]))


def counted(words: NDArray[np.uint64], sessions: NDArray[np.int64], bits: int) -> Paths:
    """Equal rows put together."""
    if len(words) == 0:
        return Paths(words, np.empty(0, dtype=np.uint64), sessions, bits, np.empty(0, dtype=np.uint32))
    key = mixed(words)
    # The key comes last in the order of importance given to lexsort, so first in the result's.
    order = np.lexsort((*words.T, key))
    words, sessions, key = words[order], sessions[order], key[order]
    heads = np.flatnonzero(np.append(True, (words[1:] != words[:-1]).any(axis=1)))
    sums = np.add.reduceat(sessions, heads).astype(np.uint32)
    return Paths(
        words[heads],
        key[heads],
        sums,
        bits,
        np.argsort(-sums.astype(np.int64), kind="stable")[:RANKED].astype(np.uint32),
    )


def mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One word for each row (the finaliser of splitmix64); unequal rows have unequal ones but for a rare accident."""
    key = np.zeros(len(words), dtype=np.uint64)
    for column in words.T:
        key = (key + column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(30)
        key *= np.uint64(0xBF58476D1CE4E5B9)
        key ^= key >> np.uint64(27)
        key *= np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return key


def top_paths(parts: list[Paths], count: int, names: list[str]) -> list[tuple[list[int], int]] | None:
    """The most frequent paths of all parts, as route codes, with their sessions; equal ones by the routes' names. None
    where what the parts left out makes a difference.

    What is frequent in all must be so in some part: the first ones of each part are candidates, and they are enough as
    soon as what no part has among its first ones cannot add up to as much as the last of the candidates wanted.
    """
    parts = [part for part in parts if len(part.key)]
    if not parts or count == 0:
        return []
    ranked: list[NDArray[Any]] = [part.first for part in parts]
    depth = 2 * count
    while True:
        if depth >= RANKED:
            ranked = [np.argsort(-part.sessions.astype(np.int64), kind="stable") for part in parts]
        words = np.concatenate([part.words[order[:depth]] for part, order in zip(parts, ranked, strict=True)])
        candidates = counted(words, np.zeros(len(words), dtype=np.int64), parts[0].bits)
        total = np.zeros(len(candidates.key), dtype=np.int64)
        uncertain = np.zeros(len(candidates.key), dtype=np.int64)
        for part in parts:
            sessions = sessions_of(part, candidates)
            total += sessions
            uncertain[sessions == 0] += part.others
        unseen = sum(
            int(part.sessions[order[depth]]) if depth < len(order) else part.others
            for part, order in zip(parts, ranked, strict=True)
        )
        known = np.sort(total[uncertain == 0])[-count:]
        least = int(known[0]) if len(known) == count else 0
        doubtful = bool(((uncertain > 0) & (total + uncertain >= least)).any())
        if not doubtful and (unseen == 0 or least > unseen):
            break
        if all(depth >= len(order) for order in ranked):
            return None
        depth *= 4
    least = int(known[0])
    chosen = [(unpacked(candidates, at), int(total[at])) for at in np.flatnonzero(total >= least).tolist()]
    chosen.sort(key=lambda entry: (-entry[1], [names[code] for code in entry[0]]))
    return chosen[:count]


def sessions_of(part: Paths, wanted: Paths) -> NDArray[np.int64]:
    """How many sessions of a part went each of the wanted paths."""
    found = np.zeros(len(wanted.key), dtype=np.int64)
    begin = np.searchsorted(part.key, wanted.key, side="left")
    end = np.searchsorted(part.key, wanted.key, side="right")
    # Mostly one, several only where two paths have one key by accident.
    for offset in range(int((end - begin).max(initial=0))):
        at = begin + offset
        there = np.flatnonzero(at < end)
        same = (part.words[at[there]] == wanted.words[there]).all(axis=1)
        found[there[same]] += part.sessions[at[there[same]]]
    return found


def unpacked(paths: Paths, at: int) -> list[int]:
    """A path's route codes."""
    per_word, mask = WORD_BITS // paths.bits, (1 << paths.bits) - 1
    codes = []
    for step in range(MAX_STEPS):
        code = int(paths.words[at, step // per_word]) >> (paths.bits * (step % per_word)) & mask
        if code == 0:
            break
        codes.append(code - 1)
    return codes
