"""text + offset -> offset: where lines start, how far they are indented, where there is room behind them."""

import re

_LINE_END = re.compile(r"\r\n|\n|\r")
_COMMENT_LINE = re.compile(r"(?:[ \t]*(?:\r\n|\n|\r))*( *)#[^\r\n]*(?:\r\n|\n|\r|$)")


def line_start(text: str, index: int) -> int:
    """Offset of the first character of the line that `index` is in."""
    return max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1


def starts_line(text: str, index: int) -> bool:
    """Whether only white space stands in front of `index` in its line."""
    return not text[line_start(text, index) : index].strip(" \t")


def margin_of(text: str, index: int) -> str:
    """The white space in front of the line that `index` is in."""
    line = text[line_start(text, index) : index]
    return line[: len(line) - len(line.lstrip(" \t"))]


def line_behind(text: str, end: int, column: int) -> int:
    """Start of the first line behind `end`; comments that are indented deeper than `column` stay above."""
    if end and text[end - 1] in "\r\n":
        position = end
    else:
        match = _LINE_END.search(text, end)
        position = match.end() if match else len(text)
    while (comment := _COMMENT_LINE.match(text, position)) and len(comment[1]) > column:
        position = comment.end()
    return position


def follows_blank_line(text: str, index: int) -> bool:
    """Whether an empty line precedes the line of `index`; comments belong to what they describe."""
    end = line_start(text, index)
    while end:
        start = line_start(text, end - 1 - (text[end - 2 : end] == "\r\n"))
        line = text[start:end].strip()
        if not line.startswith("#"):
            return not line
        end = start
    return False
