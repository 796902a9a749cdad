"""Configuration of comparing behaviour: every bound of one comparison is here."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BehaviourConfig(BaseModel):
    """Bounds of one comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_candidates: int = Field(default=64, ge=1, le=512)
    """Distinct sources that are run; further ones are left out and count as having failed the examples."""
    max_calls: int = Field(default=192, ge=16, le=4096)
    """Calls made of one candidate in all rounds; each is made twice."""
    max_rounds: int = Field(default=3, ge=1, le=16)
    """The first round, which takes half of the calls, and the searches for distinguishing inputs, which share the rest."""
    min_informative: int = Field(default=5, ge=1, le=1024)
    """Calls that must end with a value or an exception, the same both times, for a candidate to have a behaviour."""
    min_values: int = Field(default=3, ge=1, le=1024)
    """Of those, how many must end with a value: agreeing that inputs are wrong is no agreement."""
    max_nondeterministic_permille: int = Field(default=100, ge=0, le=999)
    """Share of calls that may come out differently the second time."""
    max_time_ms: int = Field(default=20_000, ge=100, le=300_000)
    """A comparison takes no longer, however much time its caller has."""

    @property
    def first_calls(self) -> int:
        """Calls of the first round."""
        return self.max_calls if self.max_rounds == 1 else self.max_calls // 2

    @property
    def further_calls(self) -> int:
        """Calls of each further round."""
        return 0 if self.max_rounds == 1 else (self.max_calls - self.first_calls) // (self.max_rounds - 1)

    @model_validator(mode="after")
    def _values_within_informative(self) -> Self:
        if self.min_values > self.min_informative or self.min_informative > self.first_calls:
            raise ValueError("min_values <= min_informative <= calls of the first round must hold")
        return self
