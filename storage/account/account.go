package account

import (
	"time"

	"atrium/storage"
)

// Kind is a class of failure of this package, beside those of storage
// (NotFound, Exists, Invalid, Unavailable). It is itself an error.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// Denied means that name and password do not belong together, whichever is wrong.
	Denied Kind = "wrong name or password"
	// Disabled means that the account may not log in; told only after the right password.
	Disabled Kind = "account disabled"
	// Locked means that too many logins failed from this address; later is better.
	Locked Kind = "too many failed logins"
	// Busy means that too many logins are under way; a temporary failure.
	Busy Kind = "too many logins at once"
	// NotLocal means that an address is in a domain that is not ours.
	NotLocal Kind = "not a local domain"
)

// Sort says what an account is.
type Sort byte

const (
	Person   Sort = iota
	Group         // a shared account: members log in as themselves
	Resource      // a room or a thing to book
	Service       // keeps what the server shows to all of a domain: nobody logs in, no mail comes
)

// Account is one account at one time. It is not to be changed.
type Account struct {
	ID          storage.AccountID
	Name        string // the login and first address, user1@example.org
	DisplayName string // as people write it, may be empty
	Sort        Sort
	Disabled    bool      // may not log in; mail still arrives
	Created     time.Time // UTC
	MaxBytes    int64     // quota of bytes, 0: none
	MaxObjects  int64     // quota of objects, 0: none
	Addresses   []string  // Name, and aliases that lead to this account alone
}

// Alias is an address that leads elsewhere.
type Alias struct {
	Address string
	Targets []string // names of accounts, aliases, or addresses of other domains
}

// Domain is a local domain.
type Domain struct {
	Name     string // as people write it, U-labels
	CatchAll string // address for what no one else has; "": refused
}

// Recipient is what an address leads to.
type Recipient struct {
	Account *Account // nil for an address elsewhere
	Address string   // the address, canonical: of the account, or elsewhere
	Detail  string   // what followed the separator in the local part, user+Detail@
}
