package delta

import (
	"cmp"
	"slices"
	"sort"
)

// move says that addresses from one on, up to the next move's, lie elsewhere in the target.
type move struct{ from, by uint32 }

// moves are sorted by their first addresses.
type moves []move

const (
	// maxMoves is how many a device has memory for.
	maxMoves = 256
	// firstAddress is the lowest that a word may name: the start of the DRAM.
	firstAddress = 0x3FFE8000
	// maxMove bounds by how much an address moves, so that the change from one move to the next can be coded.
	maxMove = 1 << 22
)

// of returns where an address lies in the target.
func (m moves) of(address uint32) uint32 {
	i := sort.Search(len(m), func(i int) bool { return m[i].from > address })
	if i == 0 {
		return address
	}
	return address + m[i-1].by
}

// votes count by how much addresses moved, weighted by what it costs to predict it wrongly in bits.
type votes map[uint32]map[uint32]int

const (
	costOfMove   = 26 // bits of an entry in the table
	costOfWrong  = 20 // bits of a unit that is neither as predicted nor as it was
	costOfChoice = 4  // bits of the choice for a unit that is as it was
)

// moves returns the table that saves most: by dynamic programming over the addresses, with the least cost
// so far for each move that may be in force.
func (v votes) moves() moves {
	addresses := make([]uint32, 0, len(v))
	for a := range v {
		if a >= firstAddress {
			addresses = append(addresses, a)
		}
	}
	slices.Sort(addresses)
	type entry struct {
		move
		before int // its index in entries
	}
	type state struct {
		by    uint32
		cost  int
		entry int // the last one in the table
	}
	entries := []entry{{}}
	states := []state{{}}
	cheapest := func() state {
		return slices.MinFunc(states, func(a, b state) int { return cmp.Compare(a.cost, b.cost) })
	}
	for _, a := range addresses {
		best := cheapest()
		total := 0
		var candidates []uint32
		for by, n := range v[a] {
			total += n
			if by+maxMove < 2*maxMove {
				candidates = append(candidates, by)
			}
		}
		slices.Sort(candidates)
		// What costs more than to enter the table anew will never be the best.
		states = slices.DeleteFunc(states, func(s state) bool { return s.cost >= best.cost+costOfMove })
		for _, by := range candidates {
			if !slices.ContainsFunc(states, func(s state) bool { return s.by == by }) {
				entries = append(entries, entry{move{a, by}, best.entry})
				states = append(states, state{by, best.cost + costOfMove, len(entries) - 1})
			}
		}
		for i := range states {
			states[i].cost += total - v[a][states[i].by]
		}
	}
	var table moves
	for at := cheapest().entry; at > 0; at = entries[at].before {
		table = append(table, entries[at].move)
	}
	slices.Reverse(table)
	return v.limited(table)
}

// limited leaves the moves out that save least, until a device has room for the table.
func (v votes) limited(table moves) moves {
	for len(table) > maxMoves {
		saved := make([]int, len(table))
		for address, votes := range v {
			i := sort.Search(len(table), func(i int) bool { return table[i].from > address }) - 1
			if i < 0 {
				continue
			}
			without := uint32(0)
			if i > 0 {
				without = table[i-1].by
			}
			saved[i] += votes[table[i].by] - votes[without]
		}
		order := slices.Clone(saved)
		slices.Sort(order)
		// Those that save least, an eighth of what is too much at a time, as neighbours then save more.
		limit := order[(len(table)-maxMoves)/8]
		excess := (len(table)-maxMoves)/8 + 1
		var left moves
		for i, m := range table {
			if saved[i] <= limit && excess > 0 {
				excess--
				continue
			}
			left = append(left, m)
		}
		table = left
	}
	return table
}
