package wire

import "strings"

// Ahead tells whether one of the texts comes next, in whatever case; it takes nothing.
func (r *Reader) Ahead(texts ...string) bool {
	if r.err != nil {
		return false
	}
	rest := r.line[r.pos:]
	for _, s := range texts {
		if len(rest) >= len(s) && strings.EqualFold(string(rest[:len(s)]), s) {
			return true
		}
	}
	return false
}

// Instead puts another failure in the place of the one that there is.
func (r *Reader) Instead(err error) {
	if r.err != nil {
		r.err = err
	}
}
