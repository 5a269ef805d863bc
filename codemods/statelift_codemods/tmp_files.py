"""A file in /tmp that a later invocation reads becomes an object in S3.

## What it does
Finds paths below /tmp that one invocation writes and another one reads, or tests for existence.

## Why
/tmp belongs to one container. The next invocation may run in another one, where the file does not exist.

## Becomes
`open("/tmp/results.json", "w")` becomes `TMP_FILES.open("/tmp/results.json", "w")`: the same file object,
read from and written to `s3://$TMP_FILES_BUCKET_NAME/tmp/results.json`. `os.path.exists`, `os.path.getsize` and
`os.remove` likewise, and the same methods of `pathlib.Path`: `PATH.write_text(x)` becomes
`TMP_FILES.write_text(PATH, x)`. A missing object raises FileNotFoundError, as a missing file does. Appending, and
making a file only if it is not there, are conditional writes: of several at once none is lost. A library that needs
a real file gets one: `cv2.imread(TMP_FILES.fetch(PATH))`, and `TMP_FILES.store(PATH)` behind what writes it.

What lists a folder lists the objects below it: `os.listdir(FOLDER)` becomes `TMP_FILES.listdir(FOLDER)`, likewise
`glob.glob`, `os.scandir`, `Path.iterdir` and `Path.glob`.

A shelf keeps each entry in an object: `shelve.open(PATH)` becomes `shelve.Shelf(TMP_FILES.entries(PATH))`.

What is only appended and read by nobody goes to the log: `open(PATH, "a")` becomes
`contextlib.nullcontext(sys.stdout)`, `logging.FileHandler(PATH)` becomes `logging.StreamHandler()`, also where a
`dictConfig` names it. A folder that must not be there yet may be: `os.mkdir(PATH)` becomes
`os.makedirs(PATH, exist_ok=True)`. A folder into which every call extracts an archive, and which is listed then, is
emptied before: `shutil.rmtree(PATH, ignore_errors=True)`.

A bucket that exists can be named in the configuration.

That is the style `store`. With `--style inline`, or for single files in the configuration
(`stores."app:/tmp/results.json"`), boto3's own calls stand in the place of a file that is read and written
whole, with a path that is fixed: `with open(PATH, "w") as f: json.dump(data, f)` becomes `put_object(…,
Body=json.dumps(data))`, `json.load(f)` becomes `get_object`, with FileNotFoundError where the key is missing
(`except FileNotFoundError` around it becomes `except _s3().exceptions.NoSuchKey`), `os.path.exists` becomes
`head_object`, `os.remove` `delete_object` behind that question. What the `with` computes must not be able to
fail there, as the file would have been cut off already; text is read only where all that is written is JSON.
Elsewhere a reason says why the style is `store`.

## Left alone
Scratch files (written before they are read, in the same invocation), temporary files with a name of their
own, and caches that are written only where they are missing.

## Safety
Always REVIEW: concurrent invocations now share the file. Where a call reads one file of a fixed path and then
writes it, `@TMP_FILES.one_step(PATH)` above the function makes that one step: the object is put on condition
that it is still the one that was read, else the function runs again (`retry=True`, where it does nothing but
compute) or StateConflictError is raised. MANUAL for SQL databases, memory maps, other programs and everything
else that S3 cannot do.

## Where we differ from the seed documents
The documents write one object per event (`results/{event['id']}.json`). The original has one file that every
call replaces, and its reader passes no id: ours keeps one object.

## Related
AP-20 file system persistence.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from statelift.catalogue.files import BECOMES, DICT_CONFIG, FILE_FIELDS
from statelift.facts.brackets import READING
from statelift.facts.values import FileEffect
from statelift.filestep import file_step_of, lost_of
from statelift.infra.names import bucket_id, env_name
from statelift.judge.files import can_be_cleared, can_be_entries, can_be_printed, can_be_there
from statelift.judge.styles import NotInlineError, asked_of, not_possible
from statelift.judge.values import Judgement
from statelift.model import Edit, EnsureHelperPart, EnsureImport, Operation, Span, Tier, Verdict
from statelift.putting import put_whole
from statelift.reopening import reopened
from statelift.workspace import Existing, Proposal, Workspace

RULES = ("SL301",)
BUCKET = "TMP_FILES"
NAME = "TMP_FILES"
CLOSED = "others see the new content once the file is closed, not after a flush; it has no name and no file number"
CONDITIONAL = "conditional writes (IfMatch, IfNoneMatch) need boto3 1.35.69 or later where the function runs"
WHOLE = "a file that a library writes is stored once the call has ended well: of several at once the last one wins"
ENTRIES = (
    "each entry is an object: entries of old files are not taken over, and what is pickled is read from the bucket"
)
LOGGED = "what was appended to the file goes to CloudWatch Logs, which keeps it when the container is gone"
THERE = "what failed in a container that was used before goes on, with the files that are in the folder"
EMPTIED = "what earlier calls left in the folder is gone: choose it if nothing there was meant to last"
EMPTY = (
    "a folder that holds nothing is there only in the container that made it: elsewhere FileNotFoundError is raised"
)
Positioned = ast.expr | ast.keyword
FILE_OPTIONS = frozenset({"filename", "filemode", "encoding", "errors"})  # of logging.basicConfig
OPENED = {
    "read": "files.open_read",
    "write": "files.open_write",
    "append": "files.open_append",
    "claim": "files.open_new",
}
REASONS = {
    "files.step": CONDITIONAL,
    "files.open_write": CLOSED,
    **dict.fromkeys((f"files.entries_{deed}" for deed in ("read", "write", "remove", "list")), ENTRIES),
    "files.open_append": CONDITIONAL,
    "files.open_new": CONDITIONAL,
    "files.touch": CONDITIONAL,
    "files.store": WHOLE,
    **dict.fromkeys(("files.listdir", "files.iterdir", "files.scandir"), EMPTY),
}


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: every use of the path goes to S3, or to the log; or a folder may be there."""
    if judgement.tier is Tier.MANUAL:
        return
    folders = [(path, each) for path, each in judgement.effects if can_be_there(each)]
    if judgement.verdict is Verdict.WRITE_ONLY:
        yield _printed(judgement, workspace)
    elif judgement.verdict is Verdict.STATE and folders:
        edits = [edit for path, each in folders for edit in _tolerate(path, each, workspace)]
        yield Proposal("exist-ok", f"let {judgement.subject.symbol} be there", (*edits,), judgement.tier, (THERE,))
    elif judgement.verdict is Verdict.STATE and any(can_be_cleared(each) for _, each in judgement.effects):
        yield _cleared(judgement, workspace)
    elif judgement.verdict is Verdict.STATE:
        yield _kept(judgement, workspace)


def _kept(judgement: Judgement, workspace: Workspace) -> Proposal:
    """Every use of the path goes to S3: in the style inline by boto3's own calls, where these do the same."""
    asked = asked_of(workspace.options, workspace.program, (judgement.subject.path, judgement.subject.symbol))
    told: list[str] = []
    if asked.style == "inline":
        try:
            put = put_whole(judgement, workspace, _variable(workspace))
        except NotInlineError as error:
            told.append(not_possible(asked, str(error)))
        else:
            reasons = (*lost_of(judgement, workspace), *put.reasons)
            return _stored("inline", put.operations, put.calls, reasons, judgement, workspace)
    effects = [(path, each) for path, each in judgement.effects if each.is_rewritable]
    edits = dict.fromkeys(edit for path, each in effects for edit in _edits(path, each, workspace))
    calls = [(path, effect.function, part) for path, effect in effects for part in _parts(effect)]
    step = file_step_of(judgement, workspace, NAME)
    if step is not None:
        edits |= dict.fromkeys(each for each in step.operations if isinstance(each, Edit))
        calls += step.calls
        told += step.reasons
    else:
        told += lost_of(judgement, workspace)
    parts = [part for _, _, part in calls]
    paths = sorted({path for path, _, _ in calls})
    stores = [EnsureHelperPart(path, NAME, f'{NAME} = FileStore("{_variable(workspace)}")\n') for path in paths]
    imports = [op for path in paths for op in workspace.helper(path, "FileStore", parts)]
    reasons = (*told, *dict.fromkeys(REASONS[part] for part in sorted(set(parts)) if part in REASONS))
    return _stored("s3", (*edits, *stores, *dict.fromkeys(imports)), calls, reasons, judgement, workspace)


def _variable(workspace: Workspace) -> str:
    """The environment variable that holds the bucket's name."""
    return workspace.options.bucket_env or env_name(bucket_id(workspace.resource_name(BUCKET)))


def _stored(
    style: str,
    ops: Sequence[Operation],
    calls: Sequence[tuple[str, str, str]],
    reasons: Sequence[str],
    judgement: Judgement,
    workspace: Workspace,
) -> Proposal:
    """The change with the bucket and the rights that the calls need."""
    options = workspace.options
    bucket = bucket_id(workspace.resource_name(BUCKET))
    is_there = options.bucket or options.bucket_env
    existing = Existing("bucket", options.bucket, options.bucket_env) if is_there else None
    needed = workspace.infrastructure(judgement, bucket, "bucket", calls, _prefix(judgement), existing)
    title = f"keep {judgement.subject.symbol} in S3"
    proposal = Proposal(style, title, (*ops, *needed), judgement.tier, tuple(reasons))
    doubts = (*workspace.doubts(judgement, existing), *_mentions(judgement, workspace))
    obstacles = workspace.obstacles(judgement, needs_resource=True, needs_helper=style != "inline")
    for tier, reason in (*obstacles, *doubts):
        proposal = proposal.lowered(tier, reason)
    return proposal


def _mentions(judgement: Judgement, workspace: Workspace) -> Iterator[tuple[Tier, str]]:
    """Tests and others that name the file: they look for it where it is no more."""
    symbol = judgement.subject.symbol
    who = "" if "{" in symbol else workspace.evidence.mentions(judgement.subject.path, symbol)
    if who:
        yield Tier.REVIEW, f"{who} {symbol}, which lies in S3 then"


def _printed(judgement: Judgement, workspace: Workspace) -> Proposal:
    """What is appended goes to the log."""
    ops: list[Operation] = []
    for path, effect in judgement.effects:
        if effect.api == "logging.basicConfig":
            ops += _without_file(path, workspace.text(path, effect.span), effect.span.start)
        elif effect.api == DICT_CONFIG:
            ops += _without_table(path, workspace.text(path, effect.span), effect)
        elif effect.mode == "log":
            ops += [_whole(path, effect, "logging.StreamHandler()"), EnsureImport(path, "logging")]
        elif can_be_printed(effect):
            ops += [_whole(path, effect, "contextlib.nullcontext(sys.stdout)")]
            ops += [EnsureImport(path, "contextlib"), EnsureImport(path, "sys")]
    title = f"print what is appended to {judgement.subject.symbol}"
    return Proposal("log", title, tuple(dict.fromkeys(ops)), judgement.tier, (LOGGED,))


def _cleared(judgement: Judgement, workspace: Workspace) -> Proposal:
    """A folder is emptied in front of the statement that fills it."""
    ops: list[Operation] = []
    for path, effect in judgement.effects:
        given, statement = effect.argument, effect.behind
        if can_be_cleared(effect) and given is not None and statement is not None:
            start = workspace.sources[path].rfind(b"\n", 0, statement.start) + 1
            margin, newline = (
                workspace.between(path, start, statement.start),
                workspace.program.modules[path].newline,
            )
            line = f"{margin}shutil.rmtree({workspace.text(path, given)}, ignore_errors=True){newline}"
            ops += [Edit(path, start, start, line), EnsureImport(path, "shutil")]
    title = f"empty {judgement.subject.symbol} before it is filled"
    return Proposal("empty", title, tuple(ops), judgement.tier, (EMPTIED,))


def _whole(path: str, effect: FileEffect, text: str) -> Edit:
    return Edit(path, effect.span.start, effect.span.end, text)


def _without_file(path: str, text: str, start: int) -> Iterator[Edit]:
    """A call without the arguments that say which file."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    place = _places(text, start)
    parts = [(place(each)[0], place(each)[1], each.arg in FILE_OPTIONS) for each in call.keywords]
    yield from _left_out(path, parts)


def _without_table(path: str, text: str, effect: FileEffect) -> Iterator[Edit]:
    """A configuration whose handler is given the log's stream in place of a file."""
    place = _places(text, effect.span.start)
    for table in ast.walk(ast.parse(text, mode="eval")):
        if not isinstance(table, ast.Dict) or effect.argument not in [Span(*place(each)) for each in table.values]:
            continue
        parts = []
        for key, value in zip(table.keys, table.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else ""
            if key is not None:
                parts.append((place(key)[0], place(value)[1], name in FILE_FIELDS))
            if name == "class":
                yield Edit(path, *place(value), '"logging.StreamHandler"')
        yield from _left_out(path, parts)


def _places(text: str, start: int) -> Callable[[Positioned], tuple[int, int]]:
    """Where a node of the text begins and ends in the file, in bytes."""
    lines = [*accumulate((len(line) for line in text.encode().splitlines(keepends=True)), initial=start)]

    def place(node: Positioned) -> tuple[int, int]:
        begin = lines[node.lineno - 1] + node.col_offset
        return begin, lines[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)

    return place


def _left_out(path: str, parts: Sequence[tuple[int, int, bool]]) -> Iterator[Edit]:
    """A list without those of its parts that are marked, each with the comma that belongs to it."""
    kept = [number for number, (_, _, is_dropped) in enumerate(parts) if not is_dropped]
    for number, (begin, end, is_dropped) in enumerate(parts):
        if not is_dropped:
            continue
        is_last = not kept or number > kept[-1]
        first = parts[number - 1][1] if is_last and number else begin
        yield Edit(path, first, end if is_last else parts[number + 1][0], "")


def _tolerate(path: str, effect: FileEffect, workspace: Workspace) -> Iterator[Edit]:
    """`exist_ok=True` behind the other arguments; `os.mkdir` does not take it, `os.makedirs` does."""
    if effect.api == "os.mkdir":
        yield Edit(path, effect.callee.end - len("mkdir"), effect.callee.end, "makedirs")
    end = effect.span.end - 1
    inside = workspace.between(path, effect.callee.end, end).rstrip()
    yield Edit(path, end, end, f"{'' if inside.endswith(('(', ',')) else ', '}exist_ok=True")


def _edits(path: str, effect: FileEffect, workspace: Workspace) -> Iterator[Edit]:
    """`open(PATH)` gets another name; a method of a path becomes one that is given the path."""
    callee, end = effect.callee, effect.span.end
    if can_be_entries(effect):
        yield _entries(path, effect, workspace)
        return
    if effect.is_bracketed:
        yield from _bracket(path, effect, workspace)
        return
    if effect.api == "os.open":
        yield from reopened(path, effect, workspace, NAME)
        return
    if effect.joint is None:
        yield Edit(path, callee.start, callee.end, f"{NAME}.{_method(effect)}")
        return
    has_arguments = effect.joint.end < end
    yield Edit(path, callee.start, callee.start, f"{NAME}.{_method(effect)}(")
    yield Edit(path, effect.joint.start, effect.joint.end, ", " if has_arguments else _close(effect))
    if has_arguments and effect.api == "Path.read_text":
        yield Edit(path, end, end, ".read()")


def _entries(path: str, effect: FileEffect, workspace: Workspace) -> Edit:
    """`shelve.open(PATH)` becomes a shelf on the entries in S3, `dbm.open(PATH, "c")` the entries."""
    assert effect.argument is not None
    entries = f"{NAME}.entries({workspace.text(path, effect.argument)})"
    module = workspace.text(path, effect.callee).removesuffix(".open")
    return _whole(path, effect, f"{module}.Shelf({entries})" if effect.api == "shelve.open" else entries)


def _bracket(path: str, effect: FileEffect, workspace: Workspace) -> Iterator[Edit]:
    """What reads a real file gets one; behind what writes it a line stores it."""
    given, behind = effect.argument, effect.behind
    assert given is not None
    if effect.effect in READING:
        yield Edit(path, given.start, given.start, f"{NAME}.fetch(")
        yield Edit(path, given.end, given.end, ")")
    if behind is not None:
        data = workspace.sources[path]
        start, end = data.rfind(b"\n", 0, behind.start) + 1, data.find(b"\n", behind.end)
        end = len(data) if end < 0 else end - data[:end].endswith(b"\r")
        newline = workspace.program.modules[path].newline
        margin, name = workspace.between(path, start, behind.start), workspace.text(path, given)
        yield Edit(path, end, end, f"{newline}{margin}{NAME}.store({name})")


def _close(effect: FileEffect) -> str:
    match effect.api:
        case "Path.read_text":
            return ").read()"
        case "Path.read_bytes":
            return ', "rb").read()'
        case _:
            return ")"


def _method(effect: FileEffect) -> str:
    return "isdir" if effect.mode == "folder" else BECOMES[effect.api]


def _parts(effect: FileEffect) -> list[str]:
    """The parts of the helper that an effect's calls are."""
    if can_be_entries(effect):
        return [f"files.entries_{deed}" for deed in effect.deeds or ("read",)]
    if effect.is_bracketed:
        fetched = ["files.fetch"] if effect.effect in READING else []
        return fetched if effect.behind is None else [*fetched, "files.store"]
    method = _method(effect)
    return [OPENED[effect.effect] if method == "open" else f"files.{method}"]


def _prefix(judgement: Judgement) -> str:
    """The object's key, or the folder (with a slash at its end) that all keys of the pattern lie in."""
    pattern = judgement.subject.symbol.removeprefix("/")
    if any(can_be_entries(each) for _, each in judgement.effects):
        return f"{pattern}/"
    known, hole, _ = pattern.partition("{}")
    return f"{known.rpartition('/')[0]}/" if hole else known
