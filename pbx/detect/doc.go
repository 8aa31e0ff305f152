// Package detect decides what follows from the observations of a PBX: who is banned and for how
// long, and which addresses are those of phones. It is pure: it changes nothing, and time is an
// argument. Its memory is bounded.
//
// A source is an IPv4 address, or an IPv6 network /64, which one customer has at least. Behind NAT64
// and Teredo it is a single address.
//
// # Strangers
//
// A stranger is a source where nobody has proved a password in the last seven days. What counts
// against it is a wrong password, whether the PBX has the account or not:
//
//   - Three within five seconds. Or two within two seconds if they are two attempts: with a new
//     challenge between them, or for two accounts from one port. Phones do neither. So an attacker
//     gets four answers, whichever way its program goes about it.
//   - Ten in an hour: a phone whose owner has mistyped the password, and that tries again every 30
//     seconds, has five minutes. Twenty in a day: whoever tries once in ten minutes is banned after four
//     hours. Less than 20 a day is not banned: a password that falls to that has no strength.
//   - Four accounts in a day.
//   - A trap, at once if it is proved, else with the second packet: a number, an account or a program that
//     no phone uses.
//   - Half a dozen refusals in five seconds, if they are proved. FreeSWITCH refuses wrong passwords, but
//     Asterisk also refuses phones with the right one, when the account has too many.
//   - Ten requests that name an account which does not exist, faster than one in five seconds, once that has
//     gone on for two seconds; or 60 at once. They have no password to be guessed, and a provider whom the
//     PBX does not know makes such requests, too: it calls, and asks once in 30 to 60 seconds whether the
//     PBX is there. Where the PBX knows phones by the user name of their answer alone (Asterisk's
//     identify_by=auth_username), the first request of each names no account. An office that boots sends
//     all of these in a moment; two seconds later the first one has proved its password.
//   - 60 other requests faster than one in a second. An office of 20 strange phones boots with fewer.
//
// What follows for who has proved that the packets are its own: the first ban lasts ten minutes, the
// next an hour, a day, a week. Whoever has been banned needs half as much for the next one. Two weeks
// after the last ban that is forgotten. A source that has tried only one account, at the pace of a
// phone, may be one: its first six bans end after an hour at most, and all others after a day.
//
// # What is not proved
//
// Over UDP anybody can have sent it, with any source; where Asterisk's manager interface alone tells of
// wrong passwords, that is all of them. A spoofer makes three packets as easily as a hundred, so more
// patience would save nobody. It would only help those who guess: with ten failures faster than one in
// five seconds, as it once was, 14,000 guesses a day were free. So the same is enough as for what is
// proved. What differs is what a forger can do with it:
//
//   - It never counts against a phone or a friend: an admin is told of a hundred wrong passwords in a day
//     from where a phone is. The first right password makes a source a phone.
//   - The bans last ten minutes, and do not grow. Only what was wrong in a day goes on counting: then one
//     more is enough for the next ban. So who guesses once in six seconds gets some 160 guesses a day, and by
//     AMI alone ten more that look like an answer sent again. A phone with a wrong password that its
//     owner mends is let in after ten minutes at most.
//   - There are at most 60 in a minute, so that they keep nobody else out of the ban sets. When a flood
//     of invented sources uses these up, the next ban is that of whoever sends next: of those who send
//     most.
//
// So a spoofer can keep 600 addresses out at a time, where no phone has registered in the last seven
// days: a roaming phone in a new network, or a new office. That ends ten minutes after the spoofer does.
//
// # Networks
//
// Whoever has an IPv6 network /48 has 65,536 sources. When four of these are banned in a day for what is
// proved, the first wrong password that is proved is enough in the others. Nobody but the /64 is banned
// for it, since a provider may have given the others to other customers; and a phone among them that
// has a wrong password is taken for a phone, as above.
//
// # Phones
//
// Where somebody has proved a password in the last seven days, there are phones. Nothing that is not
// proved counts against them, and neither do requests, refusals or traps: an employee may mistype a
// number. (An admin is told of a phone in a trap.) A wrong password is told apart by its account, since an office is one address:
//
//   - An account that has proved its password there before is a phone whose password was changed. It may
//     try again every five seconds, for as long as it likes. It is in excess after 30 attempts that are
//     faster than that. If all passwords of an office are changed at once, all its phones do this.
//   - Other accounts may be wrong as often as phones would be: together one in five seconds for each
//     account that has proved its password there (for five at most), with 20 at once. And there may be
//     three of them in a day, or fewer than have proved theirs, up to nine.
//
// Who exceeds this guesses: a computer in that office, a neighbour behind the same NAT, or somebody
// who has stolen one password and wants more. All phones of the source lose their trust and it is
// banned, like a stranger. Where three accounts or more have proved their password the ban lasts an hour
// at most: most of those who are behind that address are honest. Where it is fifty, there is a proxy or a
// large company; it is not banned at all, but the admin is told. An admin is also told, once a day,
// where a hundred passwords in a day were wrong without excess.
//
// Friends, which the caller knows, are never banned. If they guess, the admin is told.
//
// # What an account does
//
// An account that has proved its password from four networks (/16, in IPv6 /32) within a day is told:
// its password may be stolen. Each account has 16 addresses at most. A new one takes the place of
// one that was not right for a day; else the eight that are known for longest stay, so that nobody who has
// the password too can push them out, and so do those that came last.
//
// # Memory
//
// Proved and unproved sources, past bans, networks and phones have tables of their own. When one is full,
// a new entry takes the place of the one that was used longest ago, of the same table. So invented
// sources push each other out, never those that are proved. Of proved ones, and of past bans, 12,288 are
// remembered: a botnet of that many addresses gains nothing if they take turns. An attacker who has many
// IPv6 networks can push out what other proved ones have done so far; for their past bans it has to
// be banned as often. All tables together take 8 MB at most; 2 MB of these can be filled with what is
// forged. Nothing is kept over a restart, except what [Detector.Restore] is given.
package detect
