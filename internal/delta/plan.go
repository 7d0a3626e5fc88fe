package delta

import "slices"

// The kinds of edits.
const (
	substitution = iota // of a unit, by one of the same length
	brk                 // a break: bytes from the delta, then a jump in the source
	end                 // the target ends with the run
)

// edit is a run of units that are as predicted, and what comes behind it.
type edit struct {
	run       int
	choices   []choice // for each unit of the run of which the table says that it has moved
	kind      int
	predicted []byte // for a substitution
	bytes     []byte // that are there instead, or inserted
	jump      int    // in bytes of the source
	last      bool   // the target ends with a break's bytes
}

// choice is whether a unit that may have moved has.
type choice struct {
	context int
	moved   bool
}

// moved returns the bytes of a unit, at pc in the target, as the table has it.
func (u unit) moved(was []byte, pc uint32, table moves) []byte {
	if u.kind == plain {
		return was
	}
	is := u.naming(was, pc, table.of(u.target))
	return is[:u.length]
}

// findMoves returns the table of moves that fits the blocks best.
func findMoves(source, target []byte, blocks []block, origin uint32) moves {
	v := votes{}
	for _, b := range blocks {
		for i := 0; i < b.length; {
			u := unitAt(source, b.source+i, origin)
			if u.kind != plain && b.target+i+u.length <= len(target) {
				was, is := source[b.source+i:][:u.length], target[b.target+i:][:u.length]
				if t := unitAt(target, b.target+i, origin); t.kind == u.kind {
					if v[u.target] == nil {
						v[u.target] = map[uint32]int{}
					}
					cost := costOfWrong
					if string(was) == string(is) {
						cost = costOfChoice
					}
					v[u.target][t.target-u.target] += cost
				}
			}
			i += u.length
		}
	}
	return v.moves()
}

// plan returns the edits that make the target of the source along the blocks.
func plan(source, target []byte, blocks []block, table moves, origin uint32) []edit {
	o := order{len(target)}
	wanted := slices.Concat(target[o.start():], target[:o.start()]) // in the order in which it is made
	var edits []edit
	var next edit
	at, made := o.start(), 0
	emit := func() {
		edits = append(edits, next)
		next.run, next.choices, next.predicted, next.jump = 0, nil, nil, 0
	}
	// jump inserts what comes before a block, and goes there.
	jump := func(b *block) {
		if len(edits) == 0 && next.run == 0 && made == b.target {
			b.source, b.target, b.length = b.source+1, b.target+1, b.length-1 // a break must make something
		}
		from := b.source - at
		if made == b.target && next.run == 0 && edits[len(edits)-1].kind == brk {
			edits[len(edits)-1].jump += from // the break before led nowhere
		} else {
			next.kind, next.bytes, next.jump = brk, wanted[made:b.target], from
			emit()
		}
		at, made = b.source, b.target
	}
	for _, b := range o.arrange(blocks) {
		if b.target < made {
			b.source, b.target, b.length = b.source+made-b.target, made, b.length-(made-b.target)
		}
		if b.length <= 0 {
			continue
		}
		limit := b.target + b.length
		if made < b.target || at != b.source {
			jump(&b)
		}
		for made < limit && at < len(source) {
			u := unitAt(source, at, origin)
			if u.length > len(wanted)-made {
				break
			}
			pc := flashBase + origin + uint32(o.place(made))
			was, want := source[at:at+u.length], wanted[made:made+u.length]
			is := u.moved(was, pc, table)
			switch {
			case string(is) != string(want) && string(was) != string(want):
				if made+u.length > limit {
					limit = made // the rest is inserted
					continue
				}
				next.kind, next.predicted, next.bytes = substitution, is, want
				emit()
			default:
				if string(is) != string(was) {
					next.choices = append(next.choices, choice{u.context(pc), string(is) == string(want)})
				}
				next.run++
			}
			made += u.length
			at += u.length
		}
	}
	switch {
	case made < len(wanted):
		next.kind, next.bytes, next.last = brk, wanted[made:], true
		emit()
	case next.run > 0:
		next.kind = end
		emit()
	}
	return edits
}

// arrange returns the blocks with the places in the target in the order in which it is made.
func (o order) arrange(blocks []block) []block {
	var first, last []block
	start := o.start()
	for _, b := range blocks {
		if n := min(max(start-b.target, 0), b.length); n > 0 {
			last = append(last, block{b.source, b.target + o.size - start, n})
			b = block{b.source + n, b.target + n, b.length - n}
		}
		if b.length > 0 {
			first = append(first, block{b.source, b.target - start, b.length})
		}
	}
	return append(first, last...)
}
