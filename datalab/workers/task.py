"""Tasks: heavy work that a child process does, and what it and the appliance say to each other.

Both ways a message is its length (u32, little endian) and msgpack. The appliance sends what is asked; the child answers
with any number of Progress and then one of the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

A = TypeVar("A")
R = TypeVar("R")
LENGTH_BYTES = 4

Told = Callable[[int, int | None], None]
"""Called with how much is done and of how much; None where that is not known."""


def ignored(done: int, total: int | None) -> None:
    """For whoever does not want to know."""


class Task(ABC, Generic[A, R]):
    """Made once, in the child, and asked once or, where it keeps something in between, again and again."""

    asked: ClassVar[Any]
    """The type of what is asked."""
    answered: ClassVar[Any]

    @abstractmethod
    def answer(self, asked: A, told: Told) -> R:
        """Do the work; a Refusal that it raises is raised in the appliance."""


class Progress(Struct, frozen=True, tag=True):
    """How far the child has come."""

    done: int
    total: int | None


class Answer(Struct, frozen=True, tag=True):
    """The work is done; msgpack of the task's `answered`."""

    data: bytes


class Refused(Struct, frozen=True, tag=True):
    """The task raised a refusal of this kind (the name of its class in `datalab.errors`)."""

    kind: str
    detail: str
    retry_after: float | None


class Failed(Struct, frozen=True, tag=True):
    """The task raised something else: a fault of ours."""

    traceback: str


Message = Progress | Answer | Refused | Failed
encode = msgspec.msgpack.encode
decode_message = msgspec.msgpack.Decoder(Message).decode


def place_of(task: type[Task[Any, Any]]) -> str:
    """Where the child finds the task."""
    return f"{task.__module__}:{task.__qualname__}"


def framed(data: bytes) -> bytes:
    """The message with its length."""
    return len(data).to_bytes(LENGTH_BYTES, "little") + data
