"""Imports and definitions go in where they run in time, and everything else stays as it is."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statelift.compose import compose_changes
from statelift.model import Change, Edit, EnsureHelperPart, EnsureImport, Tier
from statelift.prelude import NoPlaceError, prelude_edits
from statelift.spans import splice, without_gaps

PATH = "app.py"
FUNCTOOLS = EnsureImport(PATH, "functools")
STORE = EnsureImport(PATH, "statelift_state", "Store")
GETTER = EnsureHelperPart(PATH, "_made", "@functools.cache\ndef _made():\n    return 1\n")
VALUE = EnsureHelperPart(PATH, "FILES", 'FILES = Store("FILES")\n')


def text_of(before, imports=(), parts=()):
    data = before.encode()
    return splice(data, prelude_edits(PATH, data, imports, parts)).decode()


def composed(data):
    change = Change("SL1-1.x", "SL101", Tier.SAFE, "bring in all", (), (FUNCTOOLS, STORE, GETTER, VALUE))
    writes = compose_changes([change], lambda _: data)
    return writes[0].after if writes else data


# ---------------------------------------------------------------- where things go


def test_a_standard_module_takes_its_place_among_the_others():
    before = "import base64\nimport json\n\nimport boto3\n\n\ndef f(): ...\n"
    assert text_of(before, [FUNCTOOLS]) == before.replace("base64\n", "base64\nimport functools\n")


def test_a_standard_module_is_set_off_from_foreign_ones():
    before = "import boto3\n\n\ndef f(): ...\n"
    assert text_of(before, [FUNCTOOLS]) == "import functools\n\n" + before


def test_the_first_imports_of_a_module_are_set_off_on_both_sides():
    assert text_of('"""Doc."""\nX = 1\n', [FUNCTOOLS, STORE]) == (
        '"""Doc."""\n\nimport functools\n\nfrom statelift_state import Store\n\nX = 1\n'
    )


def test_a_value_closes_the_block_of_assignments():
    before = 'import os\n\nA = "a"\n\n\n# about f\ndef f(): ...\n'
    assert text_of(before, parts=[VALUE]) == before.replace('A = "a"\n', 'A = "a"\nFILES = Store("FILES")\n')


def test_a_value_follows_the_import_that_it_needs():
    before = "import os\n\n\ndef f(): ...\n"
    assert text_of(before, [STORE], [VALUE]) == (
        'import os\n\nfrom statelift_state import Store\n\nFILES = Store("FILES")\n\n\ndef f(): ...\n'
    )


def test_a_value_stays_out_of_what_another_edit_removes():
    data = b"A = 1\n\n\ndef f(): ...\n"
    removal = Edit(PATH, 0, 8, "")
    edits = prelude_edits(PATH, data, [], [VALUE], [removal])
    assert splice(data, [removal, *edits]) == b'FILES = Store("FILES")\n\n\ndef f(): ...\n'


@pytest.mark.parametrize("tail", ["\n\ndef f(): ...\n", "\n\nA = 1\n", "A = 1\n", ""])
def test_a_value_stands_behind_the_function_that_it_uses_at_once(tail):
    value = EnsureHelperPart(PATH, "SLOT", "SLOT = [_made]\n")
    before = f"X = 1\n\n\ndef _made():\n    return 1\n{tail}"
    made = text_of(before, parts=[value])
    found = {}
    exec(compile(made, PATH, "exec"), found)
    assert found["SLOT"] == [found["_made"]]
    assert text_of(made, parts=[value]) == made


def test_an_import_that_runs_after_the_first_definition_is_too_late():
    before = "def f(): ...\n\n\nimport functools\n"
    made = text_of(before, [FUNCTOOLS], [GETTER])
    exec(compile(made, PATH, "exec"), {})
    assert made.startswith("import functools\n\n\n@functools.cache\n")


def test_a_name_joins_the_import_that_is_there():
    before = "from statelift_state import Counter, count_metric\n\n\ndef f(): ...\n"
    assert text_of(before, [STORE]) == before.replace("Counter, ", "Counter, Store, ")


LINES = {
    "shebang": "#!/usr/bin/env python3\n",
    "cookie": "# -*- coding: utf-8 -*-\n",
    "docstring": '"""What it does."""\n',
    "blank": "\n",
    "future": "from __future__ import annotations\n",
    "standard": "import json\nfrom os import path\n",
    "foreign": "import boto3\n",
    "values": "A = 1\n",
}


@given(st.sets(st.sampled_from(sorted(LINES))), st.booleans(), st.booleans(), st.sampled_from(["\n", "\n\n\n", ""]))
def test_whatever_opens_a_module_keeps_its_meaning(chosen, is_windows, has_bom, gap):
    text = "".join(line for name, line in LINES.items() if name in chosen) + gap + "def f():\n    return 1\n"
    data = text.replace("\n", "\r\n" if is_windows else "\n").encode()
    data = b"\xef\xbb\xbf" * has_bom + data
    made = composed(data)
    tree = ast.parse(made)
    assert ast.get_docstring(tree) == ast.get_docstring(ast.parse(data))
    assert made.startswith(b"\xef\xbb\xbf") == has_bom
    assert made.count(b"\r\n") == made.count(b"\n") * is_windows
    lines = iter(made.decode("utf-8-sig").splitlines())
    assert all(line in lines for line in data.decode("utf-8-sig").splitlines()), "lines are lost or out of order"
    opening = [LINES[name].strip() for name in ("shebang", "cookie") if name in chosen]
    assert made.decode("utf-8-sig").splitlines()[: len(opening)] == opening
    positions = {ast.unparse(each).partition("(")[0]: n for n, each in enumerate(tree.body)}
    assert positions["import functools"] < positions["@functools.cache\ndef _made"]
    assert positions["from statelift_state import Store"] < positions["FILES = Store"] < positions["def f"]
    assert composed(made) == made


# ---------------------------------------------------------------- names that mean something else


@pytest.mark.parametrize(
    "before",
    [
        "from shop import Store\n\n\ndef f(): ...\n",
        "import shop as Store\n\n\ndef f(): ...\n",
        "class Store: ...\n",
        "def f(Store):\n    return Store\n",
        "from shop import *\n\n\ndef f():\n    return Store()\n",
        "def f(x):\n    match x:\n        case {**Store}:\n            return Store\n",
        "Store = None\n",
        "from statelift_state import Store\n\nStore = dict\n",
    ],
)
def test_a_name_that_means_something_else_is_not_covered_up(before):
    with pytest.raises(NoPlaceError, match="Store"):
        text_of(before, [STORE])


@pytest.mark.parametrize("before", ["import os; A = 1\n", '"""Doc."""; import os\n'])
def test_imports_that_share_a_line_are_left_alone(before):
    with pytest.raises(NoPlaceError, match="share a line"):
        text_of(before, [FUNCTOOLS, STORE])


def test_an_import_inside_a_function_is_no_obstacle():
    before = "def f():\n    import functools\n\n    return functools\n"
    assert text_of(before, [FUNCTOOLS]) == "import functools\n\n\n" + before


# ---------------------------------------------------------------- what a removal leaves behind


def removed(text, *lines):
    data = text.encode()
    edits = [Edit(PATH, data.index(line.encode()), data.index(line.encode()) + len(line), "") for line in lines]
    return splice(data, without_gaps(data, edits)).decode()


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        ("A\n\nX\n\n\nB\n", ["X\n"], "A\n\n\nB\n"),
        ("A\n\n\nX\n\nB\n", ["X\n"], "A\n\n\nB\n"),
        ("A\n\nX\nY\n\n\nB\n", ["X\n", "Y\n"], "A\n\n\nB\n"),
        ("A\n\nX\n\nY\n\n\nB\n", ["Y\n", "X\n"], "A\n\n\nB\n"),
        ("A\n\nX\n\n\nB\n", ["X\n\n\n"], "A\n\n\nB\n"),
        ("A\r\n\r\nX\r\n\r\nB\r\n", ["X\r\n"], "A\r\n\r\nB\r\n"),
        ("A\nX\n\nB\n", ["X\n"], "A\n\nB\n"),
        ("X\n\nB\n", ["X\n"], "\nB\n"),
        ("if A:\n    X\n\n    B\n", ["    X\n"], "if A:\n    B\n"),
        ("A X B\n", ["X "], "A B\n"),
        ("A\n\nX\n", ["X\n"], "A\n\n"),
    ],
)
def test_of_the_blank_lines_around_a_removal_the_larger_gap_stays(before, lines, after):
    assert removed(before, *lines) == after


def test_gaps_stay_around_what_is_inserted_between_them():
    data = b"A\n\nX\n\n\nB\n"
    edits = [Edit(PATH, 3, 5, ""), Edit(PATH, 5, 5, "NEW\n")]
    assert splice(data, without_gaps(data, edits)) == b"A\n\nNEW\n\n\nB\n"
