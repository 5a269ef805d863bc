import ast
import codecs
import encodings.aliases
import sys
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statelift.model import Place, Problem, SourceFile, Span
from statelift.source import Parsed, parse_source

MODULE = '''\
# état
import boto3

@decorate
def handler(event, context):
    """Größe: 日本"""
    total = "é" + event["ключ"]; other = [x for x in total]
    try:
        return {"a": total, "😀": f"{other!r}"}
    except (KeyError, ValueError) as error:
        raise error
\x0c
class Store:
    items: dict[str, int] = {}
'''
PIECES = [
    "(",
    ")",
    "[",
    "'",
    '"""',
    "\n",
    "\r\n",
    "\r",
    "\0",
    "é",
    "\\",
    " ",
    "\t",
    "print x",
    "match x:",
    "0777",
    "\x0c",
    "`",
]


def parse(data):
    return parse_source(SourceFile("app.py", data))


def problem(data):
    result = parse(data)
    assert isinstance(result, Problem)
    return result


def _positioned(tree):
    return [node for node in ast.walk(tree) if hasattr(node, "lineno") and not isinstance(node, ast.FormattedValue)]


def _without_decorators(node):
    if hasattr(node, "decorator_list"):
        node.decorator_list = []
    return node


def _in_fstring(tree):
    joined = (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr))
    return {id(inner) for node in joined for inner in ast.walk(node) if inner is not node}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8])
def test_every_node_is_found_again_in_the_bytes(newline, bom):
    data = bom + MODULE.replace("\n", newline).encode()
    parsed = parse(data)
    assert isinstance(parsed, Parsed)
    assert (parsed.newline, parsed.bom, parsed.encoding) == (newline, bool(bom), "utf-8")
    reference, skipped = ast.parse(MODULE), _in_fstring(parsed.tree)
    for node, twin in zip(_positioned(parsed.tree), _positioned(reference), strict=True):
        if id(node) not in skipped:
            expected = ast.get_source_segment(MODULE, twin)
            assert parsed.segment(parsed.span(node)).replace("\r\n", "\n") == expected


def test_the_text_has_no_byte_order_mark_and_line_one_starts_behind_it():
    parsed = parse(codecs.BOM_UTF8 + b"x = 1\ny = 2\n")
    assert parsed.text == "x = 1\ny = 2\n"
    assert [parsed.span(node) for node in parsed.tree.body] == [Span(3, 8), Span(9, 14)]


def test_columns_for_people_count_characters_from_one():
    parsed = parse('é = "日本"; y = 1\n'.encode())
    assert parsed.place(parsed.tree.body[1]) == Place("app.py", 1, 11, 1)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift_jis", "euc-kr", "koi8-r"])
def test_offsets_are_right_in_other_encodings(encoding):
    sample = {"latin-1": "é", "cp1252": "€", "shift_jis": "日本", "euc-kr": "한국", "koi8-r": "ключ"}[encoding]
    data = f'# coding: {encoding}\ns = "{sample}"; t = "{sample}"\nu = s\n'.encode(encoding)
    parsed = parse(data)
    assert [parsed.segment(parsed.span(node)) for node in parsed.tree.body] == [
        f's = "{sample}"',
        f't = "{sample}"',
        "u = s",
    ]
    second = parsed.tree.body[1]
    assert data[parsed.span(second).start :].startswith(b't = "')
    assert parsed.place(second).column == len(f's = "{sample}"; ') + 1


def test_only_newlines_end_a_line():
    parsed = parse('a = "\x0b\x0c\x1c\x85\u2028"\nb = 1\n'.encode())
    assert len(parsed.line_starts) == 3
    assert parsed.segment(parsed.span(parsed.tree.body[1])) == "b = 1"


def test_an_empty_file_is_a_module():
    assert parse(b"").line_starts == (0,)


@pytest.mark.parametrize(
    ("data", "kind", "line", "words"),
    [
        (b"x = 1\ny = '\xe9'\n", "encoding", 2, "not utf-8"),
        (b"\ny = '\xe9'\n", "encoding", 2, "not utf-8"),
        (b"x = 1\n\n\ny = '\xe9'\n", "encoding", 4, "not utf-8"),
        (b"# coding: nonsense\n", "encoding", 1, "nonsense"),
        (b"# coding: ascii\n\n# \xc3\xa9\n", "encoding", 3, "not ascii"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n", "encoding", 1, "byte order mark"),
        (codecs.BOM_UTF16_LE + "x".encode("utf-16-le"), "encoding", 1, "UTF-16"),
        (b"# coding: utf-7\nx = '+AOk-'\n", "encoding", 1, "fixed bytes"),
        (b"# coding: rot13\nk = 1\n", "encoding", 1, "rot-13"),
        (b"x = 1\n\0\n", "nul-bytes", 2, "NUL"),
        (b"x = 1\ry = 2\r", "newlines", 1, "lone CR"),
        (b"a = 1\r\nb = '\r'\r\n", "newlines", 2, "lone CR"),
        (b"x = 1\r\ny = 2\n", "newlines", 1, "CRLF"),
        (b"def f(:\n    pass\n", "syntax-error", 1, "invalid syntax"),
        (b"x = 1\nf(a=1, 2)\n", "syntax-error", 2, "follows"),
        (b"if x:\n\tpass\n        pass\n", "syntax-error", 3, "inconsistent"),
        (b"x = (1,  # see `y`\n", "syntax-error", 1, "never closed"),
        (b"(" * 300 + b")" * 300, "too-deep", 1, "deep"),
        (b"x = " + b"-" * 100_000 + b"1\n", "too-deep", 1, "deep"),
    ],
)
def test_what_cannot_be_read_is_explained(data, kind, line, words):
    found = problem(data)
    assert (found.path, found.kind, found.line) == ("app.py", kind, line)
    assert words in found.message


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ('print "hello"', "print"),
        ("print x, y", "print"),
        ('exec "x = 1"', "exec"),
        ("raise ValueError, 'no'", "raise"),
        ("x = `y`", "backticks"),
        ("x = 1 if a <> b else 2", "<>"),
        ("x = 0777", "0777"),
        ("x = 10L", "10L"),
        ("x = ur'a'", "ur''"),
    ],
)
def test_python_2_is_named_by_its_sign(line, sign):
    found = problem(f"import sys\n{line}\n".encode())
    assert (found.kind, found.line) == ("python2", 2)
    assert sign in found.message


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="valid since 3.14")
def test_the_old_except_clause_is_python_2_but_two_classes_are_new_python():
    assert problem(b"try:\n    f()\nexcept ValueError, e:\n    pass\n").kind == "python2"
    assert problem(b"try:\n    f()\nexcept ValueError, KeyError:\n    pass\n").kind == "newer-syntax"


@pytest.mark.parametrize("text", ["x = (1, 'print y'\n", "# print x\ny = = 1\n", "print(x y)\n", "print = = 1\n"])
def test_broken_python_3_is_not_called_python_2(text):
    assert problem(text.encode()).kind == "syntax-error"


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ((3, 12), "type Alias = int\n"),
        ((3, 12), "def first[T](items: list[T]) -> T:\n    return items[0]\n"),
        ((3, 12), "class Box[T]:\n    pass\n"),
        ((3, 12), 'x = f"{event["key"]}"\n'),
        ((3, 13), "class Box[T = int]:\n    pass\n"),
        ((3, 14), "x = t'{y}'\n"),
    ],
)
@pytest.mark.parametrize("padding", ["", "x = 1\n" * 2000])
def test_newer_syntax_names_the_python_it_needs(version, text, padding):
    if sys.version_info >= version:
        assert isinstance(parse(text.encode()), Parsed)
        return
    found = problem((padding + text).encode())
    assert found.kind == "newer-syntax"
    assert f"needs Python {version[0]}.{version[1]}" in found.message


def test_a_broken_file_with_newer_looking_syntax_is_a_syntax_error():
    assert problem(b"def first[T](items:\n").kind == "syntax-error"


def test_warnings_of_the_file_are_not_ours(recwarn):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(parse(b'x = "\\d"\nassert (1, "always")\n'), Parsed)
    assert not recwarn


@pytest.mark.parametrize(
    "name", sorted({*encodings.aliases.aliases.values(), "idna", "undefined", "punycode", "utf-8-sig"})
)
def test_no_cookie_makes_it_raise(name):
    data = f"# coding: {name}\nx = '\\d + ~{{hz~}}'\n".encode() + b"y = '\xc3\xa9\\\\\x81'\n"
    result = parse(data)
    assert isinstance(result, Problem) or result.segment(result.span(result.tree.body[0])).startswith("x =")


@given(st.binary(max_size=80))
@example(b"# coding: utf-16-le\n")
def test_random_bytes_never_raise(data):
    assert isinstance(parse(data), Parsed | Problem)


@given(st.lists(st.tuples(st.integers(0, len(MODULE)), st.integers(0, 4), st.sampled_from(PIECES)), max_size=4))
def test_mutated_python_never_raises_and_its_spans_stay_inside(mutations):
    text = MODULE
    for start, length, piece in mutations:
        text = text[:start] + piece + text[start + length :]
    match parse(text.encode()):
        case Problem(line=line, message=message):
            assert line >= 1
            assert message
        case Parsed() as parsed:
            for node in parsed.tree.body:
                again = ast.parse(parsed.segment(parsed.span(node))).body[0]
                assert ast.dump(again) == ast.dump(_without_decorators(node))
