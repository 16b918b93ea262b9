package delivery

import (
	"strings"
	"testing"
	"time"
)

// TestSRS takes a sender over three servers, round in a circle, and back.
func TestSRS(t *testing.T) {
	a, b := []byte("the key of a"), []byte("the key of b")
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	const sender = "Ann.O=Hara@first.example"
	back := func(secret []byte, address, want string) {
		t.Helper()
		if got, ok := srsReturn(secret, address, now.Add(48*time.Hour)); !ok || got != want {
			t.Fatalf("%s leads back to %q (%v), want %s", address, got, ok, want)
		}
	}
	one := srsForward(a, sender, "loop@a.example", now)
	back(a, one, sender)
	two := srsForward(b, one, "loop@b.example", now)
	if !strings.HasPrefix(two, "SRS1=") || !strings.HasSuffix(two, "@b.example") {
		t.Fatalf("the second server makes %s", two)
	}
	back(b, two, one)
	three := srsForward(a, two, "loop@a.example", now)
	back(a, three, one)
	for n, path := 0, three; n < 100; n++ {
		if path = srsForward(b, path, "loop@b.example", now); len(path) > len(three) {
			t.Fatalf("the path grows: %s", path)
		}
		back(b, path, one)
		path = srsForward(a, path, "loop@a.example", now)
		back(a, path, one)
	}
	for _, forged := range []string{
		"SRS0=AAAAAAAAAA=AA=first.example=ann@a.example", strings.Replace(three, "a.example=", "victim.example=", 1), "SRS1=@a.example",
		"SRS1==@a.example", "SRS0=@a.example", "SRS1=x=y@a.example", "SRS0+" + strings.TrimPrefix(one, "SRS0="),
	} {
		if got, ok := srsReturn(a, forged, now); ok {
			t.Errorf("%s is believed: %s", forged, got)
		}
	}
	if _, ok := srsReturn(a, one, now.Add(30*24*time.Hour)); ok {
		t.Error("a path of last month is believed")
	}
}

func FuzzSRS(f *testing.F) {
	for _, s := range []string{"a@b", "SRS0=x=y=z=a@b", "SRS1=x=y==z=AA=d=a@b", "SRS0-x@b", "\"a b\"@c", "SRS1="} {
		f.Add(s)
	}
	secret := []byte("key")
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, s string) {
		if from, ok := srsReturn(secret, s, now); ok {
			t.Fatalf("%q was made by nobody and leads to %q", s, from)
		}
		path := srsForward(secret, s, "to@ours.example", now)
		if !strings.HasSuffix(path, "@ours.example") {
			t.Fatalf("%q becomes %q", s, path)
		}
	})
}
