"""text <-> path of the project: in values that are worked out without a run, such paths carry a mark.

So `${path.module}/src` and `Path(__file__).parent / "src"` are told from a bare `src`, which is relative to where a
tool runs. The mark is a character that no file name has.
"""

import posixpath

from statelift.locate.deployed import resolve

_MARK = "\0"


def marked(path: str) -> str:
    """A path below the project's root as a value."""
    return f"{_MARK}/{path}"


def is_marked(text: str) -> bool:
    """Whether a text holds such a path, perhaps among other characters."""
    return _MARK in text


def parent_of(path: str) -> str:
    """The folder above; above the project's root it stays outside."""
    if not path.startswith(_MARK):
        return posixpath.dirname(path)
    below = posixpath.normpath(path[1:].lstrip("/") or ".")
    if below == "." or below.endswith(".."):
        return marked(posixpath.join(below, ".."))
    return marked(posixpath.dirname(below))


def joined_path(left: str, right: str) -> str:
    """`left / right`; a right side that is absolute wins."""
    return right if right.startswith(_MARK) else posixpath.join(left, right)


def located(path: str, folder: str) -> str | None:
    """A value as a path below the project's root; None outside of it. A bare one starts in `folder`."""
    if path.startswith(_MARK):
        return resolve("", path[1:].lstrip("/"))
    return None if is_marked(path) else resolve(folder, path)


def text_only(value: object) -> str | None:
    """A value that is a text and no path."""
    return value if isinstance(value, str) and not is_marked(value) else None


def shown(text: str) -> str:
    """The text without marks."""
    return text.replace(f"{_MARK}/", "").replace(_MARK, "")
