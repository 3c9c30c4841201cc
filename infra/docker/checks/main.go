// Command checks reads the files that need a container engine or a forge to run, with the code that would read them
// there, and needs neither. What it finds goes to standard output; exit code 1 says that there is something wrong.
//
//	checks compose <docker-compose.yaml> [profile...]  the project that `docker compose` would run, as JSON
//	checks dockerfile <Dockerfile>                     its instructions by stage, as JSON; BuildKit's warnings
//	checks context <folder> <.dockerignore>            the files that would be sent to the engine, one a line
//	checks workflows <folder> [workflow...]            actionlint
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/opencontainers/go-digest"
	"github.com/rhysd/actionlint"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("checks compose|dockerfile|context|workflows <path> ...")
	}
	switch check, path, rest := args[0], args[1], args[2:]; check {
	case "compose":
		return compose(path, rest)
	case "dockerfile":
		return dockerfile(path)
	case "context":
		if len(rest) != 1 {
			return errors.New("checks context <folder> <.dockerignore>")
		}
		return buildContext(path, rest[0])
	case "workflows":
		return workflows(path, rest)
	default:
		return fmt.Errorf("there is no check %q", check)
	}
}

// The options are those of `docker compose --profile ...`, but for the environment, of which nothing is taken: no
// profiles on the command line are those of .env. The loader checks against the specification's schema, then whether
// services, volumes and networks fit together.
func compose(file string, profiles []string) error {
	options, err := cli.NewProjectOptions([]string{file},
		cli.WithEnvFiles(),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(profiles...),
	)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	content, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	fmt.Println(string(content))
	return nil
}

type instruction struct {
	Stage string `json:"stage"`
	// As it stands in the file, FROM excluded.
	Text string `json:"text"`
	// Of COPY and ADD only.
	Sources []string `json:"sources,omitempty"`
	Target  string   `json:"target,omitempty"`
	From    string   `json:"from,omitempty"`
}

type report struct {
	Bases        []string      `json:"bases"`
	Instructions []instruction `json:"instructions"`
	Warnings     []string      `json:"warnings"`
}

func dockerfile(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found, err := lint(content)
	if err != nil {
		return err
	}
	found.Bases, found.Instructions, err = read(path)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		return err
	}
	if len(found.Warnings) > 0 {
		os.Exit(1)
	}
	return nil
}

// Builds the plan that BuildKit would run, which is where it finds what is wrong.
func lint(content []byte) (report, error) {
	results, err := dockerfile2llb.DockerfileLint(context.Background(), content,
		dockerfile2llb.ConvertOpt{
			MetaResolver: anyImage{},
			SourceMap:    &llb.SourceMap{Filename: "Dockerfile", Data: content, Definition: &llb.Definition{}},
		})
	if err != nil {
		return report{}, err
	}
	if results.Error != nil {
		return report{}, errors.New(results.Error.Message)
	}
	found := report{Warnings: []string{}}
	for _, warning := range results.Warnings {
		found.Warnings = append(found.Warnings, fmt.Sprintf("%s: %s", warning.RuleName, warning.Detail))
	}
	return found, nil
}

func read(path string) (bases []string, all []instruction, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		return nil, nil, err
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, stage := range stages {
		bases = append(bases, stage.BaseName)
		for _, command := range stage.Commands {
			each := instruction{Stage: stage.Name, Text: fmt.Sprint(command)}
			if copied, ok := command.(*instructions.CopyCommand); ok {
				each.Sources, each.Target, each.From = copied.SourcePaths, copied.DestPath, copied.From
			}
			all = append(all, each)
		}
	}
	return bases, all, nil
}

// anyImage says of every base image that it is there, without asking a registry.
type anyImage struct{}

func (anyImage) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)
	return ref, digest.FromBytes(config), config, nil
}

func buildContext(folder, ignoreFile string) error {
	file, err := os.Open(ignoreFile)
	if err != nil {
		return err
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return err
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		isIgnored, err := ignored.MatchesOrParentMatches(relative)
		if err == nil && !isIgnored {
			fmt.Println(filepath.ToSlash(relative))
		}
		return err
	})
}

func workflows(folder string, files []string) error {
	linter, err := actionlint.NewLinter(os.Stdout, &actionlint.LinterOptions{WorkingDir: folder})
	if err != nil {
		return err
	}
	found, err := linter.LintFiles(files, nil)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%d findings", len(found))
	}
	return nil
}
