package sift

import (
	"testing"

	"atrium/mail/junk"
	"atrium/storage"
)

// TestKeep: accounts that taught nothing push out no model, and are forgotten when they teach.
func TestKeep(t *testing.T) {
	var s Sifter
	taught := func() *state { return &state{model: &junk.Model{Junk: 1}} }
	s.keep(1, taught())
	for a := storage.AccountID(2); a < 2+2*maxModels; a++ {
		s.keep(a, &state{model: &junk.Model{}})
	}
	if len(s.models.have) != 1 || len(s.models.untaught) != 2*maxModels {
		t.Fatalf("%d models and %d without, want 1 and %d", len(s.models.have), len(s.models.untaught), 2*maxModels)
	}
	s.keep(2, taught())
	if s.models.have[2] == nil || s.models.untaught[2] != nil {
		t.Error("an account that taught is among those that did not")
	}
	s.keep(2, &state{model: &junk.Model{}})
	if s.models.have[2] != nil || s.models.untaught[2] == nil {
		t.Error("an account that forgot all is among those that taught")
	}
	for a := storage.AccountID(1); a < 10; a++ {
		s.forget(a)
		if s.models.have[a] != nil || s.models.untaught[a] != nil {
			t.Errorf("account %d is not forgotten", a)
		}
	}
	for a := storage.AccountID(0); a < maxUntaught+1; a++ {
		s.keep(1000+a, &state{model: &junk.Model{}})
	}
	if n := len(s.models.untaught); n == 0 || n > maxUntaught {
		t.Errorf("%d without a model are kept", n)
	}
}
