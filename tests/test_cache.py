"""The cache: whole entries or none, for one user, of bounded size."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from statelift.cache import AT_MOST, FOLDERS, Cache, UnsafeFolderError, default_folder, key_of, open_cache

KEY = key_of(b"app.py", b"X = {}")
needs_rights = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows keeps such folders to their users itself"
)


@pytest.fixture
def cache(tmp_path):
    return open_cache(tmp_path / "cache")


def entry(cache):
    (found,) = cache.folder.glob("*/*.entry")
    return found


def test_what_is_written_is_read(cache):
    assert cache.read(KEY) is None
    cache.write(KEY, b"facts" * 1000)
    assert cache.read(KEY) == b"facts" * 1000
    assert cache.read(key_of(b"app.pyX", b" = {}")) is None


def test_where_one_part_of_a_key_ends_makes_a_difference():
    assert key_of(b"ab", b"c") != key_of(b"a", b"bc") != key_of(b"abc")


@pytest.mark.parametrize("at", [0, 10, 31, 32, 33, -1])
def test_one_wrong_byte_makes_an_entry_useless(cache, at):
    cache.write(KEY, b"facts" * 1000)
    data = bytearray(entry(cache).read_bytes())
    data[at] ^= 1
    entry(cache).write_bytes(data)
    assert cache.read(KEY) is None
    cache.write(KEY, b"again")
    assert cache.read(KEY) == b"again"


@pytest.mark.parametrize("length", [0, 5, 32, 40])
def test_an_entry_that_was_cut_off_is_none(cache, length):
    cache.write(KEY, b"facts" * 1000)
    entry(cache).write_bytes(entry(cache).read_bytes()[:length])
    assert cache.read(KEY) is None


def test_the_entry_of_another_file_is_none(cache):
    other = key_of(b"other.py", b"X = {}")
    cache.write(KEY, b"facts")
    path = cache.folder / other[:1] / entry(cache).name.replace(KEY[1:], other[1:])
    path.parent.mkdir(exist_ok=True)
    entry(cache).rename(path)
    assert cache.read(other) is None


def test_many_may_write_the_same_entry_while_others_read_it(cache):
    """A reader sees one of the texts whole, never a mixture or a part."""
    texts = [bytes([48 + number]) * 200_000 for number in range(8)]

    def write_and_read(text):
        cache.write(KEY, text)
        return cache.read(KEY)

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(write_and_read, texts * 10))
    assert set(seen) <= set(texts)
    assert [each.suffix for each in cache.folder.glob("*/*")] == [".entry"]


def test_the_oldest_entries_go_where_there_are_too_many(cache):
    keys = [key for key in map(key_of, (bytes([number]) for number in range(250))) if key[0] == "a"][:10]
    for age, key in enumerate(keys):
        cache.write(key, os.urandom(1000))
        path = cache.folder / key[0] / f"{key[1:]}.entry"
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    cache.clean(at_most=AT_MOST)
    assert len(keys) == 10 and None not in map(cache.read, keys)
    cache.write(keys[0], os.urandom(1000))
    cache.clean(at_most=6000 * FOLDERS)
    left = [key for key in keys if cache.read(key) is not None]
    assert left == keys[:4]


def test_clearing_removes_entries_and_what_an_interrupted_run_left_but_nothing_else(cache):
    cache.write(KEY, b"facts")
    entry(cache).with_name(f"{entry(cache).name}.0123456789ab").write_bytes(b"half")
    mine = cache.folder / "notes.txt"
    mine.write_text("keep")
    assert cache.clear() == 2
    assert cache.read(KEY) is None
    assert mine.exists()


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    assert open_cache(tmp_path / "file" / "cache") is None
    Cache(tmp_path / "file").write(KEY, b"facts")
    assert Cache(tmp_path / "file").read(KEY) is None


@needs_rights
def test_a_new_folder_is_closed_to_others(cache):
    assert cache.folder.stat().st_mode & 0o077 == 0


@needs_rights
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_folder_that_others_may_write_into_is_refused(tmp_path, mode):
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(UnsafeFolderError, match="chmod 700"):
        open_cache(folder)


@needs_rights
def test_a_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "real")
    with pytest.raises(UnsafeFolderError, match="is a link"):
        open_cache(tmp_path / "cache")


@needs_rights
def test_the_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UnsafeFolderError, match="belongs to another user"):
        open_cache(tmp_path / "cache")


def test_a_relative_folder_would_lie_in_the_repository(monkeypatch):
    monkeypatch.setenv("STATELIFT_CACHE_DIR", "kept")
    assert default_folder() is None
    monkeypatch.setenv("STATELIFT_CACHE_DIR", "/kept")
    assert str(default_folder()) == "/kept"


# ---------------------------------------------------------------- on the command line


def test_scan_keeps_facts_outside_of_the_repository(said, shop, tmp_path, monkeypatch):
    monkeypatch.setenv("STATELIFT_CACHE_DIR", str(tmp_path / "kept"))
    before = sorted(shop.rglob("*"))
    cold = said("scan", shop)
    assert list((tmp_path / "kept").glob("*/*.entry"))
    assert said("scan", shop) == cold
    assert sorted(shop.rglob("*")) == before
    code, _, err = said("cache", "clear")
    assert (code, str(tmp_path / "kept") in err) == (0, True)
    assert list((tmp_path / "kept").glob("*/*.entry")) == []


@pytest.mark.parametrize("way", ["--no-cache", "cache = false"])
def test_nothing_is_kept_where_that_is_asked(said, shop, tmp_path, monkeypatch, way):
    monkeypatch.setenv("STATELIFT_CACHE_DIR", str(tmp_path / "kept"))
    if not way.startswith("-"):
        (shop / "statelift.toml").write_text(f"{way}\n")
    said("scan", shop, *([way] if way.startswith("-") else []))
    assert not (tmp_path / "kept").exists()


@needs_rights
def test_a_folder_that_is_not_safe_is_told_and_not_used(said, shop, tmp_path, monkeypatch):
    cold = said("scan", shop, "--no-cache")
    kept = tmp_path / "kept"
    kept.mkdir()
    kept.chmod(0o777)
    monkeypatch.setenv("STATELIFT_CACHE_DIR", str(kept))
    code, out, err = said("scan", shop)
    assert (code, out) == cold[:2]
    assert f"chmod 700 {kept}" in err
    assert list(kept.iterdir()) == []
    assert said("cache", "clear")[0] == 2


def test_batch_takes_processes_and_cache_as_scan_does(said, shop, tmp_path, monkeypatch):
    monkeypatch.setenv("STATELIFT_CACHE_DIR", str(tmp_path / "kept"))
    assert said("batch", "plan", "--repos", shop, "--no-cache", "--jobs", "2")[0] == 1
    assert not (tmp_path / "kept").exists()
    assert said("batch", "plan", "--repos", shop)[0] == 1
    assert (tmp_path / "kept").exists()
    assert said("scan", shop, "--jobs", "0")[0] == 2
