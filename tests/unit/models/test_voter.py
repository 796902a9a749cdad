"""The voter port's values."""

from models.voter import Message, Sampling, VoterRequest


def test_the_last_user_message_is_the_prompt() -> None:
    """Recorded answers and readers look at what the user said last; without a user turn that is nothing."""
    turns = (Message("user", "first"), Message("assistant", "a"), Message("user", "second"))
    assert VoterRequest("id", turns, Sampling(8)).last_user_message == "second"
    assert VoterRequest("id", (Message("system", "s"),), Sampling(8)).last_user_message == ""
