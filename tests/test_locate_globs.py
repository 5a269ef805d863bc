import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statelift.locate.globs import is_kept, is_match


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("**", ["a", "a/b.py"], []),
        ("*", ["a", "a.py"], ["a/b"]),
        ("**/*.py", ["a.py", "a/b/c.py"], ["a.pyc", "a/"]),
        ("a/**", ["a/b", "a/b/c"], ["b/a", "a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab"]),
        ("{a,b/*}.py", ["a.py", "b/x.py"], ["b.py"]),
        ("[a-c]?.p[!x]", ["az.py", "cc.pz"], ["dz.py", "az.px"]),
        ("a.b", ["a.b"], ["axb"]),
        ("[", ["["], ["a"]),
    ],
)
def test_what_a_pattern_is_about(pattern, yes, no):
    assert [path for path in yes if not is_match(pattern, path)] == []
    assert [path for path in no if is_match(pattern, path)] == []


def test_the_last_pattern_counts():
    assert is_kept("a.py", [])
    assert not is_kept("a.py", ["!**"])
    assert is_kept("a.py", ["!**", "./*.py"])
    assert not is_kept("a.py", ["*.py", "!a*"])


@given(
    st.lists(st.sampled_from(["a", "b", "/", "*", "**", "?", "."]), max_size=8).map("".join),
    st.text("ab/.", max_size=8),
)
def test_it_says_what_the_regular_expression_says(pattern, path):
    translation = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*/|\*\*|.", pattern)
    expression = "".join(translation.get(token, re.escape(token)) for token in tokens)
    assert is_match(pattern, path) == bool(re.fullmatch(expression, path))


def test_many_stars_take_no_time():
    assert not is_match("**/" * 200 + "*a" * 200 + "b", "a" * 300)
