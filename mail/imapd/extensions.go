package imapd

// extensions is the table of contents: all that this server speaks.
func extensions() []*extension {
	return []*extension{
		&base, &startTLS, &saslir, &literalPlus, &literalMinus, &id, &enable,
		&idle, &namespace, &children, &listExtended, &listStatus, &specialUse, &createSpecialUse,
		&unselect, &uidplus, &move, &multiAppend, &esearch, &condstore, &qresync,
	}
}
