// Package birthdays makes a calendar of the birthdays and anniversaries in an account's contacts. It is the adapter
// between calendars and contacts, which know nothing of each other.
//
// Rules: the calendar is made when there is first a date to show, and never again once its owner removed it. No
// user writes its objects (calendar.Birthdays). It is brought up to date when someone asks for it, if an address book changed
// since. Start reading at Refresh.
package birthdays
