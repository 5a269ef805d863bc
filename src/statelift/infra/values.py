"""nodes <-> values <-> text: plain data with CloudFormation intrinsics, and how a file spells it.

A value is a string, integer, boolean, list, mapping or `Tagged`, the short form of an intrinsic.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from statelift.locate.tree import MAP, SEQ, STR


@dataclass(frozen=True, slots=True)
class Tagged:
    """An intrinsic with one text argument: Tagged("!GetAtt", "Orders.Arn")."""

    tag: str
    text: str


Value: TypeAlias = "str | int | bool | Tagged | list[Value] | dict[str, Value]"
Plain: TypeAlias = "tuple[str, str] | list[Plain] | dict[str, Plain]"

_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_TAG_KEY = "\0tag"
_LONG = {"Ref": "!Ref", "Fn::GetAtt": "!GetAtt", "Fn::Sub": "!Sub"}
_SHORT = {short: long for long, short in _LONG.items()}
_UNQUOTED = re.compile(r"[A-Za-z_/][\w./*-]*(?:::?[\w*][\w./*-]*)*", re.ASCII)
# What YAML cannot hold as it is, and what nobody sees or what turns the line around.
_UNPRINTABLE = re.compile(
    r"[^\x20-\x7e\xa0-\xac\xae-\u200a\u2010-\u2027\u202f-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    r"\U00010000-\U000dffff\U000f0000-\U0010ffff]"
)


def value_of(node: Node) -> Value:
    """The value of a composed node, intrinsics in their short form whichever way they are written."""
    match node:
        case SequenceNode(tag="!GetAtt"):
            return Tagged("!GetAtt", ".".join(str(item.value) for item in node.value))
        case SequenceNode():
            return [value_of(item) for item in node.value]
        case MappingNode():
            return _mapping_value({str(key.value): value_of(value) for key, value in node.value})
        case ScalarNode(tag=tag) if tag.startswith("!"):
            return Tagged(tag, node.value)
        case ScalarNode(tag=tag) if tag == _BOOL:
            return str(node.value).lower() in ("true", "yes", "on")
        case ScalarNode(tag=tag, value=text) if tag == _INT and re.fullmatch(r"[1-9]\d*|0", text):
            return int(text)
        case _:
            return str(node.value)


def _mapping_value(value: dict[str, Value]) -> Value:
    if len(value) != 1:
        return value
    ((key, argument),) = value.items()
    match _LONG.get(key), argument:
        case str(short), str(text):
            return Tagged(short, text)
        case "!GetAtt", [str(resource), str(attribute)]:
            return Tagged("!GetAtt", f"{resource}.{attribute}")
        case _:
            return value


def long_form(value: Value) -> Value:
    """The same value with `Ref` and `Fn::…` mappings in place of tags: what JSON needs."""
    match value:
        case Tagged("!GetAtt", text):
            return {"Fn::GetAtt": [*text.split(".", 1)]}
        case Tagged(tag, text):
            return {_SHORT[tag]: text}
        case list():
            return [long_form(item) for item in value]
        case dict():
            return {key: long_form(item) for key, item in value.items()}
        case _:
            return value


# ---------------------------------------------------------------- trees that can be compared


def plain_of(node: Node) -> Plain:
    """A node as comparable data: all tags and values, no places, no styles."""
    match node:
        case SequenceNode():
            items = [plain_of(item) for item in node.value]
            return items if node.tag == SEQ else {_TAG_KEY: (node.tag, ""), "items": items}
        case MappingNode():
            tag: dict[str, Plain] = {} if node.tag == MAP else {_TAG_KEY: (node.tag, "")}
            return tag | {_key(key): plain_of(value) for key, value in node.value}
        case _:
            return node.tag, node.value


def _key(node: Node) -> str:
    return node.value if isinstance(node, ScalarNode) else repr(plain_of(node))


def plain_value(value: Value) -> Plain:
    """What `plain_of` says once this value has been written and read back."""
    match value:
        case Tagged(tag, text):
            return tag, text
        case bool():
            return _BOOL, str(value).lower()
        case int():
            return _INT, str(value)
        case str():
            return STR, value
        case list():
            return [plain_value(item) for item in value]
        case dict():
            return {key: plain_value(item) for key, item in value.items()}


# ---------------------------------------------------------------- spelling


def scalar(value: str | int | bool | Tagged) -> str:
    """One YAML scalar, quoted only where it would otherwise read as something else."""
    match value:
        case Tagged(tag, text):
            return f"{tag} {scalar(text)}"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case _ if _reads_as_text(value):
            return value
        case _ if _UNPRINTABLE.search(value):
            return _escaped(json.dumps(value, ensure_ascii=False), _yaml_escape)
        case _:
            return "'" + value.replace("'", "''") + "'"


@lru_cache(maxsize=4096)  # few words, written again and again
def _reads_as_text(text: str) -> bool:
    if not _UNQUOTED.fullmatch(text):
        return False
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return isinstance(node, ScalarNode) and node.tag == STR and node.value == text


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    """Double-quoted text in which readers find no character that they forbid."""
    # a tab can only be indentation here: inside of strings json.dumps has escaped it
    return _UNPRINTABLE.sub(lambda match: "\t" if match[0] == "\t" else escape(match[0]), text)


def _yaml_escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}"


def _json_escape(character: str) -> str:
    """YAML readers of JSON take no two halves of a character: those that would need them stay as they are."""
    return _yaml_escape(character) if character <= "\uffff" else character


def flow(value: Value) -> str:
    """One line of YAML: `{Effect: Allow, Action: [a, b]}`."""
    match value:
        case list():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case _:
            return scalar(value)


def block(value: Value, column: int, step: int, dash: int) -> Iterator[str]:
    """Lines of block YAML that start at `column`; lists stand `dash` columns to the right of their key."""
    margin = " " * column
    match value:
        case dict():
            for key, item in value.items():
                if isinstance(item, dict | list) and item:
                    yield f"{margin}{scalar(key)}:"
                    yield from block(item, column + (dash if isinstance(item, list) else step), step, dash)
                else:
                    yield f"{margin}{scalar(key)}: {flow(item)}"
        case list():
            for item in value:
                first, *rest = block(item, column + 2, step, dash)
                yield f"{margin}- {first[column + 2 :]}"
                yield from rest
        case _:
            yield margin + scalar(value)


def json_text(value: Value, unit: str | None, margin: str = "") -> str:
    """JSON over several lines (`unit` is one level of indentation), or on one line where it is None."""
    lines = json.dumps(long_form(value), indent=unit, ensure_ascii=False).split("\n")
    return f"\n{margin}".join(_escaped(line, _json_escape) for line in lines)
