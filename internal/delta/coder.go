package delta

// A binary range coder as in LZMA (I. Pavlov), with probabilities that move far while they have seen
// little: a delta of a few hundred bytes has no time to learn.

// bit is the probability that the next bit is 0, in 4096ths in the upper 12 bits, and in the lower 4 how
// many bits it has seen, up to 15.
type bit uint16

const evenly bit = 2048 << 4

// rates are by how much, in 65536ths, a probability moves towards the bit that it sees, by how many it has
// seen before: 65536 / (seen + 2.5), and in the end 65536 / 21.
var rates = [16]uint32{
	26214, 18724, 14563, 11915, 10082, 8738, 7710, 6898, 6241, 5698, 5242, 4854, 4519, 4228, 3971, 3120,
}

func (b bit) probability() uint32 { return uint32(b) >> 4 }

// learn moves the probability towards a bit.
func (b *bit) learn(one bool) {
	seen, p := *b&15, b.probability()
	if one {
		p -= p * rates[seen] >> 16
	} else {
		p += (4096 - p) * rates[seen] >> 16
	}
	p = min(max(p, 1), 4095)
	*b = bit(p<<4) | min(seen+1, 15)
}

// coder writes or reads bits. Encoder and decoder go through the same models: one hands over what is to
// be coded, the other ignores it and returns what was.
type coder interface {
	// code codes a bit with a probability, which learns.
	code(b *bit, one bool) bool
}

// encoder writes bits.
type encoder struct {
	out     []byte
	low     uint64
	width   uint32
	cache   byte
	waiting int // the cache, and bytes 0xFF behind it: a carry may still change them
}

func newEncoder() *encoder { return &encoder{width: 0xFFFFFFFF} }

func (e *encoder) code(b *bit, one bool) bool {
	bound := (e.width >> 12) * b.probability()
	if one {
		e.low += uint64(bound)
		e.width -= bound
	} else {
		e.width = bound
	}
	b.learn(one)
	for e.width < 1<<24 {
		e.width <<= 8
		e.shift()
	}
	return one
}

func (e *encoder) shift() {
	if e.low < 0xFF000000 || e.low > 0xFFFFFFFF {
		carry := byte(e.low >> 32)
		for ; e.waiting > 0; e.waiting-- {
			e.out = append(e.out, e.cache+carry)
			e.cache = 0xFF
		}
		e.cache = byte(e.low >> 24)
	}
	e.waiting++
	e.low = e.low << 8 & 0xFFFFFFFF
}

// finish returns all that was coded. The decoder reads zeros behind the end, so those are left out.
func (e *encoder) finish() []byte {
	for range 5 {
		e.shift()
	}
	for len(e.out) > 0 && e.out[len(e.out)-1] == 0 {
		e.out = e.out[:len(e.out)-1]
	}
	return e.out
}

// decoder reads bits.
type decoder struct {
	in    []byte
	value uint32
	width uint32
}

func newDecoder(in []byte) *decoder {
	d := &decoder{in: in, width: 0xFFFFFFFF}
	for range 4 {
		d.shift()
	}
	return d
}

func (d *decoder) shift() {
	d.value <<= 8
	if len(d.in) > 0 {
		d.value |= uint32(d.in[0])
		d.in = d.in[1:]
	}
}

func (d *decoder) code(b *bit, _ bool) bool {
	bound := (d.width >> 12) * b.probability()
	one := d.value >= bound
	if one {
		d.value -= bound
		d.width -= bound
	} else {
		d.width = bound
	}
	b.learn(one)
	for d.width < 1<<24 {
		d.width <<= 8
		d.shift()
	}
	return one
}
