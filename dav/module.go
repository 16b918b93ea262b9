package dav

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"atrium/dav/elem"
	"atrium/storage"
)

// Kinds is a set of kinds of resources. The lower bits are what a resource is to
// WebDAV, the bits from Domain on are kinds of one Tree.
type Kinds uint32

const (
	Root       Kinds = 1 << iota // "/"
	Place                        // a collection that holds the face together, /principals/
	Principal                    // RFC 3744 §2
	Home                         // what a home set names
	Collection                   // a calendar, an address book, a folder
	Member                       // an object in a Collection
	Synced                       // a Home or Collection that sync-collection works on, RFC 6578
	Proxy                        // a principal below one, that stands for those who act for it

	// Domain is the first bit that a Tree may take for a kind of its own.
	Domain Kinds = 1 << 8

	// Everything is all kinds.
	Everything Kinds = 1<<32 - 1
)

// Kind is a class of resources.
type Kind struct {
	Name  string     // "calendar", for people
	Bits  Kinds      // what it is to WebDAV, and its own bit
	Types []xml.Name // DAV:resourcetype
}

// Is tells whether the kind is in a set.
func (k *Kind) Is(set Kinds) bool { return k.Bits&set != 0 }

// Module is what one RFC, or one part of the house, adds to the face.
type Module struct {
	RFC        string
	Features   []string           // tokens of the DAV header
	Methods    map[string]Handler // by HTTP method
	Reports    []Report
	Posts      []Post
	Properties []Property
	Privileges []Privilege
	Trees      []*Tree
	WellKnown  []string // names below /.well-known/ that lead to /

	// Public answers anyone, without a login, by the beginning of the path: "/timezones/".
	Public map[string]http.Handler
}

// Handler answers a request. An error becomes an answer when nothing was sent yet.
type Handler func(rq *Request, w http.ResponseWriter) error

// Property is a property that the server knows (a live one, RFC 4918 §4.2).
type Property struct {
	Name xml.Name
	On   Kinds // which resources have it
	All  bool  // part of DAV:allprop

	// Get writes the property's content. Absent tells that the resource has none. Nil: the value is stored as a client set it.
	Get func(a *Ask, r *Resource, w *elem.Writer) error

	// Set checks and stores a value. Nil: the property is protected. Store is the Set
	// of what is only kept.
	Set func(c *Change, v elem.Raw) error

	// Own: of what another shares, each sees and sets a value of his own, for which Read is enough. It is so of
	// all that is stored as a client set it.
	Own bool

	// Remove is Set for DAV:remove; nil: the property cannot be removed.
	Remove func(c *Change) error

	// Arg reads the element by which a request names the property, for Get to find
	// in Ask.Arg: calendar-data says what parts it wants. Report tells that only reports know the property.
	Arg    func(r *elem.Reader, s elem.Start) (any, error)
	Report bool
}

// Ask is what a Property.Get may look at.
type Ask struct {
	*Request
	View *storage.View // of the resource's account; nil for resources that are not in the store
	Arg  any           // what Property.Arg made of the request
}

// Change is one property's change in the transaction of a PROPPATCH or of a
// collection's making.
type Change struct {
	*Request
	Tx       *storage.Tx
	Resource *Resource
	Name     xml.Name
}

// Report is a REPORT (RFC 3253 §3.6).
type Report struct {
	Name xml.Name
	On   Kinds

	Rights storage.Rights // that it needs; 0: storage.Read

	// Run answers. The reader stands on the report's root element s.
	Run func(rq *Request, w http.ResponseWriter, r *elem.Reader, s elem.Start) error
}

// Privilege is a privilege of RFC 3744 §3 with the right that it is.
type Privilege struct {
	Name   xml.Name
	In     xml.Name       // the aggregate that contains it; "" only for DAV:all
	Rights storage.Rights // who has all of these has it
	Grants storage.Rights // what granting it gives beside them
	Text   string         // description

	Abstract bool // it is granted with the aggregate that contains it only
}

// registry is the modules put together.
type registry struct {
	features   string
	methods    map[string]Handler
	allow      string
	reports    map[xml.Name]*Report
	reportList []*Report
	posts      []*Post
	public     map[string]http.Handler  // by the beginning of the path
	properties map[xml.Name][]*Property // more than one when they are on different kinds
	order      []*Property
	privileges []Privilege
	trees      map[string]*Tree
	treeList   []*Tree
	wellKnown  map[string]bool
}

// collect puts modules together and panics when two claim one name: that is a
// mistake in the program.
func collect(modules []Module) *registry {
	g := &registry{methods: map[string]Handler{}, reports: map[xml.Name]*Report{}, properties: map[xml.Name][]*Property{},
		trees: map[string]*Tree{}, wellKnown: map[string]bool{}, public: map[string]http.Handler{}}
	var features []string
	for i := range modules {
		m := &modules[i]
		for _, f := range m.Features {
			if !slices.Contains(features, f) {
				features = append(features, f)
			}
		}
		for name, h := range m.Methods {
			_, taken := g.methods[name]
			claim(!taken, "method", name)
			g.methods[name] = h
		}
		for i := range m.Reports {
			r := &m.Reports[i]
			claim(g.reports[r.Name] == nil, "report", r.Name.Local)
			g.reports[r.Name] = r
			g.reportList = append(g.reportList, r)
		}
		for i := range m.Posts {
			g.posts = append(g.posts, &m.Posts[i])
		}
		for path, h := range m.Public {
			_, taken := g.public[path]
			claim(!taken, "path", path)
			g.public[path] = h
		}
		for i := range m.Properties {
			g.property(&m.Properties[i])
		}
		g.privileges = append(g.privileges, m.Privileges...)
		for _, t := range m.Trees {
			claim(g.trees[t.Segment] == nil, "tree", t.Segment)
			for _, o := range g.treeList {
				claim((o.Home.Bits|o.Collection.Bits|o.Member.Bits)&(t.Home.Bits|t.Collection.Bits|t.Member.Bits)&^(Domain-1) == 0, "kinds of", t.Segment)
			}
			g.trees[t.Segment] = t
			if t.HomeSet.Local != "" {
				h := homeSet(t)
				g.property(&h)
			}
			g.treeList = append(g.treeList, t)
		}
		for _, n := range m.WellKnown {
			claim(!g.wellKnown[n], "well-known name", n)
			g.wellKnown[n] = true
		}
	}
	slices.SortFunc(features, compareFeatures)
	g.features = strings.Join(features, ", ")
	names := []string{}
	for n := range g.methods {
		names = append(names, n)
	}
	slices.Sort(names)
	g.allow = strings.Join(names, ", ")
	return g
}

func (g *registry) property(p *Property) {
	for _, o := range g.properties[p.Name] {
		claim(o.On&p.On == 0, "property", p.Name.Local)
	}
	g.properties[p.Name] = append(g.properties[p.Name], p)
	g.order = append(g.order, p)
}

// find returns what a name means on a kind; nil for a dead property.
func (g *registry) find(n xml.Name, k *Kind) *Property {
	for _, p := range g.properties[n] {
		if k.Is(p.On) {
			return p
		}
	}
	return nil
}

// computed tells whether a name is nowhere a property that clients set: then it
// is no dead property either on kinds that do not have it.
func (g *registry) computed(n xml.Name) bool {
	all := g.properties[n]
	for _, p := range all {
		if p.Set != nil {
			return false
		}
	}
	return len(all) > 0
}

// compareFeatures puts the compliance classes first, as RFC 4918 §10.1 does.
func compareFeatures(a, b string) int {
	if na, nb := len(a) == 1, len(b) == 1; na != nb {
		if na {
			return -1
		}
		return 1
	} else if na {
		return strings.Compare(a, b)
	}
	return 0
}

func claim(ok bool, what, name string) {
	if !ok {
		panic(fmt.Sprintf("dav: two modules claim the %s %s", what, name))
	}
}
