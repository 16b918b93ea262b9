package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"atrium/storage/kv"
)

// Model is what an engine should hold: a plain map.
type Model map[string]string

// Scan returns what an engine that holds m yields for r, as pairs.
func (m Model) Scan(r kv.Range) (pairs [][2]string) {
	for k, v := range m {
		if !r.Holds([]byte(k)) {
			continue
		}
		if r.KeysOnly {
			v = ""
		}
		pairs = append(pairs, [2]string{k, v})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return bytes.Compare([]byte(a[0]), []byte(b[0])) })
	if r.Reverse {
		slices.Reverse(pairs)
	}
	if r.Limit > 0 && len(pairs) > r.Limit {
		pairs = pairs[:r.Limit]
	}
	return pairs
}

// Check compares the whole content and some random reads with the model.
func (m Model) Check(rnd *rand.Rand, r kv.Reader, prefix string) error {
	for range 3 {
		rg := randomRange(rnd, prefix)
		if err := m.compare(r, rg); err != nil {
			return err
		}
		k := randomKey(rnd, prefix)
		want, ok := m[k]
		got, err := r.Get([]byte(k))
		if ok != (err == nil) || string(got) != want {
			return fmt.Errorf("key %q: %.40q, %v; the model has %.40q, %v", k, got, err, want, ok)
		}
	}
	return m.compare(r, kv.Prefix([]byte(prefix)))
}

func (m Model) compare(r kv.Reader, rg kv.Range) error {
	want := m.Scan(rg)
	i := 0
	for k, v := range r.Scan(rg) {
		if i == len(want) || string(k) != want[i][0] || string(v) != want[i][1] {
			return fmt.Errorf("Scan %v, key %d: %q=%.40q, the model has %d keys: %.80q", rg, i, k, v, len(want), want[min(i, len(want)):])
		}
		i++
	}
	if i != len(want) {
		return fmt.Errorf("Scan %v: %d keys, the model has %d", rg, i, len(want))
	}
	return nil
}

// Step writes some random keys to tx and m.
func (m Model) Step(rnd *rand.Rand, tx kv.Txn, prefix string) {
	for range 1 + rnd.IntN(12) {
		k := randomKey(rnd, prefix)
		if rnd.IntN(3) == 0 {
			tx.Delete([]byte(k))
			delete(m, k)
			continue
		}
		n := rnd.IntN(30)
		if rnd.IntN(50) == 0 {
			n = rnd.IntN(40000)
		}
		v := bytes.Repeat([]byte{byte('a' + rnd.IntN(26))}, n)
		tx.Set([]byte(k), v)
		m[k] = string(v)
	}
}

func randomKey(rnd *rand.Rand, prefix string) string {
	return prefix + fmt.Sprintf("%03d", rnd.IntN(200))
}

func randomRange(rnd *rand.Rand, prefix string) kv.Range {
	r := kv.Prefix([]byte(prefix))
	if rnd.IntN(4) > 0 {
		r.From = []byte(randomKey(rnd, prefix))
	}
	if rnd.IntN(4) > 0 {
		r.To = []byte(randomKey(rnd, prefix))
	}
	if rnd.IntN(2) == 0 {
		r.Limit = rnd.IntN(20)
	}
	r.Reverse = rnd.IntN(2) == 0
	r.KeysOnly = rnd.IntN(4) == 0
	return r
}

var errRollback = errors.New("rolled back on purpose")

// Play runs n random transactions on the keys that begin with prefix, checking
// reads inside and outside of them against m; some are rolled back.
func (m *Model) Play(rnd *rand.Rand, e kv.Engine, prefix string, n int) error {
	for i := range n {
		var next Model
		rollback := rnd.IntN(5) == 0
		seed := rnd.Uint64()
		err := e.Update(ctx, func(tx kv.Txn) error {
			rnd := rand.New(rand.NewPCG(seed, 0))
			next = Model{}
			for k, v := range *m {
				next[k] = v
			}
			if err := next.Check(rnd, tx, prefix); err != nil {
				return fmt.Errorf("before writing: %w", err)
			}
			next.Step(rnd, tx, prefix)
			if err := next.Check(rnd, tx, prefix); err != nil {
				return fmt.Errorf("own writes: %w", err)
			}
			if rollback {
				return errRollback
			}
			return nil
		})
		switch {
		case rollback && errors.Is(err, errRollback):
		case err == nil && !rollback:
			*m = next
		default:
			return fmt.Errorf("transaction %d: %w", i, err)
		}
		if err := e.View(ctx, func(r kv.Reader) error { return m.Check(rnd, r, prefix) }); err != nil {
			return fmt.Errorf("view after transaction %d: %w", i, err)
		}
	}
	return nil
}

func newRand(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func testModel(t *testing.T, e kv.Engine) {
	m := Model{}
	if err := m.Play(newRand(t), e, "m", 150); err != nil {
		t.Error(err)
	}
}

func testModelConcurrent(t *testing.T, e kv.Engine) {
	rnd := newRand(t)
	var wg sync.WaitGroup
	for w := range 6 {
		seed := rnd.Uint64()
		wg.Go(func() {
			m := Model{}
			if err := m.Play(rand.New(rand.NewPCG(seed, 2)), e, fmt.Sprint("m", w, "/"), 40); err != nil {
				t.Errorf("writer %d: %v", w, err)
			}
		})
	}
	wg.Wait()
}
