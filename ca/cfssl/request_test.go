package cfssl

import "testing"

// A body is one JSON value and nothing else.
func TestDecode(t *testing.T) {
	for body, want := range map[string]bool{
		`{"serial":"1"}`: true, "{\"serial\":\"1\"}\n ": true,
		`{"serial":"1"}}`: false, `{"serial":"1"}]`: false, `{"serial":"1"} {}`: false, `{"serial":"1"}x`: false, `{"serial":"1"`: false, "": false,
	} {
		var v struct{ Serial string }
		if refused := decode([]byte(body), &v); (refused == nil) != want {
			t.Errorf("%q: %+v, want it taken %t", body, refused, want)
		}
	}
}
