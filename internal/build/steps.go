package build

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// plan returns the commands that a tool would start. The driver that one calls as gcc starts a
// compiler, an assembler or a linker for each step. It is asked which (-###), for which it reads
// no source, and each of these is started here: so none that reads a source has to start another,
// and the sandbox forbids it.
func plan(ctx context.Context, dir, temp, tool string, args []string) ([][]string, error) {
	var output said
	cmd := command(ctx, tool, append([]string{"-###"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(cmd.Env, "TMPDIR="+temp)
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &toolError{prefix + tool, output.String(), err}
	}
	steps, err := readSteps(output.String())
	if err != nil {
		return nil, fmt.Errorf("%s%s -###: %w", prefix, tool, err)
	}
	return steps, nil
}

// readSteps reads the commands that a driver says it would start. Each is a line that begins with a
// space; an argument with characters other than letters, digits and _ / - . is in quotation marks,
// with a backslash before " \ and $ (gcc.cc, execute).
func readSteps(said string) ([][]string, error) {
	var steps [][]string
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, " ") {
			continue
		}
		step, err := splitStep(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		if !filepath.IsAbs(step[0]) {
			return nil, errors.New("it has no program " + step[0] + " of its own")
		}
		steps = append(steps, step)
	}
	if len(steps) == 0 {
		return nil, errors.New("it would start nothing")
	}
	return steps, nil
}

// splitStep splits a command into its arguments; there is at least one.
func splitStep(line string) ([]string, error) {
	var step []string
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		if line[0] != '"' {
			argument, rest, _ := strings.Cut(line, " ")
			step, line = append(step, argument), rest
			continue
		}
		var argument strings.Builder
		at := 1
		for ; at < len(line) && line[at] != '"'; at++ {
			if line[at] == '\\' {
				at++
			}
			if at < len(line) {
				argument.WriteByte(line[at])
			}
		}
		if at >= len(line) {
			return nil, errors.New("a quotation mark is missing")
		}
		step, line = append(step, argument.String()), line[at+1:]
	}
	if len(step) == 0 {
		return nil, errors.New("an empty command")
	}
	return step, nil
}
