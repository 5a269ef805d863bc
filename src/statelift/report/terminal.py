"""Text -> text that a terminal can show: control characters become visible escapes.

File names, messages and source lines come from repositories that nobody has read yet. Raw, they could move
the cursor, recolour or hide lines, show code in another order than Python reads it, make two different names
look alike, or give orders to the machine that reads a build's log.
"""

import re

_C0_C1 = "\x00-\x1f\x7f-\x9f"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_BREAKS = "\u2028\u2029"
_SURROGATES = "\ud800-\udfff"  # an undecodable byte of a file name; printing it raises
_ZERO_WIDTH = "\u00ad\u034f\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
_BLANK = "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters to Python, nothing to the eye
_TAGS = "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
_UNSAFE = re.compile(f"[{_C0_C1}{_BIDI}{_BREAKS}{_SURROGATES}{_ZERO_WIDTH}{_BLANK}{_TAGS}]")
# GitHub obeys `::command::` at the beginning of a line of a log, and `##[command]` anywhere.
_ORDER = re.compile(r"^([ \t]*):(?=:)|#(?=#\[)", re.MULTILINE)


def escape(text: str, keep: str = "") -> str:
    r"""Make text safe to be shown: as `visible`, and nothing in it is an order to the reader of a build's log."""
    return _ORDER.sub(lambda match: r"\x23" if match[0] == "#" else rf"{match[1]}\x3a", visible(text, keep))


def visible(text: str, keep: str = "") -> str:
    r"""Show control, direction and invisible characters as `\x1b` or `\u202e`, but for those in `keep`."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] in keep else _visible(match[0]), text)


def _visible(character: str) -> str:
    code = ord(character)
    if named := {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character):
        return named
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
