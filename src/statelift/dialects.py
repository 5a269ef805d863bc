"""A text that does not parse -> which Python it is for, if it is an older or a newer one: a guess, well founded.

Old Python is known by signs on the line where the parser stopped. For newer Python, everything that came after the
running version is written in an older form; what then parses needs no more than that.
"""

import ast
import re
import sys
import warnings
from typing import TypeAlias

Version: TypeAlias = tuple[int, int]

_RUNNING: Version = sys.version_info[:2]
_DEEPEST = 20  # fields inside of fields of an f-string
_LONGEST = 5_000  # characters of a line, or of type parameters, that are looked at: more take time without bound

# Tried on one line, with string contents and comments taken out.
_PYTHON2 = (
    ("a print statement", r"^\s*print(\s+(?![\s=.,:)\]([]|(in|is|if|and|or|not|for)\b)|\s*>>)"),
    ("an exec statement", r"^\s*exec\s+[\w\"']"),
    ("`except X, e`", r"^\s*except\s+(\(.*\)|[\w.]+)\s*,\s*[a-z_]\w*\s*:"),
    ("`raise X, message`", r"^\s*raise\s+[\w.]+\s*,"),
    ("backticks", r"`[^`]+`"),
    ("the `<>` operator", r"[\w)\]\"']\s*<>\s*[\w(\[\"'-]"),
    ("an octal number such as 0777", r"(?<![\w.])0[0-7]+\b(?![.jJ])"),
    ("a long number such as 10L", r"(?<![\w.])\d+[lL]\b"),
    ("a ur'' string", r"\b[uU][rR][\"']"),
)
_ON_LINE = re.compile(r"""(["'])(?:\\.|(?!\1)[^\\])*\1""")
_PIECE = re.compile(r"""\#[^\n]*|(?:(?<!\w)([A-Za-z]{1,2}))?('''|\"{3}|'|\")""", re.VERBOSE)
_ENDS = {
    "'": re.compile(r"(?:[^'\\\n]|\\.)*'", re.DOTALL),
    '"': re.compile(r'(?:[^"\\\n]|\\.)*"', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]|\\.|'(?!''))*'''", re.DOTALL),
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL),
}
_IN_FORMAT = r"|\\N\{[\w -]+\}|\\[^{}]|\{\{|\}\}|[{}]"
_STOPS = {quote: re.compile(quote + _IN_FORMAT + ("" if len(quote) == 3 else r"|\n"), re.DOTALL) for quote in _ENDS}
_MARK = re.compile(_PIECE.pattern + r"|[\[({})\]:]|!=|!", re.VERBOSE)
_BRACE = re.compile(r"[{}]")
_CONVERSION = re.compile(r"[rsa]\s*([:}])")
_PARAMETERS = re.compile(r"\b(?:def|class|type)[ \t]+[^\W\d]\w*[ \t]*(?=\[)")
_TYPE = re.compile(r"(^|[;:])([ \t]*)type[ \t]+(?=[^\W\d]\w*\s*=(?!=))", re.MULTILINE)
_EXCEPT = re.compile(r"^([ \t]*except\b[ \t]*+\*?)((?![^\n:]*\bas\b)[^\n:,]+,[^\n:]*)(?=:)", re.MULTILINE)
_LAZY = re.compile(r"^([ \t]*)lazy[ \t]+(?=(?:import|from)\b)", re.MULTILINE)
_UNPACKED = re.compile(
    r"([\[{(]\s*)\*{1,2}(?=[\w.]+(?:\([^()\n]*\)|\[[^\[\]\n]*\])?\s+(?:async\s+)?for\b)", re.MULTILINE
)


def python2_sign(line: str) -> str | None:
    """What makes a line Python 2, in words; None where nothing does."""
    bare = _ON_LINE.sub(r"\1\1", line[:_LONGEST]).split("#")[0].rstrip("\r")
    return next((name for name, pattern in _PYTHON2 if re.search(pattern, bare)), None)


def newer_python(text: str) -> Version | None:
    """The Python that a text needs which the running one cannot parse; None where newer ones cannot either.

    It knows the syntax up to 3.15, without odd corners, and nothing of what comes later. Never raises.
    """
    try:
        bare = _bare(text.replace("\r\n", "\n"))
    except _MalformedError:
        return None
    if _RUNNING >= (3, 12) and _is_valid(bare):
        return None  # then the fault is inside of a string, and is no matter of versions
    for version in ((3, 12), (3, 13), (3, 14), (3, 15)):
        if version > _RUNNING and _is_valid(_in_old_form(bare, version)):
            return version
    return None


def _is_valid(text: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def _in_old_form(bare: str, version: Version) -> str:
    """The text without the syntax that came with Python 3.12 to `version`."""
    bare = _TYPE.sub(r"\1\2", _without_parameters(bare, has_defaults=version >= (3, 13)))
    if version >= (3, 14):
        bare = _EXCEPT.sub(r"\1 (\2)", re.sub(r'\b[tT]""', 'f""', bare))
    return _UNPACKED.sub(r"\1", _LAZY.sub(r"\1", bare)) if version >= (3, 15) else bare


def _without_parameters(bare: str, *, has_defaults: bool) -> str:
    """`def f[T: int](x)` -> `def f(x)`, where what stands in the brackets can be type parameters."""
    pieces, position = [], 0
    for match in _PARAMETERS.finditer(bare):
        end = _closing(bare, match.end())
        inside = bare[match.end() + 1 : end - 1]
        if match.start() >= position and _is_parameters(inside, has_defaults=has_defaults):
            pieces.append(bare[position : match.end()])
            position = end
    return "".join([*pieces, bare[position:]])


def _closing(bare: str, start: int) -> int:
    """One behind the bracket that closes the one at `start`; `start` where none does."""
    depth = 0
    for match in re.compile(r"[\[({})\]]").finditer(bare, start, start + _LONGEST):
        depth += 1 if match.group() in "[({" else -1
        if depth == 0:
            return match.end()
    return start


def _is_parameters(inside: str, *, has_defaults: bool) -> bool:
    """Type parameters look like those of a function."""
    signature = f"def _({re.sub(r'[*]+', '', inside)}): pass"
    if not inside.strip() or not _is_valid(signature):
        return False
    function = ast.parse(signature).body[0]
    return has_defaults or not (isinstance(function, ast.FunctionDef) and function.args.defaults)


# ---------------------------------------------------------------- strings


class _MalformedError(Exception):
    """A string that no Python can read."""


def _bare(text: str) -> str:
    """The text without comments and without what stands in strings. _MalformedError where a string has no end."""
    pieces, position = [], 0
    while match := _PIECE.search(text, position):
        pieces.append(text[position : match.start()])
        position = match.end()
        if match.group(2):
            position = _string_end(text, match, 0)
            pieces.append(f'{match.group(1) or ""}""')
    return "".join([*pieces, text[position:]])


def _string_end(text: str, opening: re.Match[str], depth: int) -> int:
    """The offset behind a string that opens with these quotes."""
    prefix, quote = (opening.group(1) or "").lower(), opening.group(2)
    if {"f", "t"} & set(prefix):
        return _format_end(text, opening.end(), quote, depth)
    match = _ENDS[quote].match(text, opening.end())
    if match is None:
        raise _MalformedError
    return match.end()


def _format_end(text: str, start: int, quote: str, depth: int) -> int:
    """As `_string_end`, for an f-string or t-string by the rules of Python 3.12."""
    stop = _STOPS[quote]
    position = start
    while match := stop.search(text, position):
        position = match.end()
        match match.group():
            case "{":
                position = _field_end(text, position, depth + 1)
            case "}" | "\n":
                raise _MalformedError
            case found if found == quote:
                return position
            case _:
                pass
    raise _MalformedError


def _field_end(text: str, start: int, depth: int) -> int:
    """The offset behind the `}` of a replacement field. Its expression has to be one."""
    expression, position, mark = _expression(text, start, depth)
    bare = re.sub(r"=\s*\Z", "", expression)
    if not bare.strip() or not _is_valid(f"({bare}\n)"):
        raise _MalformedError
    if mark == "!":
        conversion = _CONVERSION.match(text, position)
        if conversion is None:
            raise _MalformedError
        position, mark = conversion.end(), conversion.group(1)
    return position if mark == "}" else _specification_end(text, position, depth)


def _expression(text: str, start: int, depth: int) -> tuple[str, int, str]:
    """The bare text of a field's expression, the offset behind what ends it, and that: `}`, `:` or `!`."""
    if depth > _DEEPEST:
        raise _MalformedError
    pieces, position, opened = [], start, 0
    while match := _MARK.search(text, position):
        found = match.group()
        pieces.append(text[position : match.start()])
        position = match.end()
        if not opened and found in ("}", ":", "!"):
            return "".join(pieces), position, found
        if match.group(2):
            position = _string_end(text, match, depth)
            found = '""'
        opened += (found in ("(", "[", "{")) - (found in (")", "]", "}"))
        pieces.append("" if found.startswith("#") else found)
    raise _MalformedError


def _specification_end(text: str, start: int, depth: int) -> int:
    """The offset behind the `}` that ends a format specification, which may hold fields."""
    position = start
    while match := _BRACE.search(text, position):
        position = match.end()
        if match.group() == "}":
            return position
        position = _field_end(text, position, depth + 1)
    raise _MalformedError
