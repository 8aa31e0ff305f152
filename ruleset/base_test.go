package ruleset

import "testing"

// TestServiceBlocks divides services as the published ruleset does.
func TestServiceBlocks(t *testing.T) {
	service := func(letter rune) Service { return Service{Name: string(letter), Public: letter < 'a'} }
	for services, want := range map[string]string{"": "  ", "AB": "AB  ", "ABc": "AB  c", "aB": " aB ", "abBc": " abB c", "AbBcd": "A bB cd", "ab": "  ab"} {
		var b Base
		for _, letter := range services {
			b.Services = append(b.Services, service(letter))
		}
		head, middle, tail := b.serviceBlocks()
		text := func(all []Service) (names string) {
			for _, s := range all {
				names += s.Name
			}
			return names
		}
		if got := text(head) + " " + text(middle) + " " + text(tail); got != want {
			t.Errorf("%q: %q, not %q", services, got, want)
		}
	}
}
