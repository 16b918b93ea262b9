package conn

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// drip gives out one piece a read and says errDry between two.
type drip struct {
	pieces [][]byte
}

var errDry = errors.New("no input now")

func (d *drip) Read(p []byte) (int, error) {
	if len(d.pieces) == 0 {
		return 0, errDry
	}
	n := copy(p, d.pieces[0])
	if d.pieces[0] = d.pieces[0][n:]; len(d.pieces[0]) == 0 {
		d.pieces = d.pieces[1:]
	}
	return n, nil
}

func texts() []string {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 70000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	out := []string{"a NOOP\r\n", "b SELECT INBOX\r\n", "c FETCH 1:* (FLAGS)\r\n", "x", string(noise)}
	for range 40 {
		out = append(out, strings.Repeat("d UID FETCH 17 (BODY.PEEK[HEADER]) ", 1+rng.IntN(3000))+"\r\n", "e IDLE\r\n", fmt.Sprint(rng.Uint64(), "\r\n"))
	}
	return out
}

// readAll reads until the source is dry.
func readAll(t *testing.T, z *inflater) string {
	var b bytes.Buffer
	_, err := io.Copy(&b, z)
	if err != errDry {
		t.Fatalf("%v after %d", err, b.Len())
	}
	return b.String()
}

func TestInflateSyncFlush(t *testing.T) {
	for level := -2; level <= 9; level++ {
		var sink bytes.Buffer
		fw, err := flate.NewWriter(&sink, level)
		if err != nil {
			t.Fatal(err)
		}
		src := &drip{}
		z := newInflater(src, &buffers{})
		for i, s := range texts() {
			sink.Reset()
			io.WriteString(fw, s)
			fw.Flush()
			src.pieces = append(src.pieces, bytes.Clone(sink.Bytes()))
			if got := readAll(t, z); got != s {
				t.Fatalf("level %d, text %d: %d octets, not %d", level, i, len(got), len(s))
			}
		}
	}
}

// TestInflateZlib takes what zlib's compressor makes at each kind of flush, octet by octet: all that was
// flushed must come out, with nothing sent after it.
func TestInflateZlib(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	const script = `
import sys, zlib
level, flush, bits = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
c = zlib.compressobj(level, zlib.DEFLATED, -bits)
for line in sys.stdin.read().split("\0"):
    b = c.compress(line.encode("latin-1")) + c.flush(flush)
    print(b.hex())
`
	all := texts()
	all[4] = strings.ToValidUTF8(strings.ReplaceAll(all[4], "\x00", ""), "?")
	for i := range all {
		all[i] = strings.Map(func(r rune) rune {
			if r == 0 || r > 126 || r == '\r' || r == '\n' {
				return '!'
			}
			return r
		}, all[i])
	}
	for _, level := range []string{"1", "6", "9"} {
		for _, flush := range []string{"1", "2", "3"} { // Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH
			cmd := exec.Command(python, "-c", script, level, flush, "15")
			cmd.Stdin = strings.NewReader(strings.Join(all, "\x00"))
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			src := &drip{}
			z := newInflater(src, &buffers{})
			for i, line := range strings.Fields(string(out)) {
				var b []byte
				fmt.Sscanf(line, "%x", &b)
				for ; len(b) > 0 && len(b) < 2000; b = b[1:] {
					src.pieces = append(src.pieces, b[:1])
				}
				if len(b) > 0 {
					src.pieces = append(src.pieces, b)
				}
				if got := readAll(t, z); got != all[i] {
					t.Fatalf("level %s, flush %s, text %d: %d octets, not %d", level, flush, i, len(got), len(all[i]))
				}
			}
		}
	}
}

// TestDeflater is that the standard library reads what is sent, through all resets.
func TestDeflater(t *testing.T) {
	pr, pw := io.Pipe()
	s := &Server{}
	d := &deflater{w: pw, pool: &s.deflaters}
	go func() {
		for _, s := range texts() {
			for rest := s; rest != ""; {
				n := min(len(rest), 32<<10)
				io.WriteString(writer{d}, rest[:n])
				rest = rest[n:]
			}
			d.Flush()
			d.Flush()
		}
		pw.Close()
	}()
	fr := flate.NewReader(pr)
	for i, s := range texts() {
		got := make([]byte, len(s))
		if _, err := io.ReadFull(fr, got); err != nil || string(got) != s {
			t.Fatalf("text %d: %v", i, err)
		}
	}
}

type writer struct{ io.Writer }

// FuzzInflate compares with the standard library.
func FuzzInflate(f *testing.F) {
	for level := range 10 {
		var b bytes.Buffer
		fw, _ := flate.NewWriter(&b, level)
		io.WriteString(fw, strings.Repeat("a FETCH 1:* FLAGS\r\nb NOOP\r\n", 20))
		fw.Flush()
		io.WriteString(fw, strings.Repeat("c IDLE\r\n", 20))
		fw.Close()
		f.Add(b.Bytes())
	}
	f.Add([]byte{5, 0xff, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), 1<<20))
		got, err := io.ReadAll(io.LimitReader(newInflater(bytes.NewReader(data), &buffers{}), 1<<20))
		if wantErr == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%v, %d octets, not %d", err, len(got), len(want))
		}
		if !bytes.HasPrefix(got, want[:min(len(got), len(want))]) {
			t.Fatal("other octets before the failure")
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	var sink bytes.Buffer
	fw, _ := flate.NewWriter(&sink, 6)
	text := strings.Join(texts(), "")
	io.WriteString(fw, text)
	fw.Close()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		io.Copy(io.Discard, newInflater(bytes.NewReader(sink.Bytes()), &buffers{}))
	}
}
