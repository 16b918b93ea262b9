"""Thunderbird, without a window, driven by its remote control (Marionette): an account is set up, mail is
read, marked, moved, copied, pushed by IDLE and sent; calendars and address books are found from the host
alone, and changes go both ways."""
import base64, imaplib, json, os, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request

HOST, USER, PASS = os.environ["HOST"], "user11", os.environ["PASS"]
ADDR, FRIEND = USER + "@localhost", "user12"
port = lambda n: int(os.environ[n + "_PORT"])
HTTP = "http://%s:%d" % (HOST, port("HTTP"))
if not shutil.which("thunderbird"):
    print("SKIP thunderbird: it is not installed")
    sys.exit(77)


class Remote:
    """Marionette: each message is its length, a colon and JSON"""

    def __init__(self, number, child):
        end = time.time() + 120
        while True:
            try:
                self.s = socket.create_connection(("127.0.0.1", number))
                break
            except OSError:
                if time.time() > end or child.poll() is not None:
                    print("SKIP thunderbird: its remote control does not answer")
                    sys.exit(77)
                time.sleep(0.2)
        self.s.settimeout(200)
        self.f, self.n = self.s.makefile("rb"), 0
        self.read()
        self.command("WebDriver:NewSession", capabilities={"alwaysMatch": {}})
        self.command("Marionette:SetContext", value="chrome")
        self.command("WebDriver:SetTimeouts", script=150000)

    def read(self):
        size = b""
        while not size.endswith(b":"):
            c = self.f.read(1)
            assert c, "thunderbird has gone"
            size += c
        return json.loads(self.f.read(int(size[:-1])))

    def command(self, name, **args):
        self.n += 1
        text = json.dumps([0, self.n, name, args])
        self.s.sendall(b"%d:%s" % (len(text), text.encode()))
        answer = self.read()
        assert answer[2] is None, answer[2]
        return answer[3]

    def do(self, script, *args):
        """runs the body of an asynchronous function in Thunderbird and returns what it does"""
        text = ("let done = arguments[arguments.length - 1], args = arguments;"
                "(async () => {" + PRELUDE + script + "})().then(x => done({ok: x ?? null}), e => done({error: String(e) + (e && e.stack)}));")
        answer = self.command("WebDriver:ExecuteAsyncScript", script=text, args=list(args))["value"]
        assert "error" not in answer, answer["error"]
        return answer["ok"]


PRELUDE = """
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const {cal} = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const {CalEvent} = ChromeUtils.importESModule("resource:///modules/CalEvent.sys.mjs");
const {CardDAVUtils} = ChromeUtils.importESModule("resource:///modules/CardDAVUtils.sys.mjs");
const pause = t => new Promise(r => setTimeout(r, t));
// waits until look returns something, up to a minute
const until = async (what, look) => {
  for (let i = 0; i < 240; i++) { let x = await look(); if (x) return x; await pause(250); }
  throw new Error("it did not come: " + what);
};
const server = MailServices.accounts.allServers.find(s => s.type == "imap");
const folder = flag => server.rootFolder.getFolderWithFlags(flag);
const inbox = server && folder(0x1000), trash = server && folder(0x100);
const copied = () => { let end, p = new Promise(r => end = r);
  return [{QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]), onStartCopy() {}, onProgress() {},
    setMessageKey() {}, getMessageId() { return null; }, onStopCopy(s) { end(s); }}, p]; };
const subjects = f => [...f.messages].map(h => h.mime2DecodedSubject).sort();
const calendar = cal.manager.getCalendars().find(c => c.type == "caldav");
const events = async () => (await calendar.getItemsAsArray(Ci.calICalendar.ITEM_FILTER_ALL_ITEMS, 0, null, null));
const book = MailServices.ab.directories.find(d => d.dirType == 102);
"""


def imap(user=USER):
    c = imaplib.IMAP4(HOST, port("IMAP"))
    c.login(user, PASS)
    return c


def message(subject, n, body="text\r\n"):
    return ("From: Ann <ann@example.org>\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <tb%d@example.org>\r\n"
            "Date: Mon, 2 Jun 2025 10:00:00 +0200\r\n\r\n%s" % (ADDR, subject, n, body)).encode()


def dav(method, path, body=None, **head):
    head["Authorization"] = "Basic " + base64.b64encode(("%s:%s" % (ADDR, PASS)).encode()).decode()
    with urllib.request.urlopen(urllib.request.Request(HTTP + path, data=body, method=method, headers=head)) as r:
        return r.read().decode()


def equal(what, got, want):
    assert got == want, "%s: %r, want %r" % (what, got, want)


def wait(what, look):
    end = time.time() + 60
    while not look():
        assert time.time() < end, "it did not come: " + what
        time.sleep(0.2)


def main(t):
    other = imap()
    other.select("INBOX")
    for n in range(8):
        other.append("INBOX", None, None, message("=?utf-8?q?Gr=C3=BC=C3=9Fe_%d?=" % n, n))
    t.do("""
      let keep = async origin => { let l = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
        l.init(origin[0], null, origin[1], args[1], args[2], "", ""); await Services.logins.addLoginAsync(l); };
      await keep(["imap://" + args[0], "imap://" + args[0]]);
      await keep([args[4], "Atrium"]);
      let s = MailServices.accounts.createIncomingServer(args[1], args[0], "imap");
      s.port = args[3]; s.socketType = 0; s.authMethod = 3; s.password = args[2];
      let account = MailServices.accounts.createAccount(); account.incomingServer = s;
      let who = MailServices.accounts.createIdentity(); who.email = args[1]; account.addIdentity(who);
      s.valid = true;""", HOST, ADDR, PASS, port("IMAP"), HTTP)
    t.do("server.performExpand(null); await until('folders', () => inbox || folder(0x1000));")
    got = t.do("""inbox.updateFolder(null); await until('the messages', () => inbox.getTotalMessages(false) == 8 && inbox.getNumUnread(false) == 8);
      return [subjects(inbox), ["Drafts:400", "Sent:200", "Trash:100", "Junk:40000000", "Archive:4000"].filter(x => folder(parseInt(x.split(":")[1], 16))?.name != x.split(":")[0])]""")
    equal("subjects", got, [["Grüße %d" % n for n in range(8)], []])

    t.do("""let m = [...inbox.messages]; inbox.markMessagesRead([m[0], m[1]], true); inbox.markMessagesFlagged([m[2]], true);
      inbox.addKeywordsToMessages([m[3]], "$label1");
      let [l, p] = copied(); MailServices.copy.copyMessages(inbox, [m[4], m[5]], trash, true, l, null, false);
      if (await p) throw new Error("move");
      server.rootFolder.createSubfolder("Büro & Co", null);
      let sub = await until("the new folder", () => server.rootFolder.getChildNamed("Büro & Co"));
      [l, p] = copied(); MailServices.copy.copyMessages(inbox, [m[6], m[7]], sub, false, l, null, false);
      if (await p) throw new Error("copy");
      sub.updateFolder(null); await until("the copies", () => sub.getTotalMessages(false) == 2);""")
    equal("Seen", other.search(None, "SEEN")[1], [b"1 2"])
    equal("Flagged", other.search(None, "FLAGGED")[1], [b"3"])
    equal("$label1", other.search(None, "KEYWORD", "$label1")[1], [b"4"])
    equal("moved", other.status("Trash", "(MESSAGES)")[1], [b"Trash (MESSAGES 2)"])
    equal("copied", other.status('"B&APw-ro &- Co"', "(MESSAGES)")[1][0].split(b"(")[1], b"MESSAGES 2)")

    # another device: what comes, is read and goes is seen without asking
    t.do("inbox.updateFolder(null); await pause(1000);")
    other.select("INBOX")
    other.append("INBOX", None, None, message("pushed", 100))
    other.store("3", "+FLAGS", r"(\Seen)")
    other.store("4", "+FLAGS", r"(\Deleted)")
    other.expunge()
    t.do("""await until("the push", () => subjects(inbox).includes("pushed") && !subjects(inbox).includes("Grüße 3") &&
      [...inbox.messages].find(h => h.mime2DecodedSubject == "Grüße 2").isRead);""")

    sent = t.do("""
      let s = (MailServices.outgoingServer ?? MailServices.smtp).createServer("smtp").QueryInterface(Ci.nsISmtpServer);
      s.hostname = args[0]; s.port = args[1]; s.authMethod = 3; s.socketType = 0; s.username = args[2]; s.password = args[3];
      let who = MailServices.accounts.allIdentities[0]; who.smtpServerKey = s.key; who.doFcc = true; who.fccFolderURI = folder(0x200).URI;
      let f = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
      f.from = args[2]; f.to = args[4]; f.subject = "Grüße aus Thunderbird"; f.body = "äöü\\r\\n";
      let p = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
      p.composeFields = f; p.identity = who; p.type = Ci.nsIMsgCompType.New; p.format = Ci.nsIMsgCompFormat.PlainText;
      await MailServices.compose.initCompose(p).sendMsg(Ci.nsIMsgSend.nsMsgDeliverNow, who, "", null, null);
      let sent = folder(0x200); sent.updateFolder(null); await until("the copy in Sent", () => sent.getTotalMessages(false));
      return subjects(sent)""", HOST, port("SMTP"), ADDR, PASS, FRIEND + "@localhost")
    equal("Sent", sent, ["Grüße aus Thunderbird"])
    friend = imap(FRIEND)

    def arrived():
        friend.select("INBOX")
        return friend.search(None, "FROM", USER, "SUBJECT", "Thunderbird")[1] == [b"1"]
    wait("the mail", arrived)

    # calendars, from the host alone
    t.do("""let found = await cal.provider.detection.detect(args[0], args[1], args[2], false, [], {});
      let all = [...found.values()].flat(), c = all.find(x => x.type == "caldav" && x.uri.spec.endsWith("/calendar/"));
      if (!c || c.readOnly || c.getProperty("color") == "#FFFFFF") throw new Error("calendars: " + all.map(x => x.uri.spec));
      cal.manager.registerCalendar(c);""", ADDR, PASS, HTTP + "/")
    t.do("""await until("the calendar", async () => calendar && !calendar.readOnly && calendar.getProperty("currentStatus") === 0 || calendar.getProperty("currentStatus") === null);
      await calendar.addItem(new CalEvent("BEGIN:VEVENT\\r\\nUID:tb-1\\r\\nSUMMARY:Kickoff\\r\\nDTSTART;TZID=Europe/Berlin:20261124T100000\\r\\nDTEND;TZID=Europe/Berlin:20261124T110000\\r\\nRRULE:FREQ=WEEKLY;COUNT=5\\r\\nEND:VEVENT"));
      calendar.refresh();
      let e = await until("the event", async () => (await events()).find(i => i.id == "tb-1")), n = e.clone();
      n.title = "Kickoff moved"; await calendar.modifyItem(n, e);""")
    home = "/calendars/%s/calendar/" % ADDR
    list_of = lambda: dav("REPORT", home, b'<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/></D:prop>'
                          b'<C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>', Depth="1")
    wait("the change of the event", lambda: "SUMMARY:Kickoff moved" in list_of() and "BEGIN:VTIMEZONE" in list_of())
    dav("PUT", home + "phone.ics", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:phone\r\nBEGIN:VEVENT\r\nUID:phone-1\r\nDTSTAMP:20261101T000000Z\r\n"
        b"SUMMARY:From the phone\r\nDTSTART:20261125T090000Z\r\nDTEND:20261125T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", **{"Content-Type": "text/calendar"})
    t.do("""calendar.refresh(); let e = await until("the phone's event", async () => (await events()).find(i => i.id == "phone-1"));
      await calendar.deleteItem(e);""")
    wait("the event to go", lambda: "phone-1" not in list_of())

    # contacts
    t.do("""let found = await CardDAVUtils.detectAddressBooks(args[0], args[1], args[2], false);
      let b = found.find(x => x.url.href.endsWith("/contacts/")); if (!b) throw new Error("no address book");
      await b.create();""", ADDR, PASS, HTTP + "/")
    t.do("""await until("the book", () => book);
      let c = Cc["@mozilla.org/addressbook/cardproperty;1"].createInstance(Ci.nsIAbCard);
      c.displayName = "Zoë Müller"; c.firstName = "Zoë"; c.lastName = "Müller"; c.primaryEmail = "zoe@example.org"; book.addCard(c);""")
    cards = lambda: dav("REPORT", "/addressbooks/%s/contacts/" % ADDR, b'<A:addressbook-query xmlns:D="DAV:" xmlns:A="urn:ietf:params:xml:ns:carddav">'
                        b'<D:prop><A:address-data/></D:prop><A:filter/></A:addressbook-query>', Depth="1")
    wait("the card", lambda: "Zoë Müller" in cards() and "zoe@example.org" in cards())
    t.do("""let c = await until("the card", () => book.childCards.find(c => c.primaryEmail == "zoe@example.org"));
      c.displayName = "Zoë M."; book.modifyCard(c);""")
    wait("the change of the card", lambda: "Zoë M." in cards())


home = tempfile.mkdtemp()
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    number = s.getsockname()[1]
prefs = {"marionette.port": number, "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True, "mail.rights.version": 1,
         "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False, "app.update.enabled": False,
         "mailnews.start_page.enabled": False, "app.donation.eoy.version.viewed": 999, "network.proxy.type": 0,
         "mail.compose.warn_public_recipients.aggressive": False, "browser.safebrowsing.downloads.remote.enabled": False}
os.mkdir(home + "/profile")
with open(home + "/profile/user.js", "w") as f:
    f.writelines("user_pref(%s, %s);\n" % (json.dumps(k), json.dumps(v)) for k, v in prefs.items())
log = open(home + "/log", "w")
child = subprocess.Popen(["thunderbird", "--headless", "-marionette", "-remote-allow-system-access", "-no-remote", "-profile", home + "/profile"],
                         stdout=log, stderr=log, env=dict(os.environ, HOME=home, MOZ_HEADLESS="1"), start_new_session=True)
try:
    main(Remote(number, child))
finally:
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    shutil.rmtree(home, ignore_errors=True)
print("OK thunderbird: mail, push, sending, calendar and contacts, both ways")
