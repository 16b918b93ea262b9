package imapd

var statusSize = extension{
	name: "STATUS=SIZE", rfc: "RFC 8438", what: "STATUS tells the size of a mailbox",
	statusItems: map[string]statusItem{"SIZE": statusNumber(func(m *statusOf) uint64 { return uint64(m.Size) })},
}
