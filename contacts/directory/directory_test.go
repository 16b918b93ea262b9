package directory

import (
	"testing"
	"time"

	"atrium/contacts/card"
	"atrium/storage/account"
)

func TestCard(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name string
		a    account.Account
		want map[string]string
	}{
		{"person", account.Account{ID: 7, Name: "ann@example.org", DisplayName: "Ann van Dyck; Dr., jr.", Addresses: []string{"ann@example.org", "a@example.org"}},
			map[string]string{"FN": "Ann van Dyck; Dr., jr.", "N": `jr.;Ann van Dyck\; Dr.\,;;;`, "EMAIL": "ann@example.org"}},
		{"without a name", account.Account{ID: 8, Name: "bob@example.org", Addresses: []string{"bob@example.org"}},
			map[string]string{"FN": "bob", "N": "bob;;;;"}},
		{"group", account.Account{ID: 9, Name: "sales@example.org", DisplayName: "Sales", Sort: account.Group, Addresses: []string{"sales@example.org"}},
			map[string]string{"FN": "Sales", "ORG": "Sales", "X-ABSHOWAS": "COMPANY"}},
	} {
		tt.a.Created = created
		c, err := card.Parse(Card(&tt.a), card.DefaultLimits())
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for name, want := range tt.want {
			p := c.Prop(name)
			if p == nil {
				t.Fatalf("%s: no %s", tt.name, name)
			}
			got := p.Value
			if name != "N" {
				got = p.Text()
			}
			if got != want {
				t.Errorf("%s: %s is %q, want %q", tt.name, name, got, want)
			}
		}
		if again := uid(&tt.a); again != c.UID() || len(again) != 36 {
			t.Errorf("%s: UID %q", tt.name, c.UID())
		}
	}
}
