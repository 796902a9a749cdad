"""Switches the capture of content off while a disk fills, beside whatever else is done about it.

Rules:
- The switch is a file below the home, which every replica looks at before it keeps content: it outlives the process that put it
  there, and needs no answer from anybody. A home that never kept content gets none.
- What is kept already stays: whoever wanted it kept did not want it gone. Its own bounds hold as before.
- Capture goes on once the disk was below ``capture_again_below`` for ``capture_again_after_s`` without a break; a restart of this
  process begins that time anew. A level that cannot be read is no break and no proof: it begins anew too.

Left out: keeping content (the gateway).
"""

from pathlib import Path

from actors.base.errors import StorageUnavailable
from actors.health.config import HealthConfig
from actors.health.ports import Mitigation

CONTENT = "content"
"""Folder of the home that holds content, if any was ever kept."""
SWITCH = "content.off"
"""File in the home's ``run`` whose presence switches capture off."""


class CaptureOff:
    """The ``Mitigation`` that stops capture, and then does what ``beside`` does."""

    def __init__(self, home: Path, beside: Mitigation, config: HealthConfig) -> None:
        self._content, self._switch, self._beside, self._config = (
            home / CONTENT, home / "run" / SWITCH, beside, config,
        )  # fmt: skip
        self._quiet_since_s: float | None = None

    def carry_out(self, now_s: float) -> str:
        """Switch capture off, and do the rest; return both in words. What fails does not keep the other from being done."""
        self._quiet_since_s = None
        failed, done = "", ""
        try:
            done = self._off()
        except OSError as error:
            failed = f"content capture cannot be switched off ({error.strerror})"
        words = self._beside.carry_out(now_s)
        if failed:
            raise StorageUnavailable(f"{failed}; {words}")
        return f"{done}{words}"

    def settle(self, now_s: float, level: float | None) -> str:
        """Let capture go on after a long quiet."""
        done = self._beside.settle(now_s, level)
        quiet = level is not None and level < self._config.capture_again_below
        if not quiet or self._quiet_since_s is None or now_s < self._quiet_since_s:
            self._quiet_since_s = now_s if quiet else None
            return done
        if now_s - self._quiet_since_s < self._config.capture_again_after_s:
            return done
        try:
            again = "content is captured again" if self._on() else ""
        except OSError as error:
            again = f"content capture cannot be switched on ({error.strerror})"
        return "; ".join(filter(None, (done, again)))

    def _off(self) -> str:
        if not self._content.is_dir():
            return ""
        self._switch.touch(mode=0o600)
        return "content capture is off; "

    def _on(self) -> bool:
        if not self._switch.exists():
            return False
        self._switch.unlink(missing_ok=True)
        return True
