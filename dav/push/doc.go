// Package push tells clients of changes: WebDAV-Push (draft-bitfire-webdav-push) by Web Push (RFC 8030), encrypted for the
// client (RFC 8291) and signed by the server (VAPID, RFC 8292).
//
// # Nouns
//
// A registration is a client's push resource for one collection or home, kept as a record of the account that
// the collection is in. A topic names the collection to clients. A Hub watches the accounts that have registrations.
//
// # Rules
//
// What is told comes from the change log alone, as IDLE's news do: a watch only wakes, then modseqs are compared. A message says
// that something changed and the new sync-token, never what. Changes within Config.Delay are one message.
// Who lost the right to read is told nothing more. A registration ends when it expires, when the push service
// knows it no more (404, 410), or when nothing could be delivered for days. Push resources are URLs that clients give: package
// outbound looks at their addresses.
//
// Start reading at Hub.register and Hub.check.
package push
