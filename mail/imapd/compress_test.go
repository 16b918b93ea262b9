package imapd

import (
	"bufio"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestCompress holds a dialog through DEFLATE: literals both ways, IDLE, a second COMPRESS.
func TestCompress(t *testing.T) {
	r := newRig(t, nil)
	for _, level := range []int{flate.BestSpeed, flate.BestCompression} {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			nc, err := net.Dial("tcp", r.listen(t))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(20 * time.Second))
			br := bufio.NewReader(nc)
			until := func(prefix string) string {
				var all strings.Builder
				for {
					line, err := br.ReadString('\n')
					if err != nil {
						t.Fatalf("%v; waiting for %q after %q", err, prefix, all.String())
					}
					all.WriteString(line)
					if strings.HasPrefix(line, prefix) {
						return all.String()
					}
				}
			}
			until("* OK")
			io.WriteString(nc, "a LOGIN user1 pass\r\n")
			if s := until("a OK"); !strings.Contains(s, "COMPRESS=DEFLATE") {
				t.Error(s)
			}
			io.WriteString(nc, "b COMPRESS DEFLATE\r\n")
			until("b OK")
			br = bufio.NewReader(flate.NewReader(br))
			fw, _ := flate.NewWriter(nc, level)
			say := func(format string, args ...any) { fmt.Fprintf(fw, format, args...); fw.Flush() }
			say("c COMPRESS DEFLATE\r\n")
			if s := until("c "); !strings.HasPrefix(s, "c NO [COMPRESSIONACTIVE]") {
				t.Error(s)
			}
			text := "Subject: x\r\n\r\n" + strings.Repeat("some text that is said again\r\n", 5000)
			say("d APPEND INBOX {%d}\r\n", len(text))
			until("+")
			say("%s\r\n", text)
			until("d OK")
			say("e SELECT INBOX\r\nf FETCH * BODY.PEEK[]\r\n")
			until("e OK")
			if s := until("f OK"); !strings.Contains(s, text) {
				t.Errorf("other text: %d octets", len(s))
			}
			say("g IDLE\r\n")
			until("+")
			r.fill(t, 1, "INBOX", 1, nil)
			until("* ")
			say("DONE\r\n")
			until("g OK")
			if level == flate.BestSpeed {
				say("h UNAUTHENTICATE\r\n") // it cannot end the compression (RFC 8437 §4.1)
				until("* BYE")
			} else {
				say("h LOGOUT\r\n")
				until("h OK")
			}
			if _, err := br.ReadByte(); err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Error(err)
			}
		})
	}
}

// TestCompressZlib is a client that flushes with Z_PARTIAL_FLUSH, as some do: each command must be
// answered at once.
func TestCompressZlib(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	r := newRig(t, nil)
	_, port, _ := net.SplitHostPort(r.listen(t))
	const script = `
import socket, sys, zlib
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
flush = int(sys.argv[2])
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
f = s.makefile("rb")
f.readline()
s.sendall(b"a LOGIN user1 pass\r\nb COMPRESS DEFLATE\r\n")
while not f.readline().startswith(b"b OK"): pass
c, d = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
seen = b""
def until(what):
    global seen
    while what not in seen:
        b = s.recv(4096)
        if not b: raise SystemExit("closed")
        seen += d.decompress(b)
    seen = seen[seen.index(what)+len(what):]
def say(b):
    z = c.compress(b) + c.flush(flush)
    for i in range(len(z)): s.sendall(z[i:i+1])
say(b"c SELECT INBOX\r\n"); until(b"c OK")
for i in range(30):
    say(b"d%d NOOP\r\n" % i); until(b"d%d OK" % i)
    say(b"e%d IDLE\r\n" % i); until(b"+ idling\r\n")
    say(b"DONE\r\n"); until(b"e%d OK" % i)
    m = b"Subject: %d\r\n\r\n" % i + bytes(range(33, 120)) * i
    say(b"f%d APPEND INBOX {%d}\r\n" % (i, len(m))); until(b"+ OK\r\n")
    say(m); say(b"\r\n"); until(b"f%d OK" % i)
    say(b"g%d FETCH 1:* BODY.PEEK[]\r\n" % i); until(b"g%d OK" % i)
print("done")
`
	for _, flush := range []string{"1", "2"} {
		out, err := exec.Command(python, "-c", script, port, flush).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "done") {
			t.Errorf("flush %s: %v: %s", flush, err, out)
		}
	}
}

var _ = onOff("COMPRESS", `
		C: a COMPRESS LZ77
		S: a BAD $...
		C: b CAPABILITY
		S: * CAPABILITY $...COMPRESS=DEFLATE$...
		S: b OK $...
		C: c COMPRESS DEFLATE
		S: c OK COMPRESS completed`, `
		!S: $...COMPRESS=DEFLATE$...
		C: b CAPABILITY
		S: * CAPABILITY $...
		S: b OK $...
		C: a COMPRESS DEFLATE
		S: a BAD $...`)
