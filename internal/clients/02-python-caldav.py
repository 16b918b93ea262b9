"""python-caldav: discovery from the bare URL, calendars, events, series, tasks, journals,
free-busy, sync tokens, properties."""
import os, sys
from datetime import datetime, date, timedelta, timezone

try:
    import caldav
except ImportError:
    print("SKIP python-caldav: not installed")
    sys.exit(77)

USER, PASS = "user7", os.environ["PASS"]
client = caldav.DAVClient(os.environ["DAV_URL"], username=USER, password=PASS)
me = client.principal()
names = sorted(c.name for c in me.calendars())
assert names == ["Calendar", "Notes", "Tasks"], names
assert me.calendar_user_address_set(), "addresses"

cal = me.make_calendar(name="Yep", cal_id="pythoncaldav-test")
try:
    assert cal.name == "Yep"
    wrap = lambda s: "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example Corp.//CalDAV Client//EN\n" + s + "END:VCALENDAR\n"
    ev1 = cal.save_event(wrap("BEGIN:VEVENT\nUID:20010712T182145Z-123401@example.com\nDTSTAMP:20060712T182145Z\nDTSTART:20060714T170000Z\nDTEND:20060715T040000Z\nSUMMARY:Bastille Day Party\nEND:VEVENT\n"))
    cal.save_event(wrap("BEGIN:VEVENT\nUID:20080712T182145Z-123401@example.com\nDTSTAMP:20210712T182145Z\nDTSTART:20210714T170000Z\nDTEND:20210714T180000Z\nSUMMARY:Bastille Day Jitsi Party\nEND:VEVENT\n"))
    cal.save_event(wrap("BEGIN:VEVENT\nUID:19970901T130000Z-123403@example.com\nDTSTAMP:19970901T130000Z\nDTSTART;VALUE=DATE:19971102\nSUMMARY:Our Blissful Anniversary\nTRANSP:TRANSPARENT\nCLASS:CONFIDENTIAL\nCATEGORIES:ANNIVERSARY,PERSONAL,SPECIAL OCCASION\nRRULE:FREQ=YEARLY\nEND:VEVENT\n"))
    assert len(cal.events()) == 3
    assert cal.event_by_url(ev1.url).vobject_instance.vevent.summary.value == "Bastille Day Party"
    assert cal.event_by_uid("20010712T182145Z-123401@example.com").url == ev1.url
    try:
        cal.event_by_uid("0")
        raise SystemExit("an event that is not there was found")
    except caldav.lib.error.NotFoundError:
        pass

    # time ranges
    r = cal.date_search(datetime(2006, 7, 13, 17), datetime(2006, 7, 15, 17), expand=False)
    assert [e.url for e in r] == [ev1.url], r
    assert cal.date_search(datetime(2015, 7, 13), datetime(2015, 7, 15), expand=False) == []
    r = cal.date_search(datetime(2008, 11, 1, 17, 0, 7), datetime(2008, 11, 3, 17, 0, 7), expand=True)
    assert len(r) == 1 and "RRULE" not in r[0].data and "20081102" in r[0].data, r[0].data if r else r
    r = cal.date_search(datetime(2008, 11, 1), datetime(2009, 11, 30), expand=True)
    assert sum(x.data.count("BEGIN:VEVENT") for x in r) == 2

    # change, look up again, conflicts
    ev1.vobject_instance.vevent.summary.value = "Bastille Day Party!"
    ev1.save()
    assert cal.event_by_url(ev1.url).vobject_instance.vevent.summary.value == "Bastille Day Party!"

    # sync tokens
    objects = cal.objects_by_sync_token(load_objects=True)
    assert len(list(objects)) == 3 and objects.sync_token
    assert len(list(cal.objects_by_sync_token(sync_token=objects.sync_token))) == 0
    cal.save_event(wrap("BEGIN:VEVENT\nUID:late@example.com\nDTSTAMP:20060712T182145Z\nDTSTART:20300714T170000Z\nDURATION:PT1H\nSUMMARY:Late\nEND:VEVENT\n")).delete()
    ev1.delete()
    gone = list(cal.objects_by_sync_token(sync_token=objects.sync_token))
    assert len(gone) >= 1, gone
    assert len(cal.events()) == 2

    # free-busy
    fb = cal.freebusy_request(datetime(2021, 7, 13, tzinfo=timezone.utc), datetime(2021, 7, 16, tzinfo=timezone.utc))
    assert "20210714T170000Z/" in fb.vobject_instance.vfreebusy.freebusy.serialize(), fb.data

    # tasks
    todo = cal.save_todo(wrap("BEGIN:VTODO\nUID:20070313T123432Z-456553@example.com\nDTSTAMP:20070313T123432Z\nDUE;VALUE=DATE:20070501\nSUMMARY:Submit Quebec Income Tax Return for 2006\nSTATUS:NEEDS-ACTION\nEND:VTODO\n"))
    cal.save_todo(wrap("BEGIN:VTODO\nUID:uid4@example.com\nDTSTAMP:19970901T130000Z\nSUMMARY:No dates\nPRIORITY:1\nEND:VTODO\n"))
    assert len(cal.todos()) == 2
    todo.complete()
    assert len(cal.todos()) == 1 and len(cal.todos(include_completed=True)) == 2
    assert len(cal.events()) == 2

    # journals
    cal.save_journal(wrap("BEGIN:VJOURNAL\nUID:19970901T130000Z-123405@example.com\nDTSTAMP:19970901T130000Z\nDTSTART;VALUE=DATE:19970317\nSUMMARY:Staff meeting minutes\nDESCRIPTION:1. Staff meeting\\, odd \\; text\nEND:VJOURNAL\n"))
    assert len(cal.journals()) == 1

    # properties
    from caldav.elements import dav, ical
    cal.set_properties([dav.DisplayName("hooray"), ical.CalendarColor("#ff0000ff")])
    p = cal.get_properties([dav.DisplayName(), ical.CalendarColor()])
    assert p[dav.DisplayName.tag] == "hooray" and p[ical.CalendarColor.tag] == "#ff0000ff", p

    # a task list for tasks alone refuses an event
    tasks = me.make_calendar(name="Only tasks", cal_id="pythoncaldav-tasks", supported_calendar_component_set=["VTODO"])
    try:
        tasks.save_todo(wrap("BEGIN:VTODO\nUID:t1\nDTSTAMP:19970901T130000Z\nSUMMARY:x\nEND:VTODO\n"))
        try:
            tasks.save_event(wrap("BEGIN:VEVENT\nUID:e1\nDTSTAMP:19970901T130000Z\nDTSTART:20300714T170000Z\nEND:VEVENT\n"))
            raise SystemExit("a task list took an event")
        except caldav.lib.error.DAVError:
            pass
    finally:
        tasks.delete()
finally:
    cal.delete()
assert sorted(c.name for c in me.calendars()) == names
print("OK python-caldav %s: calendars, events, series, tasks, journals, free-busy, sync tokens" % getattr(caldav, "__version__", ""))
