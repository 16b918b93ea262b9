package storage

// Advance gives a collection the transaction's modseq though none of its rows
// changed, and wakes those who watch it: for what a domain keeps beside the
// rows and tells as a change of them, as a mark that one user alone sees. The log says
// nothing of it.
func (t *Tx) Advance(id CollectionID) error {
	w, err := t.tree(id)
	if err != nil {
		return err
	}
	h, err := t.account()
	if err != nil {
		return err
	}
	w.c.Modseq, w.dirty, w.advanced = h.modseq+1, true, true
	t.dirty = true
	return nil
}
