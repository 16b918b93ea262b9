package calendar_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"sync"
	"testing"

	"atrium/storage/blob"
)

// memBlobs keeps bodies in memory: what Prepare and Data use of a blob store.
type memBlobs struct {
	blob.Store
	mu     sync.Mutex
	bodies map[blob.Hash][]byte
}

func openBlobs(testing.TB) blob.Store { return &memBlobs{bodies: map[blob.Hash][]byte{}} }

func (m *memBlobs) Spool(context.Context, int64) (blob.Spool, error) { return &memSpool{m: m}, nil }

func (m *memBlobs) Open(_ context.Context, ref blob.Ref) (blob.Body, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.bodies[ref.Hash]
	if !ok {
		return nil, blob.NotFound
	}
	return memBody{bytes.NewReader(b)}, nil
}

type memBody struct{ *bytes.Reader }

func (memBody) Close() error { return nil }

func (b memBody) WriteTo(w io.Writer) (int64, error) { return b.Reader.WriteTo(w) }

type memSpool struct {
	blob.Spool
	m *memBlobs
	b []byte
}

func (s *memSpool) Write(p []byte) (int, error) { s.b = append(s.b, p...); return len(p), nil }
func (s *memSpool) Release()                    {}

func (s *memSpool) Commit(context.Context) (blob.Ref, error) {
	ref := blob.Ref{Hash: sha256.Sum256(s.b), Size: int64(len(s.b))}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.bodies[ref.Hash] = s.b
	return ref, nil
}
