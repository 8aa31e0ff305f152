package manpage

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// blow is a command with all that a page may have to show.
func blow() *cobra.Command {
	root := &cobra.Command{Use: "voipbl", Short: "Be a tree"}
	root.PersistentFlags().String("config", "/etc/voipbl/voipbl.yaml", "configuration `FILE`")
	cmd := &cobra.Command{
		Use:   "blow {ADDR... | --all}",
		Short: "Blow in the wind",
		Long: `Blow at "voipbl
lull" or others (--hard, --hard=false). See sh(1)
and /etc/motd, and https://example.net/a-bc. It is 5 °C.

.TH is a \backslash, '~' a tilde.

Exit status: 0 it blows, and
well; 3 a gale; 1 no wind. With --hard 3 is likely.`,
		Example: `  voipbl blow   at home
  voipbl blow --as 'x y'
  voipbl blow .
(Take care.)`,
		Run: func(*cobra.Command, []string) {},
	}
	cmd.Flags().BoolP("hard", "n", false, "not too hard")
	cmd.Flags().Bool("all", false, "at all")
	cmd.Flags().Duration("for", time.Hour, "blow for `TIME`, such as 5m")
	cmd.Flags().Int("secret", 0, "")
	cmd.Flags().MarkHidden("secret")
	lull := &cobra.Command{Use: "lull", Short: "Lull", Run: cmd.Run}
	hidden := &cobra.Command{Use: "hidden", Hidden: true, Run: cmd.Run}
	root.AddCommand(cmd, lull, hidden)
	root.InitDefaultHelpCmd()
	return root
}

// The page of a command, whole.
const blowPage = `.TH "VOIPBL\-BLOW" "8" "2026-11-24" "voipbl 1.0\-rc1" "voipbl"
.nh
.nr HY 0
.ad l
.SH NAME
voipbl\-blow \- Blow in the wind


.SH SYNOPSIS
\fBvoipbl blow [\-\-for\ TIME] [\-n\ |\ \-\-hard] [\-\-config\ FILE] {ADDR...\ |\ \-\-all}\fP


.SH DESCRIPTION
Blow at \fBvoipbl lull\fP or others (\fB\-\-hard\fP, \fB\-\-hard\fP=false). See \fBsh\fP(1) and \fI/etc/motd\fP, and https://example.net/a\-bc. It is 5 \[u00B0]C.

.PP
\&.TH is a \\backslash, \(aq\(ti\&\(aq a tilde.


.SH OPTIONS
.TP
\fB\-\-all\fP
At all.

.TP
\fB\-\-for\fP \fITIME\fP
Blow for TIME, such as 5m. The default is 1h.

.TP
\fB\-n\fP, \fB\-\-hard\fP
Not too hard.

.TP
\fB\-h\fP, \fB\-\-help\fP
Show a short form of this page.

.TP
\fB\-\-config\fP \fIFILE\fP
Configuration FILE. The default is \fI/etc/voipbl/voipbl.yaml\fP\&.


.SH EXIT STATUS
.TP
\fB0\fP
It blows, and well.

.TP
\fB1\fP
No wind.

.TP
\fB3\fP
A gale.

.PP
With \fB\-\-hard\fP 3 is likely.


.SH EXAMPLES
.TP
\fBvoipbl blow\fP
At home.

.EX
voipbl blow \-\-as \(aqx y\(aq
voipbl blow .
.EE

.PP
(Take care.)


.SH SEE ALSO
\fBvoipbl(8)\fP, \fBvoipbl\-lull(8)\fP
`

func TestCommand(t *testing.T) {
	root := blow()
	var names []string
	for _, cmd := range Pages(root) {
		names = append(names, Name(cmd))
	}
	if diff := cmp.Diff([]string{"voipbl", "voipbl-blow", "voipbl-lull"}, names); diff != "" {
		t.Fatalf("pages: -want +got:\n%s", diff)
	}
	build := Build{Version: "1.0-rc1", Date: time.Date(2026, 11, 25, 1, 0, 0, 0, time.FixedZone("", 2*60*60))}
	page, err := Command(Pages(root)[1], build)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blowPage, string(page)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The page of the program has all notes, and those of no date have none.
func TestRoot(t *testing.T) {
	written, err := Command(blow(), Build{Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	page := string(written)
	for _, want := range []string{
		".TH \"VOIPBL\" \"8\" \"\" \"voipbl 1\" \"voipbl\"\n",
		".SH SYNOPSIS\n\\fBvoipbl [\\-\\-config\\ FILE] COMMAND [ARGUMENT...]\\fP\n",
		".TP\n\\fBvoipbl\\-blow\\fP(8)\nBlow in the wind.\n",
		".TP\n\\fI/etc/voipbl/voipbl.yaml\\fP\n",
		".TP\n\\fBNO_COLOR\\fP\n",
		", \\fBipset(8)\\fP,",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "hidden") {
		t.Errorf("a hidden command is shown:\n%s", page)
	}
}
