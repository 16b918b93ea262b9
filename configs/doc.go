// Package configs is Atrium's configuration: Config composes every package's
// own, Default fills it with values that work, Load reads a TOML file over them, and
// Validate reports every mistake with its key.
//
// Rules: a setting lives in the package that obeys it; this package adds only
// what belongs to the program as a whole (names, listeners, certificates,
// logs). A file needs two settings, domain and data. atrium.toml beside this
// file is the annotated example; a test holds it against the code.
package configs
