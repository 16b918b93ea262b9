#!/usr/bin/env python3
"""Writes random recurrence rules with the instances that python-dateutil has
for them: expect.py NUMBER SEED SHOWN > dateutil.tsv

A line is: zone, DTSTART, RRULE, the days looked at, the number of instances,
the CRC-32 of all of them (Unix seconds, each with a space after it), and the
first SHOWN of them in UTC. Zone "date" means all-day, "-" floating time.

Where dateutil does other than RFC 5545 says, this script makes up for it:
BYWEEKNO alone takes the weekday from DTSTART, and BYSETPOS counts in the whole
first week though DTSTART is in the midst of it (3.3.10).

In two things it follows choices of this package, for which the table is thus no
proof: DTSTART is always the first instance and counts for COUNT (3.8.5.3 leaves
open what is when it does not fit the rule), and local times that a zone skips are
read with the offset before the gap (3.3.5), each instant once, and count for
COUNT, where 3.3.10 would leave them out and not count them.

It leaves out BYDAY with and without numbers in one rule, of which dateutil makes
the intersection, the weeks 52 and 53, which it misses where they lie in two
years, and what it refuses or takes longer for than a limit: the same seed may
not give the same table on another machine.
"""
import random
import signal
import sys
import zlib
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from dateutil import rrule

ZONES = ["-", "date", "UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
FREQS = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]
HORIZON = [4400, 4400, 2200, 1500, 200, 5, 1]


def pick(r, lo, hi, most, negative=False):
    out = set()
    for _ in range(r.randint(1, most)):
        n = r.randint(lo, hi)
        out.add(-n if negative and r.random() < 0.35 else n)
    return r.sample(sorted(out), len(out))


def some(r, p):
    return r.random() < p


def parts_of(r, f, date):
    by = {}
    if some(r, 0.3):
        by["BYMONTH"] = pick(r, 1, 12, 4)
    if f == 0 and some(r, 0.3):
        by["BYWEEKNO"] = pick(r, 1, 51, 4, True)
    if (f == 0 or f >= 4) and some(r, 0.2):
        by["BYYEARDAY"] = pick(r, 1, 366, 20 if f else 6, True)
    if f != 2 and some(r, 0.35):
        by["BYMONTHDAY"] = pick(r, 1, 31, 5, True)
    if some(r, 0.45):
        if f <= 1 and "BYWEEKNO" not in by and some(r, 0.6):
            top = 5 if f == 1 or "BYMONTH" in by else 53
            by["BYDAY"] = ["%d%s" % (n, r.choice(DAYS)) for n in pick(r, 1, top, 3, True)]
        else:
            by["BYDAY"] = r.sample(DAYS, r.randint(1, 5))
    if not date:
        if some(r, 0.2):
            by["BYHOUR"] = pick(r, 0, 23, 4)
        if some(r, 0.2):
            by["BYMINUTE"] = pick(r, 0, 59, 3)
        if some(r, 0.1):
            by["BYSECOND"] = pick(r, 0, 59, 3)
    if by and some(r, 0.25):
        by["BYSETPOS"] = pick(r, 1, r.choice([2, 4, 10, 40]), 3, True)
    return by


def walls(text, start, horizon, by, f, count, until):
    """What the rule makes, DTSTART first."""
    args = {}
    if "BYWEEKNO" in by and not any(k in by for k in ("BYDAY", "BYMONTHDAY", "BYYEARDAY")):
        args["byweekday"] = start.weekday()
    at = start
    if f == 2 and "BYSETPOS" in by:
        week = [p[5:] for p in text.split(";") if p.startswith("WKST=")] or ["MO"]
        at -= timedelta(days=(start.weekday() - DAYS.index(week[0])) % 7)
        if "BYDAY" not in by:
            args["byweekday"] = start.weekday()
    body = ";".join(p for p in text.split(";") if p.split("=")[0] not in ("COUNT", "UNTIL"))
    rule = rrule.rrulestr(body, dtstart=at).replace(until=start + timedelta(days=horizon), **args)
    out = [start]
    for w in rule:
        if count and len(out) >= count or len(out) > 90000:
            break
        if w > start:
            out.append(w)
    return out


def line(r, shown):
    f = r.choices(range(7), [24, 24, 18, 16, 8, 6, 4])[0]
    zone = r.choice(ZONES)
    date = zone == "date"
    if date:
        f = min(f, 3)
    start = datetime(1997, 1, 1) + timedelta(days=r.randint(0, 5500))
    if not date:
        start += timedelta(hours=r.choice([0, 1, 2, 2, 3, 9, 12, 23]), minutes=r.choice([0, 0, 15, 30, 59]))
    by = parts_of(r, f, date)
    text = ["FREQ=" + FREQS[f]]
    if some(r, 0.5):
        text.append("INTERVAL=%d" % r.choice([1, 2, 2, 3, 4, 5, 6, 7, 11, 13, 30, 90]))
    text += ["%s=%s" % (k, ",".join(map(str, v))) for k, v in by.items()]
    if some(r, 0.5):
        text.append("WKST=" + r.choice(["SU", "MO", "WE", "SA"]))
    horizon, count, until = HORIZON[f], 0, None
    how = r.random()
    if how < 0.35:
        count = r.choice([1, 2, 3, 10, 40, 300])
        text.append("COUNT=%d" % count)
    elif how < 0.6:
        until = start + timedelta(seconds=r.randint(0, horizon * 86400))
        if date:
            until = until.replace(hour=0, minute=0, second=0)
            text.append(until.strftime("UNTIL=%Y%m%d"))
        else:
            text.append(until.strftime("UNTIL=%Y%m%dT%H%M%S") + ("" if zone == "-" else "Z"))
    text = ";".join(text)
    z = timezone.utc if zone in ("-", "date", "UTC") else ZoneInfo(zone)
    unix = lambda w: int(w.replace(tzinfo=z).timestamp())
    end = unix(start) + horizon * 86400
    all = {unix(w) for w in walls(text, start, horizon + 3, by, f, count, until)}
    first = unix(start)
    if until:
        limit = int(until.replace(tzinfo=timezone.utc).timestamp())
        all = {t for t in all if t <= limit} | {first}
    all = sorted(t for t in all if t <= end)
    form = "%Y%m%d" if date else "%Y%m%dT%H%M%S"
    crc = zlib.crc32("".join("%d " % t for t in all).encode())
    few = [datetime.fromtimestamp(t, timezone.utc).strftime(form) for t in all[:shown]]
    return "\t".join([zone, start.strftime(form), text, str(horizon), str(len(all)), "%08x" % crc, " ".join(few)])


class Slow(Exception):
    pass


def slow(*_):
    raise Slow


def main():
    signal.signal(signal.SIGALRM, slow)
    n, seed, shown = (int(a) for a in sys.argv[1:4])
    r = random.Random(seed)
    print("# zone, DTSTART, RRULE, days, instances, CRC-32, the first %d; made by expect.py %d %d %d" % (shown, n, seed, shown))
    while n:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            text = line(r, shown)
        except (Slow, ValueError):
            continue
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        print(text)
        n -= 1


main()
