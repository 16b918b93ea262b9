package badgerkv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atrium/storage/embedded"
	"atrium/storage/kv"
)

// TestFewWritersTakeTurns has few writers come and go, so that working alone and
// in groups alternate at every step; each Update must run alone, or the counters
// it adds to lose some.
func TestFewWritersTakeTurns(t *testing.T) {
	s, err := embedded.Open(filepath.Join(t.TempDir(), "s"), embedded.Small(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	end := time.Now().Add(3 * time.Second)
	if testing.Short() {
		end = time.Now().Add(time.Second)
	}
	var inside, done atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for time.Now().Before(end) {
				err := s.Engine.Update(ctx, func(tx kv.Txn) error {
					if inside.Add(1) != 1 {
						t.Error("two transactions at once")
					}
					defer inside.Add(-1)
					for wait := time.Now().Add(time.Duration(r.IntN(300)) * time.Microsecond); time.Now().Before(wait); {
					}
					b, err := tx.Get([]byte("n"))
					if err != nil && !errors.Is(err, kv.NotFound) {
						return err
					}
					n := uint64(0)
					if len(b) == 8 {
						n = binary.BigEndian.Uint64(b)
					}
					tx.Set([]byte("n"), binary.BigEndian.AppendUint64(nil, n+1))
					tx.Set(fmt.Appendf(nil, "k%d", n%100), make([]byte, 200))
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
				if r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
				}
			}
		})
	}
	wg.Wait()
	s.Engine.View(ctx, func(r kv.Reader) error {
		b, err := r.Get([]byte("n"))
		if err != nil || binary.BigEndian.Uint64(b) != uint64(done.Load()) {
			t.Errorf("counted %v (%v), %d were acknowledged", b, err, done.Load())
		}
		return nil
	})
}
