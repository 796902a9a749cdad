"""Which faults a provider may charge for."""

from models.providers import faults


def test_only_what_was_never_answered_is_free() -> None:
    """A provider charges neither for a connection that was not there nor for an error's status."""
    free = {name for name, kind in vars(faults).items() if isinstance(kind, type) and getattr(kind, "free", False)}
    assert free == {"Unreachable", "Unverified", "Unaskable", "Rejected"}
