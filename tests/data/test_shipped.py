"""The series that come along: well-known values, whole, and with their source."""

import datetime

import numpy as np
import pytest

from minitorch_rnn.data.shipped import SHIPPED, shipped, shipped_path
from minitorch_rnn.errors import DataError


def test_sunspots_are_those_of_the_record():
    series = shipped("sunspots")
    assert series.labels == tuple(map(str, range(1700, 2009)))
    known = {"1700": 5, "1778": 154.4, "1816": 45.8, "1957": 190.2, "2008": 2.9}
    for year, value in known.items():
        assert series.values[series.row(year), 0] == value
    assert (series.values >= 0).all() and series.values.max() == 190.2


def test_the_weather_has_every_day_of_four_years():
    series = shipped("seattle-weather")
    first = datetime.date(2012, 1, 1)
    days = [str(first + datetime.timedelta(days=k)) for k in range(1461)]
    assert list(series.labels) == days and days[-1] == "2015-12-31"
    assert series.names == ("precipitation", "temp_max", "temp_min", "wind")
    np.testing.assert_array_equal(series.values[1], [10.9, 10.6, 2.8, 4.5])
    assert (series.column("temp_min") <= series.column("temp_max")).all()
    assert series.column("temp_max").max() == 35.6 and (series.column("precipitation") >= 0).all()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_file_says_where_it_is_from_and_that_it_is_free(name):
    notes = [line for line in shipped_path(name).read_text("utf-8").splitlines() if line[0] == "#"]
    assert "Source: National Cent" in " ".join(notes) or "Source: National Geo" in " ".join(notes)
    assert "ublic domain" in notes[-1]


def test_no_file_is_left_out_of_the_list():
    assert {path.stem for path in shipped_path("sunspots").parent.glob("*.csv")} == set(SHIPPED)


def test_a_series_that_does_not_come_along_is_told():
    with pytest.raises(DataError, match="moons: no such series .* seattle-weather, sunspots"):
        shipped("moons")
