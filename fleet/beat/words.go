package beat

// Words of problems in heartbeats. Another version may have more.
const (
	// The host is not protected:
	RulesUnread = "rules-unread"
	NoDrop      = "no-drop"
	NoSet       = "no-set"
	ForeignSet  = "foreign-set"
	Empty       = "empty"
	Emptied     = "emptied"

	Family    = "family"
	OnlyBans  = "only-bans"
	Bans      = "bans"
	Rules     = "rules"
	SetsOther = "sets"
	Stale     = "stale"
	Feed      = "feed"
	Frozen    = "frozen"
	Held      = "held"
	Apply     = "apply"
	Config    = "config"
	Disk      = "disk"
	Trial     = "trial"
	PBX       = "pbx"
	Link      = "fleet"
	Twin      = "same-name"
	Document  = "document"
	Minimum   = "minimum-version"
	NoAgent   = "no-agent"
)

var words = map[string]string{
	RulesUnread: "its rules cannot be read",
	NoDrop:      "no rule drops the members of the sets",
	NoSet:       "the kernel has no set",
	ForeignSet:  "somebody else made the set",
	Empty:       "the lists block nobody",
	Emptied:     "somebody else has emptied a set",
	Family:      "IPv4 or IPv6 alone is not protected",
	OnlyBans:    "only bans block anybody, and no list",
	Bans:        "bans are not in force",
	Rules:       "the rules are not as they should be",
	SetsOther:   "somebody else has changed the sets",
	Stale:       "a list is stale",
	Feed:        "a list is in trouble",
	Frozen:      "a list has not changed for too long",
	Held:        "newer lists wait",
	Apply:       "the lists cannot be put in force",
	Config:      "its configuration was refused",
	Disk:        "its state folder cannot be written to",
	Trial:       "rules wait for a confirmation",
	PBX:         "its PBX is not watched",
	Link:        "it does not exchange bans as configured",
	Twin:        "another host speaks by its name",
	Document:    "it refuses the operator's document",
	Minimum:     "its version is below the document's minimum",
	NoAgent:     "its agent does not answer",
}

// Words says what a word of a heartbeat means; the word itself, if this version does not know it.
func Words(word string) string {
	if text, ok := words[word]; ok {
		return text
	}
	return word
}
