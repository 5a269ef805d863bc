"""No regular expression takes much longer for twice the text: each one in the code, as it is called there."""

import ast
import importlib
import itertools
import re
import signal
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from statelift.patterns import compiled

TOP = Path(__file__).parents[1]
SOURCES = {"src": "statelift", "codemods": "statelift_codemods"}
ALPHABET = " \t\n\"'#=:;.,/\\*?!-_[](){}<>@%$|&+~^a0Z\x00\xff"
SIZE = 3_000
QUICK = 0.003  # seconds for a text of that size: below, nothing grows fast
MOST = 3.2  # a linear pattern doubles, a quadratic one takes four times as long
METHODS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}

BOUNDED = {"dialects: sub '([\"\\'])(?:": "reads one line, cut at a fixed length"}

Use = tuple[re.Pattern, str]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for folder, package in SOURCES.items():
        for path in sorted((TOP / folder / package).rglob("*.py")):
            name = path.relative_to(TOP / folder).with_suffix("").as_posix().replace("/", ".")
            if ".inside." not in name and not name.endswith("__main__"):
                yield name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[ast.expr, str, ast.Call]]:
    """What a method of a regular expression is called on: `re` or a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield node.func.value, node.func.attr, node


def uses() -> dict[str, Use]:
    """Every regular expression with each method that the code calls on it."""
    found: dict[str, Use] = {}
    for name, tree in modules():
        known = vars(importlib.import_module(name))
        for owner, method, call in calls(tree):
            match owner, call.args:
                case ast.Name("re"), [ast.Constant(value), *_]:
                    keep(found, name, re.compile(value), method)
                case ast.Name("re"), [ast.Name("pattern"), *_]:
                    for text in tables(tree):
                        keep(found, name, re.compile(text), method)
                case ast.Name(variable), _ if isinstance(known.get(variable), re.Pattern):
                    keep(found, name, known[variable], method)
                case ast.Subscript(ast.Name(variable)), _ if isinstance(known.get(variable), dict):
                    for each in known[variable].values():
                        keep(found, name, each, method)
                case _:
                    pass
    return found


def tables(tree: ast.Module) -> Iterator[str]:
    """Texts of the tuples in a module that are written with the signs of regular expressions."""
    for node in ast.walk(tree):
        match node:
            case ast.Tuple(elts=parts):
                for part in parts:
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and "\\" in repr(part.value):
                        yield part.value
            case _:
                pass


def keep(found: dict[str, Use], module: str, pattern: re.Pattern, method: str) -> None:
    found[f"{module.rpartition('.')[2]}: {method} {pattern.pattern!r}"] = (pattern, method)


def attacks(pattern: re.Pattern) -> Iterator[tuple[str, str, str]]:
    """Beginning, what is repeated, end: of the characters that the pattern names, and of some others."""
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    own = re.sub(r"\\[a-zA-Z]", " ", text)
    letters = list(dict.fromkeys([*"\n a", *(c for c in own if c in ALPHABET), *"0\"'\\(["]))[:10]
    words = re.findall(r"[a-zA-Z]{2,}", text)[:3]
    units = [*letters, *map("".join, itertools.permutations(letters, 2)), *words, *(f"{word} " for word in words)]
    for unit in units:
        for start, end in (("", "\x00"), (words[0] if words else "x", "")):
            yield start, unit, end


def duration(use: Use, attack: tuple[str, str, str], size: int) -> float:
    pattern, method = use
    start, unit, end = attack
    text: str | bytes = start + unit * (size // len(unit)) + end
    if isinstance(pattern.pattern, bytes):
        text = text.encode("latin-1")
    began = time.process_time()
    match method:
        case "sub" | "subn":
            pattern.sub(lambda _: text[:0], text)
        case "finditer":
            deque(pattern.finditer(text), 0)
        case _:
            getattr(pattern, method)(text)
    return time.process_time() - began


class TooSlowError(Exception):
    pass


def is_explosive(use: Use, attack: tuple[str, str, str]) -> bool:
    """Whether twice the text takes far more than twice the time, again and again."""
    size = SIZE
    while (once := limited(use, attack, size)) > 25 * QUICK:
        if size < 40:
            return True
        size //= 2
    if once < QUICK:
        return False
    return all(limited(use, attack, 2 * size) > MOST * limited(use, attack, size) for _ in range(4))


def limited(use: Use, attack: tuple[str, str, str], size: int) -> float:
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        return duration(use, attack, size)
    except TooSlowError:
        return 0.5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture(autouse=True)
def alarm():
    def stop(*_):
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.signal(signal.SIGALRM, before)


USES = {name: use for name, use in uses().items() if not name.startswith(tuple(BOUNDED))}


def test_the_patterns_of_the_code_are_found():
    assert len(USES) > 30
    assert any("coding" in name for name in USES)


@pytest.mark.parametrize("name", USES)
def test_twice_the_text_takes_about_twice_the_time(name):
    assert [attack for attack in attacks(USES[name][0]) if is_explosive(USES[name], attack)][:1] == []


@pytest.mark.parametrize(
    ("text", "method"), [(r"(a+)+$", "match"), (r"(a|a)*b", "match"), (r"\s*$", "search"), (r"a*a*a*b", "match")]
)
def test_a_bad_pattern_is_noticed(text, method):
    use = (re.compile(text), method)
    assert any(is_explosive(use, attack) for attack in attacks(use[0]))


def test_a_good_pattern_is_not():
    use = (re.compile(r"^\s*(\w+)\s*="), "match")
    assert not any(is_explosive(use, attack) for attack in attacks(use[0]))


# ---------------------------------------------------------------- patterns that a repository writes

GLOBS = st.lists(
    st.sampled_from(["*", "a", "b", "/", "?", "[ab]", "**/", "/**/", "\\*", "!", "."]), min_size=1, max_size=9
)
NAMES = st.lists(st.text("ab*.", min_size=1, max_size=6), min_size=1, max_size=3)


@settings(max_examples=400, deadline=None)
@given(GLOBS.map("".join), st.lists(NAMES.map("/".join), min_size=5, max_size=20))
def test_swift_patterns_say_what_the_plain_ones_say(line, paths):
    try:
        plain = GitIgnoreSpec.from_lines([line])
    except ValueError:
        return
    swift = compiled([line])
    for path in paths:
        assert swift.check_file(path).include == plain.check_file(path).include


@pytest.mark.parametrize(
    "line",
    [
        "*a" * 12 + "*b",
        "*[!b]a" * 9 + "*b",
        "*?a" * 9 + "*b",
        "/**/".join("aaaaaab"),
        "**/" + "/**/".join("a*a*aab"),
    ],
)
def test_a_line_of_stars_takes_no_longer_than_the_path_is_long(line):
    spec = compiled([line])
    for path in ("a" * 250, "a/" * 1_000, "ba" * 120, "a" * 250 + "/b"):
        signal.setitimer(signal.ITIMER_REAL, 5)
        try:
            spec.check_file(path)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def test_the_plain_pattern_of_such_a_line_would_hang():
    spec = GitIgnoreSpec.from_lines(["*a" * 12 + "*b"])
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(TooSlowError):
        spec.check_file("a" * 250)


def test_brackets_stay_inside_of_a_name_as_in_git():
    assert compiled(["x*[!a]*b"]).check_file("xc/b").include is None
    assert compiled(["x*[!a]*b"]).check_file("xccb").include is True
