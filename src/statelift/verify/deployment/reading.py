"""a code root, operations, patched files -> Deployed: what stands behind every call once the change is deployed."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from statelift.infra.names import given_name, kind_of
from statelift.locate.hcl import MissingParserError, read_hcl
from statelift.locate.tree import compose_template
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, EntryPoint, FunctionRef, Operation
from statelift.verify.deployment.modules import module_deployment
from statelift.verify.deployment.names import Names, names_of
from statelift.verify.deployment.programs import program_deployment
from statelift.verify.deployment.services import service_deployment
from statelift.verify.deployment.snippets import joined, snippet_deployments
from statelift.verify.deployment.stages import stage_deployments
from statelift.verify.deployment.templates import template_deployment
from statelift.verify.resources import environment_of
from statelift.verify.values import Deployed, Deployment

# What the sandbox decides: where the interpreter finds things, and which AWS is spoken to.
_RESERVED = re.compile("AWS_|LAMBDA_|PYTHON|LD_|_|(PATH|HOME|TMPDIR|TZ)$")
Read = Callable[[str], bytes]


def deployed_of(calls: Sequence[tuple[str, EntryPoint]], operations: Sequence[Operation], read: Read) -> Deployed:
    """The functions behind the calls of a code root. `read` gives files as the change leaves them."""
    names = names_of(operations)
    copied = [op for op in operations if isinstance(op, EnsureResource | EnsureEnv | EnsureGrant)]
    snippets = snippet_deployments([op for op in copied if op.template is None], names)
    found: dict[str, dict[str, Deployment]] = {}
    for call, entry in calls:
        declared = [Deployment(entry.function)] if entry.ref is None else _deployments(entry.ref, names, read)
        printed = [snippets[entry.function]] if entry.function in snippets else []
        for each in declared:
            made = joined(each.function, [each, *printed])
            if made.statements is None:
                made = _with_variables(made, operations)
            found.setdefault(call, {})[made.function] = made
    functions = tuple((call, tuple(many.values())) for call, many in found.items())
    given = {op.resource for op in operations if isinstance(op, EnsureGrant) and given_name(op.resource)}
    existing = {each if kind_of(each) == "metrics" else given_name(each) for each in given}
    return Deployed(functions, frozenset({*names.names.values(), *existing}))


def _deployments(ref: FunctionRef, names: Names, read: Read) -> list[Deployment]:
    """What the template says of a function, once for each stage; where it cannot be read, nothing is refused."""
    reason = f"the rights of {ref.logical_id} are not read from {ref.template}"
    try:
        found = _found(ref, names, read)
    except (OSError, ValueError, SyntaxError, MissingParserError) as error:
        reason = f"{reason}: {error}"
    else:
        if found:
            return [_bounded(each, ref) for each in found]
    return [Deployment(ref.logical_id, (), None, (), (reason,))]


def _bounded(deployment: Deployment, ref: FunctionRef) -> Deployment:
    """A boundary may stand in a file that is not read here: then the function's settings tell of it."""
    is_named = any("permissions boundary" in reason for reason in deployment.unenforced)
    if is_named or not ref.settings.is_bounded:
        return deployment
    return replace(deployment, unenforced=(*deployment.unenforced, f"{ref.logical_id} has a permissions boundary"))


def _found(ref: FunctionRef, names: Names, read: Read) -> list[Deployment]:
    match ref.tool:
        case "sam" | "cloudformation":
            tree = compose_template(read(ref.template))
            return [] if tree is None else [template_deployment(tree, ref.logical_id, names)]
        case "serverless":
            return [service_deployment(read(ref.template), ref.logical_id, names)]
        case "terraform":
            files = [ref.template, *([ref.resources] if ref.resources else [])]
            return [module_deployment([read_hcl(data) for data in _there(files, read)], ref.logical_id, names)]
        case "cdk":
            return [program_deployment(read(ref.template), ref.logical_id, names)]
        case "chalice" if ref.rights:
            return list(stage_deployments(ref, names, read))
        case "chalice":  # it guesses the rights: the printed stack counts
            return [Deployment(ref.logical_id, unread=("the policy that chalice makes",))]


def _there(paths: Sequence[str], read: Read) -> Iterator[bytes]:
    """The files that exist: statelift.tf is only there once something is moved."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield read(path)


def _with_variables(deployment: Deployment, operations: Sequence[Operation]) -> Deployment:
    """The variables that the change asks for, where the template could not be read."""
    own = [op for op in operations if not isinstance(op, EnsureEnv) or op.function == deployment.function]
    variables = environment_of(own) | dict(deployment.variables)
    return replace(deployment, variables=tuple(sorted(variables.items())))


def variables_of(deployed: Deployed) -> dict[str, str]:
    """The variables that all functions together run with, but for those in which they differ.

    A function that lacks one for something new is refused what it names.
    """
    found: dict[str, set[str]] = {}
    for each in deployed.all:
        for name, text in each.variables:
            found.setdefault(name, set()).add(text)
    return {name: texts.pop() for name, texts in found.items() if len(texts) == 1 and not _RESERVED.match(name)}
