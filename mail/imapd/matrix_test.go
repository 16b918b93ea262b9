package imapd

// onOff adds an extension's scripts to the matrix, from the file of its tests.
func onOff(name, on, off string) bool {
	m := matrix[name]
	m.on, m.off = on, off
	matrix[name] = m
	return true
}
