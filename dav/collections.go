package dav

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"atrium/storage"
)

// collections appends the collections in a resource to all: those that the
// actor may know of, the oldest first, so that what an account was given at its
// beginning comes first. macOS takes the first address book only.
func (rq *Request) collections(v *storage.View, r *Resource, all *[]*Resource) error {
	switch {
	case r.Kind.Is(Root):
		*all = append(*all, &Resource{Kind: &principalsKind, Path: principalsPath, Rights: r.Rights})
		for _, t := range rq.Server.treeList {
			*all = append(*all, &Resource{Kind: &placeKind, Path: "/" + t.Segment + "/", Rights: r.Rights})
		}
		return nil
	case r.Kind == &principalsKind:
		*all = append(*all, rq.principal(rq.Actor, PrincipalPath(rq.Actor)))
		return nil
	case r.Kind == &placeKind:
		t := rq.Server.trees[strings.Trim(r.Path, "/")]
		if t == nil {
			return nil
		}
		home, err := rq.locateHome(v, &Target{Tree: t, Owner: rq.Actor, home: t.HomePath(rq.Actor)})
		if err != nil {
			return err
		}
		*all = append(*all, home)
		return nil
	case r.Tree == nil || r.Kind.Is(Member) || !r.Tree.Nested && !r.Kind.Is(Home):
		return nil
	}
	cs, err := v.Collections(r.Tree.Schema)
	if err != nil {
		return err
	}
	if !r.Tree.Nested {
		slices.SortFunc(cs, func(a, b *storage.Collection) int { return cmp.Compare(a.ID, b.ID) })
	}
	for _, c := range cs {
		name, ok := childName(r, c)
		if !ok {
			continue
		}
		rights, err := rq.rights(v, r.Tree, c)
		if err != nil {
			return err
		}
		if rights.Has(storage.Lookup) {
			*all = append(*all, &Resource{Kind: r.Tree.Collection, Path: r.Path + Escape(name) + "/", Tree: r.Tree,
				Owner: r.Owner, Collection: c, Rights: rights})
		}
	}
	return nil
}

// childName is the name of c in r when it is directly in it.
func childName(r *Resource, c *storage.Collection) (string, bool) {
	if !r.Tree.Nested {
		return c.Name, true
	}
	name := c.Name
	if name == rootFolder {
		return "", false
	}
	if r.Collection.Name != rootFolder {
		var ok bool
		if name, ok = strings.CutPrefix(name, r.Collection.Name+"/"); !ok {
			return "", false
		}
	}
	return name, strings.IndexByte(name, '/') < 0
}

// below yields the collections in a folder of a Nested tree, at any depth, the
// folder itself first.
func below(v *storage.View, t *Tree, c *storage.Collection) ([]*storage.Collection, error) {
	out := []*storage.Collection{c}
	if !t.Nested {
		return out, nil
	}
	all, err := v.Collections(t.Schema)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.ID != c.ID && (c.Name == rootFolder || strings.HasPrefix(o.Name, c.Name+"/")) {
			out = append(out, o)
		}
	}
	return out, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
