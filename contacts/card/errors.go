package card

import "fmt"

// Condition is a precondition of CardDAV that input did not meet: the local
// name of an element in the namespace urn:ietf:params:xml:ns:carddav.
type Condition string

func (c Condition) Error() string { return string(c) }

// The preconditions of RFC 6352.
const (
	SupportedData      Condition = "supported-address-data" // §6.3.2.1: neither text/vcard nor a version known here
	ValidData          Condition = "valid-address-data"     // §6.3.2.1: does not parse
	NoUIDConflict      Condition = "no-uid-conflict"        // §6.3.2.1: see Error's Other
	MaxResourceSize    Condition = "max-resource-size"      // §6.3.2.1
	SupportedFilter    Condition = "supported-filter"       // §8.6
	SupportedCollation Condition = "supported-collation"    // §8.6
)

// Error is a broken precondition with what broke it.
type Error struct {
	Condition Condition
	Line      int    // of the input, from 1; 0 when it is not about a line
	Detail    string // for people
	Other     string // with NoUIDConflict: the name of the object that has the UID
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s: line %d: %s", string(e.Condition), e.Line, e.Detail)
	}
	return fmt.Sprintf("%s: %s", string(e.Condition), e.Detail)
}

func (e *Error) Unwrap() error { return e.Condition }
