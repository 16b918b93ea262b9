package mail

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/embedded"
)

// onEach runs a benchmark over the engine in memory and over the embedded one, whose folder
// is made in TMPDIR.
func onEach(b *testing.B, fn func(b *testing.B, open func(change func(*Config)) *Store)) {
	b.Run("memory", func(b *testing.B) {
		fn(b, func(change func(*Config)) *Store { return openStore(b, change) })
	})
	b.Run("disk", func(b *testing.B) {
		fn(b, func(change func(*Config)) *Store {
			e, err := embedded.Open(b.TempDir(), embedded.DefaultConfig(), slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { e.Close() })
			return openOver(b, e.Engine, e.Blobs, change)
		})
	})
}

func BenchmarkAppend(b *testing.B) {
	onEach(b, func(b *testing.B, open func(func(*Config)) *Store) {
		a := account(b, open(nil), 1)
		id := mailboxID(b, a, Inbox)
		msg := NewMessage{Prepared: fake(1, 2000)}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Append(b.Context(), id, msg); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAppendMany has 16 connections, each with an account of its own.
func BenchmarkAppendMany(b *testing.B) {
	onEach(b, func(b *testing.B, open func(func(*Config)) *Store) {
		s := open(nil)
		msg := NewMessage{Prepared: fake(1, 2000)}
		var next atomic.Uint64
		b.SetParallelism(16 / runtime.GOMAXPROCS(0))
		b.RunParallel(func(p *testing.PB) {
			a := account(b, s, storage.AccountID(next.Add(1)))
			id := mailboxID(b, a, Inbox)
			for p.Next() {
				if _, err := a.Append(b.Context(), id, msg); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkSetFlagsOne(b *testing.B) {
	onEach(b, setFlagsOne)
}

func setFlagsOne(b *testing.B, open func(func(*Config)) *Store) {
	s := open(nil)
	a := account(b, s, 1)
	id := mailboxID(b, a, Inbox)
	fill(b, a, id, 10000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		uid := imap.UID(n*7919%10000 + 1)
		change := FlagChange{Op: FlagOp(n / 10000 % 2), Flags: []imap.Flag{imap.FlagSeen}}
		if _, err := a.SetFlags(b.Context(), id, imap.UIDSet{{Start: uid, Stop: uid}}, change); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetFlagsBulk(b *testing.B) {
	onEach(b, setFlagsBulk)
}

func setFlagsBulk(b *testing.B, open func(func(*Config)) *Store) {
	for _, batch := range []int{1000, 2000, 3000} {
		b.Run(fmt.Sprintf("10000 in batches of %d", batch), func(b *testing.B) {
			s := open(func(c *Config) { c.Batch = batch })
			a := account(b, s, 1)
			id := mailboxID(b, a, Inbox)
			fill(b, a, id, 10000)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				change := FlagChange{Op: FlagOp(n % 2), Flags: []imap.Flag{imap.FlagSeen}}
				if _, err := a.SetFlags(b.Context(), id, everything(), change); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(10000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

func BenchmarkCopyMoveExpunge(b *testing.B) {
	onEach(b, copyMoveExpunge)
}

func copyMoveExpunge(b *testing.B, open func(func(*Config)) *Store) {
	s := open(nil)
	a := account(b, s, 1)
	id, dst := mailboxID(b, a, Inbox), mailboxID(b, a, "Archive")
	fill(b, a, id, 1000, imap.FlagDeleted)
	b.Run("copy 1000, expunge them", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Copy(b.Context(), id, everything(), a, dst); err != nil {
				b.Fatal(err)
			}
			if _, err := a.Expunge(b.Context(), dst); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("move 1000", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Move(b.Context(), id, everything(), a, dst); err != nil {
				b.Fatal(err)
			}
			id, dst = dst, id
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	s := openStore(b, nil)
	a := account(b, s, 1)
	id := mailboxID(b, a, Inbox)
	const n = 100000
	fill(b, a, id, n, imap.FlagSeen)
	fill(b, a, id, 1)
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			snapshot(b, a, id)
		}
	})
	sn := snapshot(b, a, id)
	b.Run("flags", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sum := Flags(0)
			for _, f := range sn.Flags(0, n) {
				sum ^= f
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("messages", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sum := int64(0)
			for _, m := range sn.Messages(0, n) {
				sum += m.Size
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("first unseen", func(b *testing.B) {
		for b.Loop() {
			*sn.hint = unseen{}
			sn.FirstUnseen()
		}
	})
	i := 0
	b.Run("after one change", func(b *testing.B) {
		for b.Loop() {
			i++
			change := FlagChange{Op: FlagOp((i + 1) % 2), Flags: []imap.Flag{imap.FlagFlagged}}
			if _, err := a.SetFlags(b.Context(), id, imap.UIDSet{{Start: 500, Stop: 500}}, change); err != nil {
				b.Fatal(err)
			}
			now, ch, err := a.Sync(b.Context(), sn)
			if err != nil || len(ch.Changed) != 1 {
				b.Fatal(ch, err)
			}
			sn = now
		}
	})
}
