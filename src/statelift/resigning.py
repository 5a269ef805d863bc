"""A signer with the keys of one moment -> the operations that let it ask for the keys each time it signs."""

from collections.abc import Iterator

from statelift.facts.values import Signer
from statelift.model import Edit, EnsureHelperPart, EnsureImport, Operation
from statelift.workspace import Workspace

NAME = "_aws4auth_signer"


def renewed(path: str, signer: Signer) -> Iterator[Operation]:
    """For one that is made once: the call gets the credentials themselves."""
    yield from _thawed(path, signer)
    yield Edit(path, signer.span.start, signer.span.end, signer.text)


def kept(path: str, signer: Signer, workspace: Workspace) -> Iterator[Operation]:
    """For one that every call makes: a getter keeps it, so that it can be the key of the client's cache."""
    given = ", ".join((signer.keys, *signer.parameters))

    def define(name: str) -> str:
        return f"@functools.cache\ndef {name}({given}):\n    return {signer.text}\n"

    name = workspace.unused_name(path, NAME, define)
    yield from _thawed(path, signer)
    yield Edit(path, signer.span.start, signer.span.end, f"{name}({given})")
    yield EnsureHelperPart(path, name, define(name))
    yield EnsureImport(path, "functools")


def _thawed(path: str, signer: Signer) -> Iterator[Operation]:
    if signer.frozen is not None:
        yield Edit(path, signer.frozen.start, signer.frozen.end, "")
