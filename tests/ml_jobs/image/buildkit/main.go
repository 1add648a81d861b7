// What BuildKit makes of a Dockerfile, as JSON: dockerfile FILE PLATFORM TARGET [build arguments as NAME=VALUE].
//
// Nothing is built or fetched: of every base image the same configuration is told, from here.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

type bases struct{}

func (bases) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	image := ocispecs.Image{
		Config: ocispecs.ImageConfig{Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, Cmd: []string{"python3"}},
		RootFS: ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}},
	}
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		image.Platform = *opt.ImageOpt.Platform
	}
	config, err := json.Marshal(image)
	return ref, "", config, err // without a digest, which would pin it: names stay as they were written
}

// answer: `image` is the configuration that the image would have; `commands` what would be run, with `variables`,
// `sources` what would be fetched for it, `context` the paths of the build's context that would be looked at.
type answer struct {
	Error     string                `json:"error"`
	Warnings  []string              `json:"warnings"`
	Image     *ocispecs.ImageConfig `json:"image"`
	Commands  [][]string            `json:"commands"`
	Variables []string              `json:"variables"`
	Sources   []string              `json:"sources"`
	Context   []string              `json:"context"`
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	system, machine, _ := strings.Cut(os.Args[2], "/")
	platform := ocispecs.Platform{OS: system, Architecture: machine}
	arguments := map[string]string{}
	for _, pair := range os.Args[4:] {
		name, value, _ := strings.Cut(pair, "=")
		arguments[name] = value
	}
	found := answer{Warnings: []string{}}
	options := dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{
			BuildArgs: arguments, Target: os.Args[3], LinterConfig: &linter.Config{ExperimentalAll: true},
		},
		TargetPlatform: &platform,
		MetaResolver:   bases{},
		SourceMap:      llb.NewSourceMap(nil, os.Args[1], "Dockerfile", text),
		Warn: func(rule, _, _, told string, at []parser.Range) {
			line := 0
			if len(at) > 0 {
				line = at[0].Start.Line
			}
			found.Warnings = append(found.Warnings, fmt.Sprintf("line %d: %s: %s", line, rule, told))
		},
	}
	ctx := context.Background()
	state, image, _, _, err := dockerfile2llb.Dockerfile2LLB(ctx, text, options)
	if err == nil {
		found.Image = &image.Config.ImageConfig
		err = found.read(ctx, state)
	}
	if err != nil {
		found.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}

// read notes what the build would run and fetch, in the order in which steps need each other.
func (found *answer) read(ctx context.Context, state *llb.State) error {
	definition, err := state.Marshal(ctx)
	if err != nil {
		return err
	}
	for _, bytes := range definition.Def {
		var step pb.Op
		if err := step.UnmarshalVT(bytes); err != nil {
			return err
		}
		if run := step.GetExec(); run != nil {
			found.Commands = append(found.Commands, run.Meta.Args)
			found.Variables = append(found.Variables, run.Meta.Env...)
		}
		if source := step.GetSource(); source != nil {
			found.Sources = append(found.Sources, source.Identifier)
			if paths := source.Attrs[pb.AttrFollowPaths]; paths != "" {
				if err := json.Unmarshal([]byte(paths), &found.Context); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
