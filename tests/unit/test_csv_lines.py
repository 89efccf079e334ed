"""Bytes to rows: where lines end, what is too much, and where the fault is."""

import io

import pytest

from rosterd import errors
from rosterd.oneroster.csv import lines, problems


def rows(data: bytes) -> tuple[list[list[str]], list[tuple[int, str]]]:
    found = problems.Problems()
    read = [
        row
        for _, _, block in lines.blocks("x.csv", lambda: io.BytesIO(data), found)
        for row in block
    ]
    return read, [(problem.line, problem.code) for problem in found.kept]


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\nc,d\n",
        b"a,b\r\nc,d\r\n",
        b"a,b\nc,d",
        b"\xef\xbb\xbfa,b\r\nc,d",
        b"a,b\r\r\nc,d\r\r\n",
    ],
)
def test_line_ends_and_a_byte_order_mark_make_no_difference(data: bytes) -> None:
    assert rows(data) == ([["a", "b"], ["c", "d"]], [])


def test_only_line_feeds_end_lines() -> None:
    assert rows("a\x0bb\u2028c\x85d\n".encode()) == ([["a\x0bb\u2028c\x85d"]], [])


def test_text_inside_a_quoted_cell_never_becomes_a_row() -> None:
    read, _ = rows(b'a,"x\nuser-9,teacher\ny"\nb,c\n')
    assert read == [["a", "x\nuser-9,teacher\ny"], ["b", "c"]]


def test_a_bare_carriage_return_drops_its_line_alone() -> None:
    assert rows(b"a,b\nc\rd,e\nf,g\n") == ([["a", "b"], ["f", "g"]], [(2, "bad-line")])


def test_a_line_that_is_too_long_is_dropped_without_being_held() -> None:
    long = b"x" * (lines.LONGEST * 9)
    assert rows(b"a\n" + long + b"\nb\n") == ([["a"], [], ["b"]], [(2, "too-long")])


def test_a_line_may_be_as_long_as_the_limit() -> None:
    cell = "x" * (lines.LONGEST - 1)
    assert rows(cell.encode() + b"\n") == ([[cell]], [])


def test_a_quote_that_is_never_closed_refuses_the_file() -> None:
    data = b'a\n"' + b"some text of a line\n" * 10_000
    with pytest.raises(errors.InputError) as caught:
        rows(data)
    assert [problem.code for problem in caught.value.problems] == ["endless-field"]


def test_a_quote_that_is_not_closed_before_the_end_refuses_the_file() -> None:
    with pytest.raises(errors.InputError) as caught:
        rows(b'a,b\nc,"d\ne,f\ng,h\n')
    assert [problem.code for problem in caught.value.problems] == ["endless-field"]


def test_a_quote_in_a_plain_cell_is_a_character() -> None:
    assert rows(b'a,5" pipe,b\nc,say "x",d\n') == (
        [["a", '5" pipe', "b"], ["c", 'say "x"', "d"]],
        [],
    )


@pytest.mark.parametrize(
    "line",
    [b'"5" pipe, copper",x', b'"a" b,x', b'"a""b" c,x', b'"a" ,x', b'"a \\" b","c" d"'],
)
def test_text_after_a_closing_quote_drops_its_line_alone(line: bytes) -> None:
    assert rows(b"a,b\n" + line + b"\nf,g\n") == ([["a", "b"], ["f", "g"]], [(2, "stray-quote")])


def test_a_quote_left_open_cannot_move_the_cells_of_the_next_line() -> None:
    read, found = rows(b's1,"Ann,x,y\ns2,"Bob",x,y\ns3,Cy,x,y\n')
    assert read == [["s3", "Cy", "x", "y"]]
    assert found == [(2, "stray-quote")]


@pytest.mark.parametrize("before", [0, 70_000])
def test_a_backslash_before_a_quote_is_read_as_meant(before: int) -> None:
    read, found = rows(b"a,b\n" * before + b'"say \\"x, y\\" z",b\nf,g\n')
    assert read[before:] == [['say "x, y" z', "b"], ["f", "g"]]
    assert found == [(before + 1, "escaped-quote")]


@pytest.mark.parametrize("before", [0, 1, 70_000])
def test_bytes_that_are_not_utf8_are_named_by_line(before: int) -> None:
    with pytest.raises(errors.InputError) as caught:
        rows(b"fine,\xc3\xa4\n" * before + b"J\xf6rg\n")
    (problem,) = caught.value.problems
    assert (problem.path, problem.line, problem.code) == ("x.csv", before + 1, "not-utf8")


def test_a_character_cut_off_at_the_end_is_not_utf8() -> None:
    with pytest.raises(errors.InputError, match=r"x\.csv:2: the line is not UTF-8"):
        rows(b"a\nb\xc3")


def test_blocks_say_which_lines_they_took() -> None:
    data = b'a\n"b\nb"\nc\n'
    taken = [
        block[:2] for block in lines.blocks("x", lambda: io.BytesIO(data), problems.Problems())
    ]
    assert taken == [(0, 4)]
