package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"

	"esper/internal/build"
)

// ciPipeline is what a CI system makes of an example.
type ciPipeline struct {
	depth    int // of the clone; 0: the whole history
	commands []string
	env      map[string]string
}

// ciSystems read the examples as the systems do that they are for, with these secrets.
var ciSystems = map[string]func(text []byte, secrets map[string]string) (ciPipeline, error){
	"woodpecker.yaml": readWoodpecker,
	"drone.yaml":      readDrone,
	"actions.yaml":    readActions,
	"gitlab-ci.yaml":  readGitLab,
}

// steps are those of Woodpecker and of Drone. What is not listed is a test's error, as it would
// not be heeded.
type steps []struct {
	Name, Image string
	Environment map[string]struct {
		Secret string `yaml:"from_secret"`
	}
	Commands []string
}

func (s steps) pipeline(depth int, secrets map[string]string) (ciPipeline, error) {
	if len(s) != 1 {
		return ciPipeline{}, fmt.Errorf("%d steps", len(s))
	}
	p := ciPipeline{depth, s[0].Commands, map[string]string{}}
	for name, from := range s[0].Environment {
		p.env[name] = secrets[strings.ToUpper(from.Secret)] // the names of secrets have no case
	}
	return p, nil
}

func readWoodpecker(text []byte, secrets map[string]string) (ciPipeline, error) {
	var file struct {
		When  []struct{ Event, Branch string }
		Clone struct {
			Git struct {
				Image    string
				Settings struct {
					Depth   *int
					Partial *bool
				}
			}
		}
		Steps steps
	}
	if err := decodeStrictly(text, &file); err != nil {
		return ciPipeline{}, err
	}
	depth := 1 // partial is the default, and shallow
	if set := file.Clone.Git.Settings; set.Partial != nil && !*set.Partial {
		depth = 0
		if set.Depth != nil {
			depth = *set.Depth
		}
	}
	return file.Steps.pipeline(depth, secrets)
}

func readDrone(text []byte, secrets map[string]string) (ciPipeline, error) {
	var file struct {
		Kind, Type, Name string
		Trigger          struct{ Event, Branch []string }
		Clone            struct{ Depth int }
		Steps            steps
	}
	if err := decodeStrictly(text, &file); err != nil {
		return ciPipeline{}, err
	}
	return file.Steps.pipeline(file.Clone.Depth, secrets)
}

var secretReference = regexp.MustCompile(`^\$\{\{ secrets\.(\w+) \}\}$`)

func readActions(text []byte, secrets map[string]string) (ciPipeline, error) {
	var file struct {
		On          struct{ Push struct{ Branches []string } }
		Concurrency string
		Jobs        map[string]struct {
			RunsOn    string `yaml:"runs-on"`
			Container string
			Steps     []struct {
				Uses string
				With struct {
					Depth *int `yaml:"fetch-depth"`
				}
				Env map[string]string
				Run string
			}
		}
	}
	if err := decodeStrictly(text, &file); err != nil {
		return ciPipeline{}, err
	}
	p := ciPipeline{depth: 1, env: map[string]string{}}
	for _, step := range file.Jobs["release"].Steps {
		switch {
		case strings.HasPrefix(step.Uses, "actions/checkout@"):
			if step.With.Depth != nil {
				p.depth = *step.With.Depth
			}
		case step.Uses != "":
			return p, fmt.Errorf("what does %s do?", step.Uses)
		}
		for name, value := range step.Env {
			reference := secretReference.FindStringSubmatch(value)
			if reference == nil {
				return p, fmt.Errorf("%s: %q is no secret", name, value)
			}
			p.env[name] = secrets[reference[1]]
		}
		if step.Run != "" {
			p.commands = append(p.commands, step.Run)
		}
	}
	return p, nil
}

func readGitLab(text []byte, secrets map[string]string) (ciPipeline, error) {
	var file map[string]struct {
		Image         string
		Rules         []struct{ If string }
		ResourceGroup string `yaml:"resource_group"`
		Variables     map[string]string
		Script        []string
	}
	if err := decodeStrictly(text, &file); err != nil {
		return ciPipeline{}, err
	}
	job := file["release"]
	p := ciPipeline{depth: 20, commands: job.Script, env: maps.Clone(secrets)} // each job has all of them
	if depth, set := job.Variables["GIT_DEPTH"]; set {
		if _, err := fmt.Sscan(depth, &p.depth); err != nil {
			return p, err
		}
	}
	return p, nil
}

// decodeStrictly reads YAML. A key that is not known is an error.
func decodeStrictly(text []byte, into any) error {
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	return d.Decode(into)
}

// scriptPipeline does what a CI system does with an example: clones a repository as deep as the
// example says and runs its commands there, with the secrets that it asks for, which are lines
// NAME=VALUE of a file: pipeline EXAMPLE REPOSITORY SECRETS. What they print is in the file printed.
func scriptPipeline(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: pipeline EXAMPLE REPOSITORY SECRETS")
	}
	examples := filepath.Join("..", "..", "examples", "ci")
	entries, err := os.ReadDir(examples)
	ts.Check(err)
	for _, entry := range entries {
		if ciSystems[entry.Name()] == nil {
			ts.Fatalf("nobody knows how to run %s", entry.Name())
		}
	}
	text, err := os.ReadFile(filepath.Join(examples, args[0]))
	ts.Check(err)
	secrets := map[string]string{}
	for line := range strings.Lines(ts.ReadFile(args[2])) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		secrets[name] = value
	}
	p, err := ciSystems[args[0]](text, secrets)
	ts.Check(err)

	workspace, err := os.MkdirTemp(ts.Getenv("WORK"), "workspace-*")
	ts.Check(err)
	clone := []string{"clone", "--quiet", fmt.Sprintf("--depth=%d", p.depth), "file://" + ts.MkAbs(args[1]), workspace}
	if p.depth == 0 {
		clone = slices.Delete(clone, 2, 3)
	}
	ts.Check(ts.Exec("git", clone...))
	ts.Check(ts.Exec("git", "-C", workspace, "checkout", "--quiet", "--detach"))

	// The systems end a step at the first command that fails.
	shell := exec.Command("sh", "-e", "-c", strings.Join(p.commands, "\n"))
	shell.Dir = workspace
	for _, name := range []string{"PATH", "HOME", "TMPDIR", build.CacheVariable, build.MonocypherVariable, "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL"} {
		shell.Env = append(shell.Env, name+"="+ts.Getenv(name))
	}
	for name, value := range p.env {
		shell.Env = append(shell.Env, name+"="+value)
	}
	output, err := shell.CombinedOutput()
	ts.Check(os.WriteFile(ts.MkAbs("printed"), output, 0o600))
	if (err != nil) != neg {
		ts.Fatalf("%s: %v\n%s", args[0], err, output)
	}
}
