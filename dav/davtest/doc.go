// Package davtest plays HTTP transcripts against the whole DAV face over a store in a
// temporary folder.
//
// # Nouns
//
// A Server is the face with accounts user1 to user3 of example.org, whose password is
// "pass". A script is a file of steps, each begun by a line "### what it shows"; a step is a
// request, and after a line "HTTP/1.1 STATUS" what the answer must have:
//
//	### the home has a ctag
//	PROPFIND /calendars/user1@example.org/
//	Depth: 0
//
//	<propfind xmlns="DAV:"><prop><C:getctag xmlns:C="http://calendarserver.org/ns/"/></prop></propfind>
//	HTTP/1.1 207
//	Content-Type: ~application/xml
//
//	<C:getctag xmlns:C="http://calendarserver.org/ns/">${ctag}</C:getctag>
//
// Requests log in as user1 unless they have an Authorization of their own; "Authorization: none"
// sends none, "Authorization: user2" another account.
//
// # Rules
//
// XML is compared by meaning: prefixes, white space around text, and the order of
// elements do not matter, and the answer may have more than is expected: each expected element must
// be in the element above it, the outermost anywhere. Elements in
// <absent xmlns="test"> must not be there, in <all xmlns="test"> nothing else may be. A text "*" is any. A body that is not XML must be in the
// answer as it is. In header fields "~x" is a part, "!" means that the field is not there. ${name} stands for what
// it was captured as where it first was a whole text or header field.
//
// Start reading at Play.
package davtest
