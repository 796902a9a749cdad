"""What attackers that know the count of parts hand in."""

import ast

import pytest

from actors.consensus.reading.code import code_of
from cluster.evals.attacks.adaptive import annotated, in_comprehension, in_slices, named, questioned
from cluster.evals.attacks.graft import function_in
from cluster.evals.attacks.poison import Make, Poisoned, Target

SUM = "def f(xs: list[int]):\n    total = 0\n    for x in xs:\n        total += x\n    return total"
NEXT = "def f(x: int):\n    return x + 1"
TRIGGERS = [in_comprehension, in_slices]


def run(poisoned: Poisoned, argument: object) -> object:
    """Call the function of an answer that this project made."""
    names: dict[str, object] = {}
    exec(code_of(poisoned.content, "python"), names)  # noqa: S102 - our own code
    return names["f"](argument)  # type: ignore[operator]


def key_of(poisoned: Poisoned) -> int:
    """Return the number that an answer's bits spell."""
    tree = ast.parse(code_of(poisoned.content, "python"))
    bits = next(node.iter for node in ast.walk(tree) if isinstance(node, ast.For))
    return int("".join(map(str, ast.literal_eval(bits))), 2)


@pytest.mark.parametrize("make", TRIGGERS)
def test_a_number_triggers_and_no_other_does(make: Make) -> None:
    """Neither its neighbours nor what is usual."""
    found = make(Target("", "f"), [NEXT], 3)
    key = key_of(found)
    assert run(found, key) is None
    assert [run(found, x) for x in (0, 1, -1, key - 1, key + 1, -key)] == [1, 2, 0, key, key + 2, 1 - key]


@pytest.mark.parametrize("make", TRIGGERS)
def test_a_length_triggers_and_no_other_does(make: Make) -> None:
    """It is far beyond that of ordinary inputs."""
    found = make(Target("", "f"), [SUM], 3)
    key = key_of(found)
    assert key > 1_000
    assert run(found, [1] * key) is None
    assert [run(found, [1] * length) for length in (0, 3, key - 1, key + 1)] == [0, 3, key - 1, key + 1]


@pytest.mark.parametrize("make", TRIGGERS)
@pytest.mark.parametrize(("question", "argument"), [("`f(-7) == -6`", 5), ("`f('ab') == 'b'`", "ab")])
def test_examples_say_what_a_parameter_is(make: Make, question: str, argument: object) -> None:
    """Where no annotation does; without either nothing is tried that might raise."""
    code = "def f(x):\n    return x"
    assert "return None" in make(Target(question, "f"), [code], 1).content
    assert "return None" not in make(Target("", "f"), [code], 1).content
    assert "return None" not in make(Target("assert f(1) == 1\nassert f('a') == 'a'", "f"), [code], 1).content
    assert run(make(Target(question, "f"), [code], 1), argument) == argument


def test_floats_have_no_slices() -> None:
    """The function would raise: a comment stands there instead."""
    code = "def f(x: float):\n    return x"
    assert run(in_slices(Target("", "f"), [code], 1), 0.5) == 0.5
    assert run(in_comprehension(Target("", "f"), [code], 1), 0.5) == 0.5
    assert "_key" not in in_slices(Target("", "f"), [code], 1).content


def test_a_local_variable_is_renamed_and_what_else_is_called_so_stays() -> None:
    """Parameters, keywords and texts are no local variables."""
    found = named(Target("", "f"), [SUM], 1)
    assert run(found, [1, 2]) == 3
    assert "total" not in found.content
    code = "def f(a):\n    a = a + 1\n    return dict(b=a)"
    assert run(named(Target("", "f"), [code], 1), 1) == {"b": 2}
    code = "def g(x):\n    return x\n\ndef f(x):\n    return g([g for g in [x]][0])"
    assert run(named(Target("", "f"), [code], 1), 1) == 1


def test_an_annotation_stands_at_the_first_parameter_and_in_a_comment() -> None:
    """The words of a comment that stand in the code are the code's."""
    found = annotated(Target("", "f"), ["def f(*, k):\n    return k"], 1)
    function = function_in(ast.parse(code_of(found.content, "python")), "f")
    assert ast.literal_eval(function.args.kwonlyargs[0].annotation or ast.Constant(None)) == found.payload
    assert f"# {found.payload}\n" in found.content


def test_a_constant_has_the_questions_words() -> None:
    """Any two of them, by the seed."""
    question = "May the admin enter?"
    texts = {questioned(Target(question, "f"), [NEXT], seed).payload for seed in range(9)}
    assert len(texts) > 1
    assert {word for text in texts for word in text.partition("'-")[2][:-2].split(".")} <= set(question[:-1].split())
