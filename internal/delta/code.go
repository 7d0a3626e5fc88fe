package delta

import "fmt"

// firstSector is the part of an image that a device makes last: until then the slot does not boot.
const firstSector = 4096

// order is in which order the bytes of an image are made: from the second sector to the end, then the first.
type order struct{ size int }

// start is where the source is read first: as far in as the target is made first.
func (o order) start() int {
	if o.size > firstSector {
		return firstSector
	}
	return 0
}

// place returns where the n-th byte belongs.
func (o order) place(n int) int { return (n + o.start()) % o.size }

// encode returns the body of a delta. Source and target begin at flash address origin.
func encode(source, target []byte, origin uint32) []byte {
	blocks := findBlocks(blanked(source, origin), blanked(target, origin))
	table := findMoves(source, target, blocks, origin)
	e, m := newEncoder(), newModels()
	m.moves(e, table)
	after := brk
	for _, next := range plan(source, target, blocks, table, origin) {
		m.run[after].code(e, uint32(next.run))
		for _, c := range next.choices {
			e.code(&m.moved[c.context], c.moved)
		}
		if next.kind == end {
			break
		}
		e.code(&m.isBreak[after], next.kind == brk)
		after = next.kind
		if next.kind == substitution {
			for i, b := range next.bytes {
				if e.code(&m.differs[i], b != next.predicted[i]) {
					m.change.code(e, b-next.predicted[i])
				}
			}
			continue
		}
		m.insert.code(e, uint32(len(next.bytes)))
		for _, b := range next.bytes {
			m.literal.code(e, b)
		}
		if !next.last {
			m.jump.code(e, next.jump)
		}
	}
	return e.finish()
}

// decode returns the target of a delta's body.
func decode(source, body []byte, size int, origin uint32) ([]byte, error) {
	malformed := func(what string, at int) error { return fmt.Errorf("%w: %s at byte %d", ErrMalformed, what, at) }
	d, m := newDecoder(body), newModels()
	table, ok := m.moves(d, nil)
	if !ok {
		return nil, fmt.Errorf("%w: more than %d moves", ErrMalformed, maxMoves)
	}
	o := order{size}
	made := make([]byte, 0, size)
	at := o.start()
	next := func() (u unit, pc uint32, ok bool) {
		if at >= len(source) {
			return u, 0, false
		}
		u = unitAt(source, at, origin)
		return u, flashBase + origin + uint32(o.place(len(made))), u.length <= size-len(made)
	}
	after := brk
	for len(made) < size {
		run := m.run[after].code(d, 0)
		for range run {
			if len(made) == size {
				break
			}
			u, pc, ok := next()
			if !ok {
				return nil, malformed("a run is too long", len(made))
			}
			was := source[at : at+u.length]
			is := u.moved(was, pc, table)
			if string(is) != string(was) && !d.code(&m.moved[u.context(pc)], false) {
				is = was
			}
			made = append(made, is...)
			at += u.length
		}
		if len(made) == size {
			break
		}
		if !d.code(&m.isBreak[after], false) {
			u, pc, ok := next()
			if !ok {
				return nil, malformed("a substitution is too long", len(made))
			}
			for i, b := range u.moved(source[at:at+u.length], pc, table) {
				if d.code(&m.differs[i], false) {
					b += m.change.code(d, 0)
				}
				made = append(made, b)
			}
			at += u.length
			after = substitution
			continue
		}
		n := int(m.insert.code(d, 0))
		if n > size-len(made) {
			return nil, malformed("too many bytes", len(made))
		}
		if n == 0 && run == 0 && after == brk {
			return nil, malformed("two breaks without anything between them", len(made)) // could go on for ever
		}
		for range n {
			made = append(made, m.literal.code(d, 0))
		}
		if len(made) == size {
			break
		}
		at += m.jump.code(d, 0)
		if at < 0 || at > len(source) {
			return nil, malformed("a jump out of the source", len(made))
		}
		after = brk
	}
	image := make([]byte, size)
	for n, b := range made {
		image[o.place(n)] = b
	}
	return image, nil
}
