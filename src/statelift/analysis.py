"""Paths -> Analysis: discovers, locates, sieves, takes facts, links and judges. No user code is imported."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from statelift.discover import Project, discover, read_file
from statelift.facts.values import ModuleFacts
from statelift.gathering import IN_THIS_PROCESS, Gatherer, Progress, no_progress
from statelift.judge.cells import judge_cells
from statelift.judge.connections import judge_connections
from statelift.judge.derived import hold_derived
from statelift.judge.evidence import Evidence
from statelift.judge.files import judge_files
from statelift.judge.leftovers import judge_leftovers
from statelift.judge.memos import judge_memos
from statelift.judge.once import tell_once
from statelift.judge.settings import judge_settings
from statelift.judge.styles import restyled
from statelift.judge.values import Judgement
from statelift.link.program import Program
from statelift.link.reach import ASSUMED
from statelift.locate.functions import Located, locate_functions
from statelift.locate.roots import enter_roots, group_files, is_test
from statelift.model import CodeRoot, Options, Problem, SourceFile, Tier
from statelift.sieve import may_hold_state
from statelift.source import parse_source
from statelift.workspace import Workspace


@dataclass(frozen=True)
class Analysis:
    """All judgements of a project, constants included, and the bytes that they rest on."""

    project: Project
    located: Located
    workspaces: tuple[Workspace, ...]
    judgements: tuple[tuple[Workspace, Judgement, str], ...]
    problems: tuple[Problem, ...]
    sources: Mapping[str, bytes]
    file_count: int
    gatherer: Gatherer

    def read(self, path: str) -> bytes:
        """Bytes of any file of the project, as first read. FileNotFoundError where there is none."""
        if path in self.sources:
            return self.sources[path]
        return read_file(self.project.root, path)


def analyse(
    paths: Sequence[Path], options: Options, exclude: Sequence[str] = (), progress: Progress = no_progress
) -> Analysis:
    """Discover, locate, sieve, take facts, link and judge. discover's PathNotFoundError passes through."""
    return analyse_project(discover(paths, exclude), options, {}, progress)


def analyse_project(
    project: Project,
    options: Options,
    overlay: Mapping[str, bytes],
    progress: Progress = no_progress,
    gatherer: Gatherer = IN_THIS_PROCESS,
) -> Analysis:
    """As `analyse`, with the bytes of some files replaced. Without a gatherer, facts are taken in this process."""
    reader = _Reader(project, overlay)
    located = locate_functions(sorted({*project.files, *overlay}), reader)
    python = sorted({path for path in (*project.files, *overlay) if path.endswith(".py")})
    groups = group_files([path for path in python if reader.has(path)], located.functions, reader)
    kept = {root: files for root, files in groups.items() if any(may_hold_state(reader(path)) for path in files)}
    judged = {path for files in kept.values() for path in files if not is_test(path)}  # tests are read as text only
    reader.check(path for files in groups.values() for path in files if path not in judged)
    facts = _facts(sorted(judged), reader, gatherer, progress)
    known = sum(path in project.files for path in python)
    named = project.wanted if len(project.wanted) < known else ()
    roots = enter_roots(kept, facts, located.functions, strict=options.strict_handlers, named=named)
    tests = {path: reader(path) for path in python if is_test(path) and reader.has(path)}
    places = {ref.root for ref in located.functions} | {root.path for root in roots if root.entries}
    workspaces = tuple(
        replace(
            _workspace(root, facts, tests, _unread(kept[root.path], facts, reader), reader),
            is_one_of_many=bool(places - {root.path}),
            options=options,
        )
        for root in roots
    )
    found = [(each, judgement) for each in workspaces for judgement in _judge(each.evidence, options)]
    problems = (*project.problems, *located.problems, *reader.problems)
    judgements = tuple(_identified(found))
    return Analysis(project, located, workspaces, judgements, problems, reader.bytes, len(python), gatherer)


class _Reader:
    """Reads each file once; what cannot be read or parsed is reported and left out."""

    def __init__(self, project: Project, overlay: Mapping[str, bytes]) -> None:
        self.root = project.root
        self.bytes: dict[str, bytes] = dict(overlay)
        self.problems: list[Problem] = []
        self._missing: set[str] = set()

    def __call__(self, path: str) -> bytes:
        if path not in self.bytes:
            self.bytes[path] = read_file(self.root, path)
        return self.bytes[path]

    def has(self, path: str) -> bool:
        """Whether the file can be read; a failure is reported once."""
        if path in self._missing:
            return False
        try:
            self(path)
        except OSError as error:
            self._missing.add(path)
            self.problems.append(Problem(path, 0, "unreadable", f"{path} cannot be read: {error.strerror}"))
            return False
        return True

    def check(self, paths: Iterable[str]) -> None:
        """Report files that cannot be parsed, although nothing of interest is in them."""
        for path in paths:
            parsed = parse_source(SourceFile(path, self(path)))
            if isinstance(parsed, Problem):
                self.problems.append(parsed)


def _facts(paths: Sequence[str], reader: _Reader, gatherer: Gatherer, progress: Progress) -> dict[str, ModuleFacts]:
    found: dict[str, ModuleFacts] = {}
    files = [SourceFile(path, reader(path)) for path in paths]
    for path, facts in zip(paths, gatherer.facts(files, progress), strict=True):
        if isinstance(facts, Problem):
            reader.problems.append(facts)
        else:
            found[path] = facts
    return found


def _unread(files: Sequence[str], facts: Mapping[str, ModuleFacts], reader: _Reader) -> dict[str, bytes]:
    """Files of a code root that could not be analysed: what they do to a cell is not known."""
    return {path: reader(path) for path in files if path not in facts and not is_test(path)}


def _workspace(
    root: CodeRoot, facts: Mapping[str, ModuleFacts], tests: Mapping[str, bytes], unread: Mapping[str, bytes],
    reader: _Reader,
) -> Workspace:  # fmt: skip
    program = Program(root, {path: facts[path] for path in root.files})
    return Workspace(Evidence(program, tests, unread, reader.bytes), reader.bytes)


def _judge(evidence: Evidence, options: Options) -> Iterator[Judgement]:
    public = {entry.function for entry in evidence.program.root.entries if entry.origin in ASSUMED}
    cells = [restyled(evidence, each, options) for each in judge_cells(evidence)]
    kept = [*hold_derived(evidence, cells), *judge_memos(evidence), *judge_settings(evidence)]
    files = [*judge_files(evidence), *judge_leftovers(evidence)]
    judgements = [*tell_once(evidence, kept), *files, *judge_connections(evidence)]
    for judgement in judgements:
        name = judgement.subject.symbol.rpartition(".")[2].rpartition("/")[2]
        unread = None if judgement.connection else evidence.mentioning_unread(name)
        if unread is not None and not judgement.is_left_alone:
            yield judgement.lowered(Tier.MANUAL, f"{unread} mentions {name}, and could not be analysed")
            continue
        is_assumed = public >= set(judgement.subject.handlers) and not judgement.is_left_alone
        yield judgement.lowered(Tier.REVIEW, _ASSUMED) if is_assumed else judgement


_ASSUMED = (
    "no handler calls this: it is assumed that its routes or public functions are called from outside, once per"
    " invocation"
)


def _identified(
    judged: Iterable[tuple[Workspace, Judgement]],
) -> Iterator[tuple[Workspace, Judgement, str]]:
    """Give ids that survive edits elsewhere: rule, path, symbol and a running number. Doubles are dropped."""
    seen: set[tuple[str, str, int, int, str]] = set()
    numbers: Counter[tuple[str, str, str]] = Counter()
    for workspace, judgement in judged:
        subject = judgement.subject
        place = (judgement.rule, subject.path, subject.place.line, subject.place.column, subject.symbol)
        if place not in seen:
            seen.add(place)
            name = (judgement.rule, subject.path, subject.symbol)
            digest = blake2b(f"{subject.path}\0{subject.symbol}\0{numbers[name]}".encode(errors="replace"))
            numbers[name] += 1
            yield workspace, judgement, f"{judgement.rule}-{digest.hexdigest()[:6]}"
