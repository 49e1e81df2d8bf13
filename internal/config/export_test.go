package config

import "maps"

// Located returns the line of each key path that locate finds.
func Located(file string) map[string]int {
	lines := make(map[string]int)
	for path, p := range maps.All(locate(file)) {
		lines[path], _ = position(file, p.key)
	}
	return lines
}
