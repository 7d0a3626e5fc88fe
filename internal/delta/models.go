package delta

// octet codes a byte, bit by bit from the highest, each in the context of those before.
type octet [256]bit

func (o *octet) code(c coder, value byte) byte {
	at := 1
	for i := 7; i >= 0; i-- {
		one := c.code(&o[at], value>>i&1 == 1)
		at <<= 1
		if one {
			at |= 1
		}
	}
	return byte(at)
}

// maxBits is the length of the largest number, plus one, in binary.
const maxBits = 24

// number codes a number below 2^24 - 1. One more than it has a leading 1 and some bits behind that: how
// many is coded in unary, then the first two of them in contexts, then the others evenly.
type number struct {
	longer [maxBits - 1]bit // by how many there are at least
	first  [maxBits]bit     // by how many there are
	second [maxBits][2]bit  // by how many there are, and the first
}

func (n *number) code(c coder, value uint32) uint32 {
	length := 0
	for v := (value + 1) >> 1; v > 0; v >>= 1 {
		length++
	}
	l := 0
	for l < maxBits-1 && c.code(&n.longer[l], l < length) {
		l++
	}
	out := uint32(1)
	for i := l - 1; i >= 0; i-- {
		even := evenly
		b := &even
		switch i {
		case l - 1:
			b = &n.first[l]
		case l - 2:
			b = &n.second[l][out&1]
		}
		one := c.code(b, (value+1)>>i&1 == 1)
		out <<= 1
		if one {
			out |= 1
		}
	}
	return out - 1
}

// integer codes a number with a sign.
type integer struct {
	negative bit
	number   number
}

func (n *integer) code(c coder, value int) int {
	if c.code(&n.negative, value < 0) {
		return -int(n.number.code(c, uint32(-value)))
	}
	return int(n.number.code(c, uint32(value)))
}

// models are the probabilities of a delta.
type models struct {
	from    number // from one move to the next
	by      integer
	run     [2]number // by what came before: a substitution, a break
	isBreak [2]bit    // the same
	moved   [contexts]bit
	differs [4]bit // by which byte of the unit
	change  octet
	insert  number
	literal octet
	jump    integer
}

func newModels() *models {
	m := &models{}
	numbers := []*number{&m.from, &m.by.number, &m.run[0], &m.run[1], &m.insert, &m.jump.number}
	var bits []*bit
	for _, n := range numbers {
		for i := range n.longer {
			bits = append(bits, &n.longer[i])
		}
		for i := range n.first {
			bits = append(bits, &n.first[i], &n.second[i][0], &n.second[i][1])
		}
	}
	for i := range m.change {
		bits = append(bits, &m.change[i], &m.literal[i])
	}
	for i := range m.moved {
		bits = append(bits, &m.moved[i])
	}
	for i := range m.differs {
		bits = append(bits, &m.differs[i])
	}
	bits = append(bits, &m.by.negative, &m.jump.negative, &m.isBreak[0], &m.isBreak[1])
	for _, b := range bits {
		*b = evenly
	}
	return m
}

// moves codes the table of moves; the decoder hands over none. It returns false if it breaks a rule.
func (m *models) moves(c coder, table moves) (moves, bool) {
	n := m.from.code(c, uint32(len(table)))
	if n > maxMoves {
		return nil, false
	}
	out := make(moves, n)
	copy(out, table)
	last := move{from: firstAddress}
	for i := range out {
		step := m.from.code(c, out[i].from-last.from)
		change := m.by.code(c, int(int32(out[i].by-last.by)))
		last = move{last.from + step, last.by + uint32(change)}
		out[i] = last
	}
	return out, true
}
