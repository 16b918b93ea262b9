package queue

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"atrium/storage"
)

// BenchmarkDrain sends messages that wait to a local server: how many a second, and
// how much memory the heap takes at its highest. QUEUE_MESSAGES says how many.
func BenchmarkDrain(b *testing.B) {
	n := 500
	if v, err := strconv.Atoi(os.Getenv("QUEUE_MESSAGES")); err == nil {
		n = v
	}
	for b.Loop() {
		b.StopTimer()
		r, s := newRig(b), newSink(b, "PIPELINING", "8BITMIME")
		s.keep = false
		r.domain("there.example", s)
		ctx := context.Background()
		spool, err := r.store.Blobs().Spool(ctx, 0)
		if err != nil {
			b.Fatal(err)
		}
		spool.Write([]byte(strings.ReplaceAll(letter, "\n", "\r\n")))
		ref, err := spool.Commit(ctx)
		if err != nil {
			b.Fatal(err)
		}
		m := Message{From: "ann@here.example", To: to("bob@there.example"), Body: ref}
		for left := n; left > 0; left -= 200 { // many in one transaction: the way in is not what is measured
			err := r.store.Update(ctx, storage.System, func(tx *storage.Tx) error {
				for k := range min(left, 200) {
					m.ID = "m" + strconv.Itoa(left-k)
					for _, e := range r.split(m, time.Now()) {
						if err := insert(tx, e); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		spool.Release()
		var before, high runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		high = before
		b.StartTimer()
		began := time.Now()
		r.run()
		last := 0
		wait(b, "all is sent", func() bool {
			mails, _ := s.total()
			if mails > last+n/20 {
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				if now.HeapInuse > high.HeapInuse {
					high = now
				}
				last = mails
			}
			return mails >= n && r.empty()
		})
		b.StopTimer()
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "mails/s")
		b.ReportMetric(float64(high.HeapInuse-min(before.HeapInuse, high.HeapInuse))/(1<<20), "MiB-more")
		r.stop()
		b.StartTimer()
	}
}
