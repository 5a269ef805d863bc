"""A program -> the same program in other white space, comments and line ends: equal as a tree, other as bytes."""

import ast
import codecs
import io
import keyword
import tokenize
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Text = Callable[[str], str]
LAYOUT = (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
EVERY = 3  # a line or a gap in so many is changed, so that changed and unchanged ones meet


@dataclass(frozen=True, slots=True)
class Disguise:
    """A name, what it does to a text, and whether it puts comments in places where none were."""

    name: str
    make: Callable[[str], bytes]
    has_comments: bool = False


def disguised(text: str) -> Iterator[tuple[Disguise, bytes]]:
    """Every disguise that leaves the tree of the (valid, LF) text as it is."""
    known = tree_of(text.encode())
    for disguise in DISGUISES:
        data = disguise.make(text)
        if data != text.encode() and tree_of(data) == known:
            yield disguise, data


def tree_of(data: bytes) -> str:
    """The syntax tree without places, as text; "" for what is no program."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.dump(ast.parse(data))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


# ---------------------------------------------------------------- insertions


def _inserted(text: str, pieces: Sequence[tuple[tuple[int, int], str]]) -> str:
    """The text with each piece in front of its position (line from 1, column)."""
    lines = text.split("\n")
    for (line, column), piece in sorted(pieces, reverse=True):
        lines[line - 1] = lines[line - 1][:column] + piece + lines[line - 1][column:]
    return "\n".join(lines)


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


def _line_ends(text: str) -> list[tokenize.TokenInfo]:
    """The tokens that end a line outside of strings."""
    return [each for each in _tokens(text) if each.type in (tokenize.NEWLINE, tokenize.NL) and each.string]


def _first_tokens(text: str) -> Iterator[tuple[tokenize.TokenInfo, int]]:
    """The first token of each logical line, and how deep it is indented."""
    depth, is_first = 0, True
    for each in _tokens(text):
        if each.type == tokenize.INDENT:
            depth += 1
        elif each.type == tokenize.DEDENT:
            depth -= 1
        elif each.type == tokenize.NEWLINE:
            is_first = True
        elif is_first and each.type not in LAYOUT:
            yield each, depth
            is_first = False


def _gaps(text: str) -> Iterator[tuple[tuple[int, int], int]]:
    """Places between two tokens of one line, and in how many brackets they are. Never inside of an f-string."""
    brackets = strings = 0
    previous = None
    for each in _tokens(text):
        name = tokenize.tok_name[each.type]
        is_inside = previous is not None and previous.type not in LAYOUT and each.type not in LAYOUT
        if is_inside and not strings and previous is not None and previous.end[0] == each.start[0]:
            yield each.start, brackets
        strings += name.endswith("STRING_START") - name.endswith("STRING_END")
        brackets += (each.string in ("(", "[", "{")) - (each.string in (")", "]", "}")) if name == "OP" else 0
        previous = each


# ---------------------------------------------------------------- disguises


def trailing_blanks(text: str) -> str:
    """Blanks and tabs at the ends of lines."""
    return _inserted(text, [(each.start, " \t ") for each in _line_ends(text)[::EVERY]])


def comments(text: str) -> str:
    """Comments at the ends of lines."""
    return _inserted(text, [(each.start, "  # torture: é = {1}") for each in _line_ends(text)[::EVERY]])


def comment_lines(text: str) -> str:
    """Comments and blank lines in front of statements, at the left edge."""
    firsts = [first for first, _ in _first_tokens(text)][::EVERY]
    return _inserted(text, [((first.start[0], 0), "# torture\n   \n") for first in firsts if _opens(first)])


def form_feeds(text: str) -> str:
    """Form feeds at the beginnings of lines: what stands before one is no indentation."""
    firsts = [first for first, _ in _first_tokens(text)][::EVERY]
    return _inserted(text, [((first.start[0], 0), "\f") for first in firsts if _opens(first)])


def tabs(text: str) -> str:
    """Tabs for indentation."""
    lines = text.split("\n")
    for first, depth in _first_tokens(text):
        if _opens(first):
            line = lines[first.start[0] - 1]
            lines[first.start[0] - 1] = "\t" * depth + line[first.start[1] :]
    return "\n".join(lines)


def continuations(text: str) -> str:
    """Backslashes at the ends of lines."""
    return _inserted(text, [(place, " \\\n  ") for place, _ in list(_gaps(text))[::EVERY]])


def broken_brackets(text: str) -> str:
    """New lines, with and without a comment, inside of brackets."""
    inside = [place for place, brackets in _gaps(text) if brackets]
    pieces = [(place, "  # torture\n" if number % 2 else "\n\t") for number, place in enumerate(inside[::EVERY])]
    return _inserted(text, pieces)


def wide_gaps(text: str) -> str:
    """Blanks, tabs and form feeds between tokens."""
    pieces = [" ", "\t", " \f ", "   "]
    return _inserted(
        text, [(place, pieces[number % 4]) for number, (place, _) in enumerate(list(_gaps(text))[::2])]
    )


def semicolons(text: str) -> str:
    """A semicolon behind simple statements."""
    places, first, last = [], None, None
    for each in _tokens(text):
        if each.type == tokenize.NEWLINE and first is not None and last is not None:
            if first.string not in (*_COMPOUND, "@") and last.string not in (":", ";"):
                places.append((last.end, " ;"))
            first = None
        elif each.type not in LAYOUT:
            first, last = first or each, each
    return _inserted(text, places[::EVERY])


_COMPOUND = frozenset(keyword.kwlist) & frozenset("if while for try with def class async else elif".split())


def no_final_newline(text: str) -> str:
    """The last line without an end."""
    return text.rstrip("\n")


def _opens(first: tokenize.TokenInfo) -> bool:
    """Whether a token is the first one on its line: none before it but white space."""
    return not first.line[: first.start[1]].strip() and "\\" not in first.line[: first.start[1]]


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def _plain(make: Text) -> Callable[[str], bytes]:
    return lambda text: make(text).encode()


def _together(*makers: Text) -> Callable[[str], bytes]:
    def make(text: str) -> bytes:
        for each in makers:
            text = each(text)
        return codecs.BOM_UTF8 + _crlf(text)

    return make


DISGUISES = (
    Disguise("trailing blanks", _plain(trailing_blanks)),
    Disguise("form feeds", _plain(form_feeds)),
    Disguise("tabs", _plain(tabs)),
    Disguise("continuations", _plain(continuations)),
    Disguise("wide gaps", _plain(wide_gaps)),
    Disguise("semicolons", _plain(semicolons)),
    Disguise("no final newline", _plain(no_final_newline)),
    Disguise("CRLF", _crlf),
    Disguise("BOM", lambda text: codecs.BOM_UTF8 + text.encode()),
    Disguise("comments", _plain(comments), has_comments=True),
    Disguise("comment lines", _plain(comment_lines), has_comments=True),
    Disguise("broken brackets", _plain(broken_brackets), has_comments=True),
    Disguise(
        "all together",
        _together(wide_gaps, tabs, form_feeds, semicolons, trailing_blanks, comments, no_final_newline),
        has_comments=True,
    ),
)
