package sift

import (
	"testing"

	"github.com/emersion/go-imap/v2"

	"atrium/mail"
	"atrium/mail/delivery"
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

// TestTrain learns what is there on demand: what was seen in INBOX too, however often, and anew after all was forgotten.
func TestTrain(t *testing.T) {
	r := newRig(t)
	a := r.account(t, "ann")
	must(t, r.sift.Learn(ctx, a.Owner())) // the first look is over
	for range 15 {
		r.deliver(t, r.text("good", "x@a.example"), delivery.Verdict{}, "ann")
	}
	box, err := a.Mailbox(ctx, "INBOX")
	must(t, err)
	uids, _, _ := r.all(t, "ann", "INBOX")
	_, err = a.SetFlags(ctx, box.ID, uids, mail.FlagChange{Op: mail.AddFlags, Flags: []imap.Flag{imap.FlagSeen}})
	must(t, err)
	must(t, r.sift.Learn(ctx, a.Owner()))
	if s := r.stats(t, "ann"); s.Good != 0 {
		t.Errorf("what was seen may be junk yet to be moved: %+v", s)
	}
	for range 2 {
		must(t, r.sift.Train(ctx, a.Owner()))
		if s := r.stats(t, "ann"); s.Good != 15 {
			t.Errorf("%+v", s)
		}
	}
	must(t, r.sift.Reset(ctx, a.Owner()))
	must(t, r.sift.Train(ctx, a.Owner()))
	if s := r.stats(t, "ann"); s.Good != 15 {
		t.Errorf("after all was forgotten: %+v", s)
	}
}
