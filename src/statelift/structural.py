"""A block of statements -> the same block under a `with`: the structural rewrites, built with LibCST.

LibCST works on the top-level statement around the block only, after showing that it reproduces it byte for byte,
and what it builds is reduced to the bytes that differ.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from statelift.model import Edit, Span
from statelift.spans import edits_between

if TYPE_CHECKING:
    import libcst as cst


class NotReproducedError(ValueError):
    """LibCST would not give the source back as it is, or the statements are not where they should be."""


def wrap_in_with(
    path: str, data: bytes, top: Span, first: int, last: int, head: str, dropped: frozenset[int] = frozenset()
) -> tuple[Edit, ...]:
    """Replace the statement at offset `first` by `with {head}:` over the statements behind it, up to offset `last`.

    Statements at the offsets `dropped` go.
    `top` spans the whole lines of the enclosing top-level statement of a UTF-8 file. NotReproducedError where
    that cannot be done without touching anything else.
    """
    import libcst as cst
    from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

    segment = data[top.start : top.end]
    try:
        wrapper = MetadataWrapper(cst.parse_module(segment.decode()), unsafe_skip_copy=True)
    except (cst.ParserSyntaxError, UnicodeDecodeError) as error:
        raise NotReproducedError("LibCST cannot read the function") from error
    if wrapper.module.code.encode() != segment:
        raise NotReproducedError("LibCST would change other parts of the function")
    spans = wrapper.resolve(ByteSpanPositionProvider)
    starts = {node: span.start + top.start for node, span in spans.items()}
    built = wrapper.module.visit(_wrapping(starts, first, last, head, dropped))
    if built.code.encode() == segment:
        raise NotReproducedError("the statements do not stand in one block")
    return edits_between(path, segment, built.code.encode(), top.start)


def _wrapping(
    starts: "Mapping[cst.CSTNode, int]", first: int, last: int, head: str, dropped: frozenset[int]
) -> "cst.CSTTransformer":
    import libcst as cst

    class Wrapping(cst.CSTTransformer):
        def leave_IndentedBlock(  # noqa: N802 - LibCST's naming
            self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
        ) -> cst.IndentedBlock:
            found = [starts.get(_anchor(statement), -1) for statement in original_node.body]
            kept = [index for index, place in enumerate(found) if place not in dropped]
            places, body = [found[index] for index in kept], [updated_node.body[index] for index in kept]
            if first not in places:
                return updated_node if len(kept) == len(found) else updated_node.with_changes(body=body)
            begin = places.index(first)
            end = max(index for index, place in enumerate(places) if place <= last) + 1
            under = _with(head, body[begin], body[begin + 1 : end])
            return updated_node.with_changes(body=[*body[:begin], under, *body[end:]])

    return Wrapping()


def _anchor(statement: "cst.BaseStatement") -> "cst.CSTNode":
    """The node whose position is the statement's: a simple line's own span may begin with its white space."""
    import libcst as cst

    return statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else statement


def _with(head: str, replaced: "cst.BaseStatement", body: "Sequence[cst.BaseStatement]") -> "cst.BaseStatement":
    import libcst as cst

    made = cst.parse_statement(f"with {head}:\n    pass\n")
    if not (isinstance(made, cst.With) and isinstance(replaced, cst.SimpleStatementLine)):
        raise NotReproducedError("the statement is not a simple one")
    block = cst.IndentedBlock(body=body, header=replaced.trailing_whitespace)
    return made.with_changes(leading_lines=replaced.leading_lines, body=block)
