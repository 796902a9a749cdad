"""Names of spans and attributes."""

from actors.spans import conventions


def test_calls_are_named_after_their_model() -> None:
    """A voter's call follows the convention ``chat {model}``."""
    assert conventions.chat_span_name("qwen2.5-coder-0.5b") == "chat qwen2.5-coder-0.5b"


def test_attributes_are_opentelemetrys_or_ours() -> None:
    """No attribute lies outside the two namespaces, and no two names mean the same."""
    plain = {"INVOKE_WORKFLOW", "SCHEMA_URL"}
    names = {key: value for key, value in vars(conventions).items() if key.isupper() and isinstance(value, str)}
    attributes = [value for key, value in names.items() if key not in plain]
    assert all(value.startswith(("gen_ai.", "weavergen.", "error.")) for value in attributes)
    assert len(set(attributes)) == len(attributes)
    assert conventions.SCHEMA_URL.endswith("/1.42.0")
