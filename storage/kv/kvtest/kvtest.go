package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"atrium/storage/kv"
)

// Run runs the suite. open returns a new, empty engine each time; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) kv.Engine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, kv.Engine)
	}{
		{"Get", testGet},
		{"Keys", testKeys},
		{"Overwrite", testOverwrite},
		{"Scan", testScan},
		{"ScanOwnWrites", testScanOwnWrites},
		{"ScanWhileWriting", testScanWhileWriting},
		{"ScanNested", testScanNested},
		{"Snapshot", testSnapshot},
		{"Rollback", testRollback},
		{"Panic", testPanic},
		{"Goexit", testGoexit},
		{"TooBig", testTooBig},
		{"Biggest", testBiggest},
		{"Context", testContext},
		{"WriteSkew", testWriteSkew},
		{"Phantom", testPhantom},
		{"Counter", testCounter},
		{"ReadYourCommit", testReadYourCommit},
		{"Model", testModel},
		{"ModelConcurrent", testModelConcurrent},
		{"Close", testClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := open(t)
			defer e.Close()
			c.test(t, e)
		})
	}
	t.Run("Backup", func(t *testing.T) { testBackup(t, open) })
	t.Run("RestoreDamaged", func(t *testing.T) { testRestoreDamaged(t, open) })
}

var ctx = context.Background()

// update runs fn and fails the test when Update fails.
func update(t *testing.T, e kv.Engine, fn func(kv.Txn)) {
	t.Helper()
	if err := e.Update(ctx, func(tx kv.Txn) error { fn(tx); return nil }); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// set writes pairs of keys and values in one Update.
func set(t *testing.T, e kv.Engine, pairs ...string) {
	t.Helper()
	update(t, e, func(tx kv.Txn) {
		for i := 0; i < len(pairs); i += 2 {
			tx.Set([]byte(pairs[i]), []byte(pairs[i+1]))
		}
	})
}

// get reads a key as "value", or "-" when it is not there.
func get(t *testing.T, r kv.Reader, key string) string {
	t.Helper()
	v, err := r.Get([]byte(key))
	switch {
	case errors.Is(err, kv.NotFound):
		return "-"
	case err != nil:
		t.Errorf("Get %q: %v", key, err)
	}
	return string(v)
}

// list reads a range as "key=value key=value".
func list(r kv.Reader, rg kv.Range) string {
	var b bytes.Buffer
	for k, v := range r.Scan(rg) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.Write(k)
		if !rg.KeysOnly {
			b.WriteByte('=')
		}
		b.Write(v)
	}
	return b.String()
}

// view runs fn on a snapshot.
func view(t *testing.T, e kv.Engine, fn func(kv.Reader)) {
	t.Helper()
	if err := e.View(ctx, func(r kv.Reader) error { fn(r); return nil }); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// all is the engine's whole content.
func all(t *testing.T, e kv.Engine) (content string) {
	t.Helper()
	view(t, e, func(r kv.Reader) { content = list(r, kv.Range{}) })
	return content
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %.300q\nwant %.300q", what, got, want)
	}
}

func testGet(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1", "b", "", "\xff\xff", "top", "\x00", "bottom")
	view(t, e, func(r kv.Reader) {
		equal(t, "a", get(t, r, "a"), "1")
		equal(t, "missing", get(t, r, "aa"), "-")
		equal(t, "highest", get(t, r, "\xff\xff"), "top")
		equal(t, "lowest", get(t, r, "\x00"), "bottom")
		if v, err := r.Get([]byte("b")); err != nil || v == nil || len(v) != 0 {
			t.Errorf("empty value: %v, %v; want [], nil", v, err)
		}
		if _, err := r.Get(nil); !errors.Is(err, kv.NotFound) {
			t.Errorf("Get of the empty key: %v, want %v", err, kv.NotFound)
		}
		equal(t, "all", list(r, kv.Range{}), "\x00=bottom a=1 b= \xff\xff=top")
	})
}

func testKeys(t *testing.T, e kv.Engine) {
	set(t, e, "kept", "1")
	long := bytes.Repeat([]byte("k"), kv.MaxKeySize)
	for _, key := range [][]byte{nil, {}, append(long[:len(long):len(long)], 'k')} {
		for _, op := range []string{"Set", "Delete"} {
			err := e.Update(ctx, func(tx kv.Txn) error {
				tx.Set([]byte("other"), []byte("1"))
				if op == "Set" {
					tx.Set(key, []byte("1"))
				} else {
					tx.Delete(key)
				}
				return nil
			})
			if !errors.Is(err, kv.BadKey) {
				t.Errorf("%s of a key of %d bytes: %v, want %v", op, len(key), err, kv.BadKey)
			}
		}
	}
	equal(t, "after bad keys", all(t, e), "kept=1")
	update(t, e, func(tx kv.Txn) { tx.Set(long, []byte("1")) })
	view(t, e, func(r kv.Reader) { equal(t, "longest key", get(t, r, string(long)), "1") })
}

func testOverwrite(t *testing.T, e kv.Engine) {
	for i := range 5 {
		update(t, e, func(tx kv.Txn) {
			tx.Set([]byte("a"), []byte("not this"))
			tx.Set([]byte("a"), fmt.Append(nil, i))
			equal(t, "own write", get(t, tx, "a"), fmt.Sprint(i))
			tx.Set([]byte("gone"), []byte("1"))
			tx.Delete([]byte("gone"))
			equal(t, "own delete", get(t, tx, "gone"), "-")
			tx.Delete([]byte("back"))
			tx.Set([]byte("back"), fmt.Append(nil, i))
		})
		equal(t, "content", all(t, e), fmt.Sprintf("a=%d back=%d", i, i))
	}
	update(t, e, func(tx kv.Txn) { tx.Delete([]byte("a")); tx.Delete([]byte("never")) })
	equal(t, "after delete", all(t, e), "back=4")
	set(t, e, "a", "again")
	equal(t, "after setting again", all(t, e), "a=again back=4")
}

// The ranges that testScan tries on the keys a, b, ba, bb, c, \xff, \xff\xff.
var ranges = []struct {
	r    kv.Range
	want string
}{
	{kv.Range{}, "a=1 b=2 ba=3 bb=4 c=5 \xff=6 \xff\xff=7"},
	{kv.Range{Reverse: true}, "\xff\xff=7 \xff=6 c=5 bb=4 ba=3 b=2 a=1"},
	{kv.Range{From: []byte("b"), To: []byte("c")}, "b=2 ba=3 bb=4"},
	{kv.Range{From: []byte("b"), To: []byte("c"), Reverse: true}, "bb=4 ba=3 b=2"},
	{kv.Range{From: []byte("aa"), To: []byte("bab")}, "b=2 ba=3"},
	{kv.Range{From: []byte("aa"), To: []byte("bab"), Reverse: true}, "ba=3 b=2"},
	{kv.Range{From: []byte("c")}, "c=5 \xff=6 \xff\xff=7"},
	{kv.Range{From: []byte("c"), Reverse: true}, "\xff\xff=7 \xff=6 c=5"},
	{kv.Range{To: []byte("b")}, "a=1"},
	{kv.Range{To: []byte("b"), Reverse: true}, "a=1"},
	{kv.Range{From: []byte("c"), To: []byte("b")}, ""},
	{kv.Range{From: []byte("c"), To: []byte("b"), Reverse: true}, ""},
	{kv.Range{From: []byte("d"), To: []byte("e"), Reverse: true}, ""},
	{kv.Range{From: []byte("b"), To: []byte("b")}, ""},
	{kv.Range{Limit: 2}, "a=1 b=2"},
	{kv.Range{Limit: 2, Reverse: true}, "\xff\xff=7 \xff=6"},
	{kv.Range{To: []byte("c"), Limit: 1, Reverse: true}, "bb=4"},
	{kv.Range{Limit: 99}, "a=1 b=2 ba=3 bb=4 c=5 \xff=6 \xff\xff=7"},
	{kv.Range{KeysOnly: true, From: []byte("b"), Limit: 3}, "b ba bb"},
	{kv.Prefix([]byte("b")), "b=2 ba=3 bb=4"},
	{kv.Prefix([]byte("\xff")), "\xff=6 \xff\xff=7"},
	{kv.Prefix([]byte("z")), ""},
}

func checkRanges(t *testing.T, where string, r kv.Reader) {
	t.Helper()
	for _, c := range ranges {
		equal(t, fmt.Sprintf("%s, %v", where, c.r), list(r, c.r), c.want)
	}
}

func testScan(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1", "b", "2", "ba", "3", "bb", "4", "c", "5", "\xff", "6", "\xff\xff", "7")
	view(t, e, func(r kv.Reader) {
		checkRanges(t, "View", r)
		for k := range r.Scan(kv.Range{}) {
			if string(k) == "b" {
				break // ends the scan without harm
			}
		}
		for k, v := range r.Scan(kv.Range{KeysOnly: true}) {
			if v != nil {
				t.Errorf("KeysOnly, %q: value %q", k, v)
			}
		}
		again := r.Scan(kv.Prefix([]byte("b")))
		for range 2 {
			n := 0
			for range again {
				n++
			}
			if n != 3 {
				t.Errorf("ranging over one Scan again: %d keys, want 3", n)
			}
		}
	})
}

// testScanOwnWrites builds the same content from stored keys, own writes over
// them, own deletes and own new keys.
func testScanOwnWrites(t *testing.T, e kv.Engine) {
	set(t, e, "a", "old", "ab", "x", "b", "2", "bb", "old", "bz", "x", "c", "5", "\xff", "old", "\xffz", "x")
	errStop := errors.New("stop")
	write := func(tx kv.Txn) {
		for _, p := range [][2]string{{"\xff\xff", "7"}, {"ba", "3"}, {"a", "1"}, {"bb", "4"}, {"\xff", "6"}} {
			tx.Set([]byte(p[0]), []byte(p[1]))
		}
		for _, k := range []string{"ab", "bz", "\xffz", "nothing"} {
			tx.Delete([]byte(k))
		}
	}
	before := all(t, e)
	err := e.Update(ctx, func(tx kv.Txn) error {
		write(tx)
		checkRanges(t, "own writes", tx)
		return errStop
	})
	if !errors.Is(err, errStop) {
		t.Errorf("Update: %v, want fn's error", err)
	}
	equal(t, "after an error", all(t, e), before)
	update(t, e, write)
	view(t, e, func(r kv.Reader) { checkRanges(t, "after commit", r) })
}

func testScanWhileWriting(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1", "b", "2", "c", "3", "d", "4")
	for _, reverse := range []bool{false, true} {
		update(t, e, func(tx kv.Txn) {
			tx.Set([]byte("bb"), []byte("own"))
			var seen []string
			for k, v := range tx.Scan(kv.Range{Reverse: reverse}) {
				seen = append(seen, string(k)+"="+string(v))
				tx.Set([]byte("ab"), []byte("new"))
				tx.Set([]byte("cc"), []byte("new"))
				tx.Set([]byte("b"), []byte("2"))
				tx.Delete([]byte("bb"))
				tx.Delete([]byte("c"))
			}
			want := "[a=1 b=2 bb=own c=3 d=4]"
			if reverse {
				want = "[d=4 c=3 bb=own b=2 a=1]"
			}
			equal(t, "scan while writing", fmt.Sprint(seen), want)
			equal(t, "scan after writing", list(tx, kv.Range{}), "a=1 ab=new b=2 cc=new d=4")
			tx.Delete([]byte("ab"))
			tx.Delete([]byte("cc"))
			tx.Set([]byte("c"), []byte("3"))
		})
	}
}

func testScanNested(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1", "b", "2", "c", "3")
	check := func(r kv.Reader) error {
		n := 0
		for k1 := range r.Scan(kv.Range{}) {
			for k2 := range r.Scan(kv.Range{Reverse: true}) {
				for k3, v := range r.Scan(kv.Range{From: k2}) {
					if get(t, r, string(k3)) != string(v) {
						t.Errorf("Get in a scan of %q %q %q", k1, k2, k3)
					}
					n++
				}
			}
		}
		if n != 3*(1+2+3) {
			t.Errorf("%d steps in nested scans, want 18", n)
		}
		return nil
	}
	if err := e.View(ctx, check); err != nil {
		t.Error(err)
	}
	if err := e.Update(ctx, func(tx kv.Txn) error { return check(tx) }); err != nil {
		t.Error(err)
	}
}
