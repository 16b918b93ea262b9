package sieve

// index counts fields of one name (RFC 5260 §6).
var index = extension{name: "index", rfc: "5260", tags: map[string][]tagDef{
	"header": indexTags, "address": indexTags, "date": indexTags}}

var indexTags = []tagDef{{name: "index", value: "n"}, {name: "last"}}

// indexTags returns what picks fields: all, or one by its number.
func (c *compiler) indexTags(a *call) func([]field) []field {
	n := a.tags["index"]
	if n == nil {
		if a.tag("last") {
			c.errf(a.n.pos, "\":last\" needs \":index\"")
		}
		return func(list []field) []field { return list }
	}
	if n.n < 1 {
		c.errf(n.pos, "\":index\" counts from 1")
	}
	last := a.tag("last")
	return func(list []field) []field {
		i := n.n - 1
		if last {
			i = int64(len(list)) - n.n
		}
		if i < 0 || i >= int64(len(list)) {
			return nil
		}
		return list[i : i+1]
	}
}
