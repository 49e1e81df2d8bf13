package config

import "strings"

// nearest returns the name that key was probably meant to be, or "".
func nearest(key string, names []string) string {
	if len(key) > 64 {
		// No slip of the pen, and the comparison below is quadratic.
		return ""
	}
	best, least := "", max(1, min(3, len(key)/3))+1
	for _, name := range names {
		d := distance(plain(key), plain(name))
		if d < least {
			best, least = name, d
		}
	}
	return best
}

// plain takes away what people confuse: case, hyphens, underscores.
func plain(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
}

// distance returns how many octets must be inserted, removed, replaced or
// swapped with their neighbour to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
