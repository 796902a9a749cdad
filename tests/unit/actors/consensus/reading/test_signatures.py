"""The functions a question asks for, and their parameters."""

import pytest

from actors.consensus.reading.signatures import MAX_QUESTION_CHARS, Parameter, Signature, asked_functions, signature_of


def test_a_signature_has_names_annotations_and_defaults() -> None:
    """Everything that generating inputs needs is read from the ``def`` line, over several lines too."""
    question = (
        "from typing import List\n\n"
        "def f(a, /, xs: List[int], k: int = 3, *rest,\n      w='x', **more) -> List[str]:\n    '''Doc.'''\n"
    )
    assert signature_of(question) == Signature(
        "f",
        (
            Parameter("a", "", "", "positional"),
            Parameter("xs", "List[int]", "", "either"),
            Parameter("k", "int", "3", "either"),
            Parameter("rest", "", "", "rest"),
            Parameter("w", "", "'x'", "keyword"),
            Parameter("more", "", "", "keywords"),
        ),
        "List[str]",
    )


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("def f(x):\n", ("f",)),
        ("def f(x)", ("f",)),
        ("def f(x): pass", ("f",)),
        ("def f(x) -> int: ...\n", ("f",)),
        ("async def f(x):\n    pass\n", ("f",)),
        ("def f(x):\n    # TODO\n    raise NotImplementedError()\n", ("f",)),
        ("def f(x):\n    import math\n    '''Doc.'''\n", ("f",)),
        ("def g(x):\n    '''Doc.'''\n    return x\n\ndef f(x):\n    '''Doc.\nat the margin'''\n", ("f",)),
        ("def g(x):\n    pass\ndef f(x):\n    pass\n", ("g", "f")),
        ("Fix:\n```python\ndef f(x):\n    return x\n```\n", ("f",)),
        ("Complete:\n```python\ndef f(x):\n```\n", ("f",)),
        ("class A:\n    def m(self):\n        pass\n", ()),
        ("Write a function named `f` please", ("f",)),
        ("Write a function 'f' please", ("f",)),
        ("Implement `f(a, b)` in Python", ("f",)),
        ("Implement `f`.", ("f",)),
        ("Implement f(a, b).", ("f",)),
        ("The `f` function adds", ("f",)),
        ("Write a Python function f(a, b) that adds", ("f",)),
        ("Write a function called when the button is pressed", ()),
        ("Write a function that adds", ()),
        ("What does `x` mean?", ()),
    ],
)
def test_functions_without_a_body_or_named_are_asked_for(question: str, names: tuple[str, ...]) -> None:
    """A ``def`` without a body comes first, then any ``def``, then the name in words."""
    assert asked_functions(question) == names


@pytest.mark.parametrize(
    ("question", "parameters"),
    [
        ("Implement `f(a, b: int)`", ["a", "b"]),
        ("Write a function f(n) that", ["n"]),
        ("def g(): return 1\ndef f(z):\n", ["z"]),
    ],
)
def test_parameters_may_stand_in_prose(question: str, parameters: list[str]) -> None:
    """A name with parameters in words is a signature as well."""
    signature = signature_of(question)
    assert signature is not None
    assert [parameter.name for parameter in signature.parameters] == parameters


def test_without_parameters_there_is_no_signature() -> None:
    """A bare name, a parameter list that does not parse or end, and a question without bound have none."""
    assert signature_of("Implement `f`") is None
    assert signature_of("def f(1):\n") is None
    assert signature_of("def f(a\n") is None
    assert signature_of("def f(a): ...\n" + " " * MAX_QUESTION_CHARS) is None
    assert asked_functions("def f(a): ...\n" + " " * MAX_QUESTION_CHARS) == ()
