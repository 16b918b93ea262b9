package badgerkv

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// TestExecutorThatWaitedDoesNotRest: the executor, woken for nothing, waits for one who works
// alone. That one says that the executor rests and goes on to commit; the next request
// wakes the executor. While it runs that, nobody else may work alone.
func TestExecutorThatWaitedDoesNotRest(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		syncing, synced := make(chan bool), make(chan bool)
		var first atomic.Bool
		first.Store(true)
		e := openWith(t, dir, journal.Hooks{Sync: func() error {
			if first.Swap(false) {
				close(syncing)
				<-synced
			}
			return nil
		}})
		defer e.Close()
		var inside, ran atomic.Int64
		update := func(work func()) {
			err := e.Update(context.Background(), func(tx kv.Txn) error {
				if inside.Add(1) != 1 {
					t.Error("two transactions at once")
				}
				defer inside.Add(-1)
				ran.Add(1)
				work()
				tx.Set([]byte{byte(ran.Load())}, nil)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		synctest.Wait() // the executor rests
		go update(func() {
			e.mu.Lock()
			if !e.working {
				t.Error("the first request does not work alone")
			}
			e.work.Signal()
			e.mu.Unlock()
			synctest.Wait() // the executor waits for this goroutine
		})
		<-syncing
		goOn := make(chan bool)
		go update(func() { <-goOn })
		synctest.Wait() // the executor runs the second request
		close(synced)
		synctest.Wait() // the first one is committed
		go update(func() {})
		synctest.Wait()
		if n := ran.Load(); n != 2 {
			t.Errorf("%d requests ran while the second one does", n)
		}
		close(goOn)
		synctest.Wait()
		if n := ran.Load(); n != 3 {
			t.Errorf("%d requests ran, want 3", n)
		}
	})
}
