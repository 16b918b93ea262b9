package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atrium/storage/blob"
	"atrium/storage/embedded"
	"atrium/storage/kv"
)

func open(t testing.TB, dir string, cfg embedded.Config) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(dir, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put files a body and refers to it in an Update.
func put(t testing.TB, s *embedded.Store, key, content string) blob.Ref {
	t.Helper()
	ctx := context.Background()
	sp, err := s.Blobs.Spool(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Release()
	if _, err := io.WriteString(sp, content); err != nil {
		t.Fatal(err)
	}
	ref, err := sp.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Engine.Update(ctx, func(tx kv.Txn) error {
		tx.Set([]byte(key), ref.Hash[:])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func read(t testing.TB, s *embedded.Store, ref blob.Ref) string {
	t.Helper()
	b, err := s.Blobs.Open(context.Background(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("a line of a message\r\n", 2000)
	large := strings.Repeat("a line of a large message\r\n", 300000)
	s := open(t, dir, embedded.Small())
	ref, ref2 := put(t, s, "a", content), put(t, s, "b", large)
	if _, err := embedded.Open(dir, embedded.Small(), slog.Default()); !errors.Is(err, embedded.Locked) {
		t.Errorf("opened twice: %v", err)
	}
	for range 3 {
		if read(t, s, ref) != content || read(t, s, ref2) != large {
			t.Error("a body differs")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s = open(t, dir, embedded.Small())
	}
	defer s.Close()
	for _, h := range []blob.Hash{ref.Hash, ref2.Hash} {
		if err := s.Blobs.Verify(context.Background(), h); err != nil {
			t.Error(err)
		}
	}
}

// TestBubble: the store works with a fake clock and leaves no goroutine behind.
func TestBubble(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, embedded.Small())
		ref := put(t, s, "a", "content")
		time.Sleep(30 * time.Minute)
		if read(t, s, ref) != "content" {
			t.Error("a body differs")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, c := range []embedded.Config{embedded.DefaultConfig(), embedded.Small()} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
	bad := embedded.Config{MemTable: 1, Large: 9, Grace: -1}
	err := bad.Validate()
	for _, key := range []string{"memtable", "segment", "checkpoint bytes", "spool", "large", "rewrite rate", "checkpoint time", "grace"} {
		if err == nil || !strings.Contains(err.Error(), key+":") {
			t.Errorf("Validate does not name %s: %v", key, err)
		}
	}
}
