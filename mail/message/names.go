package message

// names are strings that are met all the time, so that telling them costs no memory.
var names = func() map[string]string {
	table := map[string]string{}
	for _, s := range []string{
		"text", "multipart", "message", "application", "image", "audio", "video", "font", "model",
		"plain", "html", "calendar", "x-vcard", "vcard", "csv", "rfc822-headers", "enriched", "xml", "markdown",
		"mixed", "alternative", "related", "digest", "report", "signed", "encrypted", "appledouble", "form-data", "parallel",
		"rfc822", "global", "delivery-status", "disposition-notification", "partial", "external-body",
		"octet-stream", "pdf", "zip", "json", "pgp-signature", "pkcs7-signature", "x-pkcs7-signature", "ms-tnef", "ics", "msword",
		"vnd.openxmlformats-officedocument.wordprocessingml.document",
		"vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"vnd.openxmlformats-officedocument.presentationml.presentation",
		"jpeg", "png", "gif", "jpg", "webp", "svg+xml", "heic", "mpeg", "mp4",
		"7bit", "8bit", "binary", "base64", "quoted-printable", "inline", "attachment",
		"charset", "boundary", "name", "filename", "format", "delsp", "type", "size", "method", "micalg", "protocol",
		"report-type", "creation-date", "modification-date", "read-date", "start", "flowed", "yes",
		"utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "windows-1251", "iso-2022-jp", "gb2312", "koi8-r",
	} {
		table[s] = s
	}
	return table
}()

// lowerString returns s in lower case.
func lowerString(s []byte) string {
	var buf [80]byte
	if len(s) > len(buf) {
		return string(appendLower(nil, s))
	}
	low := appendLower(buf[:0], s)
	if known, ok := names[string(low)]; ok {
		return known
	}
	return string(low)
}

// appendLower appends s with its ASCII letters in lower case.
func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// equalFold tells whether a and the lower-case name are the same but for the case of ASCII letters.
func equalFold(a []byte, name string) bool {
	if len(a) != len(name) {
		return false
	}
	for i, c := range a {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}
