"""Which spans were seen lately: the last ones' ids, between ``size`` and twice as many, and which row each was."""

from collections.abc import Iterable


class Recent:
    """Remembers in two halves; when the newer one is full it takes the older one's place."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._new: dict[bytes, tuple[str, int]] = {}
        self._old: dict[bytes, tuple[str, int]] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def find(self, key: bytes) -> tuple[str, int] | None:
        """Return whose row that was."""
        return self._new.get(key) or self._old.get(key)

    def knows_any(self, keys: set[bytes]) -> bool:
        """Tell whether any of them was seen."""
        return not (keys.isdisjoint(self._new) and keys.isdisjoint(self._old))

    def add(self, rows: Iterable[tuple[bytes, tuple[str, int]]]) -> None:
        """Remember rows."""
        self._new.update(rows)
        if len(self._new) >= self._size:
            self._old, self._new = self._new, {}
