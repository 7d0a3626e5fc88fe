package delta

import "index/suffixarray"

// block is a piece of the target that resembles a piece of the source.
type block struct{ source, target, length int }

// blanked returns s without what names addresses, so that code that moved equals what it was.
func blanked(s []byte, origin uint32) []byte {
	out := append([]byte(nil), s...)
	for i := 0; i < len(s); {
		u := unitAt(s, i, origin)
		switch u.kind {
		case word:
			out[i], out[i+1] = 0, 0
		case l32r:
			out[i+1], out[i+2] = 0, 0
		case call0, j:
			out[i] &= 0x3F
			out[i+1], out[i+2] = 0, 0
		}
		i += u.length
	}
	return out
}

// findBlocks returns blocks in the order of the target, where they do not overlap: bsdiff's search.
func findBlocks(s, t []byte) []block {
	index := suffixarray.New(s)
	equal := func(source, target int) bool {
		return source >= 0 && source < len(s) && s[source] == t[target]
	}
	var blocks []block
	last := block{}        // what the target is compared with at the moment
	scan, at, n := 0, 0, 0 // the longest match for t[scan:] is s[at:at+n]
	for scan < len(t) {
		offset := last.source - last.target
		score := 0 // bytes of the match that are equal at the present offset, too
		scan += n
		for compared := scan; scan < len(t); scan++ {
			at, n = longest(index, s, t, scan, scan+offset)
			for ; compared < scan+n; compared++ {
				if equal(compared+offset, compared) {
					score++
				}
			}
			if n == score && n != 0 || n > score+8 {
				break
			}
			if equal(scan+offset, scan) {
				score--
			}
		}
		if n == score && scan < len(t) {
			continue // more of the same
		}
		last.length = extent(scan-last.target, func(i int) bool { return equal(last.source+i, last.target+i) })
		back := 0
		if scan < len(t) {
			back = extent(min(scan-last.target, at), func(i int) bool { return s[at-1-i] == t[scan-1-i] })
		}
		if over := last.target + last.length - (scan - back); over > 0 {
			// Both want these bytes: the first ones go to the block before, as far as it has more of them right.
			cut, sum, best := 0, 0, 0
			for i := range over {
				k := scan - back + i
				if equal(k+offset, k) {
					sum++
				}
				if equal(k-scan+at, k) {
					sum--
				}
				if sum > best {
					cut, best = i+1, sum
				}
			}
			last.length += cut - over
			back -= cut
		}
		if last.length > 0 {
			blocks = append(blocks, last)
		}
		last = block{at - back, scan - back, 0}
	}
	return blocks
}

// How far a match is followed. Without these bounds, images with many alike pieces would take minutes.
const (
	goodRun   = 64  // bytes of a match at the present place that need no other
	longMatch = 256 // bytes of any other; if it is longer, it is then at the present place
)

// longest returns the longest match in s for t[scan:], of those up to longMatch bytes. If what lies at present
// is as good, or goes on for some time, it is that.
func longest(index *suffixarray.Index, s, t []byte, scan, present int) (at, n int) {
	run := 0
	for present >= 0 && present+run < len(s) && scan+run < len(t) && s[present+run] == t[scan+run] {
		run++
	}
	if run >= goodRun {
		return present, run
	}
	// One more byte than there is now, then twice as many, until there are too many; then the limit is halved in.
	at, n = present, run
	least, most := run, min(len(t)-scan, longMatch)
	for step := 1; least < most; step *= 2 {
		try := min(least+step, most)
		found := index.Lookup(t[scan:scan+try], 1)
		if len(found) == 0 {
			most = try - 1
			break
		}
		at, n, least = found[0], try, try
	}
	for least < most {
		try := (least + most + 1) / 2
		if found := index.Lookup(t[scan:scan+try], 1); len(found) > 0 {
			at, n, least = found[0], try, try
		} else {
			most = try - 1
		}
	}
	return at, n
}

// extent returns how far a block reaches, of at most limit bytes, so that it has as many right and as few
// wrong as it can.
func extent(limit int, right func(int) bool) int {
	extent, sum, best := 0, 0, 0
	for i := range limit {
		if right(i) {
			sum++
		} else {
			sum--
		}
		if sum > best {
			extent, best = i+1, sum
		}
	}
	return extent
}
