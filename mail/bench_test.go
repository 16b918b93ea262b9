package mail

import (
	"fmt"
	"testing"

	"github.com/emersion/go-imap/v2"
)

func BenchmarkAppend(b *testing.B) {
	s := openStore(b, nil)
	a := account(b, s, 1)
	id := mailboxID(b, a, Inbox)
	msg := NewMessage{Prepared: fake(1, 2000)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Append(b.Context(), id, msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetFlagsOne(b *testing.B) {
	s := openStore(b, nil)
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
	for _, batch := range []int{1000, 2000, 3000} {
		b.Run(fmt.Sprintf("10000 in batches of %d", batch), func(b *testing.B) {
			s := openStore(b, func(c *Config) { c.Batch = batch })
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
	s := openStore(b, nil)
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
			change := FlagChange{Op: FlagOp(i % 2), Flags: []imap.Flag{imap.FlagFlagged}}
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
