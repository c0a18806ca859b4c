package run

import (
	"testing"

	"github.com/keyward/keyward/services/bench/internal/cases"
)

func TestCasesAreChosenByTheBeginningOfTheirNames(t *testing.T) {
	t.Parallel()
	all := []cases.Case{{Name: "GetSecret"}, {Name: "Encrypt"}, {Name: "JSON GetSecret"}}
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, "GetSecret,Encrypt,JSON GetSecret,"},
		{[]string{"get"}, "GetSecret,"},
		{[]string{"JSON", "Enc"}, "Encrypt,JSON GetSecret,"},
	} {
		chosen, err := choose(all, tt.names)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, c := range chosen {
			got += c.Name + ","
		}
		if got != tt.want {
			t.Errorf("choose(%v) = %s, want %s", tt.names, got, tt.want)
		}
	}
	if _, err := choose(all, []string{"no such case"}); err == nil {
		t.Error("choose of an unknown case succeeds, want an error")
	}
}
