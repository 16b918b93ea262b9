package storage

// FirstWith returns the position of the first row of a collection whose Tally
// has it, -1 when none has. has must hold for a sum when it holds for a
// part of it. It reads the collection's record, one superpage and one page.
func (v *View) FirstWith(id CollectionID, has func(Tally) bool) (pos int, err error) {
	if err := v.settle(id); err != nil {
		return 0, err
	}
	c, supers, err := v.record(id)
	if err != nil {
		return 0, err
	}
	t := newTree(c, v.s.schemas[c.Schema], supers)
	for _, s := range t.supers {
		if !has(s.tally) {
			pos += s.count
			continue
		}
		if err := t.loadSuper(v.r, s); err != nil {
			return 0, err
		}
		for _, p := range s.pages {
			if !has(p.tally) {
				pos += p.count
				continue
			}
			if err := t.loadRows(v.r, p); err != nil {
				return 0, err
			}
			for _, r := range p.rows {
				if has(t.schema.Tally(r.Data)) {
					return pos, nil
				}
				pos++
			}
		}
	}
	return -1, nil
}
