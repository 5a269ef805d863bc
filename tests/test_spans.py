import codecs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statelift.model import Edit, Span
from statelift.spans import OverlapError, edits_between, has_overlap, splice

CODE = st.lists(
    st.sampled_from(
        ["x", "foo", " ", "    ", "\n", "\r\n", "\r", "=", "[", "]", '"é"', "日本", "😀", "# c", "\x0c", "\u2028"]
    ),
    max_size=40,
).map("".join)


def _texts(edits):
    return [edit.text for edit in edits]


@given(CODE, CODE)
@example("", "x\n")
@example("x\n", "")
@example("a\r\nb\r\n", "a\nb\n")
@example("x\nx\n", "x\n")
def test_applying_the_edits_gives_exactly_the_new_text(before, after):
    old, new = before.encode(), after.encode()
    assert splice(old, edits_between("app.py", old, new)) == new


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_survive_even_those_that_are_not_utf8(before, after):
    assert splice(before, edits_between("app.py", before, after)) == after


@given(st.text(st.characters(codec="latin-1"), max_size=40), st.text(st.characters(codec="latin-1"), max_size=40))
def test_offsets_count_bytes_of_the_files_own_encoding(before, after):
    old, new = before.encode("latin-1"), after.encode("latin-1")
    assert splice(old, edits_between("app.py", old, new, encoding="latin-1"), "latin-1") == new


@given(CODE, CODE, CODE)
def test_the_offset_moves_the_edits_into_the_file(prefix, before, after):
    head, old, new = prefix.encode(), before.encode(), after.encode()
    edits = edits_between("app.py", old, new, offset=len(head))
    assert splice(head + old, edits) == head + new


@given(CODE)
def test_equal_texts_need_no_edit(text):
    assert edits_between("app.py", text.encode(), text.encode()) == ()


def test_an_edit_is_the_joint_and_not_the_line():
    before = b"SESSIONS[key] = user  # kept \xc3\xa9\n"
    after = b"SESSIONS.put(key, user)  # kept \xc3\xa9\n"
    edits = edits_between("app.py", before, after)
    assert all(before[edit.start : edit.end] not in (b"key", b"user") for edit in edits)
    assert "".join(_texts(edits)) == ".put(,)"


def test_wrapping_a_block_only_inserts():
    before = b"count += 1\nsave(count)\n"
    after = b"try:\n    count += 1\n    save(count)\nfinally:\n    close()\n"
    edits = edits_between("app.py", before, after)
    assert all(edit.start == edit.end for edit in edits)


def test_a_huge_rewritten_block_is_one_edit_and_quick():
    before = b"".join(b"a%d = b%d + c\n" % (n, n) for n in range(800))
    after = b"".join(b"d%d = e%d - f\n" % (n, n) for n in range(800))
    edits = edits_between("app.py", before, after)
    assert len(edits) == 1
    assert splice(before, edits) == after


def test_a_byte_order_mark_is_not_touched():
    before, after = codecs.BOM_UTF8 + b"x = 1\n", codecs.BOM_UTF8 + b"y = 1\n"
    assert edits_between("app.py", before, after) == (Edit("app.py", 3, 4, "y"),)


def test_insertions_at_one_offset_keep_their_order():
    edits = [
        Edit("a", 1, 1, "1"),
        Edit("a", 1, 2, "-"),
        Edit("a", 1, 1, "2"),
        Edit("a", 0, 0, "0"),
        Edit("a", 2, 2, "3"),
    ]
    assert splice(b"xyz", edits) == b"0x12-3z"


def test_overlapping_edits_are_refused_with_both_named():
    first, second = Edit("app.py", 0, 4, "x"), Edit("app.py", 3, 5, "y")
    with pytest.raises(OverlapError, match=r"app\.py: .* 0-4 overlaps .* 3-5") as caught:
        splice(b"abcdef", [second, first])
    assert (caught.value.first, caught.value.second) == (first, second)


@pytest.mark.parametrize("edit", [Edit("a", 2, 9, ""), Edit("a", -1, 0, ""), Edit("a", 2, 1, "")])
def test_a_span_outside_of_the_file_is_refused(edit):
    with pytest.raises(ValueError, match="outside of the file"):
        splice(b"abc", [edit])


def test_text_that_the_encoding_lacks_is_refused():
    with pytest.raises(UnicodeEncodeError):
        splice(b"abc", [Edit("a", 0, 0, "→")], "latin-1")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Span(0, 3), Span(3, 5), False),
        (Span(0, 3), Span(2, 5), True),
        (Span(0, 5), Span(2, 2), True),
        (Span(0, 5), Span(0, 0), False),
        (Span(0, 5), Span(5, 5), False),
        (Span(4, 4), Span(4, 4), False),
        (Span(1, 2), Span(1, 2), True),
    ],
)
def test_overlap_is_symmetric_and_touching_is_not_overlap(a, b, expected):
    assert has_overlap(a, b) is expected
    assert has_overlap(b, a) is expected


def test_edits_of_different_files_never_overlap():
    assert not has_overlap(Edit("a.py", 0, 5, ""), Edit("b.py", 0, 5, ""))
