"""project files -> Located: the Python functions that SAM and CloudFormation templates deploy."""

import posixpath
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from statelift.locate.declared import (
    LAMBDA,
    SERVERLESS,
    Declared,
    Elsewhere,
    Folder,
    Image,
    Inline,
    code_of,
    declared_functions,
)
from statelift.locate.sites import why_not_patchable
from statelift.locate.tree import TemplateError, Tree, compose_template, entries
from statelift.model import FunctionRef, Problem

_SUFFIXES = (".yaml", ".yml", ".json", ".template")
_SKIPPED = frozenset({".aws-sam", "cdk.out", ".serverless", "node_modules", "build", "dist"})
_NEEDLES = (SERVERLESS.encode(), LAMBDA.encode())
_OTHER_LANGUAGES = (".js", ".mjs", ".cjs", ".ts", ".rb")


@dataclass(frozen=True, slots=True)
class Located:
    """Functions in template order, and what could not be followed."""

    functions: tuple[FunctionRef, ...]
    problems: tuple[Problem, ...]


def locate_functions(files: Sequence[str], read: Callable[[str], bytes]) -> Located:
    """Find every Python function that a template among `files` deploys. Paths are root-relative POSIX."""
    known = frozenset(files)
    found: list[FunctionRef | Problem] = []
    for path in sorted(known):
        if _is_candidate(path):
            found += _read_template(path, read, known)
    functions = tuple(item for item in found if isinstance(item, FunctionRef))
    return Located(functions, tuple(item for item in found if isinstance(item, Problem)))


def _is_candidate(path: str) -> bool:
    return path.lower().endswith(_SUFFIXES) and _SKIPPED.isdisjoint(path.split("/"))


def _read_template(
    path: str, read: Callable[[str], bytes], files: Collection[str]
) -> Iterator[FunctionRef | Problem]:
    try:
        data = read(path)
        is_template = b"Resources" in data and any(needle in data for needle in _NEEDLES)
        tree = compose_template(data) if is_template else None
    except OSError as error:
        yield Problem(path, 1, "template-error", f"This template cannot be read: {error.strerror or error}.")
        return
    except TemplateError as error:
        yield Problem(path, error.line, "template-error", f"{error} No function was taken from it.")
        return
    if tree is not None and "Resources" in entries(tree.root):
        yield from _functions(path, tree, files)


def _functions(path: str, tree: Tree, files: Collection[str]) -> Iterator[FunctionRef | Problem]:
    for key, line in tree.duplicates:
        message = f"The key {key} stands twice in one mapping; the last one was taken. Remove one of them."
        yield Problem(path, line, "template-error", message)
    yield from _loops(path, tree)
    for function in declared_functions(tree, path):
        yield from _locate(function, tree, files)


def _loops(path: str, tree: Tree) -> Iterator[Problem]:
    for name, node in entries(entries(tree.root).get("Resources")).items():
        text = tree.text[node.start_mark.index : node.end_mark.index]
        if name.startswith("Fn::ForEach") and any(needle.decode() in text for needle in _NEEDLES):
            message = f"The functions inside {name} are not handled: write them out to have them analysed."
            yield Problem(path, node.start_mark.line + 1, "not-located", message)


def _locate(function: Declared, tree: Tree, files: Collection[str]) -> Iterator[FunctionRef | Problem]:
    runtime = function.text("Runtime")
    handler = function.text("Handler")
    if (runtime is not None and not runtime.startswith("python")) or "::" in (handler or ""):
        return
    match code_of(function, files):
        case Folder() as folder:
            yield from _in_folder(function, folder, tree, files)
        case Inline():
            yield _problem(
                function,
                "inline-code",
                "has its code inside the template, and inline code is not handled. "
                "Move it to a file to have it analysed.",
            )
        case Image(context=context):
            if context is None or _has_python(context, files):
                yield _problem(function, "not-located", "is a container image; its handler was not looked for.")
        case Elsewhere(reason=reason):
            yield _problem(function, "not-located", f"was not analysed: its code {reason}.")


def _in_folder(
    function: Declared, folder: Folder, tree: Tree, files: Collection[str]
) -> Iterator[FunctionRef | Problem]:
    handler = function.text("Handler")
    if handler is None or "." not in handler:
        what = "has no handler that is written as module.function"
        yield _problem(function, "not-located", f"{what}, so it was not analysed.")
        return
    module, attribute = handler.rsplit(".", 1)
    module = module.replace("/", ".")
    stem = posixpath.join(folder.path, module.replace(".", "/"))
    path = next((name for name in (f"{stem}.py", f"{stem}/__init__.py") if name in files), None)
    runtime = function.text("Runtime") or ""
    if path is None and not runtime and any(stem + suffix in files for suffix in _OTHER_LANGUAGES):
        return
    if path is None:
        where = f"neither {stem}.py nor {stem}/__init__.py is in this project"
        yield _problem(function, "not-located", f"has the handler {handler}, but {where}.")
    if path is not None or runtime:
        patchable = why_not_patchable(tree, function.logical_id)
        yield FunctionRef(
            template=function.template,
            logical_id=function.logical_id,
            root=folder.path,
            module=module,
            attribute=attribute,
            path=path,
            runtime=runtime,
            packaging=folder.packaging,
            patchable=patchable,
        )


def _has_python(folder: str, files: Collection[str]) -> bool:
    prefix = f"{folder}/" if folder else ""
    return any(name.startswith(prefix) and name.endswith(".py") for name in files)


def _problem(function: Declared, kind: str, message: str) -> Problem:
    text = f"The function {function.logical_id} of {function.template} {message}"
    return Problem(function.template, function.line, kind, text)
