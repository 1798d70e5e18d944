"""Series that come along, as figures in the public domain; each file says where it is from."""

import pathlib

from minitorch_rnn.data.series import Series, read_series
from minitorch_rnn.errors import DataError

__all__ = ["SHIPPED", "shipped", "shipped_path"]

SHIPPED = ("seattle-weather", "sunspots")


def shipped(name: str) -> Series:
    """A series that comes along.

    - "sunspots": yearly sunspot numbers, 1700-2008, 309 rows; National Geophysical Data Center.
    - "seattle-weather": precipitation (mm), temp_max, temp_min (degrees Celsius) and wind (m/s) of
      every day of 2012-2015, 1461 rows; National Centers for Environmental Information.

    Raises:
        DataError: if there is none of that name.

    >>> series = shipped("sunspots")
    >>> len(series), series.names, series.labels[0], series.column("sunspots")[0].item()
    (309, ('sunspots',), '1700', 5.0)
    """
    return read_series(shipped_path(name))


def shipped_path(name: str) -> pathlib.Path:
    """The CSV file of a series that comes along.

    Raises:
        DataError: if there is none of that name.

    >>> shipped_path("sunspots").name
    'sunspots.csv'
    """
    if name not in SHIPPED:
        raise DataError(f"{name}: no such series comes along; there are {', '.join(SHIPPED)}.")
    return pathlib.Path(__file__).with_name(f"{name}.csv")
