"""bytes -> a parsed module, or the reason why not: decode, check and parse one Python file."""

import ast
import codecs
import io
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from statelift.dialects import newer_python, python2_sign
from statelift.model import Place, Problem, SourceFile, Span

Newline: TypeAlias = Literal["\n", "\r\n"]
Positioned: TypeAlias = ast.stmt | ast.expr | ast.excepthandler | ast.arg | ast.keyword | ast.alias | ast.pattern

KEPT = 8  # files: a change is composed and checked several times, from the same bytes
_ASCII = "".join(map(chr, range(128)))
_DEEP = ("too many nested parentheses", "too many nested f-strings", "too many levels of indentation")


@dataclass(frozen=True, slots=True)
class Parsed:
    """One module that could be read. `text` is `data` decoded, without a BOM, line ends as they are.

    `line_starts` holds the byte offset in `data` of each line. The tree stays inside the stage that asked for it.
    """

    path: str
    data: bytes
    text: str
    encoding: str
    newline: Newline
    bom: bool
    tree: ast.Module
    line_starts: tuple[int, ...]

    def offset(self, lineno: int, utf8_col: int) -> int:
        """Byte offset in `data` of an ast position: line 1-based, column in UTF-8 bytes of the line."""
        start = self._text_start(lineno)
        if self.encoding == "utf-8":
            return start + utf8_col
        return start + len(self._head(lineno, utf8_col).encode(self.encoding))

    def span(self, node: Positioned) -> Span:
        """The bytes of a node. Decorators lie outside of their function, as in ast."""
        end_line, end_column = _end(node)
        if self.bom or self.encoding != "utf-8":
            return Span(self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column))
        starts = self.line_starts
        return Span(starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column)

    def place(self, node: Positioned) -> Place:
        """Where a node stands, for people: the column counts code points from 1."""
        column = len(self._head(node.lineno, node.col_offset)) + 1
        return Place(self.path, node.lineno, column, _end(node)[0])

    def segment(self, span: Span) -> str:
        """The text of a span."""
        return self.data[span.start : span.end].decode(self.encoding)

    def _text_start(self, lineno: int) -> int:
        return self.line_starts[lineno - 1] + (len(codecs.BOM_UTF8) if self.bom and lineno == 1 else 0)

    def _head(self, lineno: int, utf8_col: int) -> str:
        """The text of a line in front of a column. A column inside a character rounds down."""
        end = self.line_starts[lineno] if lineno < len(self.line_starts) else len(self.data)
        start = self._text_start(lineno)
        if self.encoding == "utf-8":
            return self.data[start : min(start + utf8_col, end)].decode(errors="ignore")
        line = self.data[start:end].decode(self.encoding)
        return line.encode()[:utf8_col].decode(errors="ignore")


class _RefusedError(Exception):
    """A file that cannot be analysed: carries line, kind and message of the Problem."""

    def __init__(self, line: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.line, self.kind, self.message = line, kind, message


@lru_cache(maxsize=KEPT)
def parse_source(file: SourceFile) -> Parsed | Problem:
    """The parsed module, or the Problem that says why not. Never raises, whatever the bytes are.

    Equal files give the same object for a while: nobody may change its tree.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape such as "\d" is not ours to report
            encoding, text = _decode(file.data)
            newline = _newline(text)
            tree = _parse(text)
    except _RefusedError as refused:
        return Problem(file.path, refused.line, refused.kind, refused.message)
    bom = file.data.startswith(codecs.BOM_UTF8)
    starts = _line_starts(file.data, text, encoding)
    return Parsed(file.path, file.data, text, encoding, newline, bom, tree, starts)


def _end(node: Positioned) -> tuple[int, int]:
    """End line and column; ast types them as optional, although every parsed node has both."""
    column = node.col_offset if node.end_col_offset is None else node.end_col_offset
    return node.end_lineno or node.lineno, column


# ---------------------------------------------------------------- bytes to text


def _decode(data: bytes) -> tuple[str, str]:
    """The name of the encoding and the text without a BOM."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _RefusedError(1, "encoding", "The file is UTF-16, which Python does not read. Save it as UTF-8.")
    if (at := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, at) + 1
        raise _RefusedError(line, "nul-bytes", f"Line {line} holds a NUL byte, so this is not Python source.")
    encoding = _declared(data)
    body = data.removeprefix(codecs.BOM_UTF8)
    text = _decoded(body, encoding)
    if encoding != "utf-8" and not _is_plain(encoding, body, text):
        message = f"The encoding {encoding} has no fixed bytes per character. Save the file as UTF-8."
        raise _RefusedError(1, "encoding", message)
    return encoding, text


def _declared(data: bytes) -> str:
    """The normalised name of the encoding that a BOM or cookie declares; UTF-8 without one."""
    try:
        name, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        reason = str(error.msg).rstrip(".")
        if data.startswith(codecs.BOM_UTF8):
            reason = "the byte order mark says UTF-8, the coding cookie says otherwise"
        elif "missing" in str(error.msg):  # no cookie, and one of the first two lines is not UTF-8
            _decoded(data, "utf-8")
        raise _RefusedError(1, "encoding", f"The encoding is unclear: {reason}. Save the file as UTF-8.") from error
    normal = codecs.lookup(name).name
    return "utf-8" if normal == "utf-8-sig" else normal


def _decoded(body: bytes, encoding: str) -> str:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _RefusedError(line, "encoding", _undecodable(line, encoding)) from error
    except (UnicodeError, LookupError) as error:
        raise _RefusedError(1, "encoding", f"The file cannot be read as {encoding}: {error}.") from error


def _undecodable(line: int, encoding: str) -> str:
    hint = (
        "Save the file as UTF-8, or add a coding cookie." if encoding == "utf-8" else "Correct the coding cookie."
    )
    return f"Line {line} holds bytes that are not {encoding}. {hint}"


def _is_plain(encoding: str, body: bytes, text: str) -> bool:
    """Does the encoding contain ASCII and encode each character on its own? Byte offsets need both."""
    try:
        ascii_text = bytes(range(128)).decode(encoding)
        return ascii_text == _ASCII and b"".join(char.encode(encoding) for char in text) == body
    except UnicodeError:
        return False


def _newline(text: str) -> Newline:
    """The line end of the whole text; lone CR and mixtures are refused."""
    if lone := re.search(r"\r(?!\n)", text):
        line = text.count("\n", 0, lone.start()) + 1
        raise _RefusedError(line, "newlines", f"Line {line} ends with a lone CR. Convert the line ends first.")
    windows, unix = text.count("\r\n"), text.count("\n")
    if windows and unix != windows:
        raise _RefusedError(
            1, "newlines", f"{windows} of {unix} lines end with CRLF, the others with LF. Unify them."
        )
    return "\r\n" if windows else "\n"


def _line_starts(data: bytes, text: str, encoding: str) -> tuple[int, ...]:
    starts, position = [0], 0
    if encoding == "utf-8":
        while position := data.find(b"\n", position) + 1:
            starts.append(position)
        return tuple(starts)
    for line in text.split("\n")[:-1]:
        position += len(line.encode(encoding)) + 1
        starts.append(position)
    return tuple(starts)


# ---------------------------------------------------------------- text to tree


def _parse(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise _explained(error, text) from error
    except (RecursionError, MemoryError) as error:
        raise _RefusedError(1, "too-deep", "The code is nested too deeply for Python's own parser.") from error
    except (ValueError, OverflowError) as error:
        raise _RefusedError(1, "syntax-error", f"Python cannot parse this file: {error}.") from error


def _explained(error: SyntaxError, text: str) -> _RefusedError:
    """Names the cause of a syntax error: old Python, new Python, too deep, or plainly wrong."""
    line = max(error.lineno or 1, 1)
    if error.msg.startswith(_DEEP):
        return _RefusedError(line, "too-deep", f"Line {line} is nested too deeply for Python: {error.msg}.")
    lines = text.split("\n")
    if sign := python2_sign(lines[line - 1]) if line <= len(lines) else None:
        message = f"Line {line} has {sign}: this is Python 2. Convert the file to Python 3 first."
        return _RefusedError(line, "python2", message)
    if version := newer_python(text):
        needed = f"Python {version[0]}.{version[1]}"
        message = f"Line {line} probably needs {needed}, and statelift runs on {_running()} here."
        return _RefusedError(line, "newer-syntax", f"{message} Run it with {needed} or newer.")
    return _RefusedError(line, "syntax-error", f"Line {line} is not valid Python {_running()}: {error.msg}.")


def _running() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
