package crd

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// resource is a resource of the tables in testdata: a name and a spec, as people write them.
type resource struct {
	Name string          `json:"name"`
	Spec *map[string]any `json:"spec"`
}

func (r resource) text(t *testing.T) []byte {
	t.Helper()
	name := r.Name
	if name == "" {
		name = "fsc"
	}
	object := map[string]any{
		"apiVersion": "messaging.svom.eu/v1alpha1",
		"kind":       "SvomMessaging",
		"metadata":   map[string]any{"name": name},
	}
	if r.Spec != nil {
		object["spec"] = *r.Spec
	}
	return []byte(asYAML(t, object))
}

func TestTheExamplesAreValid(t *testing.T) {
	files, err := filepath.Glob("../../manifests/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	definition := load(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			verdict := judge(t, definition, text)
			equal(t, verdict.Unknown, []string{})
			equal(t, verdict.Answers, []Answer{})
		})
	}
}

func TestWrongResourcesAreRefusedInWords(t *testing.T) {
	cases := []struct {
		Why string `json:"why"`
		resource
		Unknown []string `json:"unknown"`
		Answers []Answer `json:"answers"`
	}{}
	read(t, "testdata/refused.yaml", &cases)
	definition := load(t)
	for _, c := range cases {
		t.Run(c.Why, func(t *testing.T) {
			if len(c.Answers)+len(c.Unknown) == 0 {
				t.Fatal("nothing is expected to be refused")
			}
			verdict := judge(t, definition, c.text(t))
			equal(t, verdict.Unknown, append([]string{}, c.Unknown...))
			equal(t, verdict.Answers, append([]Answer{}, c.Answers...))
		})
	}
}

func TestWhatIsLeftOutIsFilledIn(t *testing.T) {
	cases := []struct {
		Why string `json:"why"`
		resource
		Stored struct {
			Spec   map[string]any `json:"spec"`
			Status map[string]any `json:"status"`
		} `json:"stored"`
	}{}
	read(t, "testdata/accepted.yaml", &cases)
	definition := load(t)
	for _, c := range cases {
		t.Run(c.Why, func(t *testing.T) {
			verdict := judge(t, definition, c.text(t))
			equal(t, verdict.Unknown, []string{})
			equal(t, verdict.Answers, []Answer{})
			stored := map[string]any{"spec": verdict.Stored["spec"], "status": verdict.Stored["status"]}
			want := map[string]any{"spec": c.Stored.Spec, "status": c.Stored.Status}
			if got, want := asYAML(t, stored), asYAML(t, want); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func judge(t *testing.T, definition *Definition, text []byte) Verdict {
	t.Helper()
	verdict, err := definition.Judge(text)
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatal(err)
	}
}
