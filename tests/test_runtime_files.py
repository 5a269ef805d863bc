"""The generated FileStore against a real directory: the same contents, errors and existence."""

import csv
import dbm.dumb
import glob
import io
import json
import os
import pickle
import random
import shelve
import shutil
import tempfile
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from test_runtime_world import BUCKET, cloud, container


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


@pytest.fixture(scope="module")
def files(_cloud):
    return container().FileStore(BUCKET)


class MemoryS3:
    """The calls that the helper makes, answered as S3 does, few names a page: thousands of steps in seconds."""

    def __init__(self):
        self.objects = {}

    def put_object(self, Bucket, Key, Body, Metadata=None, IfMatch=None, IfNoneMatch=None):  # noqa: N803
        there = self.objects.get(Key)
        if (IfNoneMatch and there) or (IfMatch and (not there or there["ETag"] != IfMatch)):
            raise refused("PreconditionFailed", 412)
        self.objects[Key] = {"Body": bytes(Body), "Metadata": Metadata or {}, "ETag": uuid.uuid4().hex}

    def get_object(self, Bucket, Key):  # noqa: N803
        if Key not in self.objects:
            raise refused("NoSuchKey", 404)
        return self.objects[Key] | {"Body": io.BytesIO(self.objects[Key]["Body"])}

    def head_object(self, Bucket, Key):  # noqa: N803
        if Key not in self.objects:
            raise refused("404", 404)
        return self.objects[Key] | {"ContentLength": len(self.objects[Key]["Body"])}

    def delete_object(self, Bucket, Key):  # noqa: N803
        self.objects.pop(Key, None)

    def list_objects_v2(self, Bucket, Prefix, Delimiter="", MaxKeys=3, ContinuationToken=""):  # noqa: N803
        names = {}
        for key in sorted(self.objects):
            head, found, _ = key.removeprefix(Prefix).partition(Delimiter) if Delimiter else (key, "", "")
            if key.startswith(Prefix):
                names[f"{Prefix}{head}{found}" if found else key] = bool(found)
        left = [name for name in names if name > ContinuationToken]
        page = left[:MaxKeys]
        return {
            "Contents": [{"Key": name} for name in page if not names[name]],
            "CommonPrefixes": [{"Prefix": name} for name in page if names[name]],
            "IsTruncated": len(left) > len(page),
            "NextContinuationToken": page[-1] if page else "",
        }


def refused(code, status):
    metadata = {"HTTPStatusCode": status, "RetryAttempts": 0}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "PutObject")


@pytest.fixture
def memory():
    """A FileStore on such an S3, and what lies there."""
    module, simulated = container(), MemoryS3()
    module._s3 = lambda: simulated
    return module.FileStore(BUCKET), simulated.objects


class RealFiles:
    """The same calls on a real directory that stands for /tmp."""

    def __init__(self, root):
        self._root = root

    def _path(self, path):
        return self._root / path.removeprefix("/tmp/")

    def open(self, path, mode="r", **options):
        return self._path(path).open(mode, **options)

    def exists(self, path):
        return self._path(path).exists()

    def remove(self, path):
        self._path(path).unlink()

    def touch(self, path, exist_ok=True):
        self._path(path).touch(exist_ok=exist_ok)

    def getsize(self, path):
        return self._path(path).stat().st_size

    def listdir(self, path):
        return os.listdir(self._path(path))  # noqa: PTH208

    def iterdir(self, path):
        return [path / each.name for path in [Path(path)] for each in self._path(str(path)).iterdir()]

    def match(self, path, pattern):
        return [Path(path) / each.name for each in self._path(path).glob(pattern)]

    def scandir(self, path):
        return os.scandir(self._path(path))

    def glob(self, pathname):
        found = glob.glob(f"{self._root}/{pathname.removeprefix('/tmp/')}")  # noqa: PTH207
        return [f"/tmp{each.removeprefix(str(self._root))}" for each in found]

    def move(self, source, path):
        shutil.move(source, self._path(path))

    def copy(self, source, path):
        shutil.copyfile(source, self._path(path))


TEXTS = ["", "plain", "a\nb\r\nc\r", "snow ☃\n", "x" * 20_000]


def entries(files, path):
    with files.scandir(path) as found:
        return sorted((each.name, each.is_file(), each.is_dir()) for each in found)


def has_files(path):
    return not path.is_dir() or any(path.iterdir())


LISTINGS = {
    "listdir": lambda files, path: sorted(files.listdir(path)),
    "iterdir": lambda files, path: sorted(files.iterdir(path)),
    "scandir": entries,
    "glob": lambda files, path: sorted(files.glob(f"{path}/*.txt")),
    "glob all": lambda files, path: sorted(files.glob(f"{path}/*")),
    "glob below": lambda files, path: sorted(files.glob("/tmp/box*/[!.]*/*")),
    "glob folders": lambda files, path: sorted(files.glob(f"{path}*/")),
    "glob folders below": lambda files, path: sorted(files.glob("/tmp/box/*/")),
    "glob a folder": lambda files, path: sorted(files.glob("/tmp/box/in/")),
    "glob one": lambda files, path: sorted(files.glob(f"{path}/a.txt")),
    "match": lambda files, path: sorted(files.match(path, "*.t?t")),
    "match all": lambda files, path: sorted(files.match(path, "*")),
}
BOXES = ["/tmp/box", "/tmp/box/in", "/tmp/box/./in", "/tmp/./box", "/tmp/none"]


def test_folders_are_listed_as_in_a_directory(files, tmp_path):
    empty_bucket()
    listed_alike(files, tmp_path, 200)


def test_folders_are_listed_as_in_a_directory_after_thousands_of_steps(memory, tmp_path):
    listed_alike(memory[0], tmp_path, 2_500)


def listed_alike(files, tmp_path, steps):
    real, chance = RealFiles(tmp_path), random.Random(steps)
    for step in range(steps):
        path = (
            f"{chance.choice(['/tmp/box', '/tmp/box/in', '/tmp/boxes'])}/{chance.choice(['a.txt', '.b', 'c.tat'])}"
        )
        if chance.random() < 0.5:
            real._path(path).parent.mkdir(parents=True, exist_ok=True)
            for side in (files, real):
                side.open(path, "w").close()
        else:
            assert outcome(ACTIONS["remove"], files, path, 0) == outcome(ACTIONS["remove"], real, path, 0)
            for folder in sorted(tmp_path.rglob("*"), reverse=True):
                if not has_files(folder):
                    folder.rmdir()
        name, folder = chance.choice([*LISTINGS]), chance.choice(BOXES)
        told = [
            outcome(lambda side, path, _, do=LISTINGS[name]: do(side, path), side, folder, 0)
            for side in (files, real)
        ]
        assert told[0] == told[1], (step, name, folder)


def test_a_thousand_files_are_listed_page_by_page(files):
    client = boto3.client("s3")
    for number in range(1_003):
        client.put_object(Bucket="files", Key=f"tmp/lots/{number}.txt")
    assert sorted(map(int, (name.removesuffix(".txt") for name in files.listdir("//tmp/lots")))) == list(
        range(1_003)
    )
    assert len(files.glob("/tmp/lots/*.txt")) == 1_003
    empty_bucket()


def test_an_empty_folder_is_there_where_it_was_made(files, tmp_path):
    assert files.listdir(tmp_path) == []
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        files.listdir("/tmp/nobody/made/it")
    assert [*files.match("/tmp/nobody", "*")] == files.glob("/tmp/nobody/*") == []
    files.remove("/tmp/nobody/made", missing_ok=True)


@pytest.mark.parametrize("call", ["listdir", "iterdir", "scandir", "glob"])
def test_a_refused_listing_is_no_empty_folder(files, call, monkeypatch):
    def refuse(**_):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")

    monkeypatch.setattr(files._pages.__func__.__globals__["_s3"](), "list_objects_v2", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(files, call)("/tmp/box/a*")


PATHS = ["/tmp/a.txt", "/tmp/b", "/tmp/with space", "/tmp/./a.txt", "/tmp/sub/../b", "/tmp/sub/ü.txt"]


def write(files, path, chance, mode="w"):
    binary = chance.random() < 0.5
    text, options = chance.choice(TEXTS), {"encoding": "utf-8", "newline": chance.choice([None, "", "\r\n"])}
    piece = text.encode() if binary else text
    with files.open(path, f"{mode}b") if binary else files.open(path, mode, **options) as file:
        file.write(piece)
        if chance.random() < 0.2:
            raise RuntimeError("in the middle")
        file.writelines([piece, piece])
        return file.tell() if binary and mode == "w" else None


def read(files, path, chance):
    binary = chance.random() < 0.5
    options = {"encoding": "utf-8", "newline": chance.choice([None, "", "\n"])}
    with files.open(path, "rb") if binary else files.open(path, **options) as file:
        return [file.readline(), file.read(3), list(file)] if chance.random() < 0.5 else file.read()


def bring(how, path, chance):
    """Hand a real file over, which then is gone or not."""
    with tempfile.NamedTemporaryFile("wb", delete=False) as file:
        file.write(chance.choice(TEXTS).encode())
    how(file.name, path)
    is_left = os.path.exists(file.name)  # noqa: PTH110
    Path(file.name).unlink(missing_ok=True)
    return is_left


ACTIONS = {
    "write": write,
    "append": lambda files, path, chance: write(files, path, chance, "a"),
    "create": lambda files, path, chance: write(files, path, chance, "x"),
    "touch": lambda files, path, chance: files.touch(path, exist_ok=chance.random() < 0.5),
    "getsize": lambda files, path, _: files.getsize(path),
    "move": lambda files, path, chance: bring(files.move, path, chance),
    "copy": lambda files, path, chance: bring(files.copy, path, chance),
    "read": read,
    "exists": lambda files, path, _: files.exists(path),
    "remove": lambda files, path, _: files.remove(path),
}


def outcome(action, files, path, seed):
    try:
        return action(files, path, random.Random(seed))
    except (OSError, RuntimeError, UnicodeError) as error:
        return type(error), error.args[:2]


def test_files_behave_as_in_a_directory(files, tmp_path):
    empty_bucket()
    same_steps(files, tmp_path, 400)
    keys = {row["Key"] for row in boto3.client("s3").list_objects_v2(Bucket="files")["Contents"]}
    assert keys == left_in(tmp_path)


def test_files_behave_as_in_a_directory_for_thousands_of_steps(memory, tmp_path):
    files, objects = memory
    counts = same_steps(files, tmp_path, 6_000)
    assert objects.keys() == left_in(tmp_path)
    assert counts["in the middle"] > 100  # exceptions inside of a with statement


def left_in(folder):
    return {f"tmp/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file()}


def same_steps(files, tmp_path, steps):
    """Random steps here and in a directory; gives how often which error was raised."""
    (tmp_path / "sub").mkdir()
    real, chance, counts = RealFiles(tmp_path), random.Random(steps), Counter()
    for step in range(steps):
        name, path, seed = chance.choice([*ACTIONS, "read"]), chance.choice(PATHS), chance.random()
        expected = outcome(ACTIONS[name], real, path, seed)
        assert outcome(ACTIONS[name], files, path, seed) == expected, (step, name, path)
        counts["in the middle"] += isinstance(expected, tuple) and expected[0] is RuntimeError
    return counts


def empty_bucket():
    for row in boto3.resource("s3").Bucket("files").objects.all():
        row.delete()


def test_other_code_gets_a_real_file_and_leaves_one(files, tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "sub" / "table.csv"
        assert files.fetch(path) == str(path)
        assert not path.exists()
        files.write_text(path, "a,b")
        assert Path(files.fetch(path)).read_text() == "a,b"
        path.write_text("a,b,c")
        files.store(path)
        container().FileStore(BUCKET).fetch(path)
        assert path.read_text() == "a,b,c"
        files.remove(path)
        files.fetch(path)
        assert not path.exists(), "what another invocation removed is no longer there"
        files.store(path)
        assert not files.exists(path), "code that wrote nothing leaves nothing"


def test_a_folder_is_there_where_it_holds_something(files, tmp_path):
    assert not files.isdir("/tmp/no/folder")
    files.write_text("/tmp/no/folder/a.txt", "x")
    assert files.isdir("/tmp/no/folder")
    assert files.isdir("/tmp/no/")
    assert not files.isdir("/tmp/no/fold")
    files.remove("/tmp/no/folder/a.txt")
    assert not files.isdir("/tmp/no/folder")
    assert files.isdir(tmp_path), "one that was made here"


class OneByOne:
    """S3 decides about one request after the other; moto's threads can come between its test and its write."""

    lock = threading.Lock()

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        def call(**request):
            with self.lock:
                return getattr(self._client, name)(**request)

        return call


def other():
    """The files as another container sees them, at the same time."""
    module = container()
    client = OneByOne(module._s3())
    module._s3 = lambda: client
    return module.FileStore(BUCKET)


def test_of_many_that_append_at_once_none_is_lost(files):
    files.write_text("/tmp/log.txt", "")

    def add(number):
        with other().open("/tmp/log.txt", "a") as file:
            file.write(f"{number}\n")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    with files.open("/tmp/log.txt") as file:
        assert sorted(map(int, file)) == list(range(12))


def test_of_many_that_make_a_marker_at_once_one_succeeds(files):
    def claim(_):
        try:
            other().touch("/tmp/marker", exist_ok=False)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claim, range(12))) == 1
    assert files.getsize("/tmp/marker") == 0


def test_libraries_write_and_read_the_file_objects(files):
    with files.open("/tmp/a.json", "w") as file:
        json.dump({"a": [1]}, file)
    with files.open("/tmp/a.pickle", "wb") as file:
        pickle.dump((1, 2), file)
    with files.open("/tmp/a.csv", "w", newline="") as file:
        csv.writer(file).writerows([["a", "b\n"], [1, 2]])
    with files.open("/tmp/a.json") as file:
        assert json.load(file) == {"a": [1]}
    with files.open("/tmp/a.pickle", "rb") as file:
        assert pickle.load(file) == (1, 2)
    with files.open("/tmp/a.csv", newline="") as file:
        assert list(csv.reader(file)) == [["a", "b\n"], ["1", "2"]]


def test_a_file_that_nobody_closes_is_stored_when_it_is_dropped(files):
    json.dump([1], files.open("/tmp/dropped.json", "w"))
    assert json.load(files.open("/tmp/dropped.json")) == [1]


def test_nothing_is_visible_before_the_file_is_closed(files):
    with files.open("/tmp/slow.txt", "w") as file:
        file.write("x")
        file.flush()
        assert not files.exists("/tmp/slow.txt")
    assert files.exists(Path("/tmp/slow.txt"))


def test_directions_are_kept_apart_as_in_real_files(files):
    with files.open("/tmp/one.bin", "wb") as file, pytest.raises(OSError, match="read"):
        file.read()
    with files.open("/tmp/one.bin", "rb") as file, pytest.raises(OSError, match="write"):
        file.write(b"x")


@pytest.mark.parametrize("path", ["/tmp", "/tmp/", "/etc/passwd", "a.txt", "/tmp/../etc/passwd", "/tmpx/a", ""])
def test_paths_that_are_not_below_tmp_are_refused(files, path):
    for call in (files.open, files.exists, files.remove, lambda path: files.open(path, "w")):
        with pytest.raises(ValueError, match="only files below /tmp are kept in S3"):
            call(path)


@pytest.mark.parametrize("mode", ["a+", "x+", "r+", "w+b", "", "rw"])
def test_modes_that_an_object_cannot_have_are_refused(files, mode):
    with pytest.raises(ValueError, match="cannot be opened with mode"):
        files.open("/tmp/a.txt", mode)


def test_missing_files_raise_the_error_of_the_system(files):
    for call in (files.open, files.remove, files.getsize):
        with pytest.raises(FileNotFoundError) as raised:
            call("/tmp/nowhere.txt")
        with pytest.raises(FileNotFoundError) as expected:
            os.remove("/tmp/nowhere.txt")  # noqa: PTH107
        assert str(raised.value) == str(expected.value)


class Forbidden:
    """S3 for somebody who may not list: a missing object is answered with 403."""

    def get_object(self, **_):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    def head_object(self, **_):
        raise ClientError({"Error": {"Code": "403"}}, "HeadObject")


def test_a_forbidden_object_is_never_taken_for_a_missing_one():
    module = container()
    module._s3 = Forbidden
    files = module.FileStore(BUCKET)
    calls = (files.open, files.exists, files.remove, files.getsize, files.fetch)
    for call in (*calls, lambda path: files.open(path, "a").close()):
        with pytest.raises(ClientError, match=r"AccessDenied|403"):
            call("/tmp/a.txt")


@pytest.mark.parametrize(("answer", "error"), [("404", FileExistsError), ("403", ClientError)])
def test_who_makes_files_may_list_since_one_can_go_before_it_is_looked_at(answer, error):
    class Gone:
        def put_object(self, **_):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")

        def head_object(self, **_):
            raise ClientError({"Error": {"Code": answer}}, "HeadObject")

    module = container()
    module._s3 = Gone
    with pytest.raises(error):
        module.FileStore(BUCKET).touch("/tmp/marker", exist_ok=False)


def shelved(shelf, chance):
    """One random operation on a shelf, and what it gives."""
    key, value = chance.choice(["a", "b/c", "..", "ü", ""]), chance.choice([1, "x", {"deep": [None]}, b"bytes"])
    match chance.randrange(7):
        case 0 | 1:
            shelf[key] = value
            return None
        case 2:
            return shelf[key]
        case 3:
            return shelf.get(key), key in shelf
        case 4:
            return sorted(shelf), len(shelf)
        case 5:
            return shelf.setdefault(key, value)
        case _:
            del shelf[key]
            return None


def tried(shelf, seed):
    try:
        return shelved(shelf, random.Random(seed))
    except KeyError as error:
        return error.args


REAL = dbm.dumb.open


def test_a_shelf_on_entries_is_a_shelf(files, tmp_path):
    for seed in range(150):
        mine, real = (
            shelve.Shelf(files.entries("/tmp/shelf")),
            shelve.Shelf(REAL(str(tmp_path / "real"), "c")),
        )
        with mine, real:
            assert tried(mine, seed) == tried(real, seed), seed


def test_entries_take_and_give_what_a_dbm_file_does(files, tmp_path):
    for make in (lambda: files.entries("/tmp/kv"), lambda: REAL(str(tmp_path / "kv"), "c")):
        with make() as entries:
            entries["a"] = "text"
            entries[b"b"] = b"bytes"
            assert (entries["a"], entries[b"a"], entries.get("c"), entries.get("c", 1)) == (
                b"text",
                b"text",
                None,
                1,
            )
            assert sorted(entries.keys()) == [b"a", b"b"]
            with pytest.raises(TypeError):
                entries["d"] = 5


def test_more_entries_than_a_page_holds_are_all_told(files):
    entries = files.entries("/tmp/many")
    client = container()._s3()
    for number in range(1_005):
        client.put_object(Bucket="files", Key=f"tmp/many/{number:04}", Body=b"")
    assert len(entries) == 1_005
