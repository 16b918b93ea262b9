package mailtest

import (
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the server's lines in script files")

// Server is a server to play scripts against.
type Server struct {
	Dial    func() (net.Conn, error) // opens a connection
	Prelude string                   // played on each new connection first, as "C:" and "S:" lines; its captures are the script's
	Timeout time.Duration            // how long an expected line may take; 0: 10 s
	Quiet   time.Duration            // how long silence lasts; 0: 60 ms
}

// Play plays a script and fails the test at the first line that does not hold.
func Play(t testing.TB, s Server, script string) {
	t.Helper()
	p := newPlayer(s)
	defer p.close()
	if err := p.play(parse(script)); err != nil {
		t.Fatalf("%v\n%s", err, p.log.String())
	}
}

// PlayFile plays the script in a file. With -update it rewrites the server's
// lines in it to what came.
func PlayFile(t testing.TB, s Server, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(s)
	defer p.close()
	lines := parse(string(text))
	if *update {
		out, err := p.rewrite(string(text), lines)
		if err != nil {
			t.Fatalf("%s: %v\n%s", file, err, p.log.String())
		}
		if out != string(text) {
			if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	if err := p.play(lines); err != nil {
		t.Fatalf("%s:%v\n%s", file, err, p.log.String())
	}
}

// PlayDir plays each file of a folder that ends in .txt as a subtest; server
// makes the server for each.
func PlayDir(t *testing.T, dir string, server func(t *testing.T, name string) Server) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		t.Run(name, func(t *testing.T) { PlayFile(t, server(t, name), f) })
	}
}
