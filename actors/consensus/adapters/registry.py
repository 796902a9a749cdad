"""Weights files on disk, content-addressed: ``home/registry/<sha256>.json``."""

from pathlib import Path

from actors.base.digests import equal, sha256_hex
from actors.base.errors import HomeError, IntegrityError
from actors.consensus.weights import Weights, read_weights

MAX_WEIGHTS_BYTES = 16 * 1024 * 1024


class WeightsRegistry:
    """Reads weights files once each; a file is believed only if its digest is its name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: tuple[str, Weights] | None = None

    def weights(self, sha256: str) -> Weights:
        """Return the weights a snapshot names."""
        if self._known is not None and self._known[0] == sha256:
            return self._known[1]
        path = self._directory / f"{sha256}.json"
        try:
            with path.open("rb") as file:
                data = file.read(MAX_WEIGHTS_BYTES + 1)
        except OSError as error:
            raise HomeError(
                f"weights file {path.name} cannot be read: {error.strerror}; restore home/registry"
            ) from error
        if not equal(sha256_hex(data), sha256):
            raise IntegrityError(
                f"weights file {path.name} is not the one its name says; restore home/registry", "weights"
            )
        weights = read_weights(data)
        self._known = (sha256, weights)
        return weights
