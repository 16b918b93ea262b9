// Package tzdist is the time zone data distribution service (RFC 7808) over package zones, without a
// login: capabilities, list, get, expand, find and leapseconds, below /timezones/.
//
// Rules: the data never changes while the program runs, so one ETag and one
// synchronization token stand for all of it. Zones are served whole; none is truncated. Start reading at Module.
package tzdist
