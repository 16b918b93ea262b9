"""Python's imaplib, poplib, smtplib and urllib: one message's way through submission,
IMAP (IDLE seen from a second connection), POP3; one event's through CalDAV."""
import base64, imaplib, os, poplib, smtplib, socket, time, urllib.request, urllib.error

HOST, USER, PASS = os.environ["HOST"], "user6", os.environ["PASS"]
port = lambda n: int(os.environ[n + "_PORT"])
ADDR = USER + "@localhost"


def imap():
    c = imaplib.IMAP4(HOST, port("IMAP"))
    assert c.login(USER, PASS)[0] == "OK"
    return c


def idle():
    """a raw connection that waits in IDLE"""
    s = socket.create_connection((HOST, port("IMAP")))
    f = s.makefile("rb")
    f.readline()
    for tag, cmd in (("a", "LOGIN %s %s" % (USER, PASS)), ("b", "SELECT INBOX")):
        s.sendall(("%s %s\r\n" % (tag, cmd)).encode())
        while True:
            line = f.readline()
            if line.startswith(tag.encode() + b" "):
                assert b" OK" in line, line
                break
    s.sendall(b"c IDLE\r\n")
    assert f.readline().startswith(b"+")
    return s, f


s, f = idle()
smtp = smtplib.SMTP(HOST, port("SMTP"))
smtp.login(USER, PASS)
body = "From: %s\r\nTo: %s\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <py1@x>\r\n\r\n.dot\r\n..two\r\nend\r\n" % (ADDR, ADDR)
assert smtp.sendmail(ADDR, [USER + "+Archive@localhost", ADDR], body.encode()) == {}
sent = time.time()
s.settimeout(10)
line = f.readline()
assert b"EXISTS" in line, line
latency = time.time() - sent
s.sendall(b"DONE\r\n")
c = imap()
assert c.select("INBOX")[1] == [b"1"]
assert c.search(None, "CHARSET", "UTF-8", "SUBJECT", '"Gr"')[1] == [b"1"], "decoded subject"
text = c.fetch("1", "(BODY.PEEK[TEXT])")[1][0][1]
assert text == b".dot\r\n..two\r\nend\r\n", text
assert c.select("Archive")[1] == [b"1"], "subaddressing delivers into the folder"
p = poplib.POP3(HOST, port("POP3"))
p.user(USER), p.pass_(PASS)
assert p.stat()[0] == 1
lines = p.retr(1)[1]
assert lines[-3:] == [b".dot", b"..two", b"end"], lines[-3:]
p.dele(1)
p.quit()
c.select("INBOX")
assert c.search(None, "ALL")[1] == [b""], "POP3's DELE is IMAP's too"

base = os.environ["DAV_URL"]
auth = {"Authorization": "Basic " + base64.b64encode((USER + ":" + PASS).encode()).decode()}


def dav(method, path, body=None, **h):
    r = urllib.request.Request(base.rstrip("/") + path, data=body.encode() if body else None, method=method, headers={**auth, **{k.replace("_", "-"): v for k, v in h.items()}})
    try:
        with urllib.request.urlopen(r) as a:
            return a.status, a.headers, a.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read().decode()


ics = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:py1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Vienna:20260328T230000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY\r\nSUMMARY:Weekly\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
href = "/calendars/%s/calendar/py1.ics" % ADDR
st, h, b = dav("PUT", href, ics, Content_Type="text/calendar", If_None_Match="*")
assert st == 201, (st, b)
assert dav("PUT", href, ics, Content_Type="text/calendar", If_None_Match="*")[0] == 412
st, h, b = dav("GET", href)
assert (st, b) == (200, ics)
query = """<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR">
<C:comp-filter name="VEVENT"><C:time-range start="%s" end="%s"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"""
week = lambda a, z: dav("REPORT", "/calendars/%s/calendar/" % ADDR, query % (a, z), Depth="1")[2]
assert "py1.ics" in week("20310101T000000Z", "20310108T000000Z"), "an instance years later"
assert "py1.ics" not in week("20260301T000000Z", "20260308T000000Z"), "none before the first"
assert dav("DELETE", href, If_Match=h["ETag"])[0] == 204
assert urllib.request.urlopen  # the connection is not kept: urllib
print("OK python: imaplib, poplib, smtplib, urllib; news in IDLE after %.1f ms" % (latency * 1000))
