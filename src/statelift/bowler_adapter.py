"""a user's Bowler script + files -> rewritten bytes: nothing is executed on disk, nothing is written.

Bowler itself turns CRLF into LF, skips what it cannot parse with exit code 0, and patches files in place. So the
script only tells its queries here; each is applied from text to text, and what could not be done is said.
"""

import contextlib
import os
import re
import runpy
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypedDict, Unpack

from statelift.model import Problem, SourceFile
from statelift.source import Parsed, parse_source

Status: TypeAlias = Literal["changed", "unchanged", "unparsed", "failed", "bad-output"]
Processor: TypeAlias = Callable[[str, list[str]], object]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_NAMED = frozenset(("module", "class", "subclass", "attribute", "method", "function", "var"))


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a script makes of one file. `after` are the original bytes unless `status` is "changed"."""

    path: str
    status: Status
    after: bytes
    reason: str = ""


class ScriptError(Exception):
    """The script does not exist, raises, or asks for nothing."""


class _CallbackError(Exception):
    """Code of the script failed while a query was applied."""


class _UnreadError(Exception):
    """Bowler's parser cannot read the text."""


class _Transform(Protocol):
    """What we use of Bowler's Transform: Bowler and fissix have no types of their own."""

    selector: str
    kwargs: Mapping[str, str]


class _Fixer(Protocol):
    """What we use of a fixer of fissix."""

    order: str


class _Tool(Protocol):
    """What we use of a RefactoringTool of fissix."""

    options: Mapping[str, object]
    fixer_log: list[str]
    fixers: Sequence[Callable[[Mapping[str, object], list[str]], _Fixer]]

    def refactor_tree(self, tree: object, name: str) -> object:
        """Applies the fixers to the tree in place."""


class _Query(Protocol):
    """What we use of Bowler's Query."""

    paths: Sequence[str]
    transforms: Sequence[_Transform]
    processors: Sequence[Processor]
    filename_matcher: Callable[[str], object] | None
    python_version: int
    retcode: int
    exceptions: list[Exception]
    execute: Callable[..., object]

    def compile(self) -> Sequence[object]:
        """The fixer classes of the query."""


class _Options(TypedDict, total=False):
    """The arguments of Query.execute that say what is rewritten; the others say how it is shown."""

    filename_matcher: Callable[[str], object] | None
    hunk_processor: Processor | None
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Captured:
    """A query as it was when the script executed it. `query` is kept so that its id stays its own."""

    query: _Query
    tool: _Tool
    matcher: Callable[[str], object]
    processors: tuple[Processor, ...]
    folders: tuple[Path, ...] | None
    needles: tuple[str, ...] | None

    def has_file(self, path: str, root: Path) -> bool:
        """Does the query apply to the file? `folders` is None where it takes whatever it is given."""
        with _users_code():
            if not self.matcher(path):
                return False
        return self.folders is None or any((root / path).is_relative_to(folder) for folder in self.folders)

    def has_chance(self, text: str) -> bool:
        """Does the text hold a name that the query selects? Parsing it is what takes the time."""
        return self.needles is None or any(needle in text for needle in self.needles)


def run_script(
    script: Path, argv: Sequence[str], files: Sequence[SourceFile], root: Path | None = None
) -> tuple[Rewritten, ...]:
    """What each file becomes, in the order of `files`. What the script prints goes to stderr.

    A query with paths of its own takes the files below those; they are relative to the current folder, the files
    to `root` (by default the current folder too). Raises ScriptError.
    """
    base = (root or Path()).resolve()
    with contextlib.redirect_stdout(sys.stderr):
        queries = _queries(script, argv)
        return tuple(_rewritten(file, queries, base) for file in files)


# ---------------------------------------------------------------- the script


def _queries(script: Path, argv: Sequence[str]) -> tuple[_Captured, ...]:
    """The queries that a script would execute, in order; the last state of one that it executes twice."""
    query_class = _load_query_class()
    captured: dict[int, _Captured] = {}

    def record(query: _Query, **options: Unpack[_Options]) -> _Query:
        captured[id(query)] = _captured(query, options)
        query.retcode, query.exceptions = 0, []
        return query

    execute = query_class.execute
    query_class.execute = record
    try:
        _run(script, argv)
    finally:
        query_class.execute = execute
    if not captured:
        raise ScriptError(f"{script} executes no query. End a query with .diff() or .write(), or define main().")
    return tuple(captured.values())


def _load_query_class() -> type[_Query]:
    """Bowler's Query. fissix writes its grammar into the home folder at import, and trusts the pickle that it finds
    there: it gets a folder of its own, for as long as the import takes."""
    import fissix

    cache = fissix.CACHE_DIR
    with tempfile.TemporaryDirectory() as folder:
        fissix.CACHE_DIR = Path(folder)
        try:
            import bowler
        finally:
            fissix.CACHE_DIR = cache
    query_class: type[_Query] = bowler.Query
    return query_class


def _run(script: Path, argv: Sequence[str]) -> None:
    """Executes the script as `bowler run` does: the module, then its main() if there is one."""
    if not script.is_file():
        raise ScriptError(f"The script {script} does not exist.")
    with _script_surroundings(script, argv):
        try:
            main = runpy.run_path(str(script), run_name="bowler_script").get("main")
            if main is not None:
                main()
        except SystemExit as ended:
            if ended.code not in (None, 0):
                raise ScriptError(f"{script} ended with {ended.code!r} before its queries were known.") from ended
        except Exception as error:
            raise ScriptError(f"{script} raised {_told(error)}") from error


@contextlib.contextmanager
def _script_surroundings(script: Path, argv: Sequence[str]) -> Iterator[None]:
    """The script sees its own arguments, can import its neighbours, and leaves no bytecode behind."""
    saved = sys.argv, sys.path, sys.dont_write_bytecode
    sys.argv, sys.path = [str(script), *argv], [str(script.parent.resolve()), *sys.path]
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.argv, sys.path, sys.dont_write_bytecode = saved


def _told(error: BaseException) -> str:
    """An error of the user's code in one line, with the place that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


@contextlib.contextmanager
def _users_code() -> Iterator[None]:
    """Whatever a filter, callback or processor raises becomes a _CallbackError."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise _CallbackError(_told(error)) from error


# ---------------------------------------------------------------- a query


def _captured(query: _Query, options: _Options) -> _Captured:
    """Raises what Bowler raises for a query that does not compile."""
    processor = options.get("hunk_processor")
    processors = tuple(query.processors) or ((processor,) if processor else ())
    matcher = options.get("filename_matcher", query.filename_matcher) or _is_python
    tool_options = {"print_function": query.python_version == 3, **options.get("options", {})}
    return _Captured(
        query,
        _tool(query.compile(), tool_options),
        matcher,
        processors,
        _folders(query.paths),
        _needles(query.transforms),
    )


def _is_python(path: str) -> bool:
    return path.endswith(".py")


def _tool(fixers: Sequence[object], options: Mapping[str, object]) -> _Tool:
    """A refactoring tool for Bowler's fixers, without the queues and processes of Bowler's own."""
    from fissix.refactor import RefactoringTool

    def get_fixers(tool: _Tool) -> tuple[list[_Fixer], list[_Fixer]]:
        ready = [fixer(tool.options, tool.fixer_log) for fixer in tool.fixers]
        return [one for one in ready if one.order == "pre"], [one for one in ready if one.order == "post"]

    tool_class = type("ScriptTool", (RefactoringTool,), {"get_fixers": get_fixers})
    tool: _Tool = tool_class(fixers, dict(options))
    return tool


def _folders(paths: Sequence[str]) -> tuple[Path, ...] | None:
    """Where a query looks; None for the current folder, which is what it says when nobody told it."""
    if any(os.path.normpath(path) == "." for path in paths):
        return None
    return tuple(Path(path).resolve() for path in paths)


def _needles(transforms: Sequence[_Transform]) -> tuple[str, ...] | None:
    """Names of which one must occur for anything to match; None where that cannot be told."""
    names = [one.kwargs.get("name", "") if one.selector in _NAMED else "" for one in transforms]
    parts = [part for name in names for part in name.split(".")]
    return tuple(parts) if parts and all(map(str.isidentifier, parts)) else None


# ---------------------------------------------------------------- a file


def _rewritten(file: SourceFile, queries: Sequence[_Captured], root: Path) -> Rewritten:
    """One file through all queries that apply to it."""

    def kept(status: Status, reason: str) -> Rewritten:
        return Rewritten(file.path, status, file.data, reason)

    try:
        own = [query for query in queries if query.has_file(file.path, root)]
    except _CallbackError as error:
        return kept("failed", f"The script's file matcher raised {error}")
    if not own:
        return kept("unchanged", "No query of the script takes this file.")
    parsed = parse_source(file)
    if isinstance(parsed, Problem):
        return kept("unparsed", parsed.message)
    text = before = _unix(parsed.text)
    try:
        for query in own:
            text = _applied(query, text, file.path)
    except _CallbackError as error:
        return kept("failed", f"The script raised {error}")
    except _UnreadError as error:
        return kept("unparsed" if text == before else "bad-output", str(error))
    return kept("unchanged", "") if text == before else _checked(parsed, text)


def _unix(text: str) -> str:
    """With LF, and with the final newline that fissix cannot do without."""
    text = text.replace("\r\n", "\n")
    return text if text.endswith("\n") else f"{text}\n"


def _checked(parsed: Parsed, text: str) -> Rewritten:
    """The new text in the shape of the old file, if it is still Python."""
    if not parsed.text.endswith("\n"):
        text = text.removesuffix("\n")
    text = text.replace("\r\n", "\n").replace("\n", parsed.newline)
    try:
        after = text.encode(parsed.encoding)
    except UnicodeEncodeError as error:
        return Rewritten(parsed.path, "bad-output", parsed.data, f"The new text does not fit the file: {error}.")
    after = parsed.data[: parsed.offset(1, 0)] + after
    match parse_source(SourceFile(parsed.path, after)):
        case Problem(message=message):
            reason = f"The script's output is not valid: {message}"
            return Rewritten(parsed.path, "bad-output", parsed.data, reason)
        case _:
            return Rewritten(parsed.path, "changed" if after != parsed.data else "unchanged", after)


def _applied(query: _Captured, text: str, path: str) -> str:
    if not query.has_chance(text):
        return text
    tree = _tree(text)
    with _users_code():
        query.tool.refactor_tree(tree, path)
        return _with_vetoes(query.processors, path, text, str(tree))


def _tree(text: str) -> object:
    """Bowler's tree of the text. Raises _UnreadError, also where the tree does not give the text back."""
    from fissix import pygram, pytree
    from fissix.pgen2 import driver, parse, tokenize

    reader = driver.Driver(pygram.python_grammar_no_print_and_exec_statement, convert=pytree.convert)
    try:
        tree: object = reader.parse_string(text)
        is_same = str(tree) == text
    except parse.ParseError as error:
        line, value = error.context[1][0], error.value
        message = f"Line {line}: Bowler's old grammar stops at {value!r}. The file is left alone."
        raise _UnreadError(message) from error
    except (tokenize.TokenError, SyntaxError, RecursionError) as error:
        raise _UnreadError(f"Bowler cannot read this file: {error}.") from error
    if not is_same:
        raise _UnreadError("Bowler's parser does not give this file back as it was.")
    return tree


def _with_vetoes(processors: Sequence[Processor], path: str, before: str, after: str) -> str:
    """The new text without the hunks that a processor refused. Each processor sees each hunk, as in Bowler."""
    if not processors or before == after:
        return after
    old, new = _LINE.findall(before), _LINE.findall(after)
    groups = SequenceMatcher(None, old, new).get_grouped_opcodes()
    pieces, position = [], 0
    for group, hunk in zip(groups, _hunks(path, old, new), strict=True):
        (_, start, _, new_start, _), (_, _, end, _, new_end) = group[0], group[-1]
        is_refused = [processor(path, hunk) is False for processor in processors]
        pieces += old[position:start]
        pieces += old[start:end] if any(is_refused) else new[new_start:new_end]
        position = end
    return "".join([*pieces, *old[position:]])


def _hunks(path: str, old: Sequence[str], new: Sequence[str]) -> list[list[str]]:
    """The hunks of a unified diff, each under both file headers: what Bowler hands to a processor."""
    hunks: list[list[str]] = []
    header, lines = [f"--- {path}", f"+++ {path}"], list(unified_diff(old, new, lineterm=""))[2:]
    for line in lines:
        if line.startswith("@@"):
            hunks.append([*header])
        hunks[-1].append(line.removesuffix("\n"))
    return hunks
