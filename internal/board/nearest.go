package board

import "strings"

// nearest returns the one of some names that is most like a name, or empty if none is like it.
func nearest(name string, names []string) string {
	name = strings.ToLower(name)
	best, distance := "", len(name)/2+1
	for _, candidate := range names {
		d := edits(name, candidate)
		if name != "" && strings.Contains(candidate, name) {
			d = 1
		}
		if d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// edits returns how many letters have to be put in, left out or replaced to make b of a: the
// distance of Levenshtein.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
