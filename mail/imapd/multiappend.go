package imapd

// multiAppend is looked at by APPEND.
var multiAppend = extension{name: "MULTIAPPEND", rfc: "RFC 3502", what: "Several messages in one APPEND, all or none"}
