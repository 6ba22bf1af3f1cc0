"""Cron expressions, as crontab(5) reads them. Pure.

Five fields: minute, hour, day of the month, month, day of the week. In each `*`, a number, a range `a-b`,
steps `*/n` and `a-b/n`, and lists of these with commas; months and days of the week also by their English
names (`jan`, `mon`), Sunday as 0 or 7, and a range of days may go over it (`sat-mon`). Where both the day of
the month and that of the week are named, either suffices; where one of them begins with `*`, both must fit.

APScheduler's own reading is not used: it counts the days of the week from Monday, and wants both days to fit.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import product

HORIZON = 366 * 41
"""Days that are looked through: a certain weekday on a leap day comes within 40 years."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:(\*)|([a-z]+|\d{1,2})(?:-([a-z]+|\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """When it is due, in the time of the clock on the wall.

    Attributes:
        times: minutes since midnight, in order.
        days, months: of the month, and from 1.
        weekdays: from 0, a Monday, as `date.weekday` counts.
        either: a day of the month or one of the week suffices.
    """

    times: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def after(self, wall: datetime) -> datetime | None:
        """The first due time after a moment; None where there is none any more. Neither has a zone."""
        position = bisect_right(self.times, wall.hour * 60 + wall.minute)
        return self._search(wall.date(), self.times[position] if position < len(self.times) else None, _DAY)

    def until(self, wall: datetime) -> datetime | None:
        """The last due time up to a moment, that minute included; None where there was none."""
        position = bisect_right(self.times, wall.hour * 60 + wall.minute)
        return self._search(wall.date(), self.times[position - 1] if position else None, -_DAY)

    def _search(self, day: date, first: int | None, step: timedelta) -> datetime | None:
        """The nearest due time, day by day in one direction; `first` is the one on the first day, if any."""
        if first is not None and self._falls_on(day):
            return _at(day, first)
        for _ in range(HORIZON):
            try:
                day += step
            except OverflowError:
                return None
            if self._falls_on(day):
                return _at(day, self.times[0 if step > timedelta(0) else -1])
        return None

    def _falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.weekday() in self.weekdays
        return by_month or by_week if self.either else by_month and by_week


def _at(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time(minutes // 60, minutes % 60))


def read_cron(text: str) -> Cron:
    """What five fields say.

    Raises:
        ValueError: in words, naming the field.
    """
    fields = text.lower().split()
    if len(fields) != 5:
        raise ValueError(f"it has {len(fields)} fields, not five")
    minutes = _field(fields[0], "minute", 0, 59)
    hours = _field(fields[1], "hour", 0, 23)
    days = _field(fields[2], "day of the month", 1, 31)
    months = _field(fields[3], "month", 1, 12, _MONTHS)
    weekdays = _field(fields[4], "day of the week", 0, 7, _WEEKDAYS)
    return Cron(
        times=tuple(sorted(hour * 60 + minute for hour, minute in product(hours, minutes))),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset((day - 1) % 7 for day in weekdays),
        either=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )


def _field(text: str, name: str, least: int, most: int, names: tuple[str, ...] = ()) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"the {name} cannot be `{part[:20]}`")
        star, first, last, step = match.groups()
        begin = least if star else _number(first, name, least, most, names)
        end = most if star or (step and not last) else _number(last or first, name, least, most, names)
        if end < begin and most == 7:
            end += 7  # over Sunday
        if end < begin or step == "0" * len(step or "x"):
            raise ValueError(f"the {name} cannot be `{part[:20]}`")
        found.update(range(begin, end + 1, int(step or 1)))
    return found if most != 7 else {day % 7 for day in found}


def _number(word: str, name: str, least: int, most: int, names: tuple[str, ...]) -> int:
    number = int(word) if word.isdigit() else names.index(word) + least if word in names else None
    if number is None or not least <= number <= most:
        raise ValueError(f"the {name} cannot be `{word[:20]}`")
    return number
