package imapd

// extensions is the table of contents: all that this server speaks.
func extensions() []*extension {
	return []*extension{
		&base, &rev2, &startTLS, &saslir, &literalPlus, &literalMinus, &id, &enable,
		&idle, &namespace, &children, &listExtended, &listStatus, &specialUse, &createSpecialUse,
		&unselect, &uidplus, &move, &multiAppend, &replace, &appendLimit, &binary,
		&esearch, &searchRes, &partial, &within, &fuzzy, &contextSearch, &sorting, &sortDisplay, &esort, &contextSort, &threading, &i18nLevel,
		&statusSize, &objectID, &saveDate, &preview, &quota, &unauthenticate,
		&condstore, &qresync,
		&acl, &listMyRights,
		&metadata, &listMetadata, &notify, &catenate, &urlPartial, &multiSearch,
		&compress, &utf8Accept, &uidOnly, &uidBatches, &messageLimit, &saveLimit, &inProgress, &quotaSet, &imapSieve,
	}
}
