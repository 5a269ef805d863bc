"""Image -> code root and handler: what the last stage of a Dockerfile copies where, and what it starts."""

import codecs
import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from statelift.locate.deployed import Files, Folder, Image, is_own, resolve

TASK_ROOT = "/var/task"
_HELPER = "statelift_state.py"
_HANDLER = re.compile(r"[\w./-]+\.\w+")
_CONTINUED = re.compile(r"\\[ \t]*\r?\n(?:[ \t]*#[^\n]*\n)*")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?[-+][^}]*)?\}|(\w+))")
_HARMLESS = ("--chown", "--chmod", "--link")
_WITH_BOTO3 = re.compile(r"lambda[/-]python|sam/build-python")
_REQUIREMENTS = ("pyproject.toml", "Pipfile", "setup.py", "setup.cfg")


class ImageError(ValueError):
    """The image's code cannot be followed; the message completes "is a container image: ..."."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One source of a COPY: `source` relative to the context, `target` absolute in the image.

    `is_into`: the target is a folder that the source is put into, under its own name.
    """

    source: str
    target: str
    is_into: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the stage that is deployed holds and starts. `base`: the image that it begins with.

    `is_last`: the stage is the last one of the file.
    """

    copies: tuple[Copy, ...]
    command: str | None
    root: str
    base: str = ""
    is_last: bool = True


def contents_of(image: Image, files: Files) -> tuple[Folder, str]:
    """The code root of an image in this project, and its handler. Raises ImageError."""
    name = image.dockerfile or "Dockerfile"
    context = image.context or ""
    path = resolve(context, name)
    if path is None or path not in files.names:
        where = posixpath.join(context, name)
        raise ImageError(f"{where} is not in this project, so its handler was not found.")
    try:
        text = files.read(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{path} cannot be read ({error}).") from error
    recipe = read_recipe(text, image.stage)
    handler = image.command or recipe.command
    if handler is None or not _HANDLER.fullmatch(handler):
        raise ImageError(f"{path} does not start a handler that is written as module.function.")
    folder = _folder(context, path, recipe, handler, files)
    doubt = image.packaging
    if not _has_boto3(recipe, text, context, files):
        doubt = f"{path} does not say that the image has boto3, which it needs."
    if doubt:
        folder = replace(folder, packaging=folder.packaging or doubt, packager="")
    return folder, handler


def guessed_contents(image: Image, files: Files) -> tuple[Folder, str]:
    """As `contents_of` where no folder is named: the only Dockerfile that starts a handler. Raises ImageError."""
    found: list[tuple[str, Folder, str]] = []
    for path in sorted(name for name in files.names if posixpath.basename(name) == "Dockerfile" and is_own(name)):
        try:
            folder, handler = contents_of(replace(image, context=posixpath.dirname(path)), files)
        except ImageError:
            continue
        found.append((path, folder, handler))
    if len(found) != 1:
        raise ImageError("the template does not say which folder it is built from, so it was not analysed.")
    ((path, folder, handler),) = found
    guess = f"{path} is the only Dockerfile here that starts a handler: it is assumed to build the image."
    return replace(folder, packaging=folder.packaging or guess), handler


def _has_boto3(recipe: Recipe, text: str, context: str, files: Files) -> bool:
    """Whether the base image has it, or a list of requirements names it."""
    if _WITH_BOTO3.search(text if "$" in recipe.base else recipe.base) or "boto3" in text:
        return True
    return any(_is_requirements(path) and b"boto3" in files.read(path) for path in files.below(context))


def _is_requirements(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name in _REQUIREMENTS or ("requirements" in name and name.endswith((".txt", ".in")))


def _folder(context: str, dockerfile: str, recipe: Recipe, handler: str, files: Files) -> Folder:
    stem = handler.rsplit(".", 1)[0].replace(".", "/")
    for name in (f"{stem}.py", f"{stem}/__init__.py"):
        source = _source_of(recipe, posixpath.join(recipe.root, name), context, files)
        if source is not None and f"/{source}".endswith(f"/{name}"):
            root = source.removesuffix(name).rstrip("/")
            reason, packager = _packaging(context, dockerfile, recipe, root, files)
            return Folder(root, reason, "", bool(reason), packager, context)
    raise ImageError(f"{dockerfile} copies no file of this project that holds the handler {handler}.")


def _source_of(recipe: Recipe, target: str, context: str, files: Files) -> str | None:
    """The file of the project that the image has at `target`; a later COPY overwrites an earlier one."""
    for copy in reversed(recipe.copies):
        source = resolve(context, copy.source)
        if source is None:
            continue
        for name in _candidates(copy, source, target, files):
            if name in files.names:
                return name
    return None


def _candidates(copy: Copy, source: str, target: str, files: Files) -> Iterator[str]:
    if any(sign in source for sign in "*?["):
        name = posixpath.join(posixpath.dirname(source), posixpath.basename(target))
        if posixpath.dirname(target) == copy.target and fnmatchcase(name, source):
            yield name
    elif source in files.names:
        inside = posixpath.join(copy.target, posixpath.basename(source)) if copy.is_into else copy.target
        if inside == target:
            yield source
    elif target.startswith(f"{copy.target.rstrip('/')}/"):
        yield posixpath.join(source, target[len(copy.target.rstrip("/")) + 1 :])


def _packaging(context: str, dockerfile: str, recipe: Recipe, root: str, files: Files) -> tuple[str, str]:
    """Why a new file in `root` does not get into the image, and the Dockerfile if a COPY of its own would help."""
    helper = posixpath.join(root, _HELPER)
    known = Files(frozenset({*files.names, helper}), files.read)
    own = f"{dockerfile}.dockerignore"  # it counts in place of the other
    ignore = own if own in files.names else posixpath.join(context, ".dockerignore")
    if ignore in files.names and _is_ignored(helper.removeprefix(f"{context}/"), files.read(ignore)):
        return f"{ignore} keeps new Python files out of the image.", ""
    if _source_of(recipe, posixpath.join(recipe.root, _HELPER), context, known) != helper:
        reason = f"{dockerfile} does not copy new files of {root or 'the project'} into the image."
        is_last = recipe.is_last and (not context or helper.startswith(f"{context}/"))
        return reason, dockerfile if is_last and recipe.copies else ""
    return "", ""


def _is_ignored(path: str, data: bytes) -> bool:
    from pathspec import GitIgnoreSpec

    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    anchored = [re.sub(r"^(!?)/?", r"\1/", line) for line in lines if line and not line.startswith("#")]
    try:
        return GitIgnoreSpec.from_lines(anchored).match_file(path)
    except ValueError:  # a pattern that cannot be read may hide anything
        return True


# ---------------------------------------------------------------- reading


def read_recipe(text: str, stage: str | None = None) -> Recipe:
    """The copies and the command of the last stage, or of the one with this name. Raises ImageError."""
    variables = {"LAMBDA_TASK_ROOT": TASK_ROOT}
    copies: list[Copy] = []
    folder, root, command, base = TASK_ROOT, TASK_ROOT, None, ""
    for word, rest in _of_stage(_instructions(text), stage):
        match word:
            case "FROM":
                base = rest
            case "ENV" | "ARG":
                variables |= _assignments(rest, variables)
            case "WORKDIR":
                folder = posixpath.normpath(posixpath.join(folder, _expanded(rest, variables)))
            case "COPY" | "ADD":
                copies += _copies(_expanded(rest, variables), folder)
            case "CMD":
                command = _command(rest)
            case "ENTRYPOINT" if "lambda-entrypoint" not in rest:
                root = folder  # a base image of its own: Python starts in the working folder
            case _:
                pass
    return Recipe(tuple(copies), command, root, base, stage is None)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    for line in _CONTINUED.sub(" ", text.removeprefix(codecs.BOM_UTF8.decode())).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word and not word.startswith("#"):
            yield word.upper(), rest.strip()


def _of_stage(instructions: Iterator[tuple[str, str]], stage: str | None) -> list[tuple[str, str]]:
    """The lines of one stage, behind those of the stages that it is built on."""
    stages: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions:
        if word == "FROM":
            words = [each for each in rest.split() if not each.startswith("--")]
            name = words[2] if len(words) > 2 and words[1].upper() == "AS" else str(len(stages))
            stages[name] = list(stages.get(words[0], [(word, words[0])])) if words else []
        elif name:
            stages[name].append((word, rest))
    if stage is not None and stage not in stages:
        raise ImageError(f"its Dockerfile has no stage {stage}.")
    return stages.get(stage or name, [])


def _expanded(text: str, variables: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], match[0]), text)


def _assignments(rest: str, variables: dict[str, str]) -> dict[str, str]:
    pairs = (word.partition("=") for word in _words(_expanded(rest, variables)))
    found = {name: value for name, sign, value in pairs if sign}
    first, _, value = rest.partition(" ")
    return found or {first: _expanded(value.strip(), variables)}


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _copies(rest: str, folder: str) -> Iterator[Copy]:
    words = _listed(rest) if rest.lstrip().startswith("[") else _words(rest)
    flags = [word for word in words if word.startswith("--")]
    paths = [word for word in words if not word.startswith("--")]
    if len(paths) < 2 or not all(flag.startswith(_HARMLESS) for flag in flags):
        return  # from another stage, a file that stands in the Dockerfile, a layout of its own
    target = posixpath.normpath(posixpath.join(folder, paths[-1]))
    is_folder = paths[-1].endswith(("/", ".")) or len(paths) > 2 or target in (folder, TASK_ROOT)
    for source in paths[:-1]:
        if "://" not in source:
            yield Copy(source.lstrip("/") or ".", target, is_folder)


def _listed(text: str) -> list[str]:
    try:
        words = json.loads(text)
    except ValueError:
        return []
    return [str(word) for word in words] if isinstance(words, list) else []


def _command(rest: str) -> str | None:
    """The one word of `CMD ["app.handler"]`."""
    words = _listed(rest) if rest.startswith("[") else _words(rest)
    return words[0] if len(words) == 1 else None
