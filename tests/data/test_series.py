"""Series from CSV files: what is read, what is refused, how gaps are filled and figures scaled."""

import re

import numpy as np
import pytest

from minitorch_rnn.data.scaling import Scaling
from minitorch_rnn.data.series import Series, read_names, read_series
from minitorch_rnn.data.times import labels_after, unevenness
from minitorch_rnn.errors import DataError


@pytest.fixture
def csv(tmp_path):
    """Writes a file of text or bytes; returns its path."""

    def write(content):
        path = tmp_path / "a.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def series(*values):
    rows = np.array(values, float)[:, None]
    return Series(("y",), rows, tuple(str(i) for i in range(1, len(rows) + 1)))


# What is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("year,y,x\n2001,1.5,2\n2002,-3e2,.5\n", id="comma"),
        pytest.param("year;y;x\n2001;1.5;2\n2002;-3e2;.5\n", id="semicolon"),
        pytest.param("year\ty\tx\n2001\t1.5\t2\n2002\t-3e2\t.5\n", id="tab"),
        pytest.param("\ufeffyear,y,x\n2001,1.5,2\n2002,-3e2,.5\n", id="BOM"),
        pytest.param("year,y,x\r\n2001,1.5,2\r\n2002,-3e2,.5\r\n\r\n", id="Windows"),
        pytest.param("year,y,x\n2001,1.5,2\n2002,-3e2,.5", id="no end of line"),
        pytest.param('"year","y","x"\n"2001","1.5","2"\n"2002","-3e2",".5"\n', id="quoted"),
        pytest.param("year, y, x\n2001, +1.50, 2.\n2002, -3E+02, 0.5\n\n\n", id="spaces"),
        pytest.param("# tons\n#\nyear,y,x\n2001,1.5,2\n2002,-3e2,.5\n", id="comments"),
    ],
)
def test_dialects_of_one_table_read_alike(csv, content):
    found = read_series(csv(content))
    assert found.names == ("y", "x") and found.labels == ("2001", "2002")
    np.testing.assert_array_equal(found.values, [[1.5, 2], [-300, 0.5]])
    assert found.values.dtype == np.float64


def test_columns_are_chosen_by_name_in_the_order_asked_for(csv):
    path = csv("a,b,c,d\n1,2,x,4\n5,6,y,8\n")
    found = read_series(path, ["d", "a"])  # the text in c is not looked at
    assert found.names == ("d", "a") and found.labels == ("1", "2")
    np.testing.assert_array_equal(found.values, [[4, 1], [8, 5]])
    np.testing.assert_array_equal(found.column("a"), [1, 5])
    assert read_series(path, ["a"], time="c").labels == ("x", "y")
    assert read_names(path) == ("a", "b", "c", "d") and read_names(path, "c") == ("a", "b", "d")


def test_a_separator_within_quotes_separates_nothing(csv):
    found = read_series(csv('"y, a;b;c",x\n"1",2\n3,4\n'))
    assert found.names == ("y, a;b;c", "x")


def test_a_first_row_of_numbers_is_data(csv):
    found = read_series(csv("1,2\n3,4\n"))
    assert found.names == ("1", "2") and len(found) == 2


def test_a_column_without_a_name_is_called_by_its_number(csv):
    assert read_names(csv(",y\n1,2\n3,4\n")) == ("1", "y")


def test_missing_values_are_kept_as_nan_when_asked(csv):
    found = read_series(csv("x,y\n,1\nNA,2\nNaN,3\nnull,4\nn/a,5\nNone,6\n7,7\n"), missing="keep")
    np.testing.assert_array_equal(np.isnan(found.column("x")), [True] * 6 + [False])


def test_an_empty_line_of_a_single_column_is_a_missing_value(csv):
    path = csv("y\n1\n\n3\n\n")
    np.testing.assert_array_equal(read_series(path, missing="keep").column("y"), [1, np.nan, 3])
    with pytest.raises(DataError, match=r"a\.csv: line 3, column 'y': the value is missing"):
        read_series(path)


def test_labels_name_rows_and_so_do_their_numbers():
    found = Series(("y",), np.zeros((3, 1)), ("2001", "2002", "2002"))
    assert found.row("2001") == 0 and found.row("3") == 2
    with pytest.raises(DataError, match="2 rows are called 2002"):
        found.row("2002")
    with pytest.raises(DataError, match="has no row 4; they go from 2001 to 2002, .* 1 to 3"):
        found.row("4")


def test_labels_go_on_where_they_go_evenly():
    assert labels_after(("5", "10", "15"), 2) == ("20", "25")
    assert labels_after(("2015-12-24", "2015-12-31"), 1) == ("2016-01-07",)
    for labels in [("2", "3", "5"), ("2015-01-31", "2015-02-28", "2015-03-31"), ("a",), ("1",)]:
        assert labels_after(labels, 2) == ("+1", "+2")
    assert labels_after(("9999-12-30", "9999-12-31"), 1) == ("+1",)


def test_times_that_begin_anew_do_not_go_back(csv):
    assert read_series(csv("month,y\n12,1\n1,2\n"), time="month").labels == ("12", "1")
    times = ("2003-01-31 9:00", "2003-01-31 10:00", "2003-01-31 11:00")
    assert read_series(csv("time,y\n" + "".join(f"{t},1\n" for t in times))).labels == times


def test_a_series_is_told_in_a_line():
    found = Series(("y", "x"), np.zeros((3, 2)), ("2001", "2002", "2003"), "harvest.csv")
    assert repr(found) == "Series('harvest.csv': 3 rows, 2001 to 2003, of y, x)"
    assert repr(found[:0]) == "Series('harvest.csv': 0 rows of y, x)"


@pytest.mark.parametrize("name", ["Datum", "Jahr", "ZEIT", "Date"])
def test_times_are_found_by_their_name(name, csv):
    found = read_series(csv(f"{name};y\n2001;1\n2002;2\n"))
    assert found.names == ("y",) and found.labels == ("2001", "2002")


def test_days_written_in_german_are_days(csv):
    days = ("30.12.2015", "31.12.2015", "01.01.2016")
    assert read_series(csv("Datum;y\n" + "".join(f"{d};1\n" for d in days))).labels == days
    assert labels_after(days, 2) == ("02.01.2016", "03.01.2016")
    assert labels_after(("28.02.2015", "31.02.2015"), 1) == ("+1",)
    with pytest.raises(DataError, match="row 2, from 01.01.2016 to 31.12.2015"):
        read_series(csv("Datum;y\n01.01.2016;1\n31.12.2015;2\n"))


@pytest.mark.parametrize(
    "labels, odd",
    [
        (["2001", "2002", "2003", "2005", "2006"], "1 of 4 .* is .*: from 2003 to 2005"),
        (["1", "2", "3", "6", "7", "8", "10"], "2 of 6 .* are .*: such as from 3 to 6"),
        (["01.01.2020", "02.01.2020", "03.01.2020", "06.01.2020"], "from 03.01.2020 to 06"),
        (["2020/01/01 9:00", "2020/01/02"], None),  # nothing that is read as a time
        ([f"2020-01-01 {h:02}:00" for h in (0, 1, 2, 5, 6)], "from 2020-01-01 02:00 to 2020-01-0"),
        ([f"2020-{m:02}" for m in range(1, 13)], None),
        (["2020-01", "2020-02", "2020-03", "2020-05"], "from 2020-03 to 2020-05"),
        (["2019-12-31", "2020-12-31", "2021-12-31"], None),
        (["12", "1", "2"], None),
        (["a", "b"], None),
        (["2001"], None),
    ],
    ids=str,
)
def test_steps_of_time_that_are_not_as_long_as_the_others_are_told(labels, odd):
    assert (
        unevenness(labels) == ""
        if odd is None
        else re.match(odd, unevenness(labels)) or (re.search(odd, unevenness(labels)))
    )


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, told",
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("\n \n# x\n", "is empty", id="blank"),
        pytest.param("y,x\n", "has 0 rows", id="header only"),
        pytest.param("y,x\n1,2\n", "has 1 row of figures", id="one row"),
        pytest.param("y,x\n1,2\n3\n", "line 3 has 1 cell; the first row has 2", id="short row"),
        pytest.param("y,x\n1,2,3\n3,4\n", "line 2 has 3 cells; .* 2", id="long row"),
        pytest.param("y,x\n1,2\n\n3,4\n", "line 3 has no cells; .* 2", id="empty line"),
        pytest.param("y,x\n1,2\n3,two\n", "line 3, column 'x': 'two' is not a", id="text"),
        pytest.param("y,x\n1,2\n3,1_000\n", "'1_000' is not a finite number", id="underscore"),
        pytest.param("y,x\n1,2\n3,\u0664\n", "'\u0664' is not a finite number", id="other digits"),
        pytest.param("y;x\n1;2\n3;4,5\n", "'4,5' is .*with a decimal point", id="decimal comma"),
        pytest.param("y,x\n1,2\n3,inf\n", "'inf' is not a finite number", id="infinite"),
        pytest.param("y,x\n1,2\n3,1e999\n", "1e999 is too large for float64", id="too large"),
        pytest.param("y,x\n1,2\n,3\n", "line 3, column 'y': the value is missing", id="missing"),
        pytest.param(
            "y,x\n1,2\nNA,3\n", r"is missing \(NA\); fill it with --fill previous", id="NA"
        ),
        pytest.param("y,y\n1,2\n3,4\n", "line 1: two columns are called 'y'", id="twice"),
        pytest.param(b"y,x\n1,2\n3,\xff\n", "line 3: byte 3 is not UTF-8", id="not UTF-8"),
        pytest.param("y,x\n1,2\n".encode("utf-16"), "line 1: byte 1 is not UTF-8", id="UTF-16"),
        pytest.param("y,x\n1,2\n3,\0\n", "line 3: holds a NUL", id="NUL"),
        pytest.param('y,x\n1,2\n"3,4\n5,6\n', "line 3: is no row of a CSV file", id="open quote"),
        pytest.param('y,x\n1,2\n"3"4,5\n', "line 3: is no row of a CSV file", id="after a quote"),
        pytest.param("y,x\n1,2\n3," + "4" * 200_000, "line 3: is no row", id="huge field"),
        pytest.param("y,x\n" + "1" * (1 << 20) + ",2\n", "line 2 is longer", id="huge line"),
        pytest.param("year,y\n2003,1\n2002,2\n", "goes back in time", id="years backward"),
        pytest.param(
            "year,y\n2001,1\n2002,2\n2002,3\n",
            "rows 2 and 3 are both called 2002",
            id="a year twice",
        ),
        pytest.param(
            "time,y\n2003-01-31 9:00,1\n2003-01-31 9:00,2\n", "rows 1 and 2 are both", id="an hour"
        ),
        pytest.param("y,x\n1,2\n3,-\n", "'-' is .*missing is an empty cell, NA", id="dash"),
        pytest.param("d,y\n2003-02-01,1\n2003-01-31,2\n", "goes back in time", id="days backward"),
        pytest.param(
            "year,y\n2001,1\n2002,2\n2003,3\n2001,4\n2002,5\n",
            "goes back in time in row 4, from 2003 to 2001; give one series",
            id="two series",
        ),
        pytest.param(
            "time,y\n2003/01/30 9:00,1\n2003/01/31 10:00,2\n2003/01/30 23:00,2\n",
            "goes back in time in row 3",
            id="a row out of order",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(csv, content, told):
    time = "d" if content[:2] == "d," else None
    path = csv(content)
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}.*{told}"):
        read_series(path, time=time)


def test_gaps_are_not_filled_by_reading(csv):
    with pytest.raises(ValueError, match="missing is 'linear'; .* call filled"):
        read_series(csv("y\n1\n2\n"), missing="linear")


def test_a_column_that_is_not_there_is_told_with_the_closest(csv):
    path = csv("wheat,rain\n1,2\n3,4\n")
    with pytest.raises(DataError, match="no column 'wheet'; did you mean 'wheat'"):
        read_series(path, ["wheet"])
    with pytest.raises(DataError, match="no column 'q'; it has wheat, rain"):
        read_series(path, ["rain"], time="q")
    with pytest.raises(DataError, match="are rain, rain; each is needed once"):
        read_series(path, ["rain", "rain"])


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(DataError, match="none.csv: cannot be read: No such file"):
        read_series(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_series(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_series("a\0b")


def test_a_damaged_file_is_a_series_or_an_error(csv):
    rng = np.random.default_rng(0)
    whole = b'# tons\nyear,"y",x\n' + b"".join(b"%d,%d.5,NA\n" % (i, i) for i in range(1700, 1720))
    read, refused = 0, 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            damaged[rng.integers(len(damaged))] = rng.choice([*b'",;\t\n\r#.eE-0\0\xff\xc3', 65])
        try:
            found = read_series(csv(bytes(damaged[: rng.integers(len(damaged)) or None])))
        except DataError as error:
            assert "a.csv" in str(error) and len(str(error)) < 500
            refused += 1
        else:
            assert np.isfinite(found.values).all() and len(found) == len(found.labels) > 1
            read += 1
    assert refused > 50, (read, refused)


def test_a_label_that_would_move_the_cursor_is_written_out(csv):
    assert read_series(csv("time,y\n\x1b[2J,1\nb,2\n")).labels == (r"'\x1b[2J'", "b")


def test_a_large_file_takes_little_more_memory_than_its_figures(csv):
    import tracemalloc

    N = 5_000
    path = csv("y,x,text\n" + "1.25,2.5,no figure at all\n" * N)
    read_series(path, ["y"])
    tracemalloc.start()
    try:
        found = read_series(path, ["y"])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Of a row: a label of 54 bytes and two places for it, and three times its figure of 8 bytes.
    # The cells of the row, kept, would be four times that.
    assert len(found) == N and most < 140 * N + 50_000


# Gaps ---------------------------------------------------------------------------------------------

NAN = np.nan


@pytest.mark.parametrize(
    "how, expected",
    [
        pytest.param("previous", [1, 1, 1, 4, 4, 6, 6, 6], id="previous"),
        pytest.param("linear", [1, 2, 3, 4, 5, 6, 6, 6], id="linear"),
        pytest.param("mean", [1, 11 / 3, 11 / 3, 4, 11 / 3, 6, 11 / 3, 11 / 3], id="mean"),
    ],
)
def test_gaps_are_filled_as_asked(how, expected):
    found = series(1, NAN, NAN, 4, NAN, 6, NAN, NAN).filled(how)
    np.testing.assert_allclose(found.column("y"), expected, rtol=1e-15)


@pytest.mark.parametrize("how", ["previous", "linear", "mean"])
def test_what_comes_later_never_fills_a_gap_before_it(how, rng):
    values = rng.normal(size=60)
    values[1:][rng.random(59) < 0.4] = NAN
    later = values.copy()
    later[30:] = np.where(np.isnan(later[30:]), 7.0, 100.0)  # other values, other gaps
    for training in (20, 30):
        one, two = series(*values).filled(how, training), series(*later).filled(how, training)
        np.testing.assert_array_equal(one.values[:30], two.values[:30])
    longer, shorter = (series(*values[:n]).filled(how, 20).values for n in (60, 41))
    np.testing.assert_array_equal(longer[:41], shorter)  # a forecast from row 41 sees the same


def test_a_gap_that_reaches_over_the_end_of_the_training_part_keeps_the_last_value():
    found = series(1, 2, NAN, NAN, 8, NAN, 10).filled("linear", training=3)
    np.testing.assert_array_equal(found.column("y"), [1, 2, 2, 2, 8, 8, 10])


def test_gaps_that_cannot_be_filled_are_told():
    for how in ("previous", "linear"):
        with pytest.raises(DataError, match="row 1, column 'y': the first value is missing"):
            series(NAN, 2, 3).filled(how)
    with pytest.raises(DataError, match="row 2, column 'y': is missing; fill"):
        series(1, NAN, 3).filled("refuse")
    with pytest.raises(DataError, match="no value in the 2 rows to learn from"):
        series(NAN, NAN, 3).filled("mean", training=2)
    with pytest.raises(ValueError, match="fill is 'zero'"):
        series(1, NAN).filled("zero")


def test_filling_leaves_the_series_as_it_was():
    before = series(1, NAN, 3)
    before.filled("previous")
    assert np.isnan(before.values[1, 0])


# Scaling ------------------------------------------------------------------------------------------


def test_standard_figures_have_mean_0_and_deviation_1(rng):
    x = rng.normal(size=(50, 3)) * [1, 1e6, 1e-6] + [0, 1e9, 5]
    scaling = Scaling.of(x, "abc")
    z = scaling.apply(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)  # 1e9 leaves 1e-16 * 1e9 / 1e6
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-8)
    np.testing.assert_allclose(scaling.invert(z), x, rtol=1e-12)


def test_minmax_figures_go_from_minus_1_to_1_and_none_stay():
    x = np.array([[1.0], [3.0], [7.0]])
    np.testing.assert_allclose(Scaling.of(x, "y", "minmax").apply(x)[:, 0], [-1, -1 / 3, 1])
    np.testing.assert_array_equal(Scaling.of(x, "y", "none").apply(x), x)


def test_a_column_that_is_constant_is_named_and_not_divided_by_0():
    x = np.array([[0.1, 1], [0.1, 2], [0.1, 3]])
    for kind in ("standard", "minmax", "none"):
        scaling = Scaling.of(x, ["still", "moving"], kind)
        assert scaling.constant == ("still",) and scaling.scale[0] == 1
        np.testing.assert_allclose(scaling.invert(scaling.apply(x)), x, rtol=1e-15)
        assert scaling.only("moving").constant == ()


def test_missing_values_are_left_out_of_what_is_learned():
    assert Scaling.of(np.array([[1.0], [NAN], [3.0]]), "y").shift == (2.0,)


def test_a_scaling_survives_json():
    import json

    scaling = Scaling.of(np.array([[0.1, 1], [0.1, 2]]), ["a", "b"])
    assert Scaling.restored(json.loads(json.dumps(scaling.facts()))) == scaling


@pytest.mark.parametrize(
    "change", [{"scale": [0.0]}, {"shift": [1, 2]}, {"shift": ["x"]}, {"names": 3}, {"scale": None}]
)
def test_facts_of_no_scaling_are_refused(change):
    facts = Scaling.of(np.array([[1.0], [2.0]]), "y").facts()
    with pytest.raises(DataError, match="scaling: is not one that was learned"):
        Scaling.restored(facts | change)


def test_what_cannot_be_scaled_is_told():
    with pytest.raises(DataError, match="'y': its values, from -1e.308 to 1e.308, are too far"):
        Scaling.of(np.array([[-1e308], [1e308], [1e308]]), "y")
    with pytest.raises(DataError, match="'y': no value in the 2 training rows"):
        Scaling.of(np.array([[NAN], [NAN]]), "y")
    with pytest.raises(ValueError, match="scaling is 'log'"):
        Scaling.of(np.eye(2), "ab", "log")
