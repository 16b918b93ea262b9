package mail

import "context"

// SortField is what SORT compares (RFC 5256 §3, RFC 5957).
type SortField byte

const (
	SortArrival SortField = iota
	SortCc
	SortDate
	SortFrom
	SortSize
	SortSubject
	SortTo
	SortDisplayFrom
	SortDisplayTo
	SortSaved // not in an RFC
)

// SortKey is one criterion.
type SortKey struct {
	Field   SortField
	Reverse bool
}

// Sort orders positions of a snapshot, in place, by keys and then by position.
func (a *Account) Sort(ctx context.Context, s *Snapshot, positions []int, keys []SortKey) error {
	panic("stub")
}

// ThreadAlgorithm is how THREAD finds what belongs together.
type ThreadAlgorithm byte

const (
	OrderedSubject ThreadAlgorithm = iota // RFC 5256 §3
	References                            // RFC 5256 §3
	Refs                                  // References without joining by subject, ordered by the newest message
)

// Thread is a message and the answers to it. Pos is -1 where a message is missing.
type Thread struct {
	Pos      int
	Children []*Thread
}

// Threads puts positions of a snapshot into threads, in the order that the algorithm demands.
func (a *Account) Threads(ctx context.Context, s *Snapshot, positions []int, by ThreadAlgorithm) ([]*Thread, error) {
	panic("stub")
}
