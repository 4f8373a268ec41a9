"""Regular expressions are tried in a child process before anything uses them."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datalab.errors import TooMany, Unavailable
from datalab.workers import expressions as module
from datalab.workers.expressions import Fault, check_expressions, find_fault

HARMLESS = [
    "",
    ".*",
    "a||b",
    "|",
    "(?:)*",
    "^/products/[0-9]+$",
    "^/(de|en)/blog/.*",
    r"\.html?$",
    r"[a-z0-9-]+\.html$",
    "^/a/[^/]+/b/[^/]+/c$",
    "(cart|basket)/(step-[1-5])",
    "^/(?:[a-z0-9-]+/)*[a-z0-9-]+$",
    "^/(?:[a-z]{2}(?:-[a-z]{2})?/)?(?:cart|checkout)(?:/.*)?$",
    "^/(?!admin/).*$",
    "(?=/shop)/shop(?!/old)",
    "(?<=/)[a-z]+$",
    r"^/(?P<year>\d{4})/(?P=year)-\w+$",
    r"^/\w+/[é-ü]+/[^\W\d_]+$",
    "(?i)^/KASSE(/|$)",
    "(?x) ^/a  # nothing but an (explanation",
    "/\U0001f600+\ud800?$",
    # One that looks nested and is not: each repetition must begin with a slash.
    "^(?:/[a-z]+)+$",
    # What cannot fail is not searched twice, and what is atomic neither.
    "(a+)+",
    "(?>(a+)+)$",
    "(?:a++)+$",
    # These could be slow only with a line break, which no route holds.
    "^/a/.*/b/.*/c/.*$",
    "/.*/.*/.*$",
    # `re` warns of these.
    "[[a-z]+$",
    "[a||b]",
]

EXPLOSIVE = {
    "(a+)+$": "+$",
    "(a|a)*$": "*$",
    "(a|aa)+$": "+$",
    "^(([a-z])+.)+[A-Z]([a-z])+$": "+[A-Z]([a-z])+$",
    "^/(?:[a-z0-9-]+/?)*$": "*$",
    r"(\w+\s?)*!": "*!",
    r"^(\d+)*#": "*#",
    "(a*)*b": "*b",
    "((ab)+|c(d+)+)!": "+)!",
    "(a{1,30}){1,30}$": "{1,30}$",
    "(?:.*a){25}": "{25}",
    "(?:.*foo){16}": "{16}",
    "(?:){4000000000}x": "{4000000000}x",
    # It needs something before the repetition, beside it, or after it.
    "^/shop/(?:a|b|ab)*$": "*$",
    "(?<=/)(b+)+$": "+$",
    r"^(?=.*foo)(\w+)+$": "+$",
    "^(?!(a+)+$)": "+$)",
    r"^(?:(a)|b)(?(1)(x+)+|y)$": "+|y)$",
    # Two ways of reading the same word, told by no single character.
    "(?:abc|ab|cd|d)*!": "*!",
    "(?:x[ab]y[cd]|x[bz]y[dq])*!": "*!",
    "(?:%[0-9A-F]{2}|[^/])*/$": "*/$",
    "(?i)(?:ab|AB|[a-b]{2})*!": "*!",
    # Only `/` makes it fail, or only a line break.
    "(?:[^/]|a)*$": "*$",
    "^(.+)+$": "+$",
}
"""With the end of the expression that begins at the fault."""

SLOW = [".*.*.*=", "(x+x+)+y", r"(a*)\1*b", "/.*/.*/.*/x", "a?" * 50 + "a" * 50, ".*a" * 25, "(a|a)" * 60 + "b"]
"""Here several places may be said to be at fault."""


async def test_everyday_expressions_may_be_used() -> None:
    assert await check_expressions(HARMLESS) == {}


@pytest.mark.parametrize("pattern", EXPLOSIVE)
async def test_an_explosive_expression_is_refused_at_what_makes_it_explode(pattern: str) -> None:
    fault = await find_fault(pattern)
    assert fault is not None
    assert pattern[fault.position :] == EXPLOSIVE[pattern]
    assert "can match the same text in too many ways" in fault.reason


@pytest.mark.parametrize("pattern", SLOW, ids=lambda pattern: pattern[:20])
async def test_what_only_takes_long_is_refused_as_well(pattern: str) -> None:
    fault = await find_fault(pattern)
    assert fault is not None
    assert pattern[fault.position] in "*+?()a"


@pytest.mark.parametrize(
    ("pattern", "position", "reason"),
    [
        ("/a(b", 2, "missing ), unterminated subpattern"),
        ("a)", 1, "unbalanced parenthesis"),
        ("/[a-", 1, "unterminated character set"),
        ("/*+*", 3, "multiple repeat"),
        ("a{3,2}", 2, "min repeat greater than max repeat"),
        ("/\\", 1, "bad escape (end of pattern)"),
        ("x(?<=a+)b", 6, "look-behind requires fixed-width pattern"),
        ("ax{99999999999}", 2, "the repetition number is too large"),
    ],
)
async def test_what_does_not_compile_is_refused_at_its_fault(pattern: str, position: int, reason: str) -> None:
    assert await find_fault(pattern) == Fault(position, reason)


async def test_groups_too_deep_within_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PATTERN", 10_000)
    fault = await find_fault("(" * 2000 + ")" * 2000)
    assert fault is not None
    assert fault.reason == "has too many groups within each other"


async def test_length_is_bounded() -> None:
    assert await check_expressions(["a" * 400, "a" * 401]) == {"a" * 401: Fault(400, "longer than 400 characters")}


async def test_the_first_faulty_one_of_many_is_told() -> None:
    assert set(await check_expressions(["/a", "(a+)+$", "/b", "(", "/b"])) == {"(a+)+$"}
    assert set(await check_expressions(["/a", "(", "(a+)+$"])) == {"("}


async def test_few_may_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    outcomes = await asyncio.gather(*(find_fault(f"/{number}") for number in range(5)), return_exceptions=True)
    assert sum(isinstance(outcome, TooMany) for outcome in outcomes) in (2, 3)
    assert await find_fault("/a") is None


async def test_without_expressions_no_child_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIAL", ("/nowhere/python",))
    assert await check_expressions([]) == {}
    with pytest.raises(Unavailable, match="try again later"):
        await check_expressions(["/a"])


async def test_the_event_loop_goes_on_meanwhile() -> None:
    turns, trial = 0, asyncio.create_task(find_fault("(a+)+$"))
    while not trial.done():
        await asyncio.sleep(0)
        turns += 1
    assert await trial
    assert turns > 100


def replace_trial(monkeypatch: pytest.MonkeyPatch, code: str, *arguments: object) -> None:
    """Let another child answer."""
    monkeypatch.setattr(module, "TRIAL", (sys.executable, "-I", "-S", "-c", code, *map(str, arguments)))


ENDLESS = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()) + "\\n")
print("null", flush=True)
time.sleep(600)
"""


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_child_that_does_not_answer_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    replace_trial(monkeypatch, ENDLESS, tmp_path / "pid")
    monkeypatch.setattr(module, "ANSWER_SECONDS", 2.0)
    assert await check_expressions(["/a", "/b", "/c"]) == {
        "/b": Fault(0, "took more than 2 seconds to try"),
        "/c": Fault(0, "was not tried, because of /b"),
    }
    assert not runs(int((tmp_path / "pid").read_text()))


async def test_a_trial_that_nobody_waits_for_any_more_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    replace_trial(monkeypatch, ENDLESS, tmp_path / "pid")
    trial = asyncio.create_task(check_expressions(["/a", "/b"]))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        assert not trial.done()
        await asyncio.sleep(0.01)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert not runs(int((tmp_path / "pid").read_text()))


async def test_an_expression_that_ends_the_interpreter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_trial(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    faults = await check_expressions(["/a", "/b"])
    assert faults == {
        "/a": Fault(0, f"made its trial end by signal {signal.SIGSEGV:d}"),
        "/b": Fault(0, "was not tried, because of /a"),
    }


async def test_a_child_that_fails_accepts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_trial(monkeypatch, "raise SystemExit(1)")
    with pytest.raises(Unavailable, match="the trial failed"):
        await check_expressions(["/a" * 200] * 2 + [f"/{number}" + "b" * 390 for number in range(400)])


ALONE = """
import os, sys, time
os.close(os.open(sys.argv[1], os.O_CREAT | os.O_EXCL))
time.sleep(0.1)
os.unlink(sys.argv[1])
print("null", flush=True)
"""


async def test_one_child_runs_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    replace_trial(monkeypatch, ALONE, tmp_path / "lock")
    assert await asyncio.gather(*(find_fault(f"/{number}") for number in range(4))) == [None] * 4


SEARCHES = """
import json, re, signal, sys
for pattern, texts in json.load(sys.stdin):
    expression = re.compile(pattern)
    for text in texts:
        signal.setitimer(signal.ITIMER_PROF, 0.4)
        expression.search(text)
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps(pattern), flush=True)
"""
"""Each search may take four times the CPU time of the trial; SIGPROF ends the process otherwise."""


def slow_expression(patterns: list[str], texts: list[str]) -> str | None:
    """The first of some expressions that takes too long in one of some texts."""
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", SEARCHES]
    job = json.dumps([[pattern, texts] for pattern in patterns])
    done = subprocess.run(command, input=job, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 0:
        return None
    assert done.returncode == -signal.SIGPROF, done.stderr
    return patterns[len(done.stdout.splitlines())]


def random_expression(chance: random.Random, depth: int) -> str:
    """An expression of few letters with many repeats and alternatives."""
    atoms = ["a", "b", "/", "1", "ab", "[ab]", "[^/]", "[^a]", ".", r"\w", r"\d", "(?=a)", "(?!b)"]
    text = ""
    for _ in range(chance.randint(1, 3)):
        if depth and chance.random() < 0.5:
            branches = [random_expression(chance, depth - 1) for _ in range(chance.choice([1, 1, 2, 3]))]
            text += f"({chance.choice(['', '?:', '?:', '?>'])}{'|'.join(branches)})"
        else:
            text += chance.choice(atoms)
        text += chance.choice(["", "", "", "*", "+", "?", "*?", "{2}", "{1,3}", "{2,}"])
    return text


async def test_what_is_accepted_ends_quickly_in_texts_that_the_trial_does_not_know() -> None:
    chance = random.Random(4)
    patterns = []
    while len(patterns) < 20:
        pattern = random_expression(chance, chance.randint(0, 2)) + chance.choice(["", "$", "!", "/x"])
        try:
            re.compile(pattern)
        except re.error:
            continue
        patterns.append(pattern)
    words = [first + second for first in "ab/1" for second in ["", *"ab/1"] if second != first]
    texts = [lead + word * 30 + end for word in words for lead in ("", "/", "ab") for end in ("", "!", "/")]
    texts += [(word * 2048)[:2047] + "!" for word in words]
    faults = [pattern for pattern in patterns if await find_fault(pattern)]
    accepted = [pattern for pattern in patterns if pattern not in faults]
    assert len(accepted) > 5
    assert slow_expression(accepted, texts) is None
    # The texts are such that they tell a bad expression.
    assert slow_expression(["ab", "(?:a|b|ab)*$"], texts) == "(?:a|b|ab)*$"
    assert slow_expression(faults, texts) in faults
