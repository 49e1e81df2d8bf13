package ocsp_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/altamga/altamga/ocsp"
)

func TestFloors(t *testing.T) {
	t.Run("change leaves a floor", func(t *testing.T) {
		f := ocsp.NewFloors(10)
		f.Leave("a", 7)
		if f.Allow("a", 6, 9) || !f.Allow("a", 7, 7) || !f.Allow("b", 1, 1) {
			t.Error("the floor is not at 7, or not of one certificate")
		}
		f.Leave("a", 5)
		if f.Allow("a", 6, 6) {
			t.Error("the floor sank")
		}
	})
	t.Run("answer leaves a floor", func(t *testing.T) {
		f := ocsp.NewFloors(10)
		if !f.Admit("a", 7, 9) || f.Admit("a", 6, 9) || !f.Admit("a", 7, 8) {
			t.Error("the floor is not at 7")
		}
	})
	t.Run("floor of all", func(t *testing.T) {
		f := ocsp.NewFloors(10)
		f.Leave("a", 5)
		f.Leave("b", 15)
		f.LeaveAll(10)
		if f.Allow("a", 5, 9) || !f.Allow("a", 5, 10) || f.Allow("c", 1, 9) || f.Allow("b", 14, 20) || f.Len() != 1 {
			t.Error("the floor is not at 10")
		}
	})
	t.Run("forgotten floors still hold", func(t *testing.T) {
		// Against a model that forgets nothing: what the model refuses must be
		// refused, and what was read at the head is always allowed.
		f := ocsp.NewFloors(8)
		model := make(map[string]uint64)
		random := rand.New(rand.NewPCG(1, 2))
		for head := uint64(1); head < 5000; head++ {
			serial := fmt.Sprint(random.IntN(50))
			f.Leave(serial, head)
			model[serial] = head
			probe := fmt.Sprint(random.IntN(50))
			if !f.Allow(probe, model[probe], head) {
				t.Fatalf("at %d the truth about %s was refused", head, probe)
			}
			if position := random.Uint64N(head); model[probe] > position && f.Allow(probe, position, position) {
				t.Fatalf("at %d an answer about %s from %d was allowed, its floor being %d", head, probe, position, model[probe])
			}
			if f.Len() > 8 {
				t.Fatalf("%d floors are kept, want at most 8", f.Len())
			}
		}
	})
}
