"""Killing a child process that writes, at a moment that it cannot know."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[3]


def kill_a_writer(writer: ModuleType, engine: str, path: Path, seed: str, seconds: float) -> int:
    """Let a child write for this long after its store is open, kill it; how many writes it had acknowledged.

    Its output is read only afterwards: a parent that woke with every line would kill just after an acknowledgement.
    """
    command = [sys.executable, "-m", writer.__name__, engine, str(path), seed]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"-1\n"
        time.sleep(seconds)
        child.kill()
        numbers = child.stdout.read().split()
    assert child.returncode == -signal.SIGKILL, "the writer failed by itself"
    assert numbers == [b"%d" % number for number in range(len(numbers))]
    return len(numbers)
