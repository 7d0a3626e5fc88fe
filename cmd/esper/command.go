package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"unicode"

	"github.com/alecthomas/kong"
)

// The rules of the terminal output, for every command:
//
//   - What was asked for goes to standard output, and only that: a table, JSON
//     with --json, a path. It can be piped. What cannot be written there is an error.
//   - Progress, hints and warnings go to standard error, one fact a line, lower
//     case, no full stop, no colour unless it is a terminal.
//   - An error is one line "esper: error: what happened, to what", then, if there
//     is something to do, "esper: hint: what to do next".
//   - Exit codes: 0 done; 1 it failed; 2 the command line was wrong; 3 what was
//     checked is not right (verify, image, demo, preflight, builds log --follow).

// Exit codes.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitInvalid = 3
)

// streams are what a command reads and writes.
type streams struct {
	in  io.Reader
	out *output
	err io.Writer
}

// note tells the person something on standard error.
func (s *streams) note(format string, args ...any) {
	fmt.Fprintf(s.err, format+"\n", args...)
}

// hintError is an error with advice what to do next.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// hint adds advice to an error.
func hint(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// invalidError says that what was checked is not right (exit code 3).
type invalidError struct{ error }

func (e *invalidError) Unwrap() error { return e.error }

// commands is the command line: one field a command, each in a file of its own. The tag
// environment:"-" is of those that have no use for a site's environment.
type commands struct {
	Environment environmentFlag `env:"ESPER_ENVIRONMENT" placeholder:"NAME" help:"The site's environment, [environment.NAME] in esper.toml (default: none)."`

	Audit     auditCommand     `cmd:"" help:"Show who did what."`
	Boards    boardsCommand    `cmd:"" environment:"-" help:"Show boards: their pins, and how to bring them into flash mode."`
	Build     buildCommand     `cmd:"" help:"Build the firmware of a site."`
	Builds    buildsCommand    `cmd:"" help:"Show what the build server builds, with the logs."`
	Demo      demoCommand      `cmd:"" environment:"-" help:"Show the whole loop with emulated devices."`
	Device    deviceCommand    `cmd:"" help:"Show all that is known of a device."`
	Devices   devicesCommand   `cmd:"" help:"Show what the devices report."`
	Doctor    doctorCommand    `cmd:"" help:"Check what a site needs, and say what to do about what is missing."`
	Dump      dumpCommand      `cmd:"" environment:"-" help:"Read a board's flash over a serial port."`
	Emulate   emulateCommand   `cmd:"" help:"Run emulated devices."`
	Find      findCommand      `cmd:"" help:"Find devices: failed, vanished, crash-looping, lagging and so on."`
	Flash     flashCommand     `cmd:"" help:"Write firmware to a board over a serial port."`
	Groups    groupsCommand    `cmd:"" help:"Show groups and tags, and how many devices have them."`
	History   historyCommand   `cmd:"" help:"Show what happened to devices."`
	Hold      holdCommand      `cmd:"" help:"Hold a device on what it runs."`
	Image     imageCommand     `cmd:"" environment:"-" help:"Say what an image, version file or flash dump is."`
	Init      initCommand      `cmd:"" environment:"-" help:"Make a site."`
	Keygen    keygenCommand    `cmd:"" environment:"-" help:"Make a signing key pair."`
	Label     labelCommand     `cmd:"" help:"Name devices, group and tag them."`
	Monitor   monitorCommand   `cmd:"" help:"Show what a board says on its serial line."`
	New       newCommand       `cmd:"" environment:"-" help:"Make a device type."`
	Passwords passwordsCommand `cmd:"" help:"Show devices' own passwords for MQTT, not themselves, and tell Mosquitto."`
	Pin       pinCommand       `cmd:"" help:"Pin a device to a release."`
	Preflight preflightCommand `cmd:"" help:"Try the firmware of a site in the emulator."`
	Publish   publishCommand   `cmd:"" help:"Publish signed releases."`
	Release   releaseCommand   `cmd:"" help:"Build, sign, publish and announce, in one."`
	Releases  releasesCommand  `cmd:"" help:"Show the releases that the server keeps."`
	Remove    removeCommand    `cmd:"" help:"Forget devices that are gone for good."`
	Retry     retryCommand     `cmd:"" help:"Let a device try again what it failed with."`
	Revoke    revokeCommand    `cmd:"" help:"Let devices in over MQTT no more."`
	Rollout   rolloutCommand   `cmd:"" help:"Show roll-outs, and pause, resume, abort, approve or end them."`
	Secrets   secretsCommand   `cmd:"" help:"Keep passwords and keys in the site, encrypted."`
	Serve     serveCommand     `cmd:"" help:"Serve firmware and MQTT."`
	Set       setCommand       `cmd:"" help:"Operate a feature of a device."`
	Settings  settingsCommand  `cmd:"" help:"Show, set and publish the settings that devices keep in their flash."`
	Sign      signCommand      `cmd:"" help:"Sign what was built elsewhere."`
	Token     tokenCommand     `cmd:"" help:"Make, show and remove tokens, which let people and programs use the server."`
	Trigger   triggerCommand   `cmd:"" help:"Tell devices to look for a new release."`
	Heartbeat heartbeatCommand `cmd:"" help:"Publish the heartbeat that devices wait for."`
	Verify    verifyCommand    `cmd:"" help:"Check signed releases."`
	Version   versionCommand   `cmd:"" environment:"-" help:"Print the version of this program."`
	Watch     watchCommand     `cmd:"" help:"Release each new commit of a git repository."`
	Why       whyCommand       `cmd:"" help:"Say which release a device gets, and why."`
}

// meant is the command that a command line is wrong for, as far as that can be seen.
func meant(err error) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context.Selected() != nil {
		return wrong.Context.Selected().FullPath()
	}
	return "esper"
}

// oneLine is the text of an error, of which some drivers make several lines, without anything in
// it that a terminal would obey: a server may have written it.
func oneLine(err error) string {
	text := strings.NewReplacer(":\n\t", ": ", "\n\t", "; ", "\n", "; ").Replace(err.Error())
	return printable(text)
}

// printable returns a text without anything in it that a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '.'
		}
		return r
	}, text)
}

// run executes one command line and returns the exit code.
func run(args []string, in io.Reader, out, errw io.Writer) int {
	s := &streams{in: in, out: &output{to: out}, err: errw}
	code, err := s.execute(args)
	lost := s.out.failure()
	if lost != nil && err == nil {
		code, err = exitFailed, lost
	}
	enough := errors.Is(lost, syscall.EPIPE) && err == lost // whoever reads, such as head, has read enough
	if err == nil || enough {
		return code
	}
	s.complain(err)
	return code
}

// complain prints an error, and what to do about it.
func (s *streams) complain(err error) {
	s.note("esper: error: %s", oneLine(err))
	if todo := whatToDo(err); todo != "" {
		s.note("esper: hint: %s", todo)
	}
}

// execute executes one command line. It returns the exit code, and why it is not 0 unless
// that has been printed.
func (s *streams) execute(args []string) (code int, err error) {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("esper"),
		kong.Description("Over-the-air updates for fleets of ESP8266 devices."),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // the struct tags above are wrong
	}
	ctx, err := parser.Parse(args)
	if exited >= 0 { // --help has been printed
		return exited, nil
	}
	if lost := s.out.failure(); lost != nil { // so has the help
		return exitFailed, lost
	}
	if err != nil {
		return exitUsage, hint(err, "see '%s --help'", meant(err))
	}
	if err := checkEnvironment(ctx); err != nil {
		return exitUsage, err
	}
	err = ctx.Run(s)
	var invalid *invalidError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &invalid):
		return exitInvalid, err
	}
	return exitFailed, err
}

// whatToDo returns the advice that comes with an error, or else what there is to say about its
// kind; empty: nothing.
func whatToDo(err error) string {
	var h *hintError
	if errors.As(err, &h) {
		return h.hint
	}
	return advice(err)
}
