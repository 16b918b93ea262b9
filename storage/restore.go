package storage

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// Restored is what Restore wrote.
type Restored struct {
	Bodies  int
	Missing int // bodies that are in none of the backups
}

// Restore writes the first of backups into an empty engine, and the bodies that it refers to, which are looked for
// in all of them, into blobs. When it fails both are of no use.
func Restore(ctx context.Context, engine kv.Engine, blobs blob.Store, backups []func() (io.ReadCloser, error), progress func(done, all int)) (out Restored, err error) {
	if err := restoreKeys(ctx, engine, backups[0]); err != nil {
		return out, err
	}
	wanted := map[blob.Hash]bool{}
	err = engine.View(ctx, func(r kv.Reader) error {
		for k, v := range r.Scan(kv.Prefix([]byte{space})) {
			if !isObjectKey(k) {
				continue
			}
			o, err := decodeObject(k, v)
			if err != nil {
				return err
			}
			if !o.blob.IsZero() {
				wanted[o.blob.Hash] = true
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	all := len(wanted)
	for _, open := range backups {
		if len(wanted) == 0 {
			break
		}
		in, err := open()
		if err != nil {
			return out, err
		}
		err = ReadBackup(in, nil, func(ref blob.Ref, r io.Reader) error {
			if err := ctx.Err(); err != nil || !wanted[ref.Hash] {
				return err
			}
			if progress != nil && out.Bodies%64 == 0 {
				progress(out.Bodies, all)
			}
			delete(wanted, ref.Hash)
			out.Bodies++
			return restoreBody(ctx, blobs, ref, r)
		})
		in.Close()
		if err != nil {
			return out, fmt.Errorf("restore: %w", err)
		}
	}
	out.Missing = len(wanted)
	if progress != nil {
		progress(out.Bodies, all)
	}
	// The last bodies are durable with the next Update.
	return out, engine.Update(ctx, func(kv.Txn) error { return nil })
}

// restoreKeys hands the keys of a backup to the engine.
func restoreKeys(ctx context.Context, engine kv.Engine, open func() (io.ReadCloser, error)) error {
	in, err := open()
	if err != nil {
		return err
	}
	defer in.Close()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		out := bufio.NewWriterSize(w, 256<<10)
		err := ReadBackup(in, func(p []byte) error { _, err := out.Write(p); return err }, nil)
		if err == nil {
			err = out.Flush()
		}
		w.CloseWithError(err)
		done <- err
	}()
	err = engine.Restore(ctx, r)
	r.CloseWithError(io.ErrClosedPipe) // when the engine had enough
	if read := <-done; err == nil && read != nil {
		err = fmt.Errorf("restore: %w", read)
	}
	return err
}

func restoreBody(ctx context.Context, blobs blob.Store, want blob.Ref, r io.Reader) error {
	spool, err := blobs.Spool(ctx, 0)
	if err != nil {
		return err
	}
	defer spool.Release()
	if _, err := io.Copy(spool, r); err != nil {
		return err
	}
	if spool.Size() != want.Size || spool.Sum() != want.Hash {
		return fmt.Errorf("body %v: %w", want.Hash, kv.Damaged)
	}
	_, err = spool.Commit(ctx)
	return err
}
