// Package known keeps the list of phones that have proved a password to the PBX: which address,
// by which account, until when. Lists never block such an address, and base rules let it in
// before their limits. A ban is stronger: it takes an address off the list.
//
// [List] and [Request] only compute. The rest is the files that hold the list, so that it
// survives a boot, and the kernel's sets that rules ask. Whoever watches the PBX tells the agent
// by a [Request] on its socket (see [Path]); everybody else reads the files ([Read]). No process
// keeps the list in memory. Package exempt cuts the addresses out of the lists, blocklist fills
// the sets, bans takes addresses off, and agent answers.
package known
