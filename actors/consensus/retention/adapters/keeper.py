"""Keeps content beside the request path: answers never wait for it and never fail for it.

Rules:
- What is to be kept waits in a bounded queue for one thread; what finds it full is not kept. Content reaches the disk a moment
  after the answer: a process that is killed in between has kept the record, and not the content.
- While the switch file is there nothing is kept: the mitigation of a disk that fills puts it there.
- Whatever becomes of a content is counted (``kept``, ``lost``, ``off``); when keeping stops and when it goes on again stands
  in the log, by a reason that holds no content. So does, apart from it, that old content cannot be removed.

Left out: where it is kept and for how long (``store``).
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actors.base.errors import StorageUnavailable
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.retention.adapters.store import ContentStore
from actors.consensus.retention.config import ContentConfig
from actors.consensus.retention.content import Content, encode_content, held_to, size_of

_log = logging.getLogger("weavergen.content")
Fate = Literal["kept", "lost", "off"]
Still = Callable[[], bool]
"""Whether content may be kept, asked once it is written: its tenant may have been erased meanwhile."""
IDLE_S = 60.0
"""How often old content is looked for while nothing is to be kept."""
CLOSE_S = 5.0
"""What the rest may take when the process ends."""
OFF = "capture is switched off while the disk fills"
ENDING = "this process ends"


@dataclass(frozen=True, slots=True)
class Work:
    """What may not work for a time, in the words for that and for its end."""

    fails: str
    goes_on: str


KEEPING = Work("content is not kept", "content is kept again")
REMOVING = Work("old content is not removed", "old content is removed again")


class ContentKeeper:
    """The ``ContentSink`` of one replica. ``switch`` is the file that keeps it from keeping; ``count`` is told every fate."""

    def __init__(
        self, store: ContentStore, config: ContentConfig, behaviour: BehaviourConfig, switch: Path,
        count: Callable[[Fate], None],
    ) -> None:  # fmt: skip
        self._store, self._config, self._switch, self._count = store, config, switch, count
        self._bounds: dict[str, int] = behaviour.model_dump()
        self._waiting: queue.Queue[tuple[Content, Still] | None] = queue.Queue()
        self._changing = threading.Lock()
        self._held = self._held_bytes = 0
        self._closed = False
        self._wrong = {KEEPING: "", REMOVING: ""}
        self._thread = threading.Thread(target=self._run, name="content", daemon=True)

    @property
    def problems(self) -> tuple[str, ...]:
        """Say what does not work now and why, a line each; empty while content is kept and old content goes."""
        return tuple(f"{work.fails}: {why}" for work, why in self._wrong.items() if why)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def wants(self, tenant: str) -> bool:
        """Tell whether a tenant's content is kept."""
        return self._config.keeps(tenant)

    def put(self, content: Content, still: Still = lambda: True) -> None:
        """Keep a content soon, if there is room for it in the queue. Never raises, never waits."""
        size = size_of(content)
        with self._changing:
            full = self._held >= self._config.max_queued or self._held_bytes + size > self._config.max_queued_bytes
            closed = self._closed
            if not full and not closed:
                self._held, self._held_bytes = self._held + 1, self._held_bytes + size
                self._waiting.put_nowait((content, still))
                return
        self._count("lost")
        self._say(KEEPING, ENDING if closed else "more content waits to be written than the configuration allows")

    def close(self) -> None:
        """Write what waits, for ``CLOSE_S`` at most, and end."""
        with self._changing:
            self._closed = True
        self._waiting.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        self._expire()
        while True:
            try:
                waited = self._waiting.get(timeout=IDLE_S)
            except queue.Empty:
                self._expire()
                continue
            if waited is None:
                return
            self._keep(*waited)
            content, _ = waited
            with self._changing:
                self._held, self._held_bytes = self._held - 1, self._held_bytes - size_of(content)
            self._expire()

    def _keep(self, content: Content, still: Still) -> None:
        try:
            fate, problem = self._kept(content, still)
        except Exception as error:  # noqa: BLE001 - a defect costs this content, never the thread
            fate, problem = "lost", _words(error)
        self._say(KEEPING, problem)
        self._count(fate)

    def _kept(self, content: Content, still: Still) -> tuple[Fate, str]:
        if self._switch.exists():
            return "off", OFF
        is_kept = self._store.put(content.decision_id, encode_content(held_to(content, self._bounds)), still)
        return ("kept" if is_kept else "off"), ""

    def _expire(self) -> None:
        try:
            if self._store.expire():
                self._say(REMOVING, "")
        except Exception as error:  # noqa: BLE001 - nor does it end the thread
            self._say(REMOVING, _words(error))

    def _say(self, work: Work, problem: str) -> None:
        """Note why something does not work, or that it does, and tell when that changes."""
        if problem == self._wrong[work]:
            return
        self._wrong[work] = problem
        if problem:
            _log.warning("%s: %s", work.fails, problem)
        else:
            _log.warning("%s", work.goes_on)


def _words(error: Exception) -> str:
    """Say what went wrong; the words of an error that is not our own may hold content."""
    return str(error) if isinstance(error, StorageUnavailable) else f"raised {type(error).__name__}"
