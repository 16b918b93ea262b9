package junk

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/mail/message"
	"atrium/storage"
	"atrium/storage/embedded"
)

func tokens(t testing.TB, text string) []Word {
	t.Helper()
	r := strings.NewReader(text)
	m, err := message.Parse(r, int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	x, err := message.OpenIndex(m.Index())
	if err != nil {
		t.Fatal(err)
	}
	w, err := Tokens(&x, r)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func texts(words []Word) (out []string) {
	for _, w := range words {
		out = append(out, w.Text)
	}
	return out
}

func TestTokens(t *testing.T) {
	got := texts(tokens(t, "From: Ann <ann@a.example>\r\nSubject: =?utf-8?q?B=C3=A4r?= sale\r\nReceived: from nowhere\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nRnJlZSAkMTAwIGF0IGh0dHA6Ly93d3cuc2hvcC5leGFtcGxlL3guIEJ1eSBub3ch\r\n"))
	for _, want := range []string{"from=ann <ann@a.example>", "from:ann@a.example", "from:@a.example", "subject:bär", "subject:sale", "free", "$100", "www.shop.example", "now"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if slices.Contains(got, "received:nowhere") {
		t.Error("Received counts")
	}
	if got := texts(tokens(t, "a: b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n免费赠品\r\n")); !slices.Contains(got, "免费") || !slices.Contains(got, "赠品") {
		t.Errorf("%q", got)
	}
	if n := len(tokens(t, "a: b\r\n\r\n"+strings.Repeat("word ", 200_000))); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

// write makes a message of words that a list has.
func write(rng *rand.Rand, list []string, n int) []Word {
	c := collector{seen: map[Token]struct{}{}}
	for range n {
		c.add("", list[rng.IntN(len(list))])
	}
	return c.out
}

func TestModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	vocabulary := func(name string) (out []string) {
		for i := range 300 {
			out = append(out, fmt.Sprintf("%s%d", name, i))
		}
		return out
	}
	common := vocabulary("common")
	bad, good := append(vocabulary("bad"), common...), append(vocabulary("good"), common...)
	m := &Model{}
	if p, _ := m.Score(write(rng, bad, 50)); p != 0.5 || m.Ready(1) {
		t.Error("an empty model has an opinion")
	}
	for range 40 {
		m = m.Train(write(rng, bad, 80), true, 1).Train(write(rng, good, 80), false, 1)
	}
	for range 50 {
		if p, _ := m.Score(write(rng, bad, 80)); p < 0.95 {
			t.Errorf("junk: %v", p)
		}
		if p, _ := m.Score(write(rng, good, 80)); p > 0.05 {
			t.Errorf("mail: %v", p)
		}
		if p, _ := m.Score(write(rng, common, 80)); p > 0.95 {
			t.Errorf("common words: %v", p)
		}
	}
	w := write(rng, bad, 80)
	back := m.Train(w, true, 1).Train(w, true, -1)
	for _, x := range w {
		j1, g1 := m.counts(x.Token)
		j2, g2 := back.counts(x.Token)
		if j1 != j2 || g1 != g2 {
			t.Errorf("%s: %d %d, then %d %d", x.Text, j1, g1, j2, g2)
		}
	}
	many := vocabulary("x")
	for i := range 200_000 {
		many = append(many, fmt.Sprint("y", i))
	}
	for range 100 {
		m = m.Train(write(rng, many, maxTokens), true, 1)
	}
	if n := m.Tokens(); n > buckets*perBucket {
		t.Errorf("%d tokens", n)
	}
	m.Junk, m.Good = maxLearnt, 100
	if m = m.Train(nil, true, 1); m.Junk+m.Good > maxLearnt {
		t.Errorf("%d and %d", m.Junk, m.Good)
	}
}

func TestSave(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	folder, err := embedded.Open(t.TempDir(), embedded.Small(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	s, err := storage.Open(folder.Engine, folder.Blobs, nil, storage.DefaultConfig(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(1, 2))
	w := write(rng, []string{"a", "b", "c"}, 10)
	m := (&Model{}).Train(w, true, 1).Train(w[:1], false, 1)
	load := func() (got *Model) {
		if err := s.View(ctx, 1, func(v *storage.View) (err error) { got, err = Load(v); return err }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if err := s.Update(ctx, 1, m.Save); err != nil {
		t.Fatal(err)
	}
	if got := load(); got.Junk != 1 || got.Good != 1 || got.Tokens() != m.Tokens() {
		t.Errorf("%+v", got)
	}
	if err := s.Update(ctx, 1, Reset); err != nil {
		t.Fatal(err)
	}
	if got := load(); got.Junk != 0 || got.Tokens() != 0 {
		t.Errorf("%+v", got)
	}
}

func TestChi2(t *testing.T) {
	for _, c := range []struct {
		x    float64
		n    int
		want float64
	}{{0, 2, 1}, {3.357, 4, 0.5}, {9.488, 4, 0.05}, {5000, 300, 0}} {
		if got := chi2(c.x, c.n); math.Abs(got-c.want) > 0.001 {
			t.Errorf("%v %d: %v", c.x, c.n, got)
		}
	}
}

// FuzzTokens takes tokens of whatever comes, the same each time.
func FuzzTokens(f *testing.F) {
	f.Add("Subject: a\r\n\r\nb c d@e.example")
	f.Add("Content-Type: text/html\r\n\r\n<a href=x>\xff免\xe5</a>")
	f.Fuzz(func(t *testing.T, text string) {
		a, b := tokens(t, text), tokens(t, text)
		if len(a) > maxTokens || !slices.Equal(a, b) {
			t.Errorf("%d tokens, then %d", len(a), len(b))
		}
		m := (&Model{}).Train(a, true, 1).Train(nil, false, 1)
		if p, _ := m.Score(a); math.IsNaN(p) || p < 0 || p > 1 {
			t.Errorf("score %v", p)
		}
	})
}

func BenchmarkScore(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var list []string
	for i := range 5000 {
		list = append(list, fmt.Sprint("w", i))
	}
	m := &Model{}
	for range 100 {
		m = m.Train(write(rng, list, 200), true, 1).Train(write(rng, list, 200), false, 1)
	}
	w := write(rng, list, 300)
	for b.Loop() {
		m.Score(w)
	}
}
