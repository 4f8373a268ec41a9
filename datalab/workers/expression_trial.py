"""A trial of regular expressions, run as a script in a process of its own that may be killed.

From standard input it reads a JSON array of expressions; for each it writes a line of JSON: `null` where the expression
may be used, else the position of the fault and the reason. It measures what `re` does: each expression is searched in
texts made from its own parts, under a limit of CPU time, which means the same on a busy machine. It imports nothing of
the package, so that it starts fast and without site-packages.
"""

import json
import math
import re
import resource
import signal
import sys
import time
from _random import Random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple, TypeVar

SEARCH_SECONDS = 0.1
"""CPU time that one search, or one compilation, may take."""
SMALL_SECONDS = 0.02
"""The same for a search in a text of at most SMALL characters."""
SMALL = 128
LENGTH_SECONDS = 0.3
"""CPU time after which no further texts of one length are searched."""
MEMORY_BYTES = 192 << 20
RECURSION_LIMIT = 800
"""Below the interpreter's 1,000, since the server compiles from a deeper stack."""
LONGEST = 2048
"""Characters of the longest text."""
LENGTHS = (256, 512, 1024, LONGEST)
"""Steps small enough for a search to be interrupted in time: `re` looks for signals every 4,096 steps only."""
TEXTS = (4000, 400, 100, 30, 10)
"""How many texts are searched: in a short form, and the slowest of them in each of LENGTHS."""
SHORT = 40
"""Characters in which an exponential expression shows, and one whose time is a power of the length does not."""
REPETITIONS = 24
"""The same for a repeated part of several characters."""

FAVOURITES = 6
"""Characters that a stretch of the expression is written with where they fit."""
RANDOM_WORDS = 3
"""How often a stretch is written at random."""
BRANCH_WORDS = 12
"""The same for a stretch with alternatives."""
SEQUENCES = 400
MANY = 40
"""Sequences beyond which fewer words are made for each."""
WINDOWS = 120
"""Stretches in all sequences together."""
UNCUT = 6
"""Nodes of a sequence that is cut everywhere."""

ORDINARY = "a0/-_.Z!~é٣中☃ \n"
FOREIGN = " ?#"
"""Characters that are printable and yet encoded in every route."""
FAILING = "(?!)"
QUANTIFIER = re.compile(r"(?:[*+?]|\{(?:\d+(?:,\d*)?|,\d*)\})[?+]?")
CHARACTER_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\\\]])*\]?", re.DOTALL)

REPEAT = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}
CHARACTER = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN}

T = TypeVar("T")
Node = tuple[Any, Any]
Expression = re.Pattern[str]


class TooSlow(Exception):
    """The CPU time of a search or a compilation is used up."""


class Attack(NamedTuple):
    """A text: what comes first, what is repeated, and what makes the match fail."""

    lead: str
    pump: str
    suffix: str

    def text(self, length: int) -> str:
        """As many repetitions as fit into so many characters, at least one."""
        room = length - len(self.lead) - len(self.suffix)
        return self.lead + self.pump * max(1, room // len(self.pump)) + self.suffix

    def lengths(self) -> list[int]:
        """Texts with characters that no route holds stay short: there, only an exponential expression is a fault."""
        foreign = not all(map(routable, set(self.lead + self.pump + self.suffix)))
        repeated = SHORT if foreign or len(self.pump) == 1 else max(SHORT, REPETITIONS * len(self.pump))
        short = min(LONGEST, len(self.lead) + repeated + len(self.suffix))
        return [short] if foreign else [short, *(length for length in LENGTHS if length > short)]


def routable(character: str) -> bool:
    """Whether a route can hold it."""
    return character.isprintable() and character not in FOREIGN


def limited(work: Callable[[], T], seconds: float = SEARCH_SECONDS) -> T:
    """Do work that ends within so much CPU time; raises TooSlow."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def cost(expression: Expression, text: str) -> float:
    """Seconds of a search, infinite where it needs too much CPU time; the clock is the finer measure of short ones."""
    limit = SMALL_SECONDS if len(text) <= SMALL else SEARCH_SECONDS
    start, started = time.process_time(), time.perf_counter()
    try:
        limited(lambda: expression.search(text), limit)
    except (TooSlow, MemoryError, RecursionError):
        return math.inf
    spent = time.perf_counter() - started
    return spent if time.process_time() - start <= limit else math.inf


# --- The parts of an expression -------------------------------------------------------------------------------------


def parts_of(node: Node) -> list[Sequence[Node]]:
    """The sequences inside a node: the value of some kinds, of others among it, of branches in a list among it."""
    values = node[1] if isinstance(node[1], tuple) else (node[1],)
    parts = chain.from_iterable(value if isinstance(value, list) else [value] for value in values)
    return [part for part in parts if isinstance(part, _parser.SubPattern)]


def nodes_of(items: Iterable[Node], flags: int) -> Iterator[tuple[Node, int]]:
    """All nodes, with the flags that hold for each."""
    for node in items:
        yield node, flags
        inner = (flags | node[1][1]) & ~node[1][2] if node[0] is _constants.SUBPATTERN else flags
        for part in parts_of(node):
            yield from nodes_of(part, inner)


def sequences_of(items: list[Node], lead: list[Node], *, first: bool = True) -> Iterator[tuple[list[Node], list[Node]]]:
    """What a text must pass before each sequence, in the first repetition and in the last, and the sequence itself."""
    yield lead, items
    for place, node in enumerate(items):
        before = lead + items[:place]
        for part in parts_of(node):
            yield from sequences_of(list(part), before, first=first)
        if first and node[0] in REPEAT and node[1][0] > 1:
            least, _, body = node[1]
            yield from sequences_of(list(body), [*before, (node[0], (least - 1, least - 1, body))], first=False)


def named_characters(node: Node) -> Iterator[str]:
    """The characters at which a node begins or ceases to match."""
    kind, value = node
    if kind in (_constants.LITERAL, _constants.NOT_LITERAL):
        points = [value]
    elif kind is _constants.RANGE:
        points = [value[0], value[1], value[0] - 1, value[1] + 1]
    elif kind is _constants.IN:
        for member in value:
            yield from named_characters(member)
        return
    else:
        return
    for point in points:
        if 0 <= point <= sys.maxunicode:
            yield chr(point)
            yield from chr(point).swapcase()[:1]


class Alphabet:
    """The kinds of characters that an expression tells apart, a character standing for each kind."""

    def __init__(self, tree: Any) -> None:
        places = [(node, flags) for node, flags in nodes_of(tree, tree.state.flags) if node[0] in CHARACTER]
        known = {*ORDINARY, *(character for node, _ in places for character in named_characters(node))}
        candidates = "".join(sorted(known, key=lambda character: (not routable(character), character)))
        rules = {f"{flags} {node}": compiled(node, flags).findall(candidates) for node, flags in places}
        kinds: dict[tuple[bool, ...], str] = {}
        for character in candidates:
            kinds.setdefault(tuple(character in accepted for accepted in rules.values()), character)
        self._accepted = {id(node): rules[f"{flags} {node}"] for node, flags in places}
        popularity = self.accepted_within(tree)
        self.kinds = sorted(kinds.values(), key=lambda character: -popularity[character])
        """Those that most places accept come first."""

    def accepted(self, node: Node) -> list[str]:
        """The characters that a node of CHARACTER matches."""
        return self._accepted[id(node)]

    def accepted_within(self, items: Iterable[Node]) -> "Counter[str]":
        """How many places inside some nodes accept each character."""
        places = [node for node, _ in nodes_of(items, 0) if node[0] in CHARACTER]
        return Counter(character for node in places for character in self.accepted(node))


def compiled(node: Node, flags: int) -> Expression:
    """An expression of one node."""
    state = _parser.State()
    state.flags = flags
    expression: Expression = _compiler.compile(_parser.SubPattern(state, [node]))
    return expression


# --- Texts to search ------------------------------------------------------------------------------------------------


def pick(chance: Random, number: int) -> int:
    """A whole number from 0, below another."""
    return int(chance.random() * number)


class Writer:
    """Writes texts that nodes match: the leanest, with a favourite character where it fits, or at random."""

    def __init__(self, alphabet: Alphabet, favourite: str = "", *, chance: Random | None = None) -> None:
        self._alphabet = alphabet
        self._order = [favourite, *alphabet.kinds]
        self._chance = chance
        self._groups: dict[int, str] = {}

    def write(self, items: Iterable[Node]) -> str:
        """A text for a sequence, cut at LONGEST."""
        text = ""
        for node in items:
            text += self._node(node)
            if len(text) > LONGEST:
                break
        return text[:LONGEST]

    def _pick(self, number: int) -> int:
        return pick(self._chance, number) if self._chance else 0

    def _node(self, node: Node) -> str:
        kind, value = node
        if kind in CHARACTER:
            accepted = self._alphabet.accepted(node)
            fitting = [character for character in self._order if character in accepted]
            return fitting[self._pick(min(3, len(fitting)))] if fitting else ""
        if kind in REPEAT:
            least, most, body = value
            count = min(LONGEST, most, least + self._pick(3))
            return (self.write(body) * count)[:LONGEST] if count else ""
        if kind is _constants.GROUPREF:
            return self._groups.get(value, "")
        if kind is _constants.ASSERT_NOT or (kind is _constants.ASSERT and (value[0] > 0 or self._pick(2))):
            return ""
        parts = parts_of(node)
        text = self.write(parts[self._pick(len(parts))]) if parts else ""
        if kind is _constants.SUBPATTERN:
            self._groups[value[0]] = text
        return text


def windows(items: list[Node], limit: int) -> Iterator[tuple[int, int]]:
    """Stretches of a sequence that may be worth repeating, the whole first; long runs of characters are not cut."""
    ends = list(range(len(items) + 1))
    if len(items) > UNCUT:
        plain = [node[0] in CHARACTER for node in items]
        ends = [k for k in ends if k in (0, len(items)) or not (plain[k - 1] and plain[k])]
    ends = [*ends[: -1 : len(ends) // (limit + 1) + 1], ends[-1]]
    yield 0, len(items)
    spans = (zip(ends, ends[span:], strict=False) for span in range(1, len(ends) - 1))
    yield from islice(chain.from_iterable(spans), limit)


def attacks(tree: Any) -> list[Attack]:
    """Texts in which the expression may take long, without repeats."""
    alphabet, chance = Alphabet(tree), Random(1)
    seen_ahead = [node[1][1] for node, _ in nodes_of(tree, 0) if node[0] is _constants.ASSERT and node[1][0] > 0]
    demanded = [Writer(alphabet).write(items) for items in seen_ahead[:4]]
    found: dict[Attack, None] = {}
    sequences = list(islice(sequences_of(list(tree), []), SEQUENCES))
    many = len(sequences) > MANY
    for before, items in sequences:
        for start, end in windows(items, WINDOWS // len(sequences)):
            stretch, passed = items[start:end], before + items[:start]
            local = alphabet.accepted_within(stretch)
            favourites = sorted(filter(local.__getitem__, alphabet.kinds), key=local.__getitem__, reverse=True)
            refused = [character for character in alphabet.kinds[::-1] if not local[character]]
            failing = [character for character in refused if routable(character)][:4]
            suffixes = ["", *failing, "\n\n", *(text + (failing or alphabet.kinds)[-1] for text in demanded)]
            lead = Writer(alphabet).write(passed)
            characters = ["", *favourites[: FAVOURITES >> many]]
            words = [(lead, Writer(alphabet, character).write(stretch)) for character in characters]
            branching = not many and any(node[0] is _constants.BRANCH for node, _ in nodes_of(stretch, 0))
            for _ in range(BRANCH_WORDS if branching else RANDOM_WORDS):
                writer = Writer(alphabet, chance=chance)
                words.append((writer.write(passed), writer.write(stretch)))
            words += [(lead, first[1] + words[pick(chance, len(words))][1]) for first in words]
            found |= dict.fromkeys(Attack(*word, suffix) for word in words if word[1] for suffix in suffixes)
            found |= dict.fromkeys(Attack("", word[1], word[0]) for word in words if word[1])
    return sorted(found, key=lambda _: chance.random())[: TEXTS[0]]


# --- The trial ------------------------------------------------------------------------------------------------------


def slow_text(expression: Expression, tried: list[Attack]) -> str | None:
    """A text in which a search takes too long, None where none was found."""
    for step, number in enumerate(TEXTS):
        prospects = {}
        end = time.process_time() + LENGTH_SECONDS
        for attack in tried[:number]:
            lengths = attack.lengths()
            if step < len(lengths) and time.process_time() < end:
                text = attack.text(lengths[step])
                spent = cost(expression, text)
                if spent == math.inf:
                    return text
                # What it takes in the longest text where time grows with the square of the length.
                prospects[attack] = spent / len(text) ** 2
        tried = sorted(prospects, key=prospects.__getitem__, reverse=True)
    return None


def tokens(pattern: str) -> Iterator[tuple[int, int, int]]:
    """Start and end of each character, escape, class and quantifier, and how many groups are open at its end."""
    start = depth = 0
    while start < len(pattern):
        quantifier = QUANTIFIER.match(pattern, start) if start else None
        if quantifier and pattern[start - 1] != "(":
            end = quantifier.end()
        elif pattern[start] == "[":
            found = CHARACTER_CLASS.match(pattern, start)
            end = found.end() if found else start + 1
        else:
            end = start + 1 + (pattern[start] == "\\")
            depth += (pattern[start] == "(") - (pattern[start] == ")")
        yield start, min(end, len(pattern)), max(0, depth)
        start = end


def place_of_slowness(pattern: str, text: str) -> int:
    """Where the shortest beginning ends that takes too long once it has to try everything."""
    beginnings = []
    for start, end, depth in tokens(pattern):
        try:
            beginnings.append((start, limited(lambda: re.compile(pattern[:end] + FAILING + ")" * depth))))  # noqa: B023
        except (re.error, OverflowError, RecursionError, MemoryError, TooSlow):
            continue
    place = bisect_left(beginnings, True, key=lambda beginning: cost(beginning[1], text) == math.inf)
    return beginnings[min(place, len(beginnings) - 1)][0] if beginnings else 0


def place_of_error(pattern: str, error: Exception) -> int:
    """Where the shortest beginning ends that fails to compile in the same way."""
    position = getattr(error, "pos", None)
    if isinstance(position, int):
        return position
    for start, end, depth in tokens(pattern):
        try:
            re.compile(pattern[:end] + ")" * depth)
        except (re.error, OverflowError) as same:
            if str(same) == str(error):
                return start
    return 0


def fault(pattern: str) -> tuple[int, str] | None:
    """Position and reason, None where the expression may be used."""
    try:
        expression = limited(lambda: re.compile(pattern))
        text = slow_text(expression, attacks(_parser.parse(pattern)))
    except (re.error, OverflowError) as error:
        return place_of_error(pattern, error), getattr(error, "msg", str(error))
    except TooSlow:
        return 0, "takes too long to compile"
    except (RecursionError, MemoryError):
        return 0, "has too many groups within each other"
    if text is None:
        return None
    reason = f"can match the same text in too many ways, as in {text[:20]!r}… of {len(text)} characters; repeat less"
    return place_of_slowness(pattern, text), reason


def interrupt(*_: object) -> None:
    """Ends what runs at the moment."""
    raise TooSlow


def main() -> None:
    """Answer all expressions of standard input, each as soon as it is tried."""
    patterns = json.load(sys.stdin)
    signal.signal(signal.SIGPROF, interrupt)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.setrecursionlimit(RECURSION_LIMIT)
    for pattern in patterns:
        print(json.dumps(fault(pattern)), flush=True)


if __name__ == "__main__":
    main()
