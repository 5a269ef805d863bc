"""Text -> text that a terminal can show: control characters become visible escapes.

File names, messages and source lines come from repositories that nobody has read yet. Raw, they could move
the cursor, recolour or hide lines, or show code in another order than Python reads it.
"""

import re

_C0_C1 = "\x00-\x1f\x7f-\x9f"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_BREAKS = "\u2028\u2029"
_SURROGATES = "\ud800-\udfff"  # an undecodable byte of a file name; printing it raises
_UNSAFE = re.compile(f"[{_C0_C1}{_BIDI}{_BREAKS}{_SURROGATES}]")


def escape(text: str, keep: str = "") -> str:
    r"""Show control and direction characters as `\x1b` or `\u202e`, but for those in `keep` (`"\n\t"`)."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] in keep else _visible(match[0]), text)


def _visible(character: str) -> str:
    code = ord(character)
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
