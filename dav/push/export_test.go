package push

import "atrium/dav/elem"

// ReadRegistration reads the body of a registration.
func (h *Hub) ReadRegistration(body []byte) error {
	r := elem.ParseBytes(body, elem.Limits{})
	if _, ok := r.Root(); !ok {
		return r.Err()
	}
	_, err := h.read(r)
	return err
}
