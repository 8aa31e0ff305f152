// Package testshare lets a test of a large table take a share of its rows. Somebody waits for
// "make test"; "make tables" takes all rows.
package testshare

import (
	"hash/crc32"
	"os"
	"testing"
)

// variable asks for all rows if it is "all".
const variable = "VOIPBL_TABLES"

// Every returns every n-th of the rows, or all of them if that is asked for. The test's name says
// with which of the first n it begins, so that tests of one kind take different ones, and each takes
// the same ones each time.
func Every[T any](t testing.TB, n int, rows []T) []T {
	return share(whole(), t.Name(), n, rows)
}

// First returns the first row, which is what most hosts have, and in every second test, by its name, the
// others as well; or all rows if that is asked for.
func First[T any](t testing.TB, rows []T) []T {
	if !Takes(t, 2) {
		return rows[:1]
	}
	return rows
}

// Nth reports whether the row i is one of every n, or all are asked for.
func Nth(i, n int) bool { return whole() || i%n == 0 }

// Takes reports whether a test is one of every n, by its name, or all are asked for.
func Takes(t testing.TB, n int) bool { return whole() || turn(t.Name(), n) == 0 }

func whole() bool { return os.Getenv(variable) == "all" }

func turn(name string, n int) int { return int(crc32.ChecksumIEEE([]byte(name)) % uint32(n)) }

func share[T any](all bool, name string, n int, rows []T) (some []T) {
	if all || n < 2 {
		return rows
	}
	for i := turn(name, min(n, max(1, len(rows)))); i < len(rows); i += n {
		some = append(some, rows[i])
	}
	return some
}
