package storage

// Kind is a class of failure; each protocol face turns classes into its own
// words in one table. Errors of this package wrap one of these or come from the
// engine below.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	NotFound    Kind = "not found"
	Exists      Kind = "already exists"
	Forbidden   Kind = "no right"          // seen, but the grant does not reach that far
	OverQuota   Kind = "over quota"        // the account's limit would be passed
	Conflict    Kind = "changed meanwhile" // a precondition no longer holds
	TooLarge    Kind = "too large"         // a limit on size, count or depth
	Expired     Kind = "token too old"     // the change log no longer reaches back that far
	Invalid     Kind = "invalid"           // input that no state of the store would make right
	Unavailable Kind = "store unavailable" // closing, disk full, engine broken
	Corrupt     Kind = "record unreadable" // a record that does not decode; atrium check names it
)
