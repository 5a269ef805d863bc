"""FunctionRefs -> FunctionRefs: a new file has one place, and a module may be deployed under two names.

Where a code root lies inside another one, a module of the inner one is `app` for its own function and `inner.app`
for the outer one. A helper beside it is found by the first and not by the second.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from statelift.locate.roots import is_test
from statelift.model import FunctionRef

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+(?=[.\w])(\.*)(\w[\w.]*)?[ \t]+import[ \t]+([^#\n]*)|import[ \t]+([^#\n]*))",
    re.MULTILINE,
)
_DYNAMIC = (b"importlib", b"__import__", b"sys.path", b"runpy")


def with_nesting(
    refs: Sequence[FunctionRef], names: Collection[str], read: Callable[[str], bytes]
) -> Iterator[FunctionRef]:
    """The references; one whose module another function imports under another name says so in `packaging`."""
    roots = {ref.root for ref in refs if ref.path is not None}
    outer = {root: [each for each in roots if each != root and is_below(root, each)] for root in roots}
    told: dict[str, str] = {}
    for root in sorted(roots):
        others = [ref for ref in refs if ref.root in outer[root]]
        user = next((ref for ref in others if ref.path is not None and is_below(ref.path, root)), None)
        user = user or next((ref for ref in others if _has_import(ref.root, root, roots, names, read)), None)
        if user is not None:
            told[root] = _sentence(root, user)
    for ref in refs:
        home = max((root for root in roots if ref.path and is_below(ref.path, root)), key=len, default=ref.root)
        reason = told.get(home, "")
        yield replace(ref, packaging=reason, is_left_out=True, packager="") if reason else ref


def is_below(path: str, folder: str) -> bool:
    """Whether a path lies in a folder or in one of its folders."""
    return not folder or path.startswith(f"{folder}/")


def _sentence(root: str, user: FunctionRef) -> str:
    return (
        f"{user.logical_id} of {user.template} takes modules of {root} from a folder above it, where a new file"
        " beside them has another name."
    )


def _has_import(
    outer: str, inner: str, roots: Collection[str], names: Collection[str], read: Callable[[str], bytes]
) -> bool:
    """Whether a module of the outer root, and of none further inside, may import one of the inner root."""
    deeper = [root for root in roots if root != outer and is_below(root, outer)]
    own = [name for name in names if name.endswith(".py") and is_below(name, outer)]
    own = [name for name in own if not is_test(name) and not any(is_below(name, root) for root in deeper)]
    steps = inner.removeprefix(f"{outer}/" if outer else "").split("/")
    return any(_names_folder(_data(name, read), steps) for name in own)


def _data(name: str, read: Callable[[str], bytes]) -> bytes:
    try:
        return read(name)
    except OSError:
        return b""


def _names_folder(data: bytes, steps: Sequence[str]) -> bool:
    """Whether imports of a file may lead into the folder `steps`: by its name, from beside it, or at run time."""
    words = [step.encode() for step in steps]
    if any(word in data for word in _DYNAMIC) and words[-1] in data:
        return True
    for dots, module, imported, plain in _IMPORT.findall(data):
        heads = {name.strip().split(b".")[0].split(b" ")[0] for name in plain.split(b",")}
        if words[0] in heads or (not dots and module.split(b".")[0] == words[0]):
            return True
        if dots and {words[-1], *words} & {*module.split(b"."), *re.findall(rb"\w+", imported)}:
            return True
    return False
