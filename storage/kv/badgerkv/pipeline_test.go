package badgerkv

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// TestSyncs: a lone writer costs one sync an Update, many share them, and an
// Update that writes nothing costs none.
func TestSyncs(t *testing.T) {
	var syncs atomic.Int64
	slow := false
	e := openWith(t, t.TempDir(), journal.Hooks{
		Sync: func() error {
			if slow {
				time.Sleep(2 * time.Millisecond)
			}
			return nil
		},
		Synced: func(journal.Position) { syncs.Add(1) },
	})
	defer e.Close()
	update := func(key string) {
		err := e.Update(context.Background(), func(tx kv.Txn) error {
			if key != "" {
				tx.Set([]byte(key), nil)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for i := range 20 {
		update(fmt.Sprint(i))
		update("")
	}
	if n := syncs.Swap(0); n != 20 {
		t.Errorf("%d syncs for 20 updates of a lone writer", n)
	}
	slow = true
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := range 20 {
				update(fmt.Sprint(w, i))
			}
		})
	}
	wg.Wait()
	if n := syncs.Load(); n > 320 {
		t.Errorf("%d syncs for 640 updates of 32 writers", n)
	}
}

// TestGroupExecutesMeanwhile: requests run while the group before is being
// synced, and see what it wrote.
func TestGroupExecutesMeanwhile(t *testing.T) {
	inSync, goOn := make(chan bool), make(chan bool)
	var once sync.Once
	e := openWith(t, t.TempDir(), journal.Hooks{Sync: func() error {
		once.Do(func() { close(inSync); <-goOn })
		return nil
	}})
	defer e.Close()
	ctx := context.Background()
	var wg sync.WaitGroup
	wg.Go(func() {
		e.Update(ctx, func(tx kv.Txn) error { tx.Set([]byte("a"), []byte("1")); return nil })
	})
	<-inSync
	ran := make(chan string, 1)
	wg.Go(func() {
		e.Update(ctx, func(tx kv.Txn) error {
			v, _ := tx.Get([]byte("a"))
			for k := range tx.Scan(kv.Range{}) {
				v = append(append([]byte(nil), v...), k...)
			}
			tx.Set([]byte("b"), v)
			ran <- string(v)
			return nil
		})
	})
	if got := <-ran; got != "1a" {
		t.Errorf("over a group that is being synced: %q, want 1a", got)
	}
	if got := content(t, e); got != "" {
		t.Errorf("a View sees %s before it is durable", got)
	}
	close(goOn)
	wg.Wait()
	if got := content(t, e); got != "a=1 b=1a " {
		t.Errorf("content %s", got)
	}
}
