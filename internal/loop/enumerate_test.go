package loop

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// inParallel lets as many workers as there are cores do all jobs, each on a scene of its own.
func inParallel[J any](t *testing.T, c *cycle, jobs []J, do func(s *scene, j J)) {
	t.Helper()
	queue := make(chan J, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		s := c.scene(t)
		group.Go(func() {
			for j := range queue {
				do(s, j)
			}
		})
	}
	group.Wait()
}

// some keeps n of the cases, always the same, unless all are wanted.
func some[T any](all []T, n int) []T {
	if full || len(all) <= n {
		return all
	}
	all = slices.Clone(all)
	const seed = 2017
	r := rand.New(rand.NewPCG(seed, uint64(len(all))))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:n]
}
