package kv

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// NotEmpty means that Restore was called on an engine that holds keys, Damaged
// that a backup, or what an engine stores, is cut short or does not match its checksum.
const (
	NotEmpty Kind = "engine not empty"
	Damaged  Kind = "data damaged"
)

// The backup format, the same for all engines: the magic line, then for each
// key in ascending order its length (uvarint, never 0), the key, the value's
// length (uvarint) and the value; then a 0 byte, the number of keys (8 bytes,
// big-endian) and the CRC-32C of all that went before (4 bytes, big-endian).
const backupMagic = "atrium-kv-backup 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteBackup writes all of the snapshot r to w in the format that
// RestoreBackup reads. Engines use it for their Backup.
func WriteBackup(ctx context.Context, r Reader, w io.Writer) error {
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	out.WriteString(backupMagic)
	var (
		n   uint64
		buf []byte
	)
	for k, v := range r.Scan(Range{}) {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		n++
		buf = binary.AppendUvarint(buf[:0], uint64(len(k)))
		buf = append(buf, k...)
		buf = binary.AppendUvarint(buf, uint64(len(v)))
		out.Write(buf)
		if _, err := out.Write(v); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	out.Write(binary.BigEndian.AppendUint64([]byte{0}, n))
	if err := out.Flush(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32())); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// RestoreBackup writes what WriteBackup wrote into the empty engine e, in many
// Updates. When it fails, e holds a part of the backup and is of no use.
func RestoreBackup(ctx context.Context, e Engine, r io.Reader) error {
	if err := checkEmpty(ctx, e); err != nil {
		return err
	}
	in := &backupReader{r: bufio.NewReaderSize(r, 64<<10)}
	magic := in.bytes(uint64(len(backupMagic)), uint64(len(backupMagic)))
	if in.err == nil && string(magic) != backupMagic {
		return fmt.Errorf("restore: not a backup: %w", Damaged)
	}
	for done := false; !done; {
		batch, last := in.batch()
		if in.err != nil {
			return fmt.Errorf("restore: %w", in.err)
		}
		done = last
		err := e.Update(ctx, func(t Txn) error {
			for _, p := range batch {
				t.Set(p[0], p[1])
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

func checkEmpty(ctx context.Context, e Engine) error {
	return e.View(ctx, func(r Reader) error {
		for range r.Scan(Range{KeysOnly: true, Limit: 1}) {
			return fmt.Errorf("restore: %w", NotEmpty)
		}
		return nil
	})
}

// backupReader reads a backup; after a failure err stays set.
type backupReader struct {
	r   *bufio.Reader
	crc uint32
	n   uint64
	err error
}

// batch reads the keys for one Update; last tells that the backup ended well.
func (b *backupReader) batch() (batch [][2][]byte, last bool) {
	size := 0
	for len(batch) < MaxKeys/2 && size < MaxBytes/2 {
		klen := b.uvarint()
		if b.err != nil {
			return nil, false
		}
		if klen == 0 {
			b.trailer()
			return batch, true
		}
		key := b.bytes(klen, MaxKeySize)
		value := b.bytes(b.uvarint(), MaxBytes)
		if b.err != nil {
			return nil, false
		}
		b.n++
		size += len(key) + len(value)
		batch = append(batch, [2][]byte{key, value})
	}
	return batch, false
}

func (b *backupReader) trailer() {
	n := b.bytes(8, 8)
	want := b.crc
	sum := b.bytes(4, 4)
	if b.err == nil && (binary.BigEndian.Uint64(n) != b.n || binary.BigEndian.Uint32(sum) != want) {
		b.err = Damaged
	}
}

func (b *backupReader) uvarint() uint64 {
	if b.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(byteReader{b})
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("%w: %w", Damaged, err)
	}
	return n
}

func (b *backupReader) bytes(n, limit uint64) []byte {
	if b.err == nil && n > limit {
		b.err = Damaged
	}
	if b.err != nil {
		return nil
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(b.r, p); err != nil {
		b.fail(err)
		return nil
	}
	b.crc = crc32.Update(b.crc, castagnoli, p)
	return p
}

func (b *backupReader) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("cut short: %w", Damaged)
	}
	b.err = err
}

type byteReader struct{ b *backupReader }

func (r byteReader) ReadByte() (byte, error) {
	p := r.b.bytes(1, 1)
	if r.b.err != nil {
		return 0, r.b.err
	}
	return p[0], nil
}
