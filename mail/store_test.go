package mail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/storage"
	"atrium/storage/blob"
	"atrium/storage/kv"
	"atrium/storage/kv/memkv"
)

// memBlobs keeps bodies in memory.
type memBlobs struct {
	mu sync.Mutex
	m  map[blob.Hash][]byte
}

func (s *memBlobs) Spool(context.Context, int64) (blob.Spool, error) { return &memSpool{s: s}, nil }

func (s *memBlobs) Open(_ context.Context, ref blob.Ref) (blob.Body, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.m[ref.Hash]
	if !ok {
		return nil, blob.NotFound
	}
	return memBody{bytes.NewReader(b)}, nil
}

func (s *memBlobs) Sweep(context.Context, func(blob.Hash) (bool, error)) (int, int64, error) {
	return 0, 0, nil
}
func (s *memBlobs) Walk(context.Context) iter.Seq2[blob.Ref, error] {
	return func(func(blob.Ref, error) bool) {}
}
func (s *memBlobs) Verify(context.Context, blob.Hash) error { return nil }
func (s *memBlobs) Close() error                            { return nil }

type memBody struct{ *bytes.Reader }

func (memBody) Close() error { return nil }

type memSpool struct {
	s *memBlobs
	b []byte
}

func (p *memSpool) Write(b []byte) (int, error) { p.b = append(p.b, b...); return len(b), nil }
func (p *memSpool) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(p.b).ReadAt(b, off)
}
func (p *memSpool) Size() int64    { return int64(len(p.b)) }
func (p *memSpool) Sum() blob.Hash { return sha256.Sum256(p.b) }
func (p *memSpool) Release()       {}
func (p *memSpool) Commit(context.Context) (blob.Ref, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.s.m == nil {
		p.s.m = map[blob.Hash][]byte{}
	}
	p.s.m[p.Sum()] = p.b
	return blob.Ref{Hash: p.Sum(), Size: p.Size()}, nil
}

// openStore returns a store in memory.
func openStore(t testing.TB, change func(*Config)) *Store {
	engine := memkv.New()
	t.Cleanup(func() { engine.Close() })
	return openOver(t, engine, &memBlobs{}, change)
}

func openOver(t testing.TB, engine kv.Engine, blobs blob.Store, change func(*Config)) *Store {
	st, err := storage.Open(engine, blobs, []storage.Schema{Schema}, storage.DefaultConfig(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	s, err := New(st, cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// account returns an account of one's own with the default mailboxes.
func account(t testing.TB, s *Store, id storage.AccountID) *Account {
	a := s.Open(id, id)
	if err := a.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// fake is a prepared message that was never parsed.
func fake(n, size int) *Prepared {
	sum := sha256.Sum256(fmt.Append(nil, n))
	return &Prepared{ref: blob.Ref{Hash: sum, Size: int64(size)}, facets: map[byte][]byte{
		IndexFacet: fmt.Appendf(nil, "index %d", n), SignatureFacet: fmt.Appendf(nil, "signature %d", n)}}
}

// prepare parses a message.
func prepare(t testing.TB, s *Store, text string) *Prepared {
	spool, err := s.storage.Blobs().Spool(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(spool, text); err != nil {
		t.Fatal(err)
	}
	p, err := s.Prepare(t.Context(), spool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

func mailboxID(t testing.TB, a *Account, name string) ID {
	m, err := a.Mailbox(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func snapshot(t testing.TB, a *Account, id ID) *Snapshot {
	s, err := a.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill appends n fake messages, many in one transaction.
func fill(t testing.TB, a *Account, id ID, n int, flags ...imap.Flag) {
	for n > 0 {
		k := min(n, 500)
		msgs := make([]NewMessage, k)
		for i := range msgs {
			msgs[i] = NewMessage{Prepared: fake(i, 2000), Flags: flags}
		}
		if _, err := a.Append(t.Context(), id, msgs...); err != nil {
			t.Fatal(err)
		}
		n -= k
	}
}

func grant(t testing.TB, s *Store, g storage.Grant, owner storage.AccountID) {
	err := s.storage.Update(t.Context(), owner, func(tx *storage.Tx) error { return tx.SetGrant(g) })
	if err != nil {
		t.Fatal(err)
	}
}

// checkStore fails when an invariant is broken. Fake messages have no bodies.
func checkStore(t testing.TB, s *Store) {
	t.Helper()
	report := func(p storage.Problem) {
		if !strings.Contains(p.What, "body") && !strings.Contains(p.What, string(blob.NotFound)) {
			t.Error(p)
		}
	}
	if err := s.storage.Check(t.Context(), false, report, nil); err != nil {
		t.Fatal(err)
	}
	accounts, err := s.storage.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		err := s.storage.View(t.Context(), a, func(v *storage.View) error { return s.Check(v, false, report) })
		if err != nil {
			t.Fatal(err)
		}
	}
}
