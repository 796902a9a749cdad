"""The files of the interpreter are found."""

from pathlib import Path

from actors.consensus.sandbox.confinement import Interpreter


def test_everything_it_names_exists(interpreter: Interpreter) -> None:
    """The program, the standard library, the loader and the C library are files of this machine, none of them twice."""
    assert Path(interpreter.executable).is_file()
    assert Path(interpreter.library, "os.py").is_file()
    assert all(Path(path).is_file() for path in interpreter.shared)
    assert len(set(interpreter.shared)) == len(interpreter.shared)
    names = " ".join(interpreter.shared)
    assert "libc.so" in names
    assert "ld-linux" in names


def test_packages_of_others_are_hidden(interpreter: Interpreter) -> None:
    """Folders of installed packages lie in the library's and are named to be hidden."""
    assert all(Path(path).parent == Path(interpreter.library) for path in interpreter.packages)
