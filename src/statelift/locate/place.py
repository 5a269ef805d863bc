"""Deployed -> FunctionRef or Problem: the same rules whichever tool deploys a function.

The runtime imports `module` of `module.function` from the code root; a slash in it is a dot.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import replace

from statelift.locate.deployed import (
    Deployed,
    Elsewhere,
    Files,
    Folder,
    Image,
    Inline,
    module_file,
    module_homes,
    split_handler,
)
from statelift.locate.images import ImageError, contents_of, guessed_contents
from statelift.model import FunctionRef, Problem

_OTHER_LANGUAGES = (".js", ".mjs", ".cjs", ".ts", ".rb")


def place(function: Deployed, files: Files) -> Iterator[FunctionRef | Problem]:
    """The reference to a Python function, or why there is none; nothing for other languages."""
    if not function.is_python:
        return
    match function.code:
        case Folder() as folder:
            yield from _in_folder(function, folder, function.handler, files)
        case Inline():
            yield problem(
                function,
                "inline-code",
                "has its code inside the template, and inline code is not handled. "
                "Move it to a file to have it analysed.",
            )
        case Image() as image:
            yield from _in_image(function, image, files)
        case Elsewhere(reason=reason):
            yield problem(function, "not-located", f"was not analysed: its code {reason}.")


def problem(function: Deployed, kind: str, message: str) -> Problem:
    """A sentence about a function; `message` is its predicate."""
    text = f"The function {function.logical_id} of {function.template} {message}"
    return Problem(function.template, function.line, kind, text)


def _in_folder(
    function: Deployed, folder: Folder, handler: str | None, files: Files
) -> Iterator[FunctionRef | Problem]:
    if handler is None or "." not in handler:
        what = "has no handler that is written as module.function"
        yield problem(function, "not-located", f"{what}, so it was not analysed.")
        return
    module, attribute = split_handler(handler)
    stem = posixpath.join(folder.path, module.replace(".", "/"))
    path = module_file(folder.path, module, files.names)
    if path is None and not function.runtime and any(stem + end in files.names for end in _OTHER_LANGUAGES):
        return
    built = _built(folder, module, files) if path is None else None
    if built is not None:
        yield from _in_folder(function, built, handler, files)
        return
    if path is None:
        where = f"neither {stem}.py nor {stem}/__init__.py is in this project"
        yield problem(function, "not-located", f"has the handler {handler}, but {where}.")
    if path is not None or function.runtime:
        yield FunctionRef(
            template=function.template,
            logical_id=function.logical_id,
            root=folder.path,
            module=module,
            attribute=attribute,
            path=path,
            runtime=function.runtime or "",
            packaging=folder.packaging,
            is_left_out=folder.is_left_out,
            packager=folder.packager,
            package_base=folder.base,
            patchable=function.patchable,
            sharing=function.sharing,
            resources=function.resources,
            principal=function.principal,
            rights=function.rights,
            tool=function.tool,
            line=function.line,
            settings=function.settings,
            helper=folder.helper,
        )


def _built(folder: Folder, module: str, files: Files) -> Folder | None:
    """The only folder that holds the module, where a build step makes the package from it."""
    is_made = not any(True for _ in files.below(folder.path))
    if not is_made and not folder.packaging:
        return None
    above = folder.path
    while is_made and above and not any(True for _ in files.below(above)):
        above = posixpath.dirname(above)
    homes = [home for home in module_homes(module, files) if not above or f"{home}/".startswith(f"{above}/")]
    if len(homes) != 1 or homes[0] == folder.path:
        return None
    reason = f"{folder.path} is made by a build step that may leave new files out."
    return replace(folder, path=homes[0], packaging=folder.packaging or reason)


def _in_image(function: Deployed, image: Image, files: Files) -> Iterator[FunctionRef | Problem]:
    if image.context is not None and not any(name.endswith(".py") for name in files.below(image.context)):
        return
    try:
        folder, handler = guessed_contents(image, files) if image.context is None else contents_of(image, files)
    except ImageError as error:
        yield problem(function, "not-located", f"is a container image: {error}")
        return
    yield from _in_folder(function, folder, handler, files)
