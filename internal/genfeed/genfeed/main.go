// Command genfeed writes a blocklist like VoIPBL's to standard output.
//
//	go run ./internal/genfeed/genfeed -n 100000 > list
//	go run ./internal/genfeed/genfeed -n 1000 -dirt all=0.02,crlf=0 -truth > dirty
//	go run ./internal/genfeed/genfeed -n 5000 -family 6 -shuffle -seed 7 > list6
//
// With -truth it also prints, to standard error as JSON, what a correct reader counts in the list.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/voipbl/voipbl/internal/genfeed"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	s := genfeed.Default(genfeed.DefaultLines)
	flags := flag.NewFlagSet("genfeed", flag.ExitOnError)
	flags.IntVar(&s.Lines, "n", s.Lines, "lines that hold an entry, 0 to 10000000")
	flags.IntVar(&s.Family, "family", s.Family, "4 or 6")
	flags.Uint64Var(&s.Seed, "seed", s.Seed, "which of the lists with these properties")
	flags.Float64Var(&s.Bogons, "bogons", s.Bogons, "share of lines in special-purpose space")
	flags.BoolVar(&s.Shuffle, "shuffle", false, "random order; sorted by address without it")
	flags.BoolVar(&s.NoHeader, "no-header", false, "leave out the header and its declared total")
	flags.IntVar(&s.Miscount, "miscount", 0, "add this to the declared total: a header that lies")
	dirt := flags.String("dirt", "", fmt.Sprintf("kind=share,... with all or any of %v", genfeed.Kinds()))
	truth := flags.Bool("truth", false, "print to standard error what a correct reader counts")
	flags.Parse(args)
	if flags.NArg() > 0 {
		return fmt.Errorf("genfeed: unexpected argument %q", flags.Arg(0))
	}

	var err error
	if s.Dirt, err = genfeed.ParseDirt(*dirt); err != nil {
		return err
	}
	t, err := genfeed.Write(stdout, s)
	if err != nil {
		return err
	}
	if *truth {
		return json.NewEncoder(stderr).Encode(t)
	}
	return nil
}
