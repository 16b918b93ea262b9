package storage_test

import (
	"errors"
	"slices"
	"testing"

	"atrium/storage"
)

// TestEachAccount: all accounts, ascending, whatever their number; an error ends it.
func TestEachAccount(t *testing.T) {
	s := openDisk(t)
	var want []storage.AccountID
	for n := range 30 {
		var got []storage.AccountID
		if err := s.EachAccount(t.Context(), func(a storage.AccountID) error { got = append(got, a); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d accounts: %v, want %v", n, got, want)
		}
		a := storage.AccountID(1 + n*n*1000)
		if n == 29 {
			a = ^storage.AccountID(0)
		}
		want = append(want, a)
		if err := s.Update(t.Context(), a, func(tx *storage.Tx) error { return tx.SetRecord("r", []byte("v")) }); err != nil {
			t.Fatal(err)
		}
	}
	enough, n := errors.New("enough"), 0
	err := s.EachAccount(t.Context(), func(storage.AccountID) error {
		if n++; n == 11 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 11 {
		t.Errorf("%v after %d accounts", err, n)
	}
}
