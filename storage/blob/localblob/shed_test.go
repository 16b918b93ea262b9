package localblob

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"atrium/storage/blob"
	"atrium/storage/kv"
)

// TestShed: committed bodies take no more memory when it gets short, and can be
// read from their Spools on, also by parts and after others took their place.
func TestShed(t *testing.T) {
	f := open(t, t.TempDir(), func(c *Config) { c.SpoolMemory, c.Memory = 2*chunkSize, 8*chunkSize })
	defer f.close(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	var spools []blob.Spool
	var bodies [][]byte
	for n := range 40 {
		p := make([]byte, 1000+rnd.IntN(40<<10))
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
		if n%10 == 9 {
			p = bodies[n-1] // the same again
		}
		sp := f.spool(t, p)
		if _, err := sp.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		spools, bodies = append(spools, sp), append(bodies, p)
		if used := f.inMemory.Load(); used > f.cfg.Memory/4+2*chunkSize {
			t.Fatalf("%d bytes of memory for %d committed bodies", used, n+1)
		}
	}
	check := func() {
		t.Helper()
		for n, sp := range spools {
			for off := 0; off < len(bodies[n]); off += 7000 {
				got := make([]byte, 9000)
				k, err := sp.ReadAt(got, int64(off))
				want := bodies[n][off:min(len(bodies[n]), off+9000)]
				if !bytes.Equal(got[:k], want) || (err == nil) != (k == 9000) {
					t.Fatalf("body %d at %d: %d bytes, %v", n, off, k, err)
				}
			}
		}
	}
	check()
	if err := f.engine.Update(ctx, func(tx kv.Txn) error { tx.Set([]byte("k"), nil); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Sweep(ctx, func(blob.Hash) (bool, error) { return false, nil }); err != nil {
		t.Fatal(err)
	}
	check()
	for _, sp := range spools {
		sp.Release()
	}
}
