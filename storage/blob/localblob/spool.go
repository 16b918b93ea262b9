package localblob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"atrium/storage/blob"
	"atrium/storage/journal"
)

// chunkSize is the piece of memory in which a Spool grows, in bytes.
const chunkSize = 32 << 10

type chunk = *[chunkSize]byte

// spool is a blob.Spool: chunks in memory, or a file and one chunk of what
// comes next.
type spool struct {
	store *Store
	limit int64

	size   int64
	hash   hash.Hash
	crc    uint32
	chunks []chunk
	file   *os.File // once it is too large for memory
	filed  int64    // bytes in file; the rest is in the one chunk

	ref      blob.Ref // once committed
	body     *body    // what is read instead of chunks that were given back early
	pinned   bool
	released bool
}

// Spool implements blob.Store.
func (s *Store) Spool(ctx context.Context, limit int64) (blob.Spool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &spool{store: s, limit: limit, hash: sha256.New()}, nil
}

// Size implements blob.Spool.
func (sp *spool) Size() int64 { return sp.size }

// Sum implements blob.Spool.
func (sp *spool) Sum() (h blob.Hash) {
	sp.hash.Sum(h[:0])
	return h
}

// Write implements blob.Spool.
func (sp *spool) Write(p []byte) (n int, err error) {
	if sp.released || !sp.ref.IsZero() {
		return 0, fmt.Errorf("spool: %w", fs.ErrClosed)
	}
	if sp.limit > 0 && int64(len(p)) > sp.limit-sp.size {
		return 0, fmt.Errorf("more than %d bytes: %w", sp.limit, blob.TooLarge)
	}
	for len(p) > 0 {
		room, err := sp.room()
		if err != nil {
			return n, err
		}
		m := copy(room, p)
		if len(room) == 0 {
			if m, err = sp.file.WriteAt(p, sp.filed); err != nil {
				return n, fmt.Errorf("spool: %w", err)
			}
			sp.filed += int64(m)
		}
		sp.hash.Write(p[:m])
		sp.crc = journal.Sum(sp.crc, p[:m])
		sp.size += int64(m)
		n, p = n+m, p[m:]
	}
	return n, nil
}

// room returns where the next bytes go: none when memory is short, then they go
// to the file.
func (sp *spool) room() ([]byte, error) {
	used := sp.size - sp.filed
	if used < int64(len(sp.chunks))*chunkSize {
		return sp.chunks[used/chunkSize][used%chunkSize:], nil
	}
	if sp.file == nil && used+chunkSize <= sp.store.cfg.SpoolMemory && sp.grow() {
		return sp.chunks[len(sp.chunks)-1][:], nil
	}
	if err := sp.spill(); err != nil {
		return nil, err
	}
	if len(sp.chunks) == 0 && !sp.grow() {
		return nil, nil
	}
	return sp.chunks[0][:], nil
}

// grow adds a chunk when there is memory for it.
func (sp *spool) grow() bool {
	s := sp.store
	if s.inMemory.Add(chunkSize) > s.cfg.Memory {
		s.inMemory.Add(-chunkSize)
		return false
	}
	sp.chunks = append(sp.chunks, s.chunks.Get().(chunk))
	return true
}

// spill moves what is in memory to the file. It keeps one chunk, empty now.
func (sp *spool) spill() (err error) {
	if sp.file == nil {
		if sp.file, err = os.CreateTemp(sp.store.spoolDir(), "body-"); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	for {
		if len(sp.chunks) == 0 || sp.filed == sp.size {
			return nil
		}
		p := sp.chunks[0][:min(chunkSize, sp.size-sp.filed)]
		if _, err := sp.file.WriteAt(p, sp.filed); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		sp.filed += int64(len(p))
		if len(sp.chunks) > 1 {
			sp.free(sp.chunks[0])
			sp.chunks = sp.chunks[1:]
		}
	}
}

func (sp *spool) free(c chunk) {
	sp.store.inMemory.Add(-chunkSize)
	sp.store.chunks.Put(c)
}

// ReadAt implements blob.Spool.
func (sp *spool) ReadAt(p []byte, off int64) (n int, err error) {
	if sp.released {
		return 0, fmt.Errorf("spool: %w", fs.ErrClosed)
	}
	if sp.body != nil {
		return sp.body.ReadAt(p, off)
	}
	for n < len(p) && off < sp.size {
		m := 0
		if off < sp.filed {
			m = int(min(int64(len(p)-n), sp.filed-off))
			if m, err = sp.file.ReadAt(p[n:n+m], off); m == 0 {
				return n, fmt.Errorf("spool: %w", err)
			}
		} else {
			at := off - sp.filed
			c := sp.chunks[at/chunkSize]
			m = copy(p[n:], c[at%chunkSize:min(chunkSize, at%chunkSize+sp.size-off)])
		}
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Commit implements blob.Spool.
func (sp *spool) Commit(ctx context.Context) (blob.Ref, error) {
	if sp.released {
		return blob.Ref{}, fmt.Errorf("spool: %w", fs.ErrClosed)
	}
	if !sp.ref.IsZero() {
		return sp.ref, nil
	}
	ref := blob.Ref{Hash: sp.Sum(), Size: sp.size}
	if err := sp.store.file(ctx, ref, sp); err != nil {
		return blob.Ref{}, err
	}
	sp.ref = ref
	if sp.file == nil && sp.store.inMemory.Load() > sp.store.cfg.Memory/4 {
		sp.shed(ctx)
	}
	return ref, nil
}

// shed gives the memory back after Commit, since a client may have many bodies
// committed (RFC 3502) before one transaction takes them: what is still to be
// read comes from the store.
func (sp *spool) shed(ctx context.Context) {
	b, err := sp.store.open(ctx, sp.ref.Hash)
	if err != nil {
		return
	}
	sp.body = b
	sp.freeAll()
}

func (sp *spool) freeAll() {
	for _, c := range sp.chunks {
		sp.free(c)
	}
	sp.chunks = nil
}

// Release implements blob.Spool.
func (sp *spool) Release() {
	if sp.released {
		return
	}
	sp.released = true
	sp.freeAll()
	if sp.body != nil {
		sp.body.Close()
	}
	if sp.file != nil {
		sp.file.Close()
		os.Remove(sp.file.Name()) // it is gone already when it became a large body
	}
	if sp.pinned {
		sp.store.unpin(sp.ref.Hash)
	}
}

// file files a Spool's body unless the store has it already, and pins it.
func (s *Store) file(ctx context.Context, ref blob.Ref, sp *spool) (err error) {
	may, err := s.claim(ctx, ref.Hash)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.unpin(ref.Hash)
		}
		sp.pinned = err == nil
		s.disclaim(ref.Hash)
	}()
	if may {
		_, err = s.find(ctx, ref.Hash)
		if err == nil {
			s.young(ref.Hash)
			return nil
		}
		if !errors.Is(err, blob.NotFound) {
			return err
		}
	}
	loc := location{size: ref.Size, large: ref.Size > s.cfg.Large}
	if loc.large {
		err = s.fileLarge(ref.Hash, sp)
		s.young(ref.Hash)
	} else {
		loc.at, err = s.journal.AppendBody(ref.Hash, ref.Size, sp.crc, sp)
	}
	if err != nil {
		return fmt.Errorf("file a body of %d bytes: %w", ref.Size, err)
	}
	s.mu.Lock()
	s.pending[ref.Hash] = loc
	s.known.add(ref.Hash)
	s.mark()
	s.mu.Unlock()
	s.index.Attach(bodyKey(ref.Hash), loc.encode(), func() {
		s.mu.Lock()
		delete(s.pending, ref.Hash)
		s.mu.Unlock()
	})
	return nil
}

// claim pins a hash and makes it busy, after whoever has it busy now. It tells whether the
// store may have the body.
func (s *Store) claim(ctx context.Context, h blob.Hash) (may bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		busy := s.busy[h]
		if busy == nil {
			break
		}
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	s.busy[h] = make(chan struct{})
	s.pins[h]++
	return s.known.may(h), nil
}

func (s *Store) disclaim(hashes ...blob.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range hashes {
		close(s.busy[h])
		delete(s.busy, h)
	}
}

func (s *Store) unpin(h blob.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pins[h]--; s.pins[h] == 0 {
		delete(s.pins, h)
	}
}

// fileLarge makes a Spool's file the body's own, durably.
func (s *Store) fileLarge(h blob.Hash, sp *spool) error {
	if err := sp.spill(); err != nil {
		return err
	}
	if err := sp.file.Sync(); err != nil {
		return err
	}
	path := s.largePath(h)
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = syncDir(s.largeDir())
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A link, not a rename: the Spool goes on reading its file.
	if err := os.Link(sp.file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
