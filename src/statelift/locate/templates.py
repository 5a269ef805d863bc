"""project files -> deployed functions of SAM and CloudFormation templates."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from statelift.locate.declared import LAMBDA, SERVERLESS, declared_functions
from statelift.locate.deployed import Deployed, Files
from statelift.locate.sites import ROLE, why_not_patchable
from statelift.locate.tree import TemplateError, Tree, compose_template, entries, string
from statelift.model import Problem

_ENDINGS = (".yaml", ".yml", ".json", ".template")
_NEEDLES = (SERVERLESS.encode(), LAMBDA.encode())


def find_in_templates(files: Files) -> Iterator[Deployed | Problem]:
    """Every function that a template deploys, in template order."""
    for path in files.own(*_ENDINGS):
        tree = read_tree(path, files, _NEEDLES, b"Resources")
        if isinstance(tree, Problem):
            yield tree
        elif tree is not None and "Resources" in entries(tree.root):
            yield from _functions(path, tree, files)


def read_tree(path: str, files: Files, some: tuple[bytes, ...], needle: bytes) -> Tree | Problem | None:
    """The template at `path`; None where its bytes lack `needle` or any of `some`, or hold no mapping."""
    try:
        data = files.read(path)
        has_all = needle in data and any(each in data for each in some)
        return compose_template(data) if has_all else None
    except OSError as error:
        message = f"This template cannot be read: {error.strerror or error}."
        return Problem(path, 1, "template-error", message)
    except TemplateError as error:
        return Problem(path, error.line, "template-error", f"{error} No function was taken from it.")


def duplicates(path: str, tree: Tree) -> Iterator[Problem]:
    """Keys that stand twice: what counts is a loader's whim."""
    for key, line in tree.duplicates:
        message = f"The key {key} stands twice in one mapping; the last one was taken. Remove one of them."
        yield Problem(path, line, "template-error", message)


def _functions(path: str, tree: Tree, files: Files) -> Iterator[Deployed | Problem]:
    yield from duplicates(path, tree)
    yield from _loops(path, tree)
    functions = list(declared_functions(tree, path, files))
    resources = entries(entries(tree.root).get("Resources"))
    roles = Counter(function.settings.role for function in functions)
    for function in functions:
        role = function.settings.role
        is_here = string(entries(resources.get(role)).get("Type")) == ROLE
        told = f"{roles[role]} functions use the role {role}: all of them get these rights"
        reason = why_not_patchable(tree, function.logical_id)
        yield replace(function, patchable=reason, sharing=told if is_here and roles[role] > 1 else "")


def _loops(path: str, tree: Tree) -> Iterator[Problem]:
    for name, node in entries(entries(tree.root).get("Resources")).items():
        text = tree.text[node.start_mark.index : node.end_mark.index]
        if name.startswith("Fn::ForEach") and any(needle.decode() in text for needle in _NEEDLES):
            message = f"The functions inside {name} are not handled: write them out to have them analysed."
            yield Problem(path, node.start_mark.line + 1, "not-located", message)
