"""Evolution's data server: a CalDAV calendar, a task list, notes and a CardDAV address book, found by the collection
backend from the host alone; what it writes is on the server, what others write comes."""
import base64, os, re, shutil, subprocess, sys, tempfile, time, urllib.request

if "EVOLUTION_INSIDE" not in os.environ:
    for p in ("dbus-run-session", "gnome-keyring-daemon"):
        if not shutil.which(p):
            print("SKIP evolution: no " + p)
            sys.exit(77)
    home = tempfile.mkdtemp()
    try:
        env = dict(os.environ, EVOLUTION_INSIDE="1", HOME=home, XDG_RUNTIME_DIR=home + "/run", GIO_USE_VFS="local", GSETTINGS_BACKEND="memory", LC_ALL="C.UTF-8", TZ="UTC", NO_AT_BRIDGE="1")
        for k in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "DISPLAY"):
            env.pop(k, None)
        os.mkdir(home + "/run", 0o700)
        code = subprocess.call(["dbus-run-session", "--", sys.executable, __file__], env=env)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(code)
try:
    import gi
    for name, version in {"EDataServer": "1.2", "ECal": "2.0", "EBook": "1.2", "EBookContacts": "1.2"}.items():
        gi.require_version(name, version)
    from gi.repository import EDataServer, ECal, EBook, EBookContacts, GLib, ICalGLib
except (ImportError, ValueError) as e:
    print("SKIP evolution:", e)
    sys.exit(77)

HOST, USER, PASS = os.environ["HOST"], "user13@localhost", os.environ["PASS"]
PORT = int(os.environ["HTTP_PORT"])
try:
    subprocess.run(["gnome-keyring-daemon", "--unlock", "--components=secrets", "--daemonize"], input=b"x", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60)
    registry = EDataServer.SourceRegistry.new_sync(None)
    EDataServer.secret_store_store_sync("atrium-test", "x", "test", False, None)
except (GLib.Error, OSError, subprocess.SubprocessError) as e:
    print("SKIP evolution: its services do not start here:", e)
    sys.exit(77)

src = EDataServer.Source.new(None, None)
src.set_display_name("Office")
col = src.get_extension("Collection")
col.set_backend_name("webdav")
col.set_identity(USER)
col.set_calendar_url("http://%s:%d/" % (HOST, PORT))
col.set_contacts_url("http://%s:%d/" % (HOST, PORT))
auth = src.get_extension("Authentication")
auth.set_host(HOST)
auth.set_port(PORT)
auth.set_user(USER)
auth.set_method("plain/password")
src.get_extension("WebDAV Backend")
src.get_extension("Security").set_method("none")
src.store_password_sync(PASS, True, None)
registry.commit_source_sync(src, None)
loop = GLib.MainContext.default()


def until(what, look, limit=60):
    end = time.time() + limit
    while time.time() < end:
        x = look()
        if x:
            return x
        loop.iteration(False) or time.sleep(0.05)
    raise SystemExit("it did not come: " + what)


def kids():
    return [s for s in registry.list_sources(None) if s.get_parent() == src.get_uid()]


def child(kind):
    return until(kind, lambda: next((s for s in kids() if s.has_extension(kind) and s.get_display_name() != "Directory"), None))


def request(method, path, body=None, **headers):
    r = urllib.request.Request("http://%s:%d%s" % (HOST, PORT, path), body and body.encode(), headers, method=method)
    r.add_header("Authorization", "Basic " + base64.b64encode(("%s:%s" % (USER, PASS)).encode()).decode())
    with urllib.request.urlopen(r) as a:
        return a.read().decode()


def names(path):
    return re.findall("<[^>]*href>([^<]*[^/<])</", request("PROPFIND", path, '<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>', Depth="1"))


HOME, BOOKS = "/calendars/%s/" % USER, "/addressbooks/%s/" % USER
for p in [HOME + t for t in ("calendar/", "tasks/", "notes/")] + [BOOKS + "contacts/"]:
    for n in names(p):
        request("DELETE", n)
found = {k: child(k) for k in ("Calendar", "Task List", "Memo List", "Address Book")}
TYPES = {"Calendar": (ECal.ClientSourceType.EVENTS, "calendar"), "Task List": (ECal.ClientSourceType.TASKS, "tasks"), "Memo List": (ECal.ClientSourceType.MEMOS, "notes")}
BODY = {"Calendar": "BEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20261201T090000\r\nDTEND;TZID=Europe/Berlin:20261201T100000\r\nSUMMARY:%s\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\n",
        "Task List": "BEGIN:VTODO\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\nDUE;VALUE=DATE:20261203\r\nSUMMARY:%s\r\nEND:VTODO\r\n",
        "Memo List": "BEGIN:VJOURNAL\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;VALUE=DATE:20261201\r\nSUMMARY:%s\r\nDESCRIPTION:a note\r\nEND:VJOURNAL\r\n"}
for kind, (typ, path) in TYPES.items():
    client = ECal.Client.connect_sync(found[kind], typ, 1, None)
    until(kind + " may be written", lambda: not client.is_readonly())
    # here to there
    ok, uid = client.create_object_sync(ICalGLib.Component.new_from_string(BODY[kind] % ("ev-" + path, "Grüße, here")), ECal.OperationFlags.NONE, None)
    at = [n for n in names(HOME + path + "/") if "ev-" in n]
    assert len(at) == 1, at
    text = request("GET", at[0])
    assert "Grüße\\, here" in text or "Grüße" in text, text
    if kind == "Calendar":
        assert "BEGIN:VALARM" in text and "BEGIN:VTIMEZONE" in text and "RRULE:FREQ=WEEKLY" in text, text
    # change
    ok, comp = client.get_object_sync(uid, None, None)
    comp.set_summary("Changed")
    client.modify_object_sync(comp, ECal.ObjModType.ALL, ECal.OperationFlags.NONE, None)
    assert "SUMMARY:Changed" in request("GET", at[0])
    # there to here
    request("PUT", HOME + path + "/there.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n" + (BODY[kind] % ("there-" + path, "From there")).replace(";TZID=Europe/Berlin", "") + "END:VCALENDAR\r\n", **{"Content-Type": "text/calendar"})
    request("PUT", at[0], text.replace("Grüße", "Elsewhere"), **{"Content-Type": "text/calendar"})
    client.refresh_sync(None)

    def summary(uid):
        try:
            return client.get_object_sync(uid, None, None)[1].get_summary()
        except GLib.Error:
            return None
    until(kind + ": what another client wrote", lambda: client.refresh_sync(None) and summary("there-" + path) == "From there" and "Elsewhere" in (summary(uid) or ""))
    # gone there, gone here
    request("DELETE", HOME + path + "/there.ics")
    until(kind + ": what another client removed", lambda: client.refresh_sync(None) and summary("there-" + path) is None)
    client.remove_object_sync(uid, None, ECal.ObjModType.ALL, ECal.OperationFlags.NONE, None)
    assert not [n for n in names(HOME + path + "/") if "ev-" in n]
book = EBook.BookClient.connect_sync(found["Address Book"], 1, None)
until("the book may be written", lambda: not book.is_readonly())
photo = base64.b64encode(bytes(range(256)) * 40).decode()
card = EBookContacts.Contact.new_from_vcard("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Zoë Example\r\nN:Example;Zoë;;;\r\nEMAIL;TYPE=WORK:zoe@example.com\r\nTEL;TYPE=CELL:+49 30 1\r\nPHOTO;ENCODING=b;TYPE=JPEG:" + photo + "\r\nEND:VCARD\r\n")
ok, uid = book.add_contact_sync(card, EBookContacts.BookOperationFlags.NONE, None)
at = names(BOOKS + "contacts/")
assert len(at) == 1, at
text = request("GET", at[0])
assert "Zoë" in text and "zoe@example.com" in text and "PHOTO" in text
ok, c = book.get_contact_sync(uid, None)
c.set_property("nickname", "Zo")
book.modify_contact_sync(c, EBookContacts.BookOperationFlags.NONE, None)
assert "NICKNAME:Zo" in request("GET", at[0])
request("PUT", BOOKS + "contacts/there.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:there\r\nFN:From There\r\nN:There;From;;;\r\nEND:VCARD\r\n", **{"Content-Type": "text/vcard"})


def card_name(uid):
    try:
        return book.get_contact_sync(uid, None)[1].get_property("full-name")
    except GLib.Error:
        return None


until("a card that another client wrote", lambda: book.refresh_sync(None) and card_name("there") == "From There")
ok, hits = book.get_contacts_sync('(contains "email" "zoe@")', None)
assert [h.get_property("full-name") for h in hits] == ["Zoë Example"], hits
request("DELETE", BOOKS + "contacts/there.vcf")
until("a card that another client removed", lambda: book.refresh_sync(None) and card_name("there") is None)
book.remove_contact_sync(c, EBookContacts.BookOperationFlags.NONE, None)
assert names(BOOKS + "contacts/") == []
print("ok evolution: found from the host alone; events with series and alarms, tasks, notes and cards both ways")
