"""Tasks that stand in for heavy work, and what tells whether a process is there."""

import os
import time
from pathlib import Path

from msgspec import Struct

from datalab.errors import TooLarge
from datalab.workers.task import Task, Told


class Order(Struct, frozen=True):
    """What to do."""

    word: str
    number: int = 0
    path: str = ""


class Obeyed(Struct, frozen=True):
    pid: int
    total: int
    niceness: int


class Obedient(Task[Order, Obeyed]):
    """Does as it is told; adds up all numbers it ever got."""

    asked = Order
    answered = Obeyed

    def __init__(self) -> None:
        self.total = 0

    def answer(self, asked: Order, told: Told) -> Obeyed:
        self.total += asked.number
        if asked.path:
            Path(asked.path).write_text(str(os.getpid()))
        match asked.word:
            case "count":
                for done in range(asked.number):
                    told(done, asked.number)
                    time.sleep(0.11)
            case "sleep":
                time.sleep(600)
            case "spin":
                while True:
                    pass
            case "refuse":
                raise TooLarge("too large; send less", retry_after=3.0)
            case "fail":
                raise ZeroDivisionError("a fault of ours")
            case "exit":
                os._exit(3)
            case "print":
                print("in between")
                os.write(1, b"in between, too\n")
            case "eat":
                bytearray(asked.number)
        return Obeyed(os.getpid(), self.total, os.nice(0))


def is_there(pid: int) -> bool:
    """Whether a process runs; one that nobody waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
