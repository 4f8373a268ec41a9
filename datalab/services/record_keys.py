"""Which records a partition holds already, so that importing a file twice changes nothing the second time."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from datalab.model.events import Batch
from datalab.model.records import lost_visitor

KEY = "S16"


def record_key(visitor: bytes, time: int, kind: int, number: int, text: str) -> bytes:
    """128 bits that equal events share."""
    return blake2b(b"%b %d %d %d %b" % (visitor, time, kind, number, text.encode()), digest_size=16).digest()


class RecordKeys:
    """A multiset of keys in sorted arrays, 16 bytes each; small arrays are merged into larger ones."""

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.bytes_]] = []

    def add(self, keys: list[bytes]) -> None:
        """Add keys."""
        if not keys:
            return
        array = np.sort(np.array(keys, dtype=KEY))
        while self._arrays and len(self._arrays[-1]) <= len(array):
            array = np.sort(np.concatenate([self._arrays.pop(), array]))
        self._arrays.append(array)

    def count(self, keys: list[bytes]) -> NDArray[np.int64]:
        """How often each key is in here."""
        wanted = np.array(keys, dtype=KEY)
        counts = np.zeros(len(keys), dtype=np.int64)
        for array in self._arrays:
            counts += np.searchsorted(array, wanted, side="right") - np.searchsorted(array, wanted, side="left")
        return counts


class KeyReader:
    """Turns a journal's batches into keys; it has to see them from the beginning, to know the visitors."""

    def __init__(self) -> None:
        self._visitors: list[bytes] = []

    def collect(self, batch: Batch, keys: RecordKeys) -> None:
        """Add the keys of a batch's events."""
        keys.add(self.read(batch))

    def read(self, batch: Batch) -> list[bytes]:
        """The keys of a batch's events."""
        self._visitors += [lost_visitor(stream) for stream in range(len(self._visitors), batch.start.streams)]
        self._visitors += [opening.visitor for opening in batch.openings]
        events = batch.events
        return [
            record_key(self._visitors[stream], time, kind, number, events.texts[text])
            for stream, time, kind, number, text in zip(
                events.stream.tolist(),
                events.time.tolist(),
                events.kind.tolist(),
                events.number.tolist(),
                events.text.tolist(),
                strict=True,
            )
        ]
