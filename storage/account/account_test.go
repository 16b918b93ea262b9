package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atrium/storage"
	"atrium/storage/kv"
	"atrium/storage/kv/memkv"
)

// quick is a configuration whose hashes cost nothing.
func quick() Config {
	cfg := DefaultConfig()
	cfg.Domain, cfg.Memory, cfg.Passes, cfg.ScramIterations = "example.org", 8, 1, 4096
	return cfg
}

func open(t testing.TB, engine kv.Engine, cfg Config) *Directory {
	t.Helper()
	d, err := Open(engine, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func add(t testing.TB, d *Directory, name, password string) *Account {
	t.Helper()
	a, err := d.Add(t.Context(), New{Name: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// resolved prints what Resolve tells.
func resolved(d *Directory, address string) string {
	list, err := d.Resolve(context.Background(), address)
	var out []string
	for _, r := range list {
		s := r.Address
		if r.Account == nil {
			s = "elsewhere " + s
		}
		if r.Detail != "" {
			s += " " + r.Detail
		}
		out = append(out, s)
	}
	for _, kind := range []error{NotLocal, storage.NotFound, storage.Invalid} {
		if errors.Is(err, kind) {
			out = append(out, kind.Error())
		}
	}
	return strings.Join(out, ", ")
}

func fill(t testing.TB, d *Directory) {
	ctx := t.Context()
	must(t, d.SetDomain(ctx, Domain{Name: "Bücher.Example"}))
	add(t, d, "anna", "a")
	add(t, d, "Ben@example.org", "b")
	add(t, d, "jörg@bücher.example", "j")
	must(t, d.SetDomain(ctx, Domain{Name: "catch.example", CatchAll: "ben"}))
	must(t, d.SetAlias(ctx, "info", []string{"anna", "ben@example.org", "else@where.example"}))
	must(t, d.SetAlias(ctx, "office@catch.example", []string{"info"}))
	must(t, d.SetAlias(ctx, "a.n", []string{"anna"}))
	must(t, d.SetAlias(ctx, "work@example.org", []string{"anna+job"}))
	must(t, d.SetAlias(ctx, "loop1", []string{"anna"}))
	must(t, d.SetAlias(ctx, "loop2", []string{"loop1"}))
	must(t, d.SetAlias(ctx, "loop1", []string{"loop2"}))
}

func TestResolve(t *testing.T) {
	engine := memkv.New()
	cfg := quick()
	cfg.Postmaster = "anna"
	d := open(t, engine, cfg)
	fill(t, d)
	for range 2 {
		for _, tc := range []struct{ address, want string }{
			{"anna@example.org", "anna@example.org"},
			{"ANNA@Example.ORG.", "anna@example.org"},
			{"anna", "anna@example.org"},
			{`"anna"@example.org`, "anna@example.org"},
			{"ben@EXAMPLE.org", "Ben@example.org"},
			{"anna+Lists/Go@example.org", "anna@example.org Lists/Go"},
			{"anna+@example.org", "anna@example.org"},
			{"+anna@example.org", "not found"},
			{`"anna+a b"@example.org`, "anna@example.org a b"},
			{"JÖRG@bücher.example", "jörg@bücher.example"},
			{"jo\u0308rg@xn--bcher-kva.example", "jörg@bücher.example"},
			{"info@example.org", "anna@example.org, Ben@example.org, elsewhere else@where.example"},
			{"info+x@example.org", "anna@example.org x, Ben@example.org x, elsewhere else@where.example"},
			{"office@catch.example", "anna@example.org, Ben@example.org, elsewhere else@where.example"},
			{"whoever@catch.example", "Ben@example.org"},
			{"work@example.org", "anna@example.org job"},
			{"a.n@example.org", "anna@example.org"},
			{"loop1@example.org", "not found"},
			{"nobody@example.org", "not found"},
			{"nobody@else.example", "not a local domain"},
			{"anna@[127.0.0.1]", "not a local domain"},
			{"Postmaster", "anna@example.org"},
			{"postmaster@catch.example", "anna@example.org"},
			{"postmaster@bücher.example", "anna@example.org"},
			{"", "invalid"}, {"@example.org", "invalid"}, {"a\x00b@example.org", "invalid"},
			{"a@", "invalid"}, {"a@b c", "invalid"}, {"a@-..x", "invalid"}, {`"a@example.org`, "not found"},
			{strings.Repeat("x", 65) + "@example.org", "invalid"}, {strings.Repeat("x", 1000), "invalid"},
			{"\xff@example.org", "invalid"},
		} {
			if got := resolved(d, tc.address); got != tc.want {
				t.Errorf("%q: got %q, want %q", tc.address, got, tc.want)
			}
		}
		d = open(t, engine, cfg) // and the same after a restart
	}
	// RFC 5321 §4.5.1: mail to postmaster reaches someone whatever is configured.
	for _, to := range []string{"", "nobody", "postmaster"} {
		cfg.Postmaster = to
		d := open(t, engine, cfg)
		for _, address := range []string{"postmaster", "PostMaster@example.org", "postmaster@bücher.example"} {
			if got := resolved(d, address); got != "anna@example.org" {
				t.Errorf("%q with %q: got %q", address, to, got)
			}
		}
	}
}

func TestAccounts(t *testing.T) {
	ctx := t.Context()
	engine := memkv.New()
	d := open(t, engine, quick())
	fill(t, d)
	anna, err := d.Find(ctx, "A.N@example.org")
	must(t, err)
	if got := fmt.Sprint(anna.ID, anna.Name, anna.Addresses); got != "1anna@example.org[anna@example.org a.n@example.org]" {
		t.Error(got)
	}
	for _, tc := range []struct {
		name string
		err  error
		want error
	}{
		{"same name", second(d.Add(ctx, New{Name: "ANNA"})), storage.Exists},
		{"an alias' name", second(d.Add(ctx, New{Name: "info"})), storage.Exists},
		{"other domain", second(d.Add(ctx, New{Name: "x@else.example"})), NotLocal},
		{"with detail", second(d.Add(ctx, New{Name: "x+y"})), storage.Invalid},
		{"control", second(d.Add(ctx, New{Name: "xy", DisplayName: "a\nb"})), storage.Invalid},
		{"password", second(d.Add(ctx, New{Name: "xy", Password: "a\u0007\u00e9"})), storage.Invalid},
		{"alias on account", d.SetAlias(ctx, "ben", []string{"anna"}), storage.Exists},
		{"alias to nobody", d.SetAlias(ctx, "n", []string{"nobody"}), storage.NotFound},
		{"alias to itself", d.SetAlias(ctx, "n", []string{"N"}), storage.Invalid},
		{"alias elsewhere", d.SetAlias(ctx, "n@else.example", []string{"anna"}), NotLocal},
		{"no alias", d.DeleteAlias(ctx, "n"), storage.NotFound},
		{"domain in use", d.DeleteDomain(ctx, "bücher.example"), storage.Exists},
		{"default domain", d.DeleteDomain(ctx, "example.org"), storage.Invalid},
		{"no domain", d.DeleteDomain(ctx, "else.example"), storage.NotFound},
		{"bad domain", d.SetDomain(ctx, Domain{Name: "a b"}), storage.Invalid},
		{"no account", d.SetDisabled(ctx, 99, true), storage.NotFound},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.want)
		}
	}
	must(t, d.SetDisplayName(ctx, anna.ID, "Anna A."))
	must(t, d.SetQuota(ctx, anna.ID, 1000, 10))
	must(t, d.Rename(ctx, anna.ID, "annabel"))
	if got := resolved(d, "info") + "; " + resolved(d, "anna") + "; " + resolved(d, "work"); got !=
		"annabel@example.org, Ben@example.org, elsewhere else@where.example; not found; annabel@example.org job" {
		t.Error(got)
	}
	if b, err := d.Get(ctx, anna.ID); err != nil || fmt.Sprint(b.Name, b.Addresses, b.DisplayName+" ", b.MaxBytes) != "annabel@example.org[annabel@example.org a.n@example.org]Anna A. 1000" {
		t.Error(b, err)
	}
	if anna.Name != "anna@example.org" {
		t.Error("an Account that was handed out has changed")
	}
	ben, _ := d.Find(ctx, "ben")
	must(t, d.Delete(ctx, ben.ID))
	if got := resolved(d, "info") + "; " + resolved(d, "any@catch.example"); got != "annabel@example.org, elsewhere else@where.example; not found" {
		t.Error(got)
	}
	if again := add(t, d, "ben", "x"); again.ID <= 3 {
		t.Error("a number was used again:", again.ID)
	}
	must(t, d.DeleteAlias(ctx, "a.n"))
	must(t, d.DeleteAlias(ctx, "office@catch.example"))
	must(t, d.DeleteDomain(ctx, "catch.example"))
	for _, x := range []*Directory{d, open(t, engine, quick())} {
		list, _ := x.List(ctx)
		var names []string
		for _, a := range list {
			names = append(names, fmt.Sprint(a.ID, " ", a.Addresses))
		}
		aliases, _ := x.Aliases(ctx)
		domains, _ := x.Domains(ctx)
		got := fmt.Sprint(names, aliases, domains)
		want := "[1 [annabel@example.org] 4 [ben@example.org] 3 [jörg@bücher.example]] " +
			"[{info@example.org [annabel@example.org else@where.example]} {loop1@example.org [loop2@example.org]} " +
			"{loop2@example.org [loop1@example.org]} {work@example.org [annabel+job@example.org]}] " +
			"[{bücher.example } {example.org }]"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAuthenticate(t *testing.T) {
	ctx := t.Context()
	engine := memkv.New()
	d := open(t, engine, quick())
	anna := add(t, d, "anna", "pässword")
	must(t, d.SetAlias(ctx, "a.n", []string{"anna"}))
	none := add(t, d, "none", "")
	try := func(login, password string, want error) {
		t.Helper()
		for range 2 { // cold and warm
			a, err := d.Authenticate(ctx, login, password, netip.Addr{})
			if !errors.Is(err, want) || want == nil && (err != nil || a.ID != anna.ID) {
				t.Errorf("%s %s: %v %v, want %v", login, password, a, err, want)
			}
		}
	}
	try("anna", "pässword", nil)
	try("Anna@example.org", "pa\u0308ssword", nil)
	try("a.n@example.org", "pässword", nil)
	try("anna", "password", Denied)
	try("anna", "", Denied)
	try("anna", strings.Repeat("x", 1<<20), Denied)
	try("anna", "a\x00", Denied)
	try("none", "", Denied)
	try("none", "x", Denied)
	try("nobody", "pässword", Denied)
	try("\xff", "x", Denied)
	must(t, d.SetDisabled(ctx, anna.ID, true))
	try("anna", "pässword", Disabled)
	try("anna", "x", Denied)
	must(t, d.SetDisabled(ctx, anna.ID, false))
	must(t, d.SetPassword(ctx, anna.ID, "new"))
	try("anna", "pässword", Denied)
	try("anna", "new", nil)
	must(t, d.SetPassword(ctx, anna.ID, ""))
	try("anna", "new", Denied)
	must(t, d.Delete(ctx, none.ID))
	try("none", "", Denied)
	for key := range scan(t, engine, 'c') {
		t.Errorf("credential %q is left", key)
	}
}

func scan(t testing.TB, engine kv.Engine, letter byte) map[string][]byte {
	m := map[string][]byte{}
	must(t, engine.View(t.Context(), func(r kv.Reader) error {
		for k, v := range r.Scan(kv.Prefix([]byte{space, letter})) {
			m[string(k)] = slices.Clone(v)
		}
		return nil
	}))
	return m
}

// Settings that rose since a password was set are applied at the next login.
func TestUpgrade(t *testing.T) {
	engine := memkv.New()
	cfg := quick()
	cfg.ScramIterations = 0
	d := open(t, engine, cfg)
	a := add(t, d, "anna", "secret")
	cfg.Memory, cfg.Passes, cfg.ScramIterations = 16, 2, 5000
	d = open(t, engine, cfg)
	if s, _ := d.Scram(t.Context(), "anna", netip.Addr{}); s.Known {
		t.Error("keys out of nowhere")
	}
	_, err := d.Authenticate(t.Context(), "anna", "secret", netip.Addr{})
	must(t, err)
	var c credential
	key := credentialKey(a.ID, 0)
	must(t, decode(key, scan(t, engine, 'c')[string(key)], &c))
	if !strings.HasPrefix(c.Hash, "$argon2id$v=19$m=16,t=2,p=2$") || c.Scram.Iterations != 5000 {
		t.Error(c.Hash, c.Scram)
	}
	d = open(t, engine, cfg)
	_, err = d.Authenticate(t.Context(), "anna", "secret", netip.Addr{})
	must(t, err)
}

func TestScramKeys(t *testing.T) {
	d := open(t, memkv.New(), quick())
	add(t, d, "anna", "secret")
	one, err := d.Scram(t.Context(), "anna", netip.Addr{})
	must(t, err)
	if !one.Known || len(one.Salt) != 16 || one.Iterations != 4096 {
		t.Error(one)
	}
	x, _ := d.Scram(t.Context(), "nobody", netip.Addr{})
	y, _ := d.Scram(t.Context(), "nobody", netip.Addr{})
	z, _ := d.Scram(t.Context(), "nobody2", netip.Addr{})
	if x.Known || string(x.Salt) != string(y.Salt) || string(x.Salt) == string(z.Salt) || len(x.Salt) != 16 {
		t.Error(x, y, z)
	}
}

var (
	attacker = netip.MustParseAddr("2001:db8::1")
	sibling  = netip.MustParseAddr("2001:db8::ffff:2") // the same /64
	stranger = netip.MustParseAddr("192.0.2.7")
)

// Failures are slowed down, then locked out by network; the owner elsewhere is
// hardly touched, and where he has been before not at all.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		d := open(t, memkv.New(), quick())
		add(t, d, "anna", "secret")
		add(t, d, "ben", "secret")
		took := func(login, password string, from netip.Addr, want error) time.Duration {
			t.Helper()
			start := time.Now()
			if _, err := d.Authenticate(ctx, login, password, from); !errors.Is(err, want) {
				t.Fatalf("%s %s from %v: %v, want %v", login, password, from, err, want)
			}
			return time.Since(start)
		}
		took("ben", "secret", attacker, nil) // ben works there
		var waits []time.Duration
		for i := range 20 {
			waits = append(waits, took("anna", fmt.Sprint("guess", i), attacker, Denied).Round(10*time.Millisecond))
		}
		if waits[0] != 250*time.Millisecond || waits[19] < 8*time.Second || !slices.IsSorted(waits) {
			t.Error(waits)
		}
		for i := 0; ; i++ { // some are forgotten while we wait
			_, err := d.Authenticate(ctx, "anna", fmt.Sprint("more", i), attacker)
			if errors.Is(err, Locked) {
				break
			}
			if i > 10 {
				t.Fatal("no end", err)
			}
		}
		took("anna", "secret", sibling, Locked)
		if w := took("ben", "secret", attacker, nil); w != 0 {
			t.Error("who logged in from there before waits", w)
		}
		if w := took("anna", "secret", stranger, nil); w > maxAccountWait {
			t.Error("the owner waits", w, "elsewhere")
		}
		if w := took("anna", "secret", stranger, nil); w != 0 {
			t.Error("the owner waits", w, "where he has been")
		}
		if w := took("anna", "wrong", netip.Addr{}, Denied); w != 0 {
			t.Error("this machine waits", w)
		}
		time.Sleep(30 * time.Minute)
		took("anna", "secret", attacker, nil)
	})
}

// A phone with an old password tries it for ever: it is slowed, not locked out.
func TestOldPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, memkv.New(), quick())
		add(t, d, "anna", "secret")
		for range 100 {
			if _, err := d.Authenticate(t.Context(), "anna", "old", stranger); !errors.Is(err, Denied) {
				t.Fatal(err)
			}
		}
		if _, err := d.Authenticate(t.Context(), "anna", "secret", stranger); err != nil {
			t.Fatal(err)
		}
	})
}

// The maps of the guard and of what is remembered are bounded.
func TestBounds(t *testing.T) {
	d := open(t, memkv.New(), quick())
	for i := range maxSuspects + 1000 {
		count(d.guard.accounts, fmt.Sprint(i), time.Minute, false)
		d.guard.succeeded(stranger, storage.AccountID(i))
		if i < maxRemembered+1000 {
			d.remember.learn(d.remember.print(nil, fmt.Sprint(i), ""), false)
		}
	}
	if len(d.guard.accounts) != maxSuspects || len(d.guard.friends) != maxFriends || len(d.remember.verdicts) != maxRemembered {
		t.Error(len(d.guard.accounts), len(d.guard.friends), len(d.remember.verdicts))
	}
}

// At most Config.Hashes at once; who waits too long is told to come again.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, time.Second)
		must(t, g.enter(t.Context()))
		must(t, g.enter(t.Context()))
		if err := g.enter(t.Context()); !errors.Is(err, Busy) {
			t.Error(err)
		}
		g.leave()
		must(t, g.enter(t.Context()))
	})
}

func TestConcurrent(t *testing.T) {
	d := open(t, memkv.New(), quick())
	a := add(t, d, "anna", "secret")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				switch {
				case i == 0:
					d.SetPassword(context.Background(), a.ID, "secret")
				case i == 1:
					d.Add(context.Background(), New{Name: fmt.Sprint("user", j)})
				case i == 2:
					d.SetAlias(context.Background(), fmt.Sprint("alias", j), []string{"anna"})
				default:
					if _, err := d.Authenticate(context.Background(), "anna", "secret", netip.Addr{}); err != nil {
						t.Error(err)
					}
					d.Resolve(context.Background(), "alias3")
				}
			}
		})
	}
	wg.Wait()
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"anna+x@example.org", `"a\"b"@x`, "@", "jörg@bücher.example", "a@[::1]", "info", "\"\\", "x@xn--a"} {
		f.Add(s)
	}
	d := open(f, memkv.New(), quick())
	fill(f, d)
	f.Fuzz(func(t *testing.T, s string) {
		d.Resolve(t.Context(), s)
		d.Find(t.Context(), s)
		a, err := parseAddress(s, "example.org")
		if err != nil {
			return
		}
		b, err := parseAddress(a.String(), "example.org")
		if err != nil || b.key != a.key {
			t.Errorf("%q prints as %q: %v, key %q and %q", s, a.String(), err, a.key, b.key)
		}
	})
}

func FuzzHash(f *testing.F) {
	cfg := quick()
	f.Add(newPHC("x", &cfg).String())
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parsePHC(s); err == nil && p.String() != s {
			t.Errorf("%q prints as %q", s, p)
		}
	})
}

func BenchmarkAuthenticateWarm(b *testing.B) {
	d := open(b, memkv.New(), quick())
	add(b, d, "anna", "secret")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Authenticate(b.Context(), "anna@example.org", "secret", stranger); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticateCold(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Remember = 0
	d := open(b, memkv.New(), cfg)
	add(b, d, "anna", "secret")
	for b.Loop() {
		if _, err := d.Authenticate(b.Context(), "anna", "secret", netip.Addr{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	d := open(b, memkv.New(), quick())
	fill(b, d)
	for _, address := range []string{"anna@example.org", "anna+x@example.org", "info@example.org"} {
		b.Run(address, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Resolve(b.Context(), address)
			}
		})
	}
}

// TestNames: an account's name needs no quotes to be an address.
func TestNames(t *testing.T) {
	d := open(t, memkv.New(), quick())
	for _, name := range []string{"e ve", "a,b", "<x>", `"q"x`, ".dot", "dot.", "a..b", "a@b@example.org", `"e ve"@example.org`} {
		if _, err := d.Add(t.Context(), New{Name: name, Password: "pass"}); !errors.Is(err, storage.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"o'neil", "a.b", "grüße", "x_y-z"} {
		if _, err := d.Add(t.Context(), New{Name: name, Password: "pass"}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
