"""Evolution's mail library (Camel, IMAPx): folders, appending, flags, move, copy, expunge, search; both ways, beside
another client in the same folders."""
import imaplib, os, shutil, sys, tempfile, time, warnings

warnings.simplefilter("ignore", DeprecationWarning)

try:
    import gi
    gi.require_version("Camel", "1.2")
    from gi.repository import Camel, GLib
except (ImportError, ValueError) as e:
    print("SKIP camel:", e)
    sys.exit(77)

HOST, PORT, USER, PASS = os.environ["HOST"], int(os.environ["IMAP_PORT"]), "user13", os.environ["PASS"]
home = tempfile.mkdtemp()
Camel.init(home, False)
Camel.provider_init()


class Session(Camel.Session):
    def do_authenticate_sync(self, service, mechanism, cancellable=None):
        service.set_password(PASS)
        return service.authenticate_sync(mechanism, cancellable) == Camel.AuthenticationResult.ACCEPTED


session = Session(user_data_dir=home + "/data", user_cache_dir=home + "/cache")
session.set_online(True)
store = session.add_service("account", "imapx", Camel.ProviderType.STORE)
settings = store.ref_settings()
for name, value in {"host": HOST, "port": PORT, "user": USER, "security-method": Camel.NetworkSecurityMethod.NONE, "auth-mechanism": "PLAIN",
                    "use-idle": True, "use-qresync": True, "check-all": True}.items():
    settings.set_property(name, value)


def until(what, look, limit=60):
    end = time.time() + limit
    while not look():
        if time.time() > end:
            raise SystemExit("it did not come: " + what)
        time.sleep(0.1)


def message(subject):
    m = Camel.MimeMessage.new()
    m.set_subject(subject)
    a = Camel.InternetAddress.new()
    a.add("Jürgen Example", "j@example.com")
    m.set_from(a)
    m.set_recipients("To", a)
    m.set_message_id("%d@example.com" % time.time_ns())
    m.set_date(int(time.time()), 100)
    m.set_content("Grüße aus Köln\n".encode() * 20, "text/plain; charset=utf-8")
    return m


other = imaplib.IMAP4(HOST, PORT)
other.login(USER, PASS)
look = imaplib.IMAP4(HOST, PORT)
look.login(USER, PASS)
for box in ("INBOX", "Archive", '"Camel &- Co"'):
    if other.select(box)[0] == "OK" and other.store("1:*", "+FLAGS.SILENT", "\\Deleted"):
        other.expunge()
other.select("INBOX")
other.unselect()
other.delete('"Camel &- Co"')
try:
    assert store.set_online_sync(True, None) and store.connect_sync(None)
    assert store.create_folder_sync("", "Camel & Co", None) or True
    assert b"Camel &- Co" in b" ".join(other.list()[1]), other.list()
    store.get_folder_info_sync(None, Camel.StoreGetFolderInfoFlags.RECURSIVE | Camel.StoreGetFolderInfoFlags.REFRESH, None)
    inbox = store.get_folder_sync("INBOX", Camel.StoreGetFolderFlags.NONE, None)
    mine = store.get_folder_sync("Camel & Co", Camel.StoreGetFolderFlags.NONE, None)
    archive = store.get_folder_sync("Archive", Camel.StoreGetFolderFlags.NONE, None)

    def uids(f):  # from the server: what Camel's get_uids gives to Python is freed twice
        look.select('"%s"' % f.get_full_name().replace("&", "&-"), readonly=True)
        return look.uid("SEARCH", "ALL")[1][0].decode().split()

    def refresh(f, n):
        def there():
            f.refresh_info_sync(None)
            return f.get_message_count() == n == len(uids(f))
        until("%d messages in %s" % (n, f.get_full_name()), there)

    # here to there
    for i in range(5):
        inbox.append_message_sync(message("Grüße %d" % i), None, None)
    refresh(inbox, 5)
    first = uids(inbox)
    assert [inbox.get_message_info(u).get_subject() for u in first] == ["Grüße %d" % i for i in range(5)]
    text = inbox.get_message_sync(first[2], None)
    assert text.get_subject() == "Grüße 2"
    inbox.set_message_flags(first[0], Camel.MessageFlags.SEEN | Camel.MessageFlags.FLAGGED, Camel.MessageFlags.SEEN | Camel.MessageFlags.FLAGGED)
    inbox.set_message_user_flag(first[1], "$Label1", True)
    inbox.synchronize_sync(False, None)
    other.select("INBOX")
    flags = lambda: {r.split()[0]: set(r[r.index(b"(FLAGS (") + 8:r.rindex(b"))")].split()) for r in other.fetch("1:*", "(FLAGS)")[1] if r}
    f = flags()
    assert {b"\\Seen", b"\\Flagged"} <= f[b"1"], f
    assert any(b"label1" in x.lower() for x in f[b"2"]), f
    # there to here
    other.store("3", "+FLAGS", "(\\Answered $Other)")
    other.store("1", "-FLAGS", "(\\Flagged)")
    other.append("INBOX", "(\\Seen)", None, b"From: a@b\r\nSubject: late\r\nMessage-ID: <late@b>\r\n\r\nx\r\n")
    refresh(inbox, 6)
    until("flags", lambda: inbox.refresh_info_sync(None) and inbox.get_message_flags(first[2]) & Camel.MessageFlags.ANSWERED and not inbox.get_message_flags(first[0]) & Camel.MessageFlags.FLAGGED)
    assert inbox.get_message_info(uids(inbox)[5]).get_subject() == "late"
    other.store("6", "+FLAGS", "\\Deleted")
    other.expunge()
    refresh(inbox, 5)
    # move, copy, search, remove
    ok, _ = inbox.transfer_messages_to_sync(first[3:5], mine, True, None)
    assert ok
    ok, _ = inbox.transfer_messages_to_sync(first[:1], archive, False, None)
    assert ok
    inbox.synchronize_sync(True, None)
    refresh(inbox, 3)
    refresh(mine, 2)
    refresh(archive, 1)
    assert archive.get_message_flags(uids(archive)[0]) & Camel.MessageFlags.SEEN
    mine.set_message_flags(uids(mine)[0], Camel.MessageFlags.DELETED, Camel.MessageFlags.DELETED)
    mine.synchronize_sync(True, None)
    refresh(mine, 1)
    assert other.select('"Camel &- Co"')[1] == [b"1"]
    other.unselect()
    store.rename_folder_sync("Camel & Co", "Work", None)
    assert b" Work" in b" ".join(other.list()[1])
    store.delete_folder_sync("Work", None)
    assert b" Work" not in b" ".join(other.list()[1])
    # the list is freed twice as well: nothing of these messages after that
    found = inbox.search_by_expression('(match-all (body-contains "Köln"))', None)
    assert sorted(found, key=int) == first[:3], found
    store.disconnect_sync(True, None)
finally:
    shutil.rmtree(home, ignore_errors=True)
print("ok camel: folders, flags and labels, append, move, copy, search and expunge, both ways")
