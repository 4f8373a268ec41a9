"""The child process: `python -m datalab.workers.child MODULE:TASK BYTES` does what it is asked on standard input.

It ends when standard input ends, whatever it is doing: then the appliance is gone, or does not want it any more.
"""

import os
import resource
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from traceback import format_exc
from typing import Any, BinaryIO

import msgspec

from datalab.errors import Refusal
from datalab.workers.task import LENGTH_BYTES, Answer, Failed, Message, Progress, Refused, Task, encode, framed

NICENESS = 10
OOM_SCORE = "800"
"""Of 1000: where memory runs out, the kernel ends this process and not the appliance."""
PROGRESS_SECONDS = 0.1


class Answers:
    """What goes to the appliance."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._told = 0.0

    def send(self, message: Message) -> None:
        """Raises BrokenPipeError where nobody listens any more."""
        self._pipe.write(framed(encode(message)))
        self._pipe.flush()

    def told(self, done: int, total: int | None) -> None:
        """Progress, now and then."""
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            self.send(Progress(done, total))


def listen(pipe: BinaryIO, asked: "SimpleQueue[bytes]") -> None:
    """Queue what is asked; a thread's work."""
    while len(length := pipe.read(LENGTH_BYTES)) == LENGTH_BYTES:
        asked.put(pipe.read(int.from_bytes(length, "little")))
    os._exit(0)


def settle(memory: int) -> None:
    """Give way to the appliance in everything."""
    os.nice(NICENESS)
    # What is mapped but not written costs nothing, so it is the data that is bounded.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(OSError):  # not on every system
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)


def carried_out(task: Task[Any, Any], data: bytes, answers: Answers, memory: int) -> Message:
    """The last word on what was asked."""
    try:
        return Answer(encode(task.answer(msgspec.msgpack.decode(data, type=task.asked), answers.told)))
    except Refusal as refusal:
        return Refused(type(refusal).__name__, refusal.detail, refusal.retry_after)
    except MemoryError:
        return Refused("Unavailable", f"this needs more memory than the {memory >> 20} MiB that it may take", None)
    except BrokenPipeError:
        raise
    except Exception:
        return Failed(format_exc())


def main(place: str, memory: int) -> None:
    """Answer for ever."""
    # Nothing that is printed by mistake may come between the messages.
    answers = Answers(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    settle(memory)
    asked: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    module, _, name = place.partition(":")
    try:
        task: Task[Any, Any] = getattr(import_module(module), name)()
        while True:
            answers.send(carried_out(task, asked.get(), answers, memory))
    except BrokenPipeError:
        os._exit(0)
    except BaseException:
        # Nothing is cleaned up: the thread holds standard input.
        sys.stderr.write(format_exc())
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
