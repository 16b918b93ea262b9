package imapd

// saslir is looked at by AUTHENTICATE.
var saslir = extension{name: "SASL-IR", rfc: "RFC 4959", what: "Initial response of AUTHENTICATE"}
