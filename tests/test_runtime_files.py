"""The generated FileStore against a real directory: the same contents, errors and existence."""

import csv
import json
import os
import pickle
import random
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


TEXTS = ["", "plain", "a\nb\r\nc\r", "snow ☃\n", "x" * 20_000]
PATHS = ["/tmp/a.txt", "/tmp/b", "/tmp/with space", "/tmp/./a.txt", "/tmp/sub/../b", "/tmp/sub/ü.txt"]


def write(files, path, chance):
    binary = chance.random() < 0.5
    text, options = chance.choice(TEXTS), {"encoding": "utf-8", "newline": chance.choice([None, "", "\r\n"])}
    piece = text.encode() if binary else text
    with files.open(path, "wb") if binary else files.open(path, "w", **options) as file:
        file.write(piece)
        if chance.random() < 0.2:
            raise RuntimeError("in the middle")
        file.writelines([piece, piece])
        return file.tell() if binary else None


def read(files, path, chance):
    binary = chance.random() < 0.5
    options = {"encoding": "utf-8", "newline": chance.choice([None, "", "\n"])}
    with files.open(path, "rb") if binary else files.open(path, **options) as file:
        return [file.readline(), file.read(3), list(file)] if chance.random() < 0.5 else file.read()


ACTIONS = {
    "write": write,
    "read": read,
    "exists": lambda files, path, _: files.exists(path),
    "remove": lambda files, path, _: files.remove(path),
}


def outcome(action, files, path, seed):
    try:
        return action(files, path, random.Random(seed))
    except (OSError, RuntimeError, UnicodeError) as error:
        return type(error), error.args


def test_files_behave_as_in_a_directory(files, tmp_path):
    (tmp_path / "sub").mkdir()
    real, chance = RealFiles(tmp_path), random.Random(5)
    for step in range(500):
        name, path, seed = chance.choice([*ACTIONS, "read"]), chance.choice(PATHS), chance.random()
        expected = outcome(ACTIONS[name], real, path, seed)
        assert outcome(ACTIONS[name], files, path, seed) == expected, (step, name, path)
    keys = {row["Key"] for row in boto3.client("s3").list_objects_v2(Bucket="files")["Contents"]}
    assert keys == {f"tmp/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}


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


@pytest.mark.parametrize("mode", ["a", "x", "r+", "w+b", "", "rw"])
def test_modes_that_an_object_cannot_have_are_refused(files, mode):
    with pytest.raises(ValueError, match="cannot be opened with mode"):
        files.open("/tmp/a.txt", mode)


def test_missing_files_raise_the_error_of_the_system(files):
    for call in (files.open, files.remove):
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
    for call in (files.open, files.exists, files.remove):
        with pytest.raises(ClientError, match=r"AccessDenied|403"):
            call("/tmp/a.txt")
