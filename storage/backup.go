package storage

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// A backup is the magic line and then records: a kind byte and, but for the last,
//
//	k  a piece of what kv.WriteBackup wrote: length (4 bytes, big-endian), bytes
//	b  a body: hash (32 bytes), length (8 bytes, big-endian), bytes
//	e  the end: number of bodies in this backup (8 bytes, big-endian)
//
// The keys come first. Bodies that an earlier backup has need not be in it: they are
// known by their hash.
const (
	backupMagic = "atrium-backup 1\n"
	backupPiece = 64 << 10

	backupKeys = 'k'
	backupBody = 'b'
	backupEnd  = 'e'
)

// Backed is what a backup has.
type Backed struct {
	Bodies  int   // written
	Earlier int   // that an earlier backup has
	Bytes   int64 // of the backup
	Broken  []string
	More    int // broken ones beyond those in Broken
}

// mostBroken bounds what a backup tells of bodies that it could not have.
const mostBroken = 100

// Backup writes everything to w as it is at one moment, while others go on reading and writing:
// the keys of all accounts and of the directory, and the bodies that objects refer to,
// but for those that has says an earlier backup has. Bodies that cannot be opened are left out and
// told. It needs some 60 bytes of memory for each body.
func (s *Store) Backup(ctx context.Context, w io.Writer, has func(blob.Hash) bool, progress func(done, all int)) (out Backed, err error) {
	s.sweeping.RLock() // what the snapshot refers to stays
	defer s.sweeping.RUnlock()
	b := &backupWriter{w: bufio.NewWriterSize(w, 256<<10)}
	b.bytes([]byte(backupMagic))
	refs := &backupReader{seen: map[blob.Hash]bool{}}
	err = s.engine.View(ctx, func(r kv.Reader) error {
		refs.Reader = r
		return kv.WriteBackup(ctx, refs, b)
	})
	if err = errors.Join(err, b.endKeys(), refs.err); err != nil {
		return out, err
	}
	for i, ref := range refs.list {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if progress != nil && i%64 == 0 {
			progress(i, len(refs.list))
		}
		if has != nil && has(ref.Hash) {
			out.Earlier++
			continue
		}
		body, err := s.blobs.Open(ctx, ref)
		if err == nil && body.Size() != ref.Size {
			body.Close()
			err = fmt.Errorf("body %v: %d bytes, not %d: %w", ref.Hash, body.Size(), ref.Size, Corrupt)
		}
		if err != nil {
			if len(out.Broken) < mostBroken {
				out.Broken = append(out.Broken, err.Error())
			} else {
				out.More++
			}
			continue
		}
		err = b.body(ref, body)
		body.Close()
		if err != nil {
			return out, fmt.Errorf("backup: body %v: %w", ref.Hash, err)
		}
		out.Bodies++
	}
	b.byte(backupEnd)
	b.bytes(binary.BigEndian.AppendUint64(nil, uint64(out.Bodies)))
	if progress != nil {
		progress(len(refs.list), len(refs.list))
	}
	out.Bytes = b.n
	return out, b.w.Flush()
}

// backupReader notes the bodies that the keys which pass by refer to.
type backupReader struct {
	kv.Reader
	seen map[blob.Hash]bool
	list []blob.Ref // each once, in the order of the keys
	err  error
}

func (r *backupReader) Scan(in kv.Range) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for k, v := range r.Reader.Scan(in) {
			if isObjectKey(k) {
				o, err := decodeObject(k, v)
				if err != nil && r.err == nil {
					r.err = err
				}
				if err == nil && !o.blob.IsZero() && !r.seen[o.blob.Hash] {
					r.seen[o.blob.Hash] = true
					r.list = append(r.list, o.blob)
				}
			}
			if !yield(k, v) {
				return
			}
		}
	}
}

func isObjectKey(k []byte) bool {
	return len(k) == prefixLen+9 && k[0] == space && k[prefixLen] == tagObject
}

// backupWriter writes records. What is written to it as an io.Writer are keys.
type backupWriter struct {
	w   *bufio.Writer
	buf []byte
	n   int64
}

func (b *backupWriter) bytes(p []byte) { b.w.Write(p); b.n += int64(len(p)) } // the error comes with the Flush
func (b *backupWriter) byte(c byte)    { b.bytes([]byte{c}) }

func (b *backupWriter) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p...)
	if len(b.buf) < backupPiece {
		return len(p), nil
	}
	return len(p), b.endKeys()
}

func (b *backupWriter) endKeys() error {
	if len(b.buf) > 0 {
		b.byte(backupKeys)
		b.bytes(binary.BigEndian.AppendUint32(nil, uint32(len(b.buf))))
		b.bytes(b.buf)
		b.buf = b.buf[:0]
	}
	_, err := b.w.Write(nil)
	return err
}

func (b *backupWriter) body(ref blob.Ref, body blob.Body) error {
	b.byte(backupBody)
	b.bytes(ref.Hash[:])
	b.bytes(binary.BigEndian.AppendUint64(nil, uint64(ref.Size)))
	n, err := body.WriteTo(b.w)
	b.n += n
	if err == nil && n != ref.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// ReadBackup reads a backup. It calls keys with each piece of the keys, in order, and body with
// each body, which may be left unread; nil passes over them. The error is kv.Damaged when
// the backup is none or not whole.
func ReadBackup(r io.Reader, keys func([]byte) error, body func(blob.Ref, io.Reader) error) error {
	in := &backupInput{r: bufio.NewReaderSize(r, 256<<10)}
	in.seeker, _ = r.(io.Seeker)
	if magic := in.bytes(len(backupMagic)); in.err == nil && string(magic) != backupMagic {
		return fmt.Errorf("not a backup: %w", kv.Damaged)
	}
	for bodies := uint64(0); ; {
		head := in.bytes(1)
		if in.err != nil {
			return in.err
		}
		switch head[0] {
		case backupKeys:
			n := int64(binary.BigEndian.Uint32(in.bytes(4)))
			if in.err == nil && n > 2*kv.MaxBytes+backupPiece {
				return fmt.Errorf("%d bytes of keys at once: %w", n, kv.Damaged)
			}
			if keys == nil {
				in.skip(n)
			} else if p := in.bytes(int(n)); in.err == nil {
				if err := keys(p); err != nil {
					return err
				}
			}
		case backupBody:
			var ref blob.Ref
			copy(ref.Hash[:], in.bytes(len(ref.Hash)))
			ref.Size = int64(binary.BigEndian.Uint64(in.bytes(8)))
			if in.err == nil && ref.Size < 0 {
				return fmt.Errorf("body of %d bytes: %w", ref.Size, kv.Damaged)
			}
			bodies++
			left := &io.LimitedReader{R: in.r, N: ref.Size}
			if body != nil && in.err == nil {
				if err := body(ref, left); err != nil {
					return err
				}
			}
			in.skip(left.N)
		case backupEnd:
			if n := binary.BigEndian.Uint64(in.bytes(8)); in.err == nil && n != bodies {
				return fmt.Errorf("%d bodies of %d: %w", bodies, n, kv.Damaged)
			}
			return in.err
		default:
			return fmt.Errorf("record of kind %#x: %w", head[0], kv.Damaged)
		}
	}
}

// backupInput reads; after a failure err stays set and it gives zeros.
type backupInput struct {
	r      *bufio.Reader
	seeker io.Seeker // nil when the input is none
	err    error
}

func (in *backupInput) bytes(n int) []byte {
	p := make([]byte, n)
	if in.err == nil {
		_, err := io.ReadFull(in.r, p)
		in.fail(err)
	}
	return p
}

func (in *backupInput) skip(n int64) {
	if in.err != nil {
		return
	}
	if k := int64(in.r.Buffered()); in.seeker != nil && n > k+backupPiece {
		// The last byte is read, so that an input that is cut short shows.
		in.r.Discard(int(k))
		_, err := in.seeker.Seek(n-k-1, io.SeekCurrent)
		in.fail(err)
		n = 1
	}
	_, err := io.CopyN(io.Discard, in.r, n)
	in.fail(err)
}

func (in *backupInput) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("backup cut short: %w", kv.Damaged)
	}
	if in.err == nil {
		in.err = err
	}
}
