package delivery

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atrium/mail"
	"atrium/storage"
	"atrium/storage/account"
	"atrium/storage/embedded"
)

// benchRig has users with mailboxes on a disk, not in memory: below BENCHDIR, or the folder
// of the package.
func benchRig(b *testing.B, users int) *rig {
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	parent := os.Getenv("BENCHDIR")
	if parent == "" {
		parent = "."
	}
	r := &rig{t: b, ids: map[string]storage.AccountID{}}
	path, err := os.MkdirTemp(parent, ".bench-")
	r.must(err)
	folder, err := embedded.Open(path, embedded.DefaultConfig(), log)
	r.must(err)
	r.store, err = storage.Open(folder.Engine, folder.Blobs, []storage.Schema{mail.Schema}, storage.DefaultConfig(), log)
	r.must(err)
	b.Cleanup(func() {
		r.store.Close()
		folder.Close()
		os.RemoveAll(path)
	})
	m, err := mail.New(r.store, mail.DefaultConfig(), log)
	r.must(err)
	ac := account.DefaultConfig()
	ac.Domain = "example.org"
	dir, err := account.Open(folder.Engine, ac, log)
	r.must(err)
	for i := range users {
		a, err := dir.Add(ctx, account.New{Name: fmt.Sprintf("user%d@example.org", i)})
		r.must(err)
		r.must(m.Open(a.ID, a.ID).Ensure(ctx))
	}
	r.Deliverer, err = New(m, dir, DefaultConfig(), log)
	r.must(err)
	return r
}

// letter is a message of some 20 KB as people send them; n makes it one of its kind.
func letter(n int) string {
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	words := strings.Fields("the meeting invoice report please project customer schedule Wednesday regards number attached flight release network")
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from mx.example (mx.example [192.0.2.1])\r\n\tby relay.example with ESMTPS id %x\r\n\tfor <a@b.example>; Mon, 02 Jun 2025 09:12:01 +0200\r\n", n)
	fmt.Fprintf(&b, "Message-ID: <m%d@bench.example>\r\nDate: Mon, 02 Jun 2025 09:12:44 +0200\r\nFrom: \"Doe, Jane\" <jane.doe@mail.example>\r\nTo: Hassan Tanaka <hassan@mail.example>\r\nSubject: Re: meeting %d\r\n", n, n)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_m\"\r\n\r\n--=_m\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	for b.Len() < 8<<10 {
		fmt.Fprintf(&b, "%s%x ", words[rnd.IntN(len(words))], rnd.IntN(4096))
		if rnd.IntN(12) == 0 {
			b.WriteString("\r\n")
		}
	}
	b.WriteString("\r\n--=_m\r\nContent-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"a.png\"\r\n\r\n")
	for b.Len() < 20<<10 {
		var line [57]byte
		for i := range line {
			line[i] = byte(rnd.Uint32())
		}
		b.WriteString(base64.StdEncoding.EncodeToString(line[:]) + "\r\n")
	}
	b.WriteString("--=_m--\r\n")
	return b.String()
}

// BenchmarkDeliverMany is all that LMTP does for a message but the protocol, for 50 users.
// cpu-µs is the processor time of the whole process, background work included.
func BenchmarkDeliverMany(b *testing.B) {
	const users = 50
	var letters [][]byte
	for n := range 500 {
		letters = append(letters, []byte(letter(n)))
	}
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			r := benchRig(b, users)
			ctx := context.Background()
			var next atomic.Int64
			one := func(n int) error {
				e := &Envelope{From: "a@b.example", ID: fmt.Sprint(n), Helo: "c.example", Protocol: "LMTP", Time: time.Now()}
				route, err := r.Route(ctx, fmt.Sprintf("user%d@example.org", n%users), 0)
				if err != nil {
					return err
				}
				e.Routes = append(e.Routes, route)
				m, err := r.Open(ctx, e)
				if err != nil {
					return err
				}
				defer m.Close()
				if _, err := m.Write(letters[n%len(letters)]); err != nil {
					return err
				}
				return m.Deliver(ctx)[0].Err
			}
			before := cpuTime()
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for {
						n := int(next.Add(1))
						if n > b.N {
							return
						}
						if err := one(n); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}
