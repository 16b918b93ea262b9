package badgerkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"atrium/storage/journal"
	"atrium/storage/kv"
)

// TestVerify: Verify finds a byte that changed in a table, wherever it is in the blocks.
func TestVerify(t *testing.T) {
	ctx := context.Background()
	for _, where := range []string{"value", "key"} {
		t.Run(where, func(t *testing.T) {
			dir := t.TempDir()
			e := openWith(t, dir, journal.Hooks{})
			for i := range 5 {
				err := e.Update(ctx, func(tx kv.Txn) error {
					for k := range 500 {
						tx.Set(fmt.Appendf(nil, "key %d %d", i, k), bytes.Repeat([]byte{'v'}, 200))
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = openWith(t, dir, journal.Hooks{})
			if err := e.Verify(ctx); err != nil {
				t.Errorf("nothing is damaged: %v", err)
			}
			e.Close()
			tables, err := filepath.Glob(filepath.Join(dir, "badger", "*.sst"))
			if err != nil || len(tables) == 0 {
				t.Fatalf("no tables (%v)", err)
			}
			image, err := os.ReadFile(tables[0])
			if err != nil {
				t.Fatal(err)
			}
			at := bytes.Index(image, []byte("vvvvvvvv")) + 100
			if where == "key" {
				at = bytes.Index(image, []byte("key "))
			}
			image[at] ^= 1
			if err := os.WriteFile(tables[0], image, 0o600); err != nil {
				t.Fatal(err)
			}
			e = openWith(t, dir, journal.Hooks{})
			defer e.Close()
			if err := e.Verify(ctx); !errors.Is(err, kv.Damaged) {
				t.Errorf("damaged: %v", err)
			}
		})
	}
}
