package kvtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atrium/storage/kv"
)

func testSnapshot(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1", "b", "1", "gone", "1")
	view(t, e, func(r kv.Reader) {
		equal(t, "before", list(r, kv.Range{}), "a=1 b=1 gone=1")
		for i := range 20 { // a writer does not wait for a reader
			update(t, e, func(tx kv.Txn) {
				tx.Set([]byte("a"), fmt.Append(nil, "new", i))
				tx.Set(fmt.Append(nil, "c", i), []byte("1"))
				tx.Delete([]byte("gone"))
			})
		}
		equal(t, "Get in an old snapshot", get(t, r, "a")+get(t, r, "gone")+get(t, r, "c1"), "11-")
		equal(t, "Scan in an old snapshot", list(r, kv.Range{}), "a=1 b=1 gone=1")
		view(t, e, func(r kv.Reader) {
			equal(t, "Get in a new snapshot", get(t, r, "a")+get(t, r, "gone"), "new19-")
		})
	})
	// Each write changes all keys: a snapshot shows one value only.
	keys := []string{"k1", "k2", "k3", "k4", "k5"}
	set(t, e, "k1", "0", "k2", "0", "k3", "0", "k4", "0", "k5", "0")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				update(t, e, func(tx kv.Txn) {
					for _, k := range keys {
						tx.Set([]byte(k), fmt.Append(nil, w, i))
					}
				})
			}
		})
	}
	for range 200 {
		view(t, e, func(r kv.Reader) {
			want := get(t, r, "k1")
			for _, v := range r.Scan(kv.Prefix([]byte("k"))) {
				equal(t, "a torn snapshot", string(v), want)
			}
		})
	}
	stop.Store(true)
	wg.Wait()
}

func testRollback(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1", "b", "2")
	errNo := errors.New("no")
	err := e.Update(ctx, func(tx kv.Txn) error {
		tx.Set([]byte("a"), []byte("changed"))
		tx.Delete([]byte("b"))
		tx.Set([]byte("c"), []byte("new"))
		return fmt.Errorf("wrapped: %w", errNo)
	})
	if !errors.Is(err, errNo) {
		t.Errorf("Update returned %v, want fn's error", err)
	}
	equal(t, "after an error", all(t, e), "a=1 b=2")
	if err := e.View(ctx, func(kv.Reader) error { return errNo }); !errors.Is(err, errNo) {
		t.Errorf("View returned %v, want fn's error", err)
	}
	// Failing and succeeding transactions at the same time do not mix.
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				err := e.Update(ctx, func(tx kv.Txn) error {
					key := fmt.Append(nil, "w", w)
					if get(t, tx, string(key)) == "bad" {
						t.Error("a failed transaction's write shows")
					}
					if i%2 == 1 {
						tx.Set(key, []byte("bad"))
						tx.Set([]byte("a"), []byte("bad"))
						return errNo
					}
					tx.Set(key, fmt.Append(nil, i))
					return nil
				})
				if (err != nil) != (i%2 == 1) {
					t.Errorf("Update %d of %d: %v", i, w, err)
				}
			}
		})
	}
	wg.Wait()
	want := "a=1 b=2"
	for w := range 8 {
		want += fmt.Sprintf(" w%d=18", w)
	}
	equal(t, "after mixed errors", all(t, e), want)
}

func testPanic(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1")
	try := func(call func() error) (p any) {
		defer func() { p = recover() }()
		return fmt.Errorf("no panic but %v", call())
	}
	update1 := func() error {
		return e.Update(ctx, func(tx kv.Txn) error {
			tx.Set([]byte("a"), []byte("bad"))
			for range tx.Scan(kv.Range{}) {
				panic("oops")
			}
			return nil
		})
	}
	view1 := func() error {
		return e.View(ctx, func(r kv.Reader) error {
			for range r.Scan(kv.Range{}) {
				panic("oops")
			}
			return nil
		})
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				for _, call := range []func() error{update1, view1} {
					p := try(call)
					var wrapped *kv.Panic
					if err, ok := p.(error); p != "oops" && !(ok && errors.As(err, &wrapped) && wrapped.Value == "oops") {
						t.Errorf("panic came out as %v", p)
					}
				}
			}
		})
		wg.Go(func() {
			for i := range 5 {
				update(t, e, func(tx kv.Txn) { tx.Set([]byte("b"), fmt.Append(nil, i)) })
			}
		})
	}
	wg.Wait()
	equal(t, "after panics", all(t, e), "a=1 b=4")
}

// testGoexit ends the goroutine in fn, as t.FailNow in a test does.
func testGoexit(t *testing.T, e kv.Engine) {
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			e.Update(ctx, func(tx kv.Txn) error {
				tx.Set([]byte("a"), []byte("bad"))
				runtime.Goexit()
				return nil
			})
			t.Error("Update returned after Goexit")
		})
	}
	wg.Wait()
	set(t, e, "b", "1")
	equal(t, "after Goexit", all(t, e), "b=1")
}

func testTooBig(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1")
	for name, fn := range map[string]func(kv.Txn) error{
		"keys": func(tx kv.Txn) error {
			for i := range kv.MaxKeys + 1 {
				tx.Set(fmt.Appendf(nil, "k%06d", i), nil)
			}
			return nil
		},
		"deletes": func(tx kv.Txn) error {
			tx.Delete([]byte("a"))
			for i := range kv.MaxKeys {
				tx.Delete(fmt.Appendf(nil, "k%06d", i))
			}
			return nil
		},
		"bytes": func(tx kv.Txn) error {
			for i := range 20 {
				tx.Set(fmt.Appendf(nil, "k%06d", i), make([]byte, kv.MaxBytes/20))
			}
			return nil
		},
		"one value": func(tx kv.Txn) error {
			tx.Set([]byte("a"), make([]byte, kv.MaxBytes))
			return nil
		},
	} {
		if err := e.Update(ctx, fn); !errors.Is(err, kv.TooBig) {
			t.Errorf("%s: %v, want %v", name, err, kv.TooBig)
		}
		equal(t, name+", after", all(t, e), "a=1")
	}
	update(t, e, func(tx kv.Txn) { // what counts is the last value of each key
		for i := range 3 * kv.MaxKeys {
			tx.Set([]byte("b"), make([]byte, 1024))
			tx.Set([]byte("b"), fmt.Append(nil, i))
		}
	})
	equal(t, "one key many times", all(t, e), fmt.Sprintf("a=1 b=%d", 3*kv.MaxKeys-1))
}

func testBiggest(t *testing.T, e kv.Engine) {
	update(t, e, func(tx kv.Txn) { tx.Set([]byte("v"), make([]byte, kv.MaxBytes-1)) })
	update(t, e, func(tx kv.Txn) {
		for i := range kv.MaxKeys {
			tx.Set(fmt.Appendf(nil, "k%06d", i), make([]byte, kv.MaxBytes/kv.MaxKeys-7))
		}
	})
	var wg sync.WaitGroup
	for w := range 8 { // big ones that wait together
		wg.Go(func() {
			update(t, e, func(tx kv.Txn) {
				for i := range kv.MaxKeys {
					tx.Set(fmt.Appendf(nil, "w%d %06d", w, i), make([]byte, kv.MaxBytes/kv.MaxKeys-9))
				}
			})
		})
	}
	wg.Wait()
	view(t, e, func(r kv.Reader) {
		n := 0
		for range r.Scan(kv.Range{KeysOnly: true}) {
			n++
		}
		if n != 1+9*kv.MaxKeys {
			t.Errorf("%d keys, want %d", n, 1+9*kv.MaxKeys)
		}
	})
}

func testContext(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := e.Update(gone, func(tx kv.Txn) error { tx.Set([]byte("a"), nil); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
	if err := e.View(gone, func(kv.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View: %v", err)
	}
	equal(t, "after cancelled calls", all(t, e), "a=1")
	update(t, e, func(tx kv.Txn) {
		for i := range 2000 {
			tx.Set(fmt.Appendf(nil, "k%06d", i), nil)
		}
	})
	later, cancel := context.WithCancel(ctx)
	n := 0
	err := e.View(later, func(r kv.Reader) error {
		for range r.Scan(kv.Range{}) {
			if n++; n == 10 {
				cancel()
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 1000 {
		t.Errorf("a scan in a cancelled context: %d keys, %v", n, err)
	}
}

// testWriteSkew: each transaction takes a flag only when the other is free.
func testWriteSkew(t *testing.T, e kv.Engine) {
	for range 30 {
		set(t, e, "on1", "free", "on2", "free")
		var wg sync.WaitGroup
		for _, p := range [][2]string{{"on1", "on2"}, {"on2", "on1"}} {
			wg.Go(func() {
				update(t, e, func(tx kv.Txn) {
					if get(t, tx, p[1]) == "free" {
						runtime.Gosched()
						tx.Set([]byte(p[0]), []byte("taken"))
					}
				})
			})
		}
		wg.Wait()
		if got := all(t, e); got != "on1=taken on2=free" && got != "on1=free on2=taken" {
			t.Fatalf("write skew: %s", got)
		}
	}
}

// testPhantom: each transaction counts a range and adds the next number.
func testPhantom(t *testing.T, e kv.Engine) {
	const writers, each = 6, 15
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				update(t, e, func(tx kv.Txn) {
					n := 0
					for range tx.Scan(kv.Prefix([]byte("n"))) {
						n++
					}
					key := fmt.Appendf(nil, "n%06d", n)
					if get(t, tx, string(key)) != "-" {
						t.Errorf("phantom: %s is there and was not scanned", key)
					}
					tx.Set(key, []byte("1"))
				})
			}
		})
	}
	wg.Wait()
	view(t, e, func(r kv.Reader) {
		i := 0
		for k := range r.Scan(kv.Prefix([]byte("n"))) {
			equal(t, "numbers without gaps", string(k), fmt.Sprintf("n%06d", i))
			i++
		}
		if i != writers*each {
			t.Errorf("%d numbers, want %d", i, writers*each)
		}
	})
}

func testCounter(t *testing.T, e kv.Engine) {
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				update(t, e, func(tx kv.Txn) {
					n := 0
					fmt.Sscan(get(t, tx, "n"), &n)
					tx.Set([]byte("n"), fmt.Append(nil, n+1))
				})
			}
		})
	}
	wg.Wait()
	equal(t, "counter", all(t, e), fmt.Sprintf("n=%d", writers*each))
}

// testReadYourCommit: what an Update wrote is in every View that begins after it.
func testReadYourCommit(t *testing.T, e kv.Engine) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			key := fmt.Sprint("k", w)
			for i := range 25 {
				set(t, e, key, fmt.Sprint(i))
				view(t, e, func(r kv.Reader) { equal(t, "own commit", get(t, r, key), fmt.Sprint(i)) })
				update(t, e, func(tx kv.Txn) { equal(t, "own commit", get(t, tx, key), fmt.Sprint(i)) })
			}
		})
	}
	wg.Wait()
}

func testClose(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1")
	inside, goOn := make(chan bool), make(chan bool)
	result := make(chan string)
	go func() {
		got := ""
		e.View(ctx, func(r kv.Reader) error {
			close(inside)
			<-goOn
			got = get(t, r, "a")
			return nil
		})
		result <- got
	}()
	<-inside
	closed := make(chan error)
	go func() { closed <- e.Close() }()
	select {
	case <-closed:
		t.Error("Close did not wait for a View")
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	equal(t, "View during Close", <-result, "1")
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := e.Update(ctx, func(kv.Txn) error { return nil }); !errors.Is(err, kv.Closed) {
		t.Errorf("Update after Close: %v", err)
	}
	if err := e.View(ctx, func(kv.Reader) error { return nil }); !errors.Is(err, kv.Closed) {
		t.Errorf("View after Close: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}
