package mail

import (
	"context"
	"iter"
)

// Search yields the positions of the messages of a snapshot for which c is true, ascending. It looks at
// rows first, then at index records, then at signatures, and reads only the bodies that are left. Memory
// is bounded; it ends with the context's error. A message that went meanwhile and
// cannot be read any more is left out.
func (a *Account) Search(ctx context.Context, s *Snapshot, c Criteria) iter.Seq2[int, error] {
	panic("stub")
}
